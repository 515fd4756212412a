"""Every Wh of a closed interval has exactly one class, and what its buyers pay its sellers get.

interval   rows of eight columns by point: import, export; trade, pool, grid in; trade, pool, grid out
postings   (point, kind, ref, energy, price, amount, fee, levy, tax): what was traded and pooled, and its price
facts      what the interval was decided by: the registers, who belongs to the area
adjusted   the same after late readings; `adjustment`: what differs, by point
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ledgernode.audit.books import Books
from ledgernode.audit.journal import Item, Step
from ledgernode.audit.law import Law, Range, Sums

SETTLEMENT: Final = "settlement"
COLUMNS: Final = 8
KINDS: Final = {"trade_import": 2, "pool_import": 3, "trade_export": 5, "pool_export": 6}
_BOUGHT: Final = ("trade_import", "pool_import")
_PICO_DIGITS: Final = 12


class Classes(Law):
    """Of each interval, and of each transaction that corrects one."""

    name = "energy: every Wh of an interval has one class; what is bought is sold; money in = money out"
    reads = ((SETTLEMENT, "interval"), (SETTLEMENT, "adjusted"))
    follows = (
        (SETTLEMENT, "interval"),
        (SETTLEMENT, "postings"),
        (SETTLEMENT, "facts"),
        (SETTLEMENT, "adjustment"),
    )

    def begin(self, books: Books, span: Range) -> None:
        super().begin(books, span)
        self._where: dict[tuple[str, str], str] = {}
        self._sums = [0 for _ in range(COLUMNS)]
        self._moved_minor = 0
        self._intervals = 0

    def flaw(self, item: Item) -> str:
        text = self._flaw(item, *item.parts)
        return f"interval {int(item.parts[1])} of {item.parts[0]}: {text}" if text else ""

    def _flaw(self, item: Item, area: str, start: str) -> str:
        facts = self.books.get(SETTLEMENT, "facts", area, start)
        if facts is None:
            return "it has no facts"
        points: list[str] = facts["facts"]["points"]
        rows: list[list[int]] = item.record["rows"]
        if item.kind == "adjusted":
            return _flaw(points, rows, item.record["postings"], facts)
        text = self._once(area, start, points)
        if not text and item.record["points"] != points:
            text = "it has other points than its facts"
        if not text and [row[:2] for row in rows] != _registers(facts):
            text = "it has other registers than its facts"
        postings = self.books.get(SETTLEMENT, "postings", area, start) or []
        text = text or _flaw(points, rows, postings, facts) or self._again(area, int(start))
        if not text:
            self._intervals += 1
            self._sums = [so_far + sum(row[at] for row in rows) for at, so_far in enumerate(self._sums)]
            self._moved_minor += sum(sum(posting[5:]) for posting in postings if posting[1] in _BOUGHT)
        return text

    def change(self, step: Step) -> str:
        for one in step.writes(SETTLEMENT, "interval", "postings", "facts", "adjustment"):
            if one.before is not None:
                return f"{one.kind} {' '.join(one.parts)} is closed, and was written again"
        rows = [(one.parts[0], one.after) for one in step.writes(SETTLEMENT, "adjustment")]
        for point, one in rows:
            text = unequal(one["columns_mwh"])
            if text:
                return f"adjustment {one['number']} of {point}: {text}"
        sums = [sum(one["columns_mwh"][at] for _, one in rows) for at in range(COLUMNS)]
        if sums[2] != sums[5] or sums[3] != sums[6]:
            return f"adjustments change what is bought by {sums[2] + sums[3]} mWh, what is sold by {sums[5] + sums[6]}"
        owed = sum(one["amount_minor"] for _, one in rows)
        if owed:
            return f"adjustments of all points owe {owed} more than they get"
        self.count("adjustments", len(rows))
        return ""

    def shown(self, sums: Mapping[str, Sums]) -> dict[str, int]:  # noqa: ARG002 - it counts where it looks
        if not self._intervals:
            return {}
        names = ("import", "export", "trade_import", "pool_import", "grid_import", "trade_export", "pool_export")
        shown = {f"{name}_mwh": amount for name, amount in zip(names, self._sums, strict=False)}
        return {
            "intervals": self._intervals,
            **shown,
            "grid_export_mwh": self._sums[7],
            "paid_minor": self._moved_minor,
        }

    # ------------------------------------------------------------ one interval

    def _again(self, area: str, start: int) -> str:
        """The contract's own reckoning, made anew from the facts; what it comes to is checked without it."""
        agrees = self.books.ask(SETTLEMENT, "reconcile", area=area, interval_ms=start)["agrees"]
        return "" if agrees else "it is not settled so again"

    def _once(self, area: str, start: str, points: Sequence[str]) -> str:
        """A point is classed once in an interval, whatever areas there are."""
        for point in points:
            other = self._where.get((point, start))
            if other is not None:
                return f"{point} has two classes then: it is also in {other}"
            self._where[point, start] = area
        return ""


# ---------------------------------------------------------------- pure


def _registers(facts: Any) -> list[list[int]]:
    inner = facts["facts"]
    return [list(pair) for pair in zip(inner["import_mwh"], inner["export_mwh"], strict=True)]


def _flaw(points: Sequence[str], rows: Sequence[Sequence[int]], postings: Sequence[Any], facts: Any) -> str:
    for point, row in zip(points, rows, strict=True):
        if text := unequal(row) or ("a class is below zero" if min(row) < 0 else ""):
            return f"{point}: {text}"
    return _posted(points, rows, postings) or _balanced(postings) or _priced(postings, facts["facts"]["digits"])


def unequal(row: Sequence[int]) -> str:
    """Of the eight columns: what has no class, or two."""
    taken, given, *classes = row
    if taken != sum(classes[:3]):
        return f"import {taken} mWh, classed trade {classes[0]} + pool {classes[1]} + grid {classes[2]}"
    if given != sum(classes[3:]):
        return f"export {given} mWh, classed trade {classes[3]} + pool {classes[4]} + feed-in {classes[5]}"
    return ""


def _posted(points: Sequence[str], rows: Sequence[Sequence[int]], postings: Sequence[Any]) -> str:
    """Rows and postings tell of the same energy; each posting is named once."""
    posted: dict[tuple[str, str], int] = {}
    names = set[tuple[str, str, int]]()
    for point, kind, ref, energy_mwh, *_ in postings:
        if (point, kind, ref) in names:
            return f"{kind} of {point} is posted twice"
        names.add((point, kind, ref))
        posted[point, kind] = posted.get((point, kind), 0) + energy_mwh
    for point, row in zip(points, rows, strict=True):
        for kind, at in KINDS.items():
            energy_mwh = posted.pop((point, kind), 0)
            if energy_mwh != row[at]:
                return f"{point} has {row[at]} mWh {kind}, {energy_mwh} is posted"
    return "".join(f"{kind} of {point}, who is not there, is posted" for point, kind in sorted(posted)[:1])


def _balanced(postings: Sequence[Any]) -> str:
    """Each trade's energy and amount, and the pool's, are bought as they are sold."""
    bought: dict[int, tuple[int, int]] = {}
    for _, kind, ref, energy_mwh, _, amount_minor, *_charges in postings:
        sign = 1 if kind in _BOUGHT else -1
        energy, amount = bought.get(ref, (0, 0))
        bought[ref] = (energy + sign * energy_mwh, amount + sign * amount_minor)
    for ref, (energy, amount) in sorted(bought.items()):
        if energy or amount:
            what = f"trade {ref}" if ref else "the pool"
            return f"{what}: bought less sold is {energy} mWh and {amount} minor units"
    return ""


def _priced(postings: Sequence[Any], digits: int) -> str:
    """What is bought, and what a trade sells, is price times energy, rounded half to even, once."""
    for point, kind, ref, energy_mwh, price_micro, amount_minor, *charges in postings:
        if kind != "pool_export" and amount_minor != rounded(price_micro * energy_mwh, digits):
            return f"{kind} {ref} of {point}: {energy_mwh} mWh at {price_micro} is not {amount_minor}"
        if charges[0] < 0 or charges[1] < 0 or (charges[2] < 0):
            return f"{kind} {ref} of {point}: a charge is below zero"
    return ""


def rounded(pico: int, digits: int) -> int:
    """Pico major units in minor units, half to even."""
    unit: int = 10 ** (_PICO_DIGITS - digits)
    whole, rest = divmod(pico, unit)
    return whole + (2 * rest > unit or (2 * rest == unit and whole % 2 == 1))
