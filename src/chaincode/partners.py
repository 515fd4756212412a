"""Partners: how much of its energy a customer trades with one other, so that nobody hangs on a single one.

    dealings   under `dealings`, market, customer, window: what is bought and sold, in all and with each other customer

A window is `partner_days` days, one after the other from a fixed start: a trade counts in the one in which its delivery
begins. Of all that a customer trades in a window at most `partner_limit_micro` may be with one other. The first
`partner_free_wh` with each are free, or nobody could begin. Both customers' limits hold for a trade.
"""

from chaincode.api import Context, Record
from chaincode.book import LARGEST_ENERGY_WH
from chaincode.calendar import DAY_MS
from chaincode.orders import Order
from chaincode.units import MICRO
from chaincode.venue import Market, Venue


class Dealings(Record):
    """Under `dealings`, market, customer, window: Wh."""

    whole_wh: int
    with_wh: dict[str, int]


def partner_left_wh(ctx: Context, venue: Venue, bid: Order, ask: Order) -> int:
    """The most that two customers may still trade with one another in a delivery's window."""
    market = venue.market
    if not market.partner_limit_micro:
        return LARGEST_ENERGY_WH
    return min(
        left_wh(market, dealings_of(ctx, market, bid, bid.customer), ask.customer),
        left_wh(market, dealings_of(ctx, market, ask, ask.customer), bid.customer),
    )


def left_wh(market: Market, dealings: Dealings, other: str) -> int:
    """The largest x for which with + x <= free, or with + x <= limit * (whole + x); not below zero."""
    with_wh = dealings.with_wh.get(other, 0)
    rest_micro = MICRO - market.partner_limit_micro
    if not rest_micro:
        return LARGEST_ENERGY_WH
    share_wh = (market.partner_limit_micro * dealings.whole_wh - MICRO * with_wh) // rest_micro
    return max(market.partner_free_wh - with_wh, share_wh, 0)


def dealt(ctx: Context, venue: Venue, bid: Order, ask: Order, energy_wh: int) -> None:
    """Count a trade for both customers."""
    market = venue.market
    if not market.partner_limit_micro:
        return
    for customer, other in ((bid.customer, ask.customer), (ask.customer, bid.customer)):
        found = dealings_of(ctx, market, ask, customer)
        found.with_wh[other] = found.with_wh.get(other, 0) + energy_wh
        ctx.put(dealings_key(ctx, market, ask, customer), found.replace(whole_wh=found.whole_wh + energy_wh))


def dealings_of(ctx: Context, market: Market, order: Order, customer: str) -> Dealings:
    return ctx.get(dealings_key(ctx, market, order, customer), Dealings) or Dealings(whole_wh=0, with_wh={})


def dealings_key(ctx: Context, market: Market, order: Order, customer: str) -> str:
    window = order.from_ms // (DAY_MS * market.partner_days)
    return ctx.key("dealings", market.id, customer, f"{window:06d}")
