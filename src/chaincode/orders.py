"""Orders: what a customer would buy or sell, the money behind it, and what it may be at most.

    order      under `order`, number; `left_wh` may still be traded, `filled_wh` is sold or bought
    book       index of open orders: market, slot, side, price, number, so that each side stands by price, then time
    own, of    the same by customer of a slot, and by wallet
    slot       a delivery of a market, named by its start: how many orders are open, how far it is cleared
    committed  of a point and day, by interval: what it has offered, and what it has sold
    position   of a market, customer and slot: bought and sold, open orders included; `feeder_position` by feeder

Rules it keeps:

* a bid sets aside at once what its energy costs at most, an ask its collateral; what is left of an order is never more
  than what it still holds pays, so a match always pays. Each trade takes 5 minor units of slack for each interval
  with it, for what rounding may cost: an order brings that for 8 trades (one that is bought whole, for one); beyond
  them its last Wh pay for it;
* what a point offers and has sold in an interval is no more than its export rating, over all markets;
* nobody's orders cross: who has a bid refuses himself an ask that it would pay for, and the other way round.
"""

from chaincode.api import Context, Record, Refusal
from chaincode.book import LARGEST_ENERGY_WH, LARGEST_PRICE_MICRO
from chaincode.calendar import DAY_MS, HOUR_MS
from chaincode.units import MICRO, MWH_PER_WH, PICO_DIGITS, power_of_ten
from chaincode.venue import BILL_SHARE, BOARD, Venue
from chaincode.windows import Delivery

BID = "bid"
ASK = "ask"
OFFER = "offer"
REQUEST = "request"
LIMIT = "limit"
STRATEGY = "strategy"
PURCHASE = "purchase"
SALE = "sale"
COUNTER = "counter"
OPEN = "open"
MATCHED = "matched"
CANCELLED = "cancelled"
EXPIRED = "expired"
CLEARING = "clearing"
CLEARED = "cleared"
REVERSE = "reverse"
FORWARD = "forward"

SLACK_MINOR = 5
TRADES_COVERED = 8
BOOK_ORDERS = 800
WEDGED_BOOK_ORDERS = 250
ROUTED_ORDERS = 200
ROUTED_PAIRS = 16
"""With fees by pair, so many orders are cleared over so many pairs of feeders; over more pairs as many fewer."""
SHARED_BOOK_ORDERS = 34
"""Where every buyer buys from every seller: 17 x 17 trades."""
ORDERS_OF_CUSTOMER = 20
COUNTERS_OF_OFFER = 10

# ---------------------------------------------------------------- records


class Order(Record):
    """Under `order`, number. A bid's price is the most it pays, fee included (of a purchase or counter: before the
    fee); an ask's the least it gets. `expires_ms` is the end of the bids at the latest.

    `cover_micro` and `tax_micro`: what a kWh needs of `held_minor` at most. `target`: the offer that a counter answers.
    """

    number: int
    market: str
    side: str
    kind: str
    point: str
    customer: str
    wallet: str
    feeder: str
    energy_wh: int
    left_wh: int
    price_micro: int
    from_ms: int
    until_ms: int
    expires_ms: int
    cover_micro: int
    tax_micro: int
    levy_micro: int
    held_minor: int
    placed_ms: int
    status: str = OPEN
    filled_wh: int = 0
    strategy: int = 0
    target: int = 0

    @property
    def escrow(self) -> str:
        return f"order/{self.number}" if self.side == BID else f"collateral/{self.number}"


class Slot(Record):
    """Under `slot`, market, start."""

    market: str
    from_ms: int
    opened_ms: int
    closes_ms: int
    orders: int = 0
    status: str = OPEN


class Committed(Record):
    """Under `committed`, point, day: Wh by interval."""

    open_wh: list[int]
    sold_wh: list[int]


class Position(Record):
    """Under `position`, market, customer, slot; what is open is counted as if it were traded."""

    bought_wh: int = 0
    sold_wh: int = 0


class Wanted(Record):
    """An order before it is one: who asks for what."""

    side: str
    kind: str
    point: str
    customer: str
    wallet: str
    energy_wh: int
    price_micro: int
    expires_ms: int = 0
    fee_micro: int = -1
    """The fee that comes on top of a bid's price; below zero, the price includes it."""
    strategy: int = 0
    target: int = 0


# ---------------------------------------------------------------- refusals


class OrderRefused(Refusal):
    """An order that the market does not take."""

    code = "ORDER_REFUSED"


class WindowClosed(OrderRefused):
    """The market takes no orders for this delivery now."""

    code = "WINDOW_CLOSED"


class PriceOutOfBand(OrderRefused):
    """The price is below the floor, above the cap, between two ticks, or not what this order may name."""

    code = "PRICE_OUT_OF_BAND"


class QuantityLimit(OrderRefused):
    """An order is of 1 Wh at least, and of no more than the market lets one be."""

    code = "QUANTITY_LIMIT"


class PositionLimit(OrderRefused):
    """A customer or feeder would buy or sell more of a delivery than the market lets it."""

    code = "POSITION_LIMIT"


class PartnerLimit(OrderRefused):
    """Too much of what a customer trades would be with one other."""

    code = "PARTNER_LIMIT"


class RatingExceeded(OrderRefused):
    """The point would give or take more than its rating in the time of delivery."""

    code = "RATING_EXCEEDED"


class SelfTrade(OrderRefused):
    """One customer would trade with itself."""

    code = "SELF_TRADE"


class Halted(OrderRefused):
    """The feeder takes no new deliveries in this direction."""

    code = "HALTED"


class NotAMember(OrderRefused):
    """The point is not in this market, or the signer does not speak for its customer."""

    code = "NOT_A_MEMBER"


class BookFull(OrderRefused):
    """A delivery has no room for more orders or trades."""

    code = "BOOK_FULL"


class BudgetTooSmall(OrderRefused):
    """A strategy's budget does not cover its order."""

    code = "BUDGET_TOO_SMALL"


class OrderUnknown(Refusal):
    """There is no order of this number."""

    code = "ORDER_UNKNOWN"


class OrderNotOpen(Refusal):
    """The order is matched, cancelled or expired, or its delivery is being cleared."""

    code = "ORDER_NOT_OPEN"


# ---------------------------------------------------------------- money behind an order


def cost_minor(micro: int, tax_micro: int, energy_wh: int, digits: int) -> int:
    """What energy costs at a price with tax, in minor units, rounded up; nothing below zero."""
    pico = energy_wh * MWH_PER_WH * max(micro, 0) * (MICRO + tax_micro)
    return -(-pico // (MICRO * power_of_ten(PICO_DIGITS - digits)))


def affordable_wh(micro: int, tax_micro: int, amount_minor: int, digits: int) -> int:
    """The most Wh that money pays, by `cost_minor`."""
    if amount_minor < 0:
        return 0
    if micro <= 0:
        return LARGEST_ENERGY_WH
    return amount_minor * MICRO * power_of_ten(PICO_DIGITS - digits) // (MWH_PER_WH * micro * (MICRO + tax_micro))


def slack_minor(venue: Venue, order: Order) -> int:
    """What one trade of an order takes with it for rounding. A seller pays only at prices below zero."""
    if order.side == BID or order.price_micro < 0:
        return SLACK_MINOR * ((order.until_ms - order.from_ms) // venue.interval_ms)
    return 1 if order.cover_micro else 0


def payable_wh(venue: Venue, order: Order) -> int:
    """How much of what an order has left it can pay for in one trade."""
    rest_minor = order.held_minor - slack_minor(venue, order)
    return min(order.left_wh, affordable_wh(order.cover_micro, order.tax_micro, rest_minor, venue.digits))


# ---------------------------------------------------------------- may it be


def drawn(ctx: Context, venue: Venue, wanted: Wanted, delivery: Delivery) -> Order:
    """The order that is wanted, with its number and what it must hold. Changes nothing; refuses by every rule.

    Who wants it has been asked for before: here a point's customer is looked up as of the delivery.
    """
    market = venue.market
    if not market.open or not delivery.opens_ms <= ctx.time_ms < delivery.closes_ms:
        raise WindowClosed(f"{market.id} takes no orders for the delivery at {delivery.from_ms} ms now")
    expires_ms = min(wanted.expires_ms or delivery.closes_ms, delivery.closes_ms)
    if expires_ms <= ctx.time_ms:
        raise WindowClosed(f"an order that is over at {expires_ms} ms comes too late")
    if wanted.kind != SALE:
        require_price(venue, wanted.price_micro)
    if not 0 < wanted.energy_wh <= (market.order_limit_wh or LARGEST_ENERGY_WH):
        raise QuantityLimit(f"an order is of 1 to {market.order_limit_wh or LARGEST_ENERGY_WH} Wh")
    feeders, feeder = feeder_at(ctx, venue, wanted, delivery.from_ms)
    require_not_halted(ctx, feeder, wanted.side, delivery.from_ms)
    cover_micro = levy_micro = tax_micro = 0
    if wanted.side == BID:
        levy_micro, tax_micro = charges_at(ctx, wanted.point, delivery)
        if wanted.fee_micro < 0:
            cover_micro = max(wanted.price_micro, venue.highest_fee(feeder)) + levy_micro
        else:
            cover_micro = max(wanted.price_micro, 0) + wanted.fee_micro + levy_micro
    else:
        cover_micro = market.collateral_micro + max(-wanted.price_micro, 0)
    order = Order(
        number=(ctx.get("orders", int) or 0) + 1,
        market=market.id,
        side=wanted.side,
        kind=wanted.kind,
        point=wanted.point,
        customer=wanted.customer,
        wallet=wanted.wallet,
        feeder=feeder,
        energy_wh=wanted.energy_wh,
        left_wh=wanted.energy_wh,
        price_micro=wanted.price_micro,
        from_ms=delivery.from_ms,
        until_ms=delivery.until_ms,
        expires_ms=expires_ms,
        cover_micro=cover_micro,
        tax_micro=tax_micro,
        levy_micro=levy_micro,
        held_minor=0,
        placed_ms=ctx.time_ms,
        strategy=wanted.strategy,
        target=wanted.target,
    )
    trades = 1 if wanted.kind in (PURCHASE, SALE, COUNTER) else TRADES_COVERED
    cost = cost_minor(cover_micro, tax_micro, order.energy_wh, venue.digits)
    order = order.replace(held_minor=cost + trades * slack_minor(venue, order))
    require_rating(ctx, venue, order)
    require_position(ctx, venue, order)
    require_place(ctx, venue, order, most_orders(venue, feeders))
    return order


def require_price(venue: Venue, price_micro: int) -> None:
    market = venue.market
    if not market.floor_micro <= price_micro <= market.cap_micro or price_micro % market.tick_micro:
        raise PriceOutOfBand(
            f"a price is {market.floor_micro} to {market.cap_micro} micro, in steps of {market.tick_micro}"
        )


def feeder_at(ctx: Context, venue: Venue, wanted: Wanted, at_ms: int) -> tuple[int, str]:
    """(how many feeders the market has, that of a point when delivery begins).

    Refuses a point of another customer or market.
    """
    span = ctx.call("registry", "span", point=wanted.point, time_ms=at_ms)
    if span is None or not wanted.customer or span["customer"] != wanted.customer:
        raise NotAMember(f"the order's customer does not live at {wanted.point} when delivery begins")
    feeder: str = span["feeder"]
    feeders = venue.market.feeders or ctx.call("registry", "area", area=venue.market.area)["feeders"]
    if feeder not in feeders:
        raise NotAMember(f"{wanted.point} is not on a feeder of {venue.market.id}")
    return len(feeders), feeder


def most_orders(venue: Venue, feeders: int) -> int:
    """How many orders a delivery takes, so that one call clears it."""
    if venue.market.mechanism == BILL_SHARE:
        return SHARED_BOOK_ORDERS
    if not venue.wedges:
        return BOOK_ORDERS
    return min(WEDGED_BOOK_ORDERS, ROUTED_ORDERS * ROUTED_PAIRS // (feeders * feeders))


def charges_at(ctx: Context, point: str, delivery: Delivery) -> tuple[int, int]:
    """(levies per kWh, rate of tax) at a point: the dearest of what holds at the two ends of a delivery."""
    utility = ctx.call("registry", "point", point=point)["utility"]
    levy_micro = tax_micro = 0
    for at_ms in (delivery.from_ms, delivery.until_ms - 1):
        charges = ctx.call("tariff", "peer_charges", utility=utility, at_ms=at_ms)
        levy_micro = max(levy_micro, sum(levy["price_micro"] for levy in charges["levies"]))
        tax_micro = max(tax_micro, charges["tax_micro"])
    return levy_micro, tax_micro


def halt_key(ctx: Context, feeder: str, direction: str) -> str:
    return ctx.key("halt", feeder, direction)


def is_halted(ctx: Context, feeder: str, side: str, from_ms: int) -> bool:
    """Whether a feeder takes no new deliveries: out of it (asks) or into it (bids)."""
    until_ms = ctx.get(halt_key(ctx, feeder, REVERSE if side == ASK else FORWARD), int)
    return until_ms is not None and (until_ms == 0 or from_ms < until_ms)


def require_not_halted(ctx: Context, feeder: str, side: str, from_ms: int) -> None:
    if is_halted(ctx, feeder, side, from_ms):
        raise Halted(f"{feeder} takes no new deliveries in this direction")


def require_rating(ctx: Context, venue: Venue, order: Order) -> None:
    """Refuses a bid beyond the point's rating, an ask beyond what the point has not offered or sold yet."""
    point = ctx.call("registry", "point", point=order.point)
    if point["kind"] != "connection":
        raise NotAMember("energy is bought and sold at connection points")
    if order.side == BID:
        if order.energy_wh * HOUR_MS > point["import_rating_w"] * (order.until_ms - order.from_ms):
            raise RatingExceeded(f"{order.point} takes {point['import_rating_w']} W at most")
        return
    most_wh = point["export_rating_w"] * venue.interval_ms // HOUR_MS
    parts = spread(order.energy_wh, order, venue)
    for day, first, last, skipped in days_of(order, venue):
        found = committed_of(ctx, venue, order.point, day)
        for place in range(first, last):
            if found.open_wh[place] + found.sold_wh[place] + parts[skipped + place - first] > most_wh:
                raise RatingExceeded(
                    f"{order.point} gives {most_wh} Wh in an interval at most, what it has promised included"
                )


def require_position(ctx: Context, venue: Venue, order: Order) -> None:
    for kind, who, limit_wh in limits_of(venue, order):
        found = position_of(ctx, kind, order, who)
        taken_wh = found.bought_wh if order.side == BID else found.sold_wh
        if limit_wh and taken_wh + order.energy_wh > limit_wh:
            raise PositionLimit(f"{who} has {taken_wh} Wh of this delivery, the limit is {limit_wh}")


def require_place(ctx: Context, venue: Venue, order: Order, limit: int) -> None:
    """Refuses an order that a full book cannot hold, or that another one of its customer would meet."""
    slot = slot_of(ctx, order.market, order.from_ms)
    if slot is not None and slot.status != OPEN:
        raise WindowClosed(f"the delivery at {order.from_ms} ms is being cleared")
    if slot is not None and slot.orders >= limit:
        raise BookFull(f"a delivery has at most {limit} orders")
    count = 0
    for _, other in ctx.matching(
        "own", order.market, time_text(order.from_ms), order.customer, type=tuple[str, int, str]
    ):
        count += 1
        side, price_micro, feeder = other
        if side == order.side or order.kind in (PURCHASE, SALE, COUNTER) or venue.market.mechanism == BOARD:
            continue
        if order.side == BID:
            crosses = order.price_micro >= price_micro + venue.wedge(feeder, order.feeder).fee_micro
        else:
            crosses = price_micro >= order.price_micro + venue.wedge(order.feeder, feeder).fee_micro
        if crosses:
            raise SelfTrade("another order of the same customer would meet this one: cancel it first")
    if count >= ORDERS_OF_CUSTOMER:
        raise BookFull(f"a customer has at most {ORDERS_OF_CUSTOMER} orders for a delivery")


# ---------------------------------------------------------------- an order's life


def opened(ctx: Context, venue: Venue, order: Order, closes_ms: int) -> Order:
    """Set an order's money aside, by the signer or out of its strategy's budget, and count it in."""
    if order.held_minor:
        if order.strategy:
            budget_key = ctx.key("budget", number_text(order.strategy))
            ctx.put(budget_key, (ctx.get(budget_key, int) or 0) - order.held_minor)
            ctx.call(
                "currency",
                "split_escrow",
                owner=order.wallet,
                escrow=f"strategy/{order.strategy}",
                into=order.escrow,
                amount_minor=order.held_minor,
            )
        else:
            ctx.call(
                "currency",
                "open_escrow",
                escrow=order.escrow,
                amount_minor=order.held_minor,
                purpose=f"{order.kind} {order.number} at {order.market}",
            )
    ctx.put("orders", order.number)
    counted(ctx, order, closes_ms, 1)
    promised(ctx, venue, order, (0, 0), (order.energy_wh, 0))
    positioned(ctx, venue, order, order.energy_wh)
    ctx.put(ctx.key("of", order.wallet, number_text(order.number)), order.status)
    if order.kind in (PURCHASE, SALE):
        return kept(ctx, order)
    own = (order.side, order.price_micro, order.feeder)
    ctx.put(own_key(ctx, order), own)
    if order.kind != COUNTER:
        ctx.put(book_key(ctx, order), order.number)
    if order.target:
        ctx.put(ctx.key("counter", number_text(order.target), number_text(order.number)), order.number)
    if order.expires_ms < closes_ms:
        ctx.schedule(f"expire/{order.number}", order.expires_ms, "expire", order=order.number)
    ctx.emit(
        "OrderPlaced",
        order=order.number,
        market=order.market,
        side=order.side,
        kind=order.kind,
        energy_wh=order.energy_wh,
        price_micro=order.price_micro,
        from_ms=order.from_ms,
        until_ms=order.until_ms,
    )
    return kept(ctx, order)


def filled(ctx: Context, venue: Venue, order: Order, energy_wh: int, paid_minor: int) -> Order:
    """An order after a trade: what it still can pay for is left; it is matched when nothing is."""
    whole_wh = order.filled_wh + order.left_wh
    promised(ctx, venue, order, (whole_wh, order.filled_wh), (whole_wh, order.filled_wh + energy_wh))
    after = order.replace(
        left_wh=order.left_wh - energy_wh,
        filled_wh=order.filled_wh + energy_wh,
        held_minor=order.held_minor - paid_minor,
    )
    payable = payable_wh(venue, after)
    if payable < after.left_wh:
        released(ctx, venue, after, after.left_wh - payable)
        after = after.replace(left_wh=payable)
    return closed(ctx, venue, after, MATCHED) if not after.left_wh else kept(ctx, after)


def closed(ctx: Context, venue: Venue, order: Order, status: str) -> Order:
    """End an order: its money goes back, its promise is over; counters to an offer end with it."""
    if order.left_wh:
        released(ctx, venue, order, order.left_wh)
    if order.held_minor:
        returned(ctx, order)
    if order.kind not in (PURCHASE, SALE):
        ctx.delete(own_key(ctx, order))
    if order.kind == COUNTER:
        ctx.delete(ctx.key("counter", number_text(order.target), number_text(order.number)))
    elif order.kind not in (PURCHASE, SALE):
        ctx.delete(book_key(ctx, order))
    slot = slot_of(ctx, order.market, order.from_ms)
    if slot is not None:
        ctx.put(slot_key(ctx, order.market, order.from_ms), slot.replace(orders=slot.orders - 1))
        if order.expires_ms < slot.closes_ms:
            ctx.cancel(f"expire/{order.number}")
    if status != MATCHED:
        name = "OrderCancelled" if status == CANCELLED else "OrderExpired"
        ctx.emit(name, order=order.number, market=order.market, left_wh=order.left_wh, filled_wh=order.filled_wh)
    ended = kept(ctx, order.replace(status=status, held_minor=0))
    if order.side == ASK and order.kind in (OFFER, STRATEGY):
        for counter in counters_of(ctx, order.number):
            closed(ctx, venue, counter, CANCELLED)
    return ended


def returned(ctx: Context, order: Order) -> None:
    """What an order still holds goes back to its owner, or into the budget of its strategy while that runs."""
    budget_key = ctx.key("budget", number_text(order.strategy))
    budget_minor: int | None = ctx.get(budget_key, int) if order.strategy else None
    if budget_minor is None:
        ctx.call("currency", "refund_escrow", owner=order.wallet, escrow=order.escrow)
        return
    ctx.call(
        "currency",
        "split_escrow",
        owner=order.wallet,
        escrow=order.escrow,
        into=f"strategy/{order.strategy}",
        amount_minor=order.held_minor,
    )
    ctx.put(budget_key, budget_minor + order.held_minor)


def released(ctx: Context, venue: Venue, order: Order, energy_wh: int) -> None:
    """What an order no longer wants is free for others."""
    whole_wh = order.filled_wh + order.left_wh
    promised(ctx, venue, order, (whole_wh, order.filled_wh), (whole_wh - energy_wh, order.filled_wh))
    positioned(ctx, venue, order, -energy_wh)


def counted(ctx: Context, order: Order, closes_ms: int, more: int) -> None:
    found = slot_of(ctx, order.market, order.from_ms)
    slot = found or Slot(market=order.market, from_ms=order.from_ms, opened_ms=ctx.time_ms, closes_ms=closes_ms)
    ctx.put(slot_key(ctx, order.market, order.from_ms), slot.replace(orders=slot.orders + more))


def counters_of(ctx: Context, offer: int) -> list[Order]:
    return [order_of(ctx, number) for _, number in ctx.matching("counter", number_text(offer), type=int)]


# ---------------------------------------------------------------- what a point has promised


def spread(energy_wh: int, order: Order, venue: Venue) -> list[int]:
    """Energy over the intervals of an order's delivery, evenly; what grows in total shrinks nowhere."""
    count = (order.until_ms - order.from_ms) // venue.interval_ms
    return [(energy_wh + place) // count for place in range(count)]


def days_of(order: Order, venue: Venue) -> list[tuple[int, int, int, int]]:
    """(day, first interval of it, the one after the last, intervals before this day) of a delivery."""
    found: list[tuple[int, int, int, int]] = []
    skipped = 0
    for day in range(order.from_ms // DAY_MS, (order.until_ms - 1) // DAY_MS + 1):
        first = max(order.from_ms - day * DAY_MS, 0) // venue.interval_ms
        last = min(order.until_ms - day * DAY_MS, DAY_MS) // venue.interval_ms
        found.append((day, first, last, skipped))
        skipped += last - first
    return found


def promised(ctx: Context, venue: Venue, order: Order, before: tuple[int, int], after: tuple[int, int]) -> None:
    """Change what an ask promises, each as (energy it is of, part of it that is sold). A bid promises nothing."""
    if order.side == BID:
        return
    total_before, total_after = spread(before[0], order, venue), spread(after[0], order, venue)
    sold_before, sold_after = spread(before[1], order, venue), spread(after[1], order, venue)
    for day, first, last, skipped in days_of(order, venue):
        found = committed_of(ctx, venue, order.point, day)
        for place in range(first, last):
            at = skipped + place - first
            more_sold = sold_after[at] - sold_before[at]
            found.sold_wh[place] += more_sold
            found.open_wh[place] += total_after[at] - total_before[at] - more_sold
        ctx.put(committed_key(ctx, order.point, day), found)


def positioned(ctx: Context, venue: Venue, order: Order, energy_wh: int) -> None:
    for kind, who, _ in limits_of(venue, order):
        found = position_of(ctx, kind, order, who)
        if order.side == BID:
            found = found.replace(bought_wh=found.bought_wh + energy_wh)
        else:
            found = found.replace(sold_wh=found.sold_wh + energy_wh)
        ctx.put(ctx.key(kind, order.market, who, time_text(order.from_ms)), found)


def limits_of(venue: Venue, order: Order) -> list[tuple[str, str, int]]:
    """(kind of position, who, limit) that an order counts in."""
    found = [("position", order.customer, venue.market.position_limit_wh)]
    if venue.market.feeder_limit_wh:
        found.append(("feeder_position", order.feeder, venue.market.feeder_limit_wh))
    return found


# ---------------------------------------------------------------- finding


def time_text(time_ms: int) -> str:
    return f"{time_ms:015d}"


def number_text(number: int) -> str:
    return f"{number:012d}"


def slot_key(ctx: Context, market: str, from_ms: int) -> str:
    return ctx.key("slot", market, time_text(from_ms))


def slot_of(ctx: Context, market: str, from_ms: int) -> Slot | None:
    return ctx.get(slot_key(ctx, market, from_ms), Slot)


def book_key(ctx: Context, order: Order) -> str:
    """Bids from the highest price, asks from the lowest, equal ones by number."""
    merit = LARGEST_PRICE_MICRO + (order.price_micro if order.side == ASK else -order.price_micro)
    return ctx.key(
        "book", order.market, time_text(order.from_ms), order.side, f"{merit:013d}", number_text(order.number)
    )


def own_key(ctx: Context, order: Order) -> str:
    return ctx.key("own", order.market, time_text(order.from_ms), order.customer, number_text(order.number))


def committed_key(ctx: Context, point: str, day: int) -> str:
    return ctx.key("committed", point, f"{day:06d}")


def committed_of(ctx: Context, venue: Venue, point: str, day: int) -> Committed:
    found = ctx.get(committed_key(ctx, point, day), Committed)
    if found is not None:
        return found
    intervals = DAY_MS // venue.interval_ms
    return Committed(open_wh=[0 for _ in range(intervals)], sold_wh=[0 for _ in range(intervals)])


def position_of(ctx: Context, kind: str, order: Order, who: str) -> Position:
    return ctx.get(ctx.key(kind, order.market, who, time_text(order.from_ms)), Position) or Position()


def kept(ctx: Context, order: Order) -> Order:
    ctx.put(ctx.key("order", number_text(order.number)), order)
    return order


def order_of(ctx: Context, number: int) -> Order:
    found = ctx.get(ctx.key("order", number_text(number)), Order)
    if found is None:
        raise OrderUnknown(f"there is no order {number}")
    return found


def open_order(ctx: Context, number: int) -> Order:
    """An order that may still be traded or cancelled."""
    found = order_of(ctx, number)
    slot = slot_of(ctx, found.market, found.from_ms)
    if found.status != OPEN or slot is None or slot.status != OPEN:
        raise OrderNotOpen(f"order {number} is {found.status}, or its delivery is being cleared")
    return found
