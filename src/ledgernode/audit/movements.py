"""What postings say is paid goes where they say: the closing of an interval moves that, and nothing else.

An interval's money is made known in one call and paid in that one or the next ones; what is not paid yet stands in
`closing`. So in each call, for each account: what it received, and what waits for it more than before, is what the
intervals that were reckoned in the call give it:

    a trade's seller     the price, or its pledge where the trade is over, less what a shortfall costs
    a trade's buyer      what a negative price brings, and what is left of its escrow where the trade is over
    levies, taxes        of the buyers' utilities
    fees                 to the trade's account, else the area's
    pool                 to who gave, and a purse to who has left
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ledgernode.audit.books import Books
from ledgernode.audit.intervals import SETTLEMENT
from ledgernode.audit.journal import Step, Written
from ledgernode.audit.law import Law, Range

CURRENCY: Final = "currency"
REGISTRY: Final = "registry"
_PURPOSE: Final = "energy of interval "
_DISPUTED_SHORT: Final = -1
Money = dict[str, int]


class Movements(Law):
    """Of each call that closes intervals of an area."""

    name = "energy: money moves as postings and ended trades say: sellers, levies, taxes, fees, purses"
    follows = (
        (SETTLEMENT, "area"),
        (SETTLEMENT, "closing"),
        (SETTLEMENT, "running"),
        (SETTLEMENT, "pool"),
        (SETTLEMENT, "trade"),
        (CURRENCY, "entry"),
        (REGISTRY, "utility"),
    )

    def begin(self, books: Books, span: Range) -> None:
        super().begin(books, span)
        self._utilities: dict[str, Any] = {}

    def change(self, step: Step) -> str:
        text = ""
        closings = {one.parts[0]: one for one in step.writes(SETTLEMENT, "closing")}
        areas = {one.parts[0]: one for one in step.writes(SETTLEMENT, "area") if one.before is not None}
        for area in sorted({*closings, *areas}):
            text = text or self._closed(step, area, areas.get(area), closings.get(area))
        for one in step.writes(REGISTRY, "utility"):
            self._utilities[one.parts[0]] = one.before
        return text

    def _closed(self, step: Step, area: str, area_: Written | None, closing: Written | None) -> str:
        kept = self.books.get(SETTLEMENT, "area", area)
        length_ms = kept["interval_ms"]
        from_ms = _reckoned(area_.before if area_ else None, closing.before if closing else None, closing, length_ms)
        until_ms = _reckoned(area_.after if area_ else None, closing.after if closing else None, closing, length_ms)
        due: Money = {}
        starts = [at for at in range(from_ms, until_ms, length_ms) if self._record("facts", area, at) is not None]
        for place, at in enumerate(starts):
            following = starts[place + 1] if place + 1 < len(starts) else 0
            self._give(step, area, at, following, due)
        if starts:
            _leavers(step, area, self._costs(area, starts), due)
        moved = _received(step)
        for account, sign in _pending(closing):
            moved[account] = moved.get(account, 0) + sign
        if not starts and closing is None:
            return ""
        self.count("paid_minor", sum(due.values()))
        for account in sorted({*due, *moved}):
            if due.get(account, 0) != moved.get(account, 0):
                span = f"intervals {starts[0]} to {starts[-1]}" if starts else "what was reckoned before"
                return f"{area}, {span}: {account} was to get {due.get(account, 0)}, and gets {moved.get(account, 0)}"
        return ""

    # ------------------------------------------------------------ what an interval gives to whom

    def _give(self, step: Step, area: str, at_ms: int, following_ms: int, due: Money) -> None:
        postings = self._record("postings", area, at_ms) or []
        facts = self._record("facts", area, at_ms)["facts"]
        wallets = {share["point"]: share["wallet"] for share in _shares(step, area)}
        costs: dict[int, int] = {}
        back: dict[int, int] = {}
        for point, kind, ref, _, _, amount, fee, levy, tax in postings:
            utility = self._utility(point.partition(":")[0])
            if kind == "trade_import":
                trade = self._trade(ref)
                _add(due, trade["seller"], max(amount, 0))
                _add(due, trade["buyer"], max(-amount, 0))
                costs[ref], back[ref] = max(amount, 0) + fee + levy + tax, max(-amount, 0)
                if fee:
                    _add(due, trade["fee_account"] or self._fee_account(area, at_ms), fee)
            elif kind == "pool_import" and fee:
                _add(due, self._fee_account(area, at_ms), fee)
            elif kind == "pool_export":
                _add(due, wallets.get(point, point), amount)
            if levy or tax:
                _add(due, utility["levy_account"], levy)
                _add(due, utility["tax_account"], tax)
        for each in facts["trades"]:
            number = each["number"]
            pays = self._ended(step, area, number, following_ms)
            if pays is not None:
                trade = self._trade(number)
                escrow, pledge = each["escrow_minor"] - costs.get(number, 0), each["pledge_minor"] - back.get(number, 0)
                _add(due, trade["seller"], pays[1] + pledge - pays[0])
                _add(due, trade["buyer"], pays[0] + escrow - pays[1])

    def _ended(self, step: Step, area: str, number: int, following_ms: int) -> tuple[int, int] | None:
        """(what the seller pays, what the buyer pays) of a trade that was judged; None where it goes on, or rests."""
        if following_ms:
            following = self._record("facts", area, following_ms)["facts"]["trades"]
            if any(each["number"] == number for each in following):
                return None
        else:
            for one in step.writes(SETTLEMENT, "running"):
                if one.parts[0] == area and any(run["trade"] == number for run in one.after or ()):
                    return None
        for one in step.writes(SETTLEMENT, "closing"):
            for done in (one.after or {"done": ()})["done"]:
                if done[0] == number:
                    return None if done[5] == _DISPUTED_SHORT else (done[7], done[8])
        for one in step.writes(SETTLEMENT, "trade"):
            if one.after["trade"] == number and one.after["over_ms"]:
                disputed = one.after["status"] == "disputed"
                return None if disputed else (one.after["seller_paid_minor"], one.after["buyer_paid_minor"])
        return None

    def _costs(self, area: str, starts: list[int]) -> Money:
        """What members of the pool paid in these intervals, by point."""
        costs: Money = {}
        for at_ms in starts:
            for point, kind, _, _, _, *minor in self._record("postings", area, at_ms) or []:
                if kind == "pool_import":
                    costs[point] = costs.get(point, 0) + sum(minor)
        return costs

    def _fee_account(self, area: str, at_ms: int) -> str:
        account = ""
        for item, _ in self.books.of(SETTLEMENT, "rules", area):
            if int(item.parts[1]) <= at_ms:
                account = item.record.get("fee_account", "")
        operator = self.books.get(SETTLEMENT, "area", area)["operator"]
        return account or str(self._utility(operator)["treasury"])

    def _utility(self, organisation: str) -> Mapping[str, str]:
        """A utility's accounts as they were at this step."""
        if organisation not in self._utilities:
            self._utilities[organisation] = self.books.named(REGISTRY, f"utility/{organisation}")
        found: Mapping[str, str] = self._utilities[organisation]
        return found

    def _trade(self, number: int) -> Any:
        return self.books.get(SETTLEMENT, "trade", f"{number:012d}")

    def _record(self, kind: str, area: str, at_ms: int) -> Any:
        return self.books.get(SETTLEMENT, kind, area, f"{at_ms:015d}")


# ---------------------------------------------------------------- one call


def _reckoned(area: Any, closing: Any, written: Written | None, length_ms: int) -> int:
    """Up to where the money of intervals is reckoned."""
    if closing is not None and closing["stage"] == "paying":
        return int(closing["interval_ms"]) + length_ms
    if area is not None:
        return int(area["next_ms"])
    assert written is not None, "one of both was written"
    return int((written.before or written.after)["interval_ms"])


def _received(step: Step) -> Money:
    """By account, of closings."""
    received: Money = {}
    for one in step.writes(CURRENCY, "entry"):
        entry = one.after
        if entry["kind"] == "received" and entry["other"] == SETTLEMENT and entry["purpose"].startswith(_PURPOSE):
            _add(received, one.parts[0], entry["amount_minor"])
    return received


def _pending(closing: Written | None) -> Iterator[tuple[str, int]]:
    """What waits for an account more (below zero: less) than before."""
    for sign, item in closing.sides() if closing is not None else ():
        for account, amount in item.record["credits"]:
            yield account, sign * amount


def _shares(step: Step, area: str) -> list[Any]:
    """The pool's members before the call."""
    for one in step.writes(SETTLEMENT, "pool"):
        if one.parts[0] == area:
            return one.before or []
    return []


def _leavers(step: Step, area: str, costs: Money, due: Money) -> None:
    """What was left in the purses of those who are members no more."""
    for one in step.writes(SETTLEMENT, "pool"):
        if one.parts[0] == area:
            stay = {share["point"] for share in one.after or ()}
            for share in one.before or ():
                if share["point"] not in stay:
                    _add(due, share["wallet"], share["purse_minor"] - costs.get(share["point"], 0))


def _add(money: Money, account: str, amount_minor: int) -> None:
    if amount_minor:
        money[account] = money.get(account, 0) + amount_minor
