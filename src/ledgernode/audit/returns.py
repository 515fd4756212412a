"""What a prepaid meter counted down though it was traded or pooled has come back to it, once.

    return, claw   prepaid      units returned and taken back, by point, interval and reference
    interval       settlement   trade and pool import of the points that were prepaid in it (`facts`)
    adjustment     settlement   what late readings changed of those
    advance        settlement   what a trade's buyer had at its start: less what was delivered since, it is still out

An interval whose classes are written and whose units are returned in a later call waits in `closing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ledgernode.audit.books import Books
from ledgernode.audit.intervals import SETTLEMENT
from ledgernode.audit.journal import Item
from ledgernode.audit.law import Law, Range, Sums, Term

PREPAID: Final = "prepaid"
_RETURNED: Final = "returned_mwh"
_DUE: Final = "traded_and_pooled_mwh"
_POOL: Final = 3
_TRADE: Final = 2


class Returns(Law):
    """By point."""

    name = "prepaid: units returned = trade + pool import of prepaid points, and what they have in advance"
    reads = (
        (PREPAID, "return"),
        (PREPAID, "claw"),
        (SETTLEMENT, "interval"),
        (SETTLEMENT, "closing"),
        (SETTLEMENT, "adjustment"),
        (SETTLEMENT, "advance"),
        (SETTLEMENT, "running"),
        (SETTLEMENT, "trade"),
    )

    def begin(self, books: Books, span: Range) -> None:
        super().begin(books, span)
        self._areas = [item.parts[0] for item, _ in books.of(SETTLEMENT, "area")]

    def terms(self, item: Item) -> Iterable[Term]:
        record = item.record
        match item.kind:
            case "return":
                yield item.parts[0], _RETURNED, record["energy_mwh"]
            case "claw":
                yield item.parts[0], _RETURNED, -record["energy_mwh"]
            case "interval":
                yield from self._bought(item.parts[0], item.parts[1], record, 1)
            case "closing" if record["stage"] == "money":
                area, start = item.parts[0], f"{record['interval_ms']:015d}"
                yield from self._bought(area, start, self.books.get(SETTLEMENT, "interval", area, start), -1)
            case "closing":
                for done in record["done"]:
                    yield from self._over(done[0])
            case "adjustment":
                more_mwh = record["columns_mwh"][_TRADE] + record["columns_mwh"][_POOL]
                if more_mwh and self._prepaid(item.parts[0], record["interval_ms"]):
                    yield item.parts[0], _DUE, more_mwh
            case "advance":
                number = int(item.parts[0])
                yield self._buyer(number), f"advance {number}", record
            case "running":
                for run in record:
                    trade = self._trade(run["trade"])
                    if trade["prepaid"]:
                        yield trade["buyer_point"], f"runs {run['trade']}", 1
                        yield trade["buyer_point"], f"left {run['trade']}", run["advanced_mwh"]
            case "trade" if record["over_ms"]:
                yield from self._over(record["trade"])

    def wrong(self, subject: str, sums: Sums) -> str:
        out_mwh = 0
        for name, amount in sums.items():
            word, _, number = name.partition(" ")
            if word == "advance" and not sums.get(f"over {number}", 0):
                out_mwh += sums.get(f"left {number}", 0) if sums.get(f"runs {number}", 0) else amount
        returned_mwh, due_mwh = sums.get(_RETURNED, 0), sums.get(_DUE, 0)
        if returned_mwh == due_mwh + out_mwh:
            return ""
        return f"{subject} was returned {returned_mwh} mWh, {due_mwh} were traded and pooled, {out_mwh} are in advance"

    def shown(self, sums: Mapping[str, Sums]) -> dict[str, int]:
        names = (_RETURNED, _DUE)
        return {name: sum(one.get(name, 0) for one in sums.values()) for name in names} if sums else {}

    # ------------------------------------------------------------ what never changes

    def _bought(self, area: str, start: str, interval: Any, sign: int) -> Iterable[Term]:
        facts = self.books.get(SETTLEMENT, "facts", area, start)
        prepaid = frozenset(facts["prepaid"]) if facts is not None and interval is not None else frozenset[str]()
        for point, row in zip(interval["points"], interval["rows"], strict=True) if prepaid else ():
            if point in prepaid and row[_TRADE] + row[_POOL]:
                yield point, _DUE, sign * (row[_TRADE] + row[_POOL])

    def _over(self, number: int) -> Iterable[Term]:
        trade = self._trade(number)
        if trade["prepaid"]:
            yield trade["buyer_point"], f"over {number}", 1

    def _prepaid(self, point: str, interval_ms: int) -> bool:
        start = f"{interval_ms:015d}"
        found = (self.books.get(SETTLEMENT, "facts", area, start) for area in self._areas)
        return any(facts is not None and point in facts["prepaid"] for facts in found)

    def _buyer(self, number: int) -> str:
        point: str = self._trade(number)["buyer_point"]
        return point

    def _trade(self, number: int) -> Any:
        return self.books.get(SETTLEMENT, "trade", f"{number:012d}")
