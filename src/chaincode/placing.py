"""Placing: the steps of the market's functions. An order is given for a delivery or answers another one; and who may
do or read what.
"""

from chaincode.access import NotYourOrganisation, require_direct
from chaincode.api import Context, Record, Refusal
from chaincode.matching import leaving, line_left_wh, placed, traded, venue_of
from chaincode.orders import (
    ASK,
    BID,
    COUNTER,
    OFFER,
    BookFull,
    Halted,
    NotAMember,
    Order,
    PartnerLimit,
    QuantityLimit,
    SelfTrade,
    Slot,
    Wanted,
    WindowClosed,
    is_halted,
    open_order,
    slot_of,
)
from chaincode.partners import partner_left_wh
from chaincode.venue import BOARD, Venue, venue_at
from chaincode.windows import Delivery, delivery_at, delivery_now

STAFF_ROLES = ("admin", "operator")

# ---------------------------------------------------------------- records and refusals of its own


class Listed(Record):
    """An open order as everyone in the market sees it."""

    order: int
    side: str
    kind: str
    energy_wh: int
    price_micro: int
    feeder: str
    from_ms: int
    until_ms: int


class Disclosure(Record):
    """Under `disclosure`, market, slot, point."""

    point: str
    load_wh: int
    generation_wh: int
    storage_wh: int


class WrongMechanism(Refusal):
    """A board takes offers and requests, an auction bids and asks."""

    code = "WRONG_MECHANISM"


class NotYourOrder(Refusal):
    """Only a wallet of the order's customer may do this."""

    code = "NOT_YOUR_ORDER"


class NotTheCoordinator(Refusal):
    """Only the market's coordinator may do this, in its time."""

    code = "NOT_THE_COORDINATOR"


class NotDue(Refusal):
    """It is not time to clear this delivery, or it is cleared."""

    code = "NOT_DUE"


# ---------------------------------------------------------------- giving orders


def own_order(
    ctx: Context, side: str, kind: str, point: str, energy_wh: int, price_micro: int, expires_ms: int
) -> Wanted:
    """What the signer wants for a point of its customer."""
    customer = require_wallet(ctx, point)
    return Wanted(
        side=side,
        kind=kind,
        point=point,
        customer=customer,
        wallet=ctx.creator.id,
        energy_wh=energy_wh,
        price_micro=price_micro,
        expires_ms=expires_ms,
    )


def given(ctx: Context, market: str, wanted: Wanted, from_ms: int, until_ms: int, *, board: bool) -> Order:
    """Place an order for the delivery it names. Refuses one of another kind of market."""
    if not from_ms:
        now = venue_at(ctx, market, ctx.time_ms)
        delivery = delivery_now(now.market.windows, now.market.zone, now.interval_ms, ctx.time_ms)
        if delivery is None:
            raise WindowClosed(f"{market} takes no orders now")
        from_ms, until_ms = delivery.from_ms, delivery.until_ms
    venue = venue_of(ctx, market, from_ms)
    if (venue.market.mechanism == BOARD) != board:
        raise WrongMechanism(f"{market} is of mechanism {venue.market.mechanism}")
    return placed(ctx, venue, wanted, delivery_of(venue, from_ms, until_ms))


def delivery_of(venue: Venue, from_ms: int, until_ms: int) -> Delivery:
    market = venue.market
    free = market.mechanism == BOARD
    found = delivery_at(market.windows, market.zone, venue.interval_ms, from_ms, until_ms, free=free)
    if found is None:
        raise WindowClosed(f"{market.id} has no delivery from {from_ms} to {until_ms} ms")
    return found


def posted(ctx: Context, number: int, kind: str) -> tuple[Order, Venue]:
    """An open offer or request, or one that a strategy has posted, and its market."""
    found = open_order(ctx, number)
    venue = venue_of(ctx, found.market, found.from_ms)
    if venue.market.mechanism != BOARD or found.kind == COUNTER or found.side != (ASK if kind == OFFER else BID):
        raise WrongMechanism(f"order {number} is no {kind} on a board")
    if is_halted(ctx, found.feeder, found.side, found.from_ms):
        raise Halted(f"{found.feeder} takes no new deliveries in this direction")
    return found, venue


def responded(ctx: Context, venue: Venue, post: Order, wanted: Wanted) -> Order:
    """Place an order that answers another one, for its delivery and the fee between the two."""
    if wanted.customer == post.customer:
        raise SelfTrade("one customer does not trade with itself")
    if wanted.energy_wh > post.left_wh:
        raise QuantityLimit(f"order {post.number} has {post.left_wh} Wh left")
    span = ctx.call("registry", "span", point=wanted.point, time_ms=post.from_ms)
    feeder: str = "" if span is None else span["feeder"]
    if post.side == ASK:
        wanted = wanted.replace(fee_micro=venue.wedge(post.feeder, feeder).fee_micro)
    else:
        wanted = wanted.replace(price_micro=wanted.price_micro - venue.wedge(feeder, post.feeder).fee_micro)
    return placed(ctx, venue, wanted, delivery_of(venue, post.from_ms, post.until_ms))


def answered(ctx: Context, venue: Venue, post: Order, wanted: Wanted) -> int:
    """Trade with a posted order at once; answers the trade's number."""
    order = responded(ctx, venue, post, wanted)
    bid, ask = (order, post) if order.side == BID else (post, order)
    require_deliverable(ctx, venue, bid, ask, order.energy_wh)
    traded(ctx, venue, bid, ask, order.energy_wh, ask.price_micro, ask.price_micro)
    return last_trade(ctx)


def last_trade(ctx: Context) -> int:
    number: int = ctx.call("settlement", "trade_count")
    return number


def listed(order: Order) -> Listed:
    return Listed(
        order=order.number,
        side=order.side,
        kind=order.kind,
        energy_wh=order.left_wh,
        price_micro=order.price_micro,
        feeder=order.feeder,
        from_ms=order.from_ms,
        until_ms=order.until_ms,
    )


def found_slot(ctx: Context, market: str, slot: int) -> Slot:
    found = slot_of(ctx, market, slot)
    if found is None:
        raise NotDue(f"{market} has no orders for a delivery at {slot} ms")
    return found


# ---------------------------------------------------------------- who may


def require_wallet(ctx: Context, point: str) -> str:
    """The customer of a point, for whom the signer speaks. Refuses all others."""
    require_direct(ctx)
    customer: str = ctx.call("registry", "speaks_for", point=point)
    if not customer:
        raise NotAMember(f"the signer does not speak for the customer of {point}")
    return customer


def require_customer(ctx: Context, customer: str) -> None:
    require_direct(ctx)
    if ctx.call("registry", "customer_of_wallet", wallet=ctx.creator.id) != customer:
        raise NotYourOrder("only a wallet of the customer who is concerned may do this")


def require_own(ctx: Context, order: Order) -> None:
    require_customer(ctx, order.customer)


def require_deliverable(ctx: Context, venue: Venue, bid: Order, ask: Order, energy_wh: int) -> None:
    """Refuses a trade of somebody who moves out before it, one that its line does not carry, one too many of two."""
    gone = leaving(ctx, bid, ask)
    if gone is not None:
        raise NotAMember(f"the customer of order {gone.number} will not live there")
    if line_left_wh(ctx, venue, ask, bid) < energy_wh:
        raise BookFull("the line between the two feeders carries no more in this delivery")
    left_wh = partner_left_wh(ctx, venue, bid, ask)
    if left_wh < energy_wh:
        raise PartnerLimit(f"too much would be between these two customers: they may trade {left_wh} Wh more")


def require_coordinator(ctx: Context, venue: Venue) -> None:
    """Refuses all but an identity of the operator that is named for this market; contracts too."""
    creator, market = ctx.creator, venue.market
    named = creator.attributes.get("coordinator", "") == market.id and creator.organisation == market.operator
    if ctx.caller or not named:
        raise NotTheCoordinator(f"only the coordinator of {market.id} may do this")


def is_overseer(ctx: Context, operator: str) -> bool:
    """Contracts, regulators, and staff of an operator."""
    creator = ctx.creator
    if ctx.caller or creator.role == "regulator":
        return True
    return creator.role in STAFF_ROLES and creator.organisation == operator


def require_member(ctx: Context, market: str) -> None:
    """Refuses all but who lives in the market's area, staff of its organisations, regulators and contracts."""
    found = venue_at(ctx, market, ctx.time_ms).market
    area = ctx.call("registry", "area", area=found.area)
    if any(is_overseer(ctx, organisation) for organisation in [found.operator, *area["admitted"]]):
        return
    customer = ctx.call("registry", "customer_of_wallet", wallet=ctx.creator.id)
    members = ctx.call("registry", "members", area=found.area, interval_ms=ctx.time_ms) if customer else []
    if not any(member[3] == customer for member in members):
        raise NotAMember(f"the book of {market} is read by those who live in {found.area}")


def require_reader(ctx: Context, market: str, customer: str) -> None:
    """Refuses all but a customer's own wallets, staff of the market's operator, regulators and contracts."""
    if is_overseer(ctx, venue_at(ctx, market, ctx.time_ms).market.operator):
        return
    if ctx.call("registry", "customer_of_wallet", wallet=ctx.creator.id) != customer:
        raise NotAMember("an order is read by its customer, the market's operator and regulators")


def require_customer_reader(ctx: Context, wallet: str) -> None:
    """Refuses all but a wallet's customer, its utility's staff, regulators and contracts."""
    if ctx.creator.id == wallet or ctx.caller or ctx.creator.role == "regulator":
        return
    customer: str = ctx.call("registry", "customer_of_wallet", wallet=wallet)
    if customer and ctx.call("registry", "customer_of_wallet", wallet=ctx.creator.id) == customer:
        return
    if ctx.creator.role not in STAFF_ROLES or ctx.creator.organisation != customer.partition(":")[0]:
        raise NotYourOrganisation("orders are read by their customer, its utility and regulators")
