"""The strategies of a back test on a running market: what to order for one delivery, and what not to.

A strategy is asked with an `Outlook`, as in a back test. What it would order then passes the limits that its owner has
set, each of which is an upper bound that no strategy can argue with; an order is made smaller or dropped, never larger
or dearer, and each time it is said which limit it was.

Pure: a decision depends on nothing but its arguments. `trader` asks the ledger and sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from devices.history.series import DAY_MS, Series
from devices.house.strategy import BID, Order, Outlook, Strategy, Terms

ORDER_LIMIT: Final = "order limit"
DAY_LIMIT: Final = "day limit"
DEAREST_BID: Final = "dearest bid"
CHEAPEST_ASK: Final = "cheapest ask"
BUDGET: Final = "day's budget"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What its owner allows; 0 is no limit for energies and the budget, None none for prices."""

    order_wh: int = 0
    """Of one order."""
    day_wh: int = 0
    """Bought, and sold, for deliveries of one UTC day."""
    dearest_bid_micro: int | None = None
    cheapest_ask_micro: int | None = None
    day_budget_micro: int = 0
    """What the bids of one UTC day may cost at their prices, in millionths of the currency's unit."""


class Used(msgspec.Struct, frozen=True):
    """What was ordered for deliveries of a UTC day, as far as it was not given back."""

    bid_wh: int = 0
    ask_wh: int = 0
    bid_cost_micro: int = 0

    def after(self, order: Order) -> Used:
        if order.side == BID:
            return Used(self.bid_wh + order.energy_wh, self.ask_wh, self.bid_cost_micro + cost_micro(order))
        return Used(self.bid_wh, self.ask_wh + order.energy_wh, self.bid_cost_micro)


class Held(NamedTuple):
    """What a limit took away from an order."""

    order: Order
    allowed_wh: int
    limit: str


class Decision(NamedTuple):
    """What to order, what limits took away, and what the strategy knew."""

    orders: tuple[Order, ...]
    held: tuple[Held, ...]
    outlook: Outlook


def decide(strategy: Strategy, outlook: Outlook, limits: Limits, used: Used) -> Decision:
    """Ask the strategy, and let what it says pass the limits."""
    orders, held = guarded(strategy.decide(outlook), limits, used)
    return Decision(orders, held, outlook)


def guarded(wanted: Sequence[Order], limits: Limits, used: Used) -> tuple[tuple[Order, ...], tuple[Held, ...]]:
    """(orders within all limits, what was taken away and by which limit)."""
    allowed: list[Order] = []
    held: list[Held] = []
    for order in wanted:
        energy_wh, reason = _allowed(order, limits, used)
        if reason:
            held.append(Held(order, energy_wh, reason))
        if energy_wh > 0:
            kept = msgspec.structs.replace(order, energy_wh=energy_wh)
            used = used.after(kept)
            allowed.append(kept)
    return tuple(allowed), tuple(held)


def cost_micro(order: Order) -> int:
    """What a bid costs at most, rounded up; nothing where its price is not above zero."""
    return max(0, -(-order.energy_wh * order.price_micro // 1_000))


def _allowed(order: Order, limits: Limits, used: Used) -> tuple[int, str]:
    is_bid = order.side == BID
    if is_bid and limits.dearest_bid_micro is not None and order.price_micro > limits.dearest_bid_micro:
        return 0, DEAREST_BID
    if not is_bid and limits.cheapest_ask_micro is not None and order.price_micro < limits.cheapest_ask_micro:
        return 0, CHEAPEST_ASK
    energy_wh, reason = order.energy_wh, ""
    bounds = [(limits.order_wh, 0, ORDER_LIMIT), (limits.day_wh, used.bid_wh if is_bid else used.ask_wh, DAY_LIMIT)]
    for limit_wh, used_wh, name in bounds:
        if limit_wh and energy_wh > max(limit_wh - used_wh, 0):
            energy_wh, reason = max(limit_wh - used_wh, 0), name
    if is_bid and limits.day_budget_micro and order.price_micro > 0:
        payable_wh = max(limits.day_budget_micro - used.bid_cost_micro, 0) * 1_000 // order.price_micro
        if energy_wh > payable_wh:
            energy_wh, reason = payable_wh, BUDGET
    return energy_wh, reason


def outlook_of(
    measured: Series,
    from_ms: int,
    until_ms: int,
    terms: Terms,
    *,
    last_price_micro: int | None = None,
    last_filled_micro: int | None = None,
) -> Outlook:
    """What is believed of a delivery by what the meter showed: the same time a day before; where that is not known, the
    last interval that is. Import counts as load and export as generation, so a battery behind the meter is in them.
    """
    load_wh = generation_wh = 0
    last = int(np.flatnonzero(measured.known)[-1]) if measured.known.any() else -1
    for begin_ms in range(from_ms, until_ms, measured.step_ms):
        place = (begin_ms - DAY_MS - measured.begin_ms) // measured.step_ms
        if not (0 <= place < len(measured) and measured.known[place]):
            place = last
        if place >= 0:
            load_wh += int(measured.load_mwh[place])
            generation_wh += int(measured.pv_mwh[place])
    return Outlook(
        measured.name,
        from_ms,
        until_ms,
        terms,
        load_wh=load_wh // 1_000,
        generation_wh=generation_wh // 1_000,
        last_price_micro=last_price_micro,
        last_filled_micro=last_filled_micro,
    )
