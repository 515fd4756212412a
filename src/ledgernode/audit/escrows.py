"""Escrow is held for a purpose, and each purpose's contract knows how much: both say the same, at every moment.

    order/N, collateral/N    market      an order holds it
    strategy/N               market      the budget of a strategy
    trade/N, pledge/N        settlement  a trade, until its last interval is paid: what the trade came with, then what
                                         is left while it runs, and what an interval that is being paid still owes
    pool/<point>             settlement  a member's purse
    vend/<request>           prepaid     a credit that is reserved and not minted
    refund/<utility>         prepaid     what an account of the utility has funded
    payout/<utility>         billing     what its treasury has funded

Other names with a slash that these contracts keep (a payment's, a payable's) are empty when their call ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ledgernode.audit.journal import Item
from ledgernode.audit.law import Law, Sums, Term

CURRENCY: Final = "currency"
MARKET: Final = "market"
SETTLEMENT: Final = "settlement"
PREPAID: Final = "prepaid"
BILLING: Final = "billing"
KEEPERS: Final = (MARKET, SETTLEMENT, PREPAID, BILLING)
_DISPUTED_SHORT: Final = -1
_HELD: Final = "held_minor"
_CLAIMED: Final = "claimed_minor"
_CAME: Final = "came_with_minor"
_LEFT: Final = "left_minor"
_KEPT: Final = "kept_minor"
_RUNS: Final = "runs"
_JUDGED: Final = "judged"


class Purposes(Law):
    """For each escrow that a contract keeps: what it holds is what its purpose needs."""

    name = "escrow: what is held = what open orders, trades, pools, vends and payouts need"
    reads = (
        (CURRENCY, "escrow"),
        (MARKET, "order"),
        (MARKET, "budget"),
        (SETTLEMENT, "trade"),
        (SETTLEMENT, "running"),
        (SETTLEMENT, "closing"),
        (SETTLEMENT, "pool"),
        (PREPAID, "credit"),
        (PREPAID, "funded"),
        (BILLING, "payout"),
    )

    def terms(self, item: Item) -> Iterable[Term]:
        terms: Iterable[Term] = getattr(self, f"_{item.contract}_{item.kind}")(item.parts, item.record)
        return terms

    def wrong(self, subject: str, sums: Sums) -> str:
        if sums.get(_JUDGED, 0):
            needed = sums.get(_KEPT, 0)
        elif sums.get(_RUNS, 0):
            needed = sums.get(_LEFT, 0)
        else:
            needed = sums.get(_CAME, 0)
        needed += sums.get(_CLAIMED, 0)
        held = sums.get(_HELD, 0)
        return f"escrow {subject} holds {held}, {needed} is needed" if held != needed else ""

    def shown(self, sums: Mapping[str, Sums]) -> dict[str, int]:
        held = [one[_HELD] for one in sums.values() if one.get(_HELD, 0)]
        return {"escrows": len(held), "held_minor": sum(held)} if sums else {}

    # ------------------------------------------------------------ what is held

    def _currency_escrow(self, parts: tuple[str, ...], record: Any) -> Iterable[Term]:
        owner, name = parts
        if record["keeper"] in KEEPERS and "/" in name:
            yield _of(owner, name), _HELD, record["amount_minor"]

    # ------------------------------------------------------------ what for

    def _market_order(self, _: tuple[str, ...], record: Any) -> Iterable[Term]:
        if record["held_minor"]:
            kind = "order" if record["side"] == "bid" else "collateral"
            yield _of(record["wallet"], f"{kind}/{record['number']}"), _CLAIMED, record["held_minor"]

    def _market_budget(self, parts: tuple[str, ...], record: Any) -> Iterable[Term]:
        strategy = self.books.get(MARKET, "strategy", *parts)
        wallet = strategy["wallet"] if strategy is not None else ""
        yield _of(wallet, f"strategy/{int(parts[0])}"), _CLAIMED, record

    def _settlement_trade(self, _: tuple[str, ...], record: Any) -> Iterable[Term]:
        buyer, seller = _sides(record)
        yield buyer, _CAME, record["escrow_minor"]
        yield seller, _CAME, record["pledge_minor"]

    def _settlement_running(self, _: tuple[str, ...], record: Any) -> Iterable[Term]:
        for run in record:
            buyer, seller = self._trade(run["trade"])
            for subject, amount in ((buyer, run["escrow_minor"]), (seller, run["pledge_minor"])):
                yield subject, _RUNS, 1
                yield subject, _LEFT, amount

    def _settlement_closing(self, _: tuple[str, ...], record: Any) -> Iterable[Term]:
        for owner, name, amount in record["debits"]:
            yield _of(owner, name), _CLAIMED, amount
        for number, *_sums, seller_short, _, pledge, escrow in record["done"]:
            disputed = seller_short == _DISPUTED_SHORT
            buyer, seller = self._trade(number)
            for subject, amount in ((buyer, escrow), (seller, pledge)):
                yield subject, _JUDGED, 1
                yield subject, _KEPT, amount if disputed else 0

    def _settlement_pool(self, _: tuple[str, ...], record: Any) -> Iterable[Term]:
        for share in record:
            yield _of(share["wallet"], f"pool/{share['point']}"), _CLAIMED, share["purse_minor"]

    def _prepaid_credit(self, _: tuple[str, ...], record: Any) -> Iterable[Term]:
        if record["status"] == "reserved" and record["payer"]:
            yield _of(record["payer"], f"vend/{record['request']}"), _CLAIMED, record["total_minor"]

    def _prepaid_funded(self, parts: tuple[str, ...], record: Any) -> Iterable[Term]:
        yield _of(parts[1], f"refund/{parts[0]}"), _CLAIMED, record

    def _billing_payout(self, parts: tuple[str, ...], record: Any) -> Iterable[Term]:
        yield _of(record["owner"], f"payout/{parts[0]}"), _CLAIMED, record["amount_minor"]

    def _trade(self, number: int) -> tuple[str, str]:
        """The subjects of a trade's two escrows; who its parties are never changes."""
        return _sides(self.books.get(SETTLEMENT, "trade", f"{number:012d}"))


def _sides(trade: Any) -> tuple[str, str]:
    return _of(trade["buyer"], f"trade/{trade['trade']}"), _of(trade["seller"], f"pledge/{trade['trade']}")


def _of(owner: str, name: str) -> str:
    return f"{name} of {owner}"
