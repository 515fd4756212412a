"""A strategy on a running ledger: follow the market's deliveries, read the meter's intervals, place real orders.

For each delivery that bids are taken for, once: what has been placed for it already is read from the ledger first, so
that a trader that was stopped does not order twice. In a dry run everything is read and decided, and nothing is sent;
that is simulated trading in real time. The wallet signs; the ledger holds its orders to its own limits besides
(`docs/rules.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from devices.backtest.live import Decision, Limits, Used, decide, outlook_of
from devices.history.registers import ask, measured
from devices.history.series import DAY_MS
from devices.house.strategy import MICRO, Order, Strategy, Terms
from ledgernode.client import Ledger, Signer
from ledgernode.errors import HistoryInvalid, LedgerError

READ_DAYS: Final = 3
_STANDING: Final = ("open", "matched")
_PAGE: Final = 100


class Setting(msgspec.Struct, frozen=True):
    """Where to trade, how, and within which limits. Prices outside are the market's own where it names them."""

    market: str
    point: str
    strategy: Strategy
    limits: Limits = Limits()
    retail_micro: int | None = None
    feed_in_micro: int | None = None
    levy_micro: int = 0
    tax_micro: int = 0
    dry_run: bool = False


class Placed(msgspec.Struct, frozen=True):
    """One order that was sent (or, in a dry run, would have been): its number, or why it was refused."""

    side: str
    energy_wh: int
    price_micro: int
    number: int | None = None
    refused: str | None = None


class Turn(msgspec.Struct, frozen=True):
    """What was done for one delivery. `held` are the limits that took something away."""

    from_ms: int
    until_ms: int
    load_wh: int
    generation_wh: int
    orders: tuple[Placed, ...]
    held: tuple[str, ...]
    dry_run: bool


class Trader:
    """One wallet at one point of one market."""

    def __init__(self, ledger: Ledger, signer: Signer, setting: Setting) -> None:
        self._ledger = ledger
        self._signer = signer
        self._setting = setting
        self._wallet = signer.identity.hex()
        self._turned_ms = -1
        self._dry: dict[int, Used] = {}

    def turn(self) -> Turn | None:
        """Order for the delivery that bids are taken for now; None where there is none, or it has had its turn.

        Raises where the ledger cannot be asked; an order that it refuses is told in the turn.
        """
        delivery = self._ask("market", "window", market=self._setting.market)
        if delivery is None or delivery["from_ms"] <= self._turned_ms:
            return None
        own = self._own_orders()
        if any(order["from_ms"] == delivery["from_ms"] for order in own):
            self._turned_ms = delivery["from_ms"]
            return None
        decision = self._decision(delivery, own)
        self._turned_ms = delivery["from_ms"]
        day = delivery["from_ms"] // DAY_MS
        if self._setting.dry_run:
            for order in decision.orders:
                self._dry[day] = self._dry.get(day, Used()).after(order)
            placed = [Placed(order.side, order.energy_wh, order.price_micro) for order in decision.orders]
        else:
            placed = [self._place(order, delivery["from_ms"]) for order in decision.orders]
        return Turn(
            from_ms=delivery["from_ms"],
            until_ms=delivery["until_ms"],
            load_wh=decision.outlook.load_wh,
            generation_wh=decision.outlook.generation_wh,
            orders=tuple(placed),
            held=tuple(
                f"{held.order.side} of {held.order.energy_wh} Wh to {held.allowed_wh} Wh: {held.limit}"
                for held in decision.held
            ),
            dry_run=self._setting.dry_run,
        )

    def _decision(self, delivery: dict[str, Any], own: Sequence[dict[str, Any]]) -> Decision:
        setting, from_ms = self._setting, delivery["from_ms"]
        shown = measured(self._ledger, self._signer, setting.point, READ_DAYS, until_ms=from_ms)
        price_micro, filled_micro = self._last(own, from_ms)
        outlook = outlook_of(
            shown,
            from_ms,
            delivery["until_ms"],
            self._terms(),
            last_price_micro=price_micro,
            last_filled_micro=filled_micro,
        )
        day = from_ms // DAY_MS
        used = self._dry.get(day, Used()) if setting.dry_run else used_of(own, day)
        return decide(setting.strategy, outlook, setting.limits, used)

    def _terms(self) -> Terms:
        """Prices outside, and what the market takes. Refuses where nobody says what the grid costs and pays."""
        setting, found = self._setting, self._ask("market", "market", market=self._setting.market)["market"]
        retail = found["retail_micro"] if setting.retail_micro is None else setting.retail_micro
        feed_in = found["feed_in_micro"] if setting.feed_in_micro is None else setting.feed_in_micro
        if retail is None or feed_in is None:
            raise HistoryInvalid(f"{setting.market} does not say what energy costs and earns outside: say it yourself")
        return Terms(
            retail,
            feed_in,
            found["fee_micro"],
            setting.levy_micro,
            setting.tax_micro,
            floor_micro=found["floor_micro"],
            cap_micro=found["cap_micro"],
            tick_micro=found["tick_micro"],
            order_limit_wh=found["order_limit_wh"],
        )

    def _last(self, own: Sequence[dict[str, Any]], from_ms: int) -> tuple[int | None, int | None]:
        """(what a kWh brought its seller in the last delivery we ordered for, how much of our orders was filled)."""
        before = [order["from_ms"] for order in own if order["from_ms"] < from_ms]
        if not before:
            return None, None
        last = [order for order in own if order["from_ms"] == max(before)]
        trades = self._pages("trades", "trade", market=self._setting.market, slot=max(before))
        volume_wh = sum(trade["energy_wh"] for trade in trades)
        worth = sum(trade["energy_wh"] * trade["price_micro"] for trade in trades)
        ordered_wh = sum(order["energy_wh"] for order in last)
        filled = sum(order["filled_wh"] for order in last) * MICRO // ordered_wh if ordered_wh else None
        return worth // volume_wh if volume_wh else None, filled

    def _own_orders(self) -> list[dict[str, Any]]:
        """This wallet's orders at this point of this market, oldest first."""
        found = self._pages("orders", "number", wallet=self._wallet)
        where = (self._setting.market, self._setting.point)
        return [order for order in found if (order["market"], order["point"]) == where]

    def _place(self, order: Order, from_ms: int) -> Placed:
        arguments = {
            "market": self._setting.market,
            "point": self._setting.point,
            "energy_wh": order.energy_wh,
            "price_micro": order.price_micro,
            "from_ms": from_ms,
        }
        told = Placed(order.side, order.energy_wh, order.price_micro)
        try:
            outcome = self._ledger.submit("market", order.side, arguments, signer=self._signer)
        except LedgerError as refusal:
            return msgspec.structs.replace(told, refused=str(refusal.facts.get("code", refusal.code)))
        return msgspec.structs.replace(told, number=msgspec.json.decode(outcome.result)["number"])

    def _pages(self, function: str, number: str, **arguments: Any) -> list[dict[str, Any]]:
        """All of what the market lists page by page, each after the last one's number."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1][number] if found else 0
            page = self._ask("market", function, after=after, **arguments)
            found += page
            if len(page) < _PAGE:
                return found

    def _ask(self, contract: str, function: str, **arguments: Any) -> Any:
        return ask(self._ledger, self._signer, contract, function, **arguments)


def used_of(own: Sequence[dict[str, Any]], day: int) -> Used:
    """What orders of a UTC day hold: what was filled of each, and what of it may still be."""
    used = Used()
    for order in own:
        energy_wh = order["filled_wh"] + (order["left_wh"] if order["status"] in _STANDING else 0)
        if order["from_ms"] // DAY_MS == day and energy_wh:
            used = used.after(Order(order["side"], energy_wh, order["price_micro"]))
    assert used.bid_cost_micro >= 0
    return used
