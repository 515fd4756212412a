"""Matching: two orders become a trade that settlement delivers; a delivery's book is cleared, in steps.

    trade   under `trade`, market, slot, settlement's number: which orders met, at which price
    line    of a market, slot and pair of feeders: what the line has to carry already, where it has a limit
    load    of an area and day, by interval: how many trades deliver then; settlement takes 300
    pending of a market and slot: what has been cleared and is yet to be traded, how far that is

A trade takes its part of the bid's escrow (`trade/N`) and of the ask's collateral (`pledge/N`) with it; both are
settlement's from then on. What cannot be delivered any more when its turn comes (somebody has moved out, an interval is
full, too much is between two customers) is passed over, and its orders expire.
"""

from typing import Any

from chaincode.api import Context, Record
from chaincode.book import Book
from chaincode.book import Order as Entry
from chaincode.calendar import DAY_MS
from chaincode.orders import (
    ASK,
    BID,
    CLEARED,
    CLEARING,
    EXPIRED,
    OPEN,
    BookFull,
    BudgetTooSmall,
    Order,
    PartnerLimit,
    Slot,
    Wanted,
    closed,
    cost_minor,
    drawn,
    filled,
    is_halted,
    number_text,
    opened,
    order_of,
    slack_minor,
    slot_key,
    slot_of,
    time_text,
)
from chaincode.partners import dealt, partner_left_wh
from chaincode.standing import kept_strategy, recovered, running_strategy, strayed
from chaincode.units import largest_remainder
from chaincode.venue import (
    AT_ONCE,
    BILL_SHARE,
    BOARD,
    BY_COORDINATOR,
    CENTRAL,
    CONTINUOUS,
    HYBRID,
    Venue,
    line_wh,
    pair_of,
    venue_at,
)
from chaincode.windows import Delivery

TRADES_AT_ONCE = 20
CLOSED_AT_ONCE = 50
COMPUTED_WITH_TRADES = 60
"""A book of more orders, or with fees by pair, is computed in a call of its own."""
AREA_TRADES = 300
"""Of one interval of an area: what settlement closes."""

# ---------------------------------------------------------------- records


class Trade(Record):
    """Under `trade`, market, slot, number. The buyer pays its price and the fee, the seller gets the other."""

    trade: int
    bid: int
    ask: int
    energy_wh: int
    price_micro: int
    buyer_price_micro: int
    fee_micro: int
    matched_ms: int


class Pending(Record):
    """Matches as (bid, ask, Wh, price, buyer's price), and the first one that is not a trade yet."""

    matches: list[tuple[int, int, int, int, int]]
    done: int = 0


# ---------------------------------------------------------------- one trade


def leaving(ctx: Context, bid: Order, ask: Order) -> Order | None:
    """The order that can no longer be delivered, because its customer will not live there."""
    for order in (bid, ask):
        span = ctx.call("registry", "span", point=order.point, time_ms=order.from_ms)
        if span is None or span["customer"] != order.customer:
            return order
    return None


def traded(
    ctx: Context, venue: Venue, bid: Order, ask: Order, energy_wh: int, price_micro: int, buyer_price_micro: int
) -> tuple[Order, Order]:
    """Hand a trade down to settlement with its money; answers both orders as they stand then.

    The delivery is the ask's. Refuses with BOOK_FULL where settlement has no room.
    """
    wedge = venue.wedge(ask.feeder, bid.feeder)
    surplus_micro = buyer_price_micro - price_micro
    fee_micro = wedge.fee_micro + surplus_micro
    account = venue.market.surplus_account if surplus_micro else wedge.account
    paid_micro = max(price_micro, 0) + fee_micro + bid.levy_micro
    pledged_micro = venue.market.collateral_micro + max(-price_micro, 0)
    escrow_minor = cost_minor(paid_micro, bid.tax_micro, energy_wh, venue.digits) + slack_minor(venue, bid)
    pledge_minor = cost_minor(pledged_micro, 0, energy_wh, venue.digits)
    if pledge_minor:
        pledge_minor = min(pledge_minor + (slack_minor(venue, ask) if price_micro < 0 else 0), ask.held_minor)
    loaded(ctx, venue, ask)
    dealt(ctx, venue, bid, ask, energy_wh)
    number: int = ctx.call("settlement", "trade_count") + 1
    set_apart(ctx, bid, f"trade/{number}", escrow_minor)
    if pledge_minor:
        set_apart(ctx, ask, f"pledge/{number}", pledge_minor)
    obligation: dict[str, Any] = {
        "area": venue.market.area,
        "seller_point": ask.point,
        "buyer_point": bid.point,
        "seller": ask.wallet,
        "buyer": bid.wallet,
        "seller_customer": ask.customer,
        "buyer_customer": bid.customer,
        "energy_wh": energy_wh,
        "price_micro": price_micro,
        "from_ms": ask.from_ms,
        "until_ms": ask.until_ms,
        "escrow_minor": escrow_minor,
        "fee_micro": fee_micro,
        "fee_account": account if fee_micro else "",
        "pledge_minor": pledge_minor,
    }
    number = ctx.call("settlement", "agree", obligation=obligation)
    trade = Trade(
        trade=number,
        bid=bid.number,
        ask=ask.number,
        energy_wh=energy_wh,
        price_micro=price_micro,
        buyer_price_micro=buyer_price_micro,
        fee_micro=wedge.fee_micro,
        matched_ms=ctx.time_ms,
    )
    ctx.put(ctx.key("trade", ask.market, time_text(ask.from_ms), number_text(number)), trade)
    if wedge.limit_w:
        key = line_key(ctx, ask, bid.feeder)
        ctx.put(key, (ctx.get(key, int) or 0) + energy_wh)
    ctx.emit(
        "OrderMatched",
        market=ask.market,
        trade=number,
        bid=bid.number,
        ask=ask.number,
        energy_wh=energy_wh,
        price_micro=price_micro,
        buyer_price_micro=buyer_price_micro,
    )
    return filled(ctx, venue, bid, energy_wh, escrow_minor), filled(ctx, venue, ask, energy_wh, pledge_minor)


def set_apart(ctx: Context, order: Order, into: str, amount_minor: int) -> None:
    ctx.call(
        "currency",
        "split_escrow",
        owner=order.wallet,
        escrow=order.escrow,
        into=into,
        amount_minor=amount_minor,
        keeper="settlement",
    )


def loaded(ctx: Context, venue: Venue, order: Order) -> None:
    """Count a trade in each interval of its delivery."""
    for key, counts, first, last in loads_of(ctx, venue, order):
        for place in range(first, last):
            counts[place] += 1
            if counts[place] > AREA_TRADES:
                raise BookFull(f"{venue.market.area} has {AREA_TRADES} trades in an interval already")
        ctx.put(key, counts)


def has_room(ctx: Context, venue: Venue, order: Order) -> bool:
    """Whether settlement can take one more trade in each interval of a delivery."""
    return all(max(counts[first:last]) < AREA_TRADES for _, counts, first, last in loads_of(ctx, venue, order))


def loads_of(ctx: Context, venue: Venue, order: Order) -> list[tuple[str, list[int], int, int]]:
    found: list[tuple[str, list[int], int, int]] = []
    for day in range(order.from_ms // DAY_MS, (order.until_ms - 1) // DAY_MS + 1):
        key = ctx.key("load", venue.market.area, f"{day:06d}")
        counts: list[int] = ctx.get(key, list[int]) or [0 for _ in range(DAY_MS // venue.interval_ms)]
        first = max(order.from_ms - day * DAY_MS, 0) // venue.interval_ms
        last = min(order.until_ms - day * DAY_MS, DAY_MS) // venue.interval_ms
        found.append((key, counts, first, last))
    return found


def spread_out(ctx: Context, venue: Venue, bid: Order, ask: Order, energy_wh: int) -> int:
    """How much of a match is not too much between two customers. A strategy whose trade is cut short strays."""
    if not venue.market.partner_limit_micro:
        return energy_wh
    allowed_wh = min(energy_wh, partner_left_wh(ctx, venue, bid, ask))
    for number in (bid.strategy, ask.strategy):
        strategy = running_strategy(ctx, number) if number and energy_wh else None
        if strategy is None:
            continue
        if allowed_wh < energy_wh:
            kept_strategy(ctx, strayed(ctx, strategy, PartnerLimit.code))
        elif strategy.alarm == PartnerLimit.code:
            kept_strategy(ctx, recovered(ctx, strategy))
    return allowed_wh


def line_key(ctx: Context, ask: Order, buyer_feeder: str) -> str:
    return ctx.key("line", ask.market, time_text(ask.from_ms), ask.feeder, buyer_feeder)


def line_left_wh(ctx: Context, venue: Venue, ask: Order, bid: Order) -> int:
    """What the line from the ask's feeder to the bid's still carries; all the ask has, where there is no limit."""
    wedge = venue.wedge(ask.feeder, bid.feeder)
    if not wedge.limit_w:
        return ask.left_wh
    used_wh = ctx.get(line_key(ctx, ask, bid.feeder), int) or 0
    return max(line_wh(wedge.limit_w, ask.until_ms - ask.from_ms) - used_wh, 0)


# ---------------------------------------------------------------- an order arrives


def venue_of(ctx: Context, market: str, from_ms: int) -> Venue:
    """A market as it holds for a delivery: since its first order came; for new orders it must be open now too."""
    now = venue_at(ctx, market, ctx.time_ms)
    slot = slot_of(ctx, market, from_ms)
    if slot is None:
        return now
    then = venue_at(ctx, market, slot.opened_ms)
    return then.replace(market=then.market.replace(open=now.market.open))


def placed(ctx: Context, venue: Venue, wanted: Wanted, delivery: Delivery) -> Order:
    """Take an order in, with its money; in an auction without windows it trades at once."""
    order = drawn(ctx, venue, wanted, delivery)
    if wanted.strategy and order.held_minor > (ctx.get(ctx.key("budget", number_text(wanted.strategy)), int) or 0):
        raise BudgetTooSmall(f"strategy {wanted.strategy} would set {order.held_minor} aside")
    if slot_of(ctx, order.market, order.from_ms) is None:
        due_ms = delivery.closes_ms + venue.market.coordinator_ms
        ctx.schedule(clear_timer(order.market, order.from_ms), due_ms, "clear", market=order.market, slot=order.from_ms)
    order = opened(ctx, venue, order, delivery.closes_ms)
    return arrived(ctx, venue, order) if venue.market.mechanism in AT_ONCE else order


def arrived(ctx: Context, venue: Venue, order: Order) -> Order:
    """Let a new order take what suits it from the resting ones, by price, then by time; what is left rests.

    It takes at most 20 others; what it could still take then goes back to its owner.
    """
    found = crossing(ctx, venue, order)
    meets = len(found)
    found = found[:TRADES_AT_ONCE]
    if not found:
        return order
    resting = {str(other.number): other for other in found}
    named = [in_book(other) for other in found]
    market = Book(
        bids=named if order.side == ASK else [],
        asks=named if order.side == BID else [],
        fee_micro_per_kwh=venue.market.fee_micro,
        pairs=tuple(pair_of(wedge, order.until_ms - order.from_ms, 0) for wedge in venue.wedges),
    )
    for fill in ctx.call("auction", "match", book=market, side=order.side, order=in_book(order)):
        other = resting[fill["ask"] if order.side == BID else fill["bid"]]
        bid, ask = (order, other) if order.side == BID else (other, order)
        energy_wh = min(fill["energy_wh"], bid.left_wh, ask.left_wh, line_left_wh(ctx, venue, ask, bid))
        energy_wh = spread_out(ctx, venue, bid, ask, energy_wh)
        if energy_wh and has_room(ctx, venue, ask):
            price_micro: int = fill["price_micro_per_kwh"]
            bid, ask = traded(ctx, venue, bid, ask, energy_wh, price_micro, price_micro)
            order = bid if order.side == BID else ask
    if order.status == OPEN and meets > TRADES_AT_ONCE:
        return closed(ctx, venue, order, EXPIRED)
    return order


def crossing(ctx: Context, venue: Venue, order: Order) -> list[Order]:
    """Resting orders that an arriving one could take, the best first, until they are enough for it.

    Passed over are orders of feeders that stand still, those whose line is full, and those of a customer that the
    other one trades with too much already.
    """
    found: list[Order] = []
    wanted_wh = order.left_wh
    side = ASK if order.side == BID else BID
    for _, number in ctx.matching("book", order.market, time_text(order.from_ms), side, type=int):
        other = order_of(ctx, number)
        bid, ask = (order, other) if order.side == BID else (other, order)
        if bid.price_micro < ask.price_micro + venue.lowest_fee() or len(found) > TRADES_AT_ONCE:
            break
        if not venue.wedges and wanted_wh <= 0:
            break
        if bid.price_micro < ask.price_micro + venue.wedge(ask.feeder, bid.feeder).fee_micro:
            continue
        if is_halted(ctx, other.feeder, other.side, other.from_ms) or other.expires_ms <= ctx.time_ms:
            continue
        if not line_left_wh(ctx, venue, ask, bid) or leaving(ctx, bid, ask) is not None:
            continue
        if not spread_out(ctx, venue, bid, ask, min(bid.left_wh, ask.left_wh)):
            continue
        found.append(other)
        wanted_wh -= other.left_wh
    return found


def in_book(order: Order) -> Entry:
    return Entry(
        id=str(order.number),
        owner=order.customer,
        energy_wh=order.left_wh,
        price_micro_per_kwh=order.price_micro,
        feeder=order.feeder,
    )


# ---------------------------------------------------------------- a delivery is cleared


def cleared(ctx: Context, venue: Venue, slot: Slot) -> Slot:
    """One step of clearing a delivery: compute the matches, make them trades, let the rest expire.

    Schedules the next step as long as there is one.
    """
    if slot.status == OPEN:
        matches: list[dict[str, Any]] = []
        if venue.market.mechanism not in (BOARD, CONTINUOUS):
            outcome = outcome_of(ctx, venue, slot)
            matches = outcome["matches"]
            if venue.market.mechanism == BILL_SHARE:
                matches = shared_out(matches)
                outcome["surplus_micro"] = 0
            announced(ctx, slot, venue.market.mechanism, outcome)
        slot = matched(ctx, slot, matches)
        if slot.orders > COMPUTED_WITH_TRADES or venue.wedges:
            return again(ctx, slot)
    pending = ctx.get(pending_key(ctx, slot), Pending) or Pending(matches=[])
    step = pending.matches[pending.done : pending.done + TRADES_AT_ONCE]
    for bid_number, ask_number, matched_wh, price_micro, buyer_price_micro in step:
        bid, ask = order_of(ctx, bid_number), order_of(ctx, ask_number)
        energy_wh = min(matched_wh, bid.left_wh, ask.left_wh)
        if bid.status != OPEN or ask.status != OPEN or not energy_wh or not has_room(ctx, venue, ask):
            continue
        if ask.until_ms <= ctx.time_ms:  # the ledger stood still for so long
            continue
        energy_wh = spread_out(ctx, venue, bid, ask, energy_wh)
        if energy_wh and leaving(ctx, bid, ask) is None:
            traded(ctx, venue, bid, ask, energy_wh, price_micro, buyer_price_micro)
    pending = pending.replace(done=pending.done + len(step))
    if pending.done < len(pending.matches):
        ctx.put(pending_key(ctx, slot), pending)
        return again(ctx, slot)
    for number in still_open(ctx, slot, CLOSED_AT_ONCE - len(step)):
        order = order_of(ctx, number)
        if order.status == OPEN:  # a counter ends with its offer
            closed(ctx, venue, order, EXPIRED)
    slot = ctx.get(slot_key(ctx, slot.market, slot.from_ms), Slot) or slot
    if slot.orders:
        ctx.put(pending_key(ctx, slot), pending)
        return again(ctx, slot)
    ctx.delete(pending_key(ctx, slot))
    slot = slot.replace(status=CLEARED)
    ctx.put(slot_key(ctx, slot.market, slot.from_ms), slot)
    return slot


def outcome_of(ctx: Context, venue: Venue, slot: Slot) -> dict[str, Any]:
    """What the market's mechanism makes of a delivery's book."""
    market = venue.market
    outcome: dict[str, Any] = ctx.call(
        "auction",
        "clear",
        mechanism=CENTRAL if market.mechanism == HYBRID else market.mechanism.replace("_", "-"),
        book=book_of(ctx, venue, slot),
        retail_micro_per_kwh=market.retail_micro,
        feed_in_micro_per_kwh=market.feed_in_micro,
    )
    return outcome


def shared_out(matches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same volumes, each buyer with a part of every seller's energy by its own: all pay the same on average.

    So each seller gets its ask out of what its own buyers pay, whoever of the others does not deliver.
    """
    wants: dict[str, int] = {}
    gives: dict[str, int] = {}
    prices: dict[str, int] = {}
    for found in matches:
        wants[found["bid"]] = wants.get(found["bid"], 0) + found["energy_wh"]
        gives[found["ask"]] = gives.get(found["ask"], 0) + found["energy_wh"]
        prices[found["ask"]] = found["price_micro_per_kwh"]
    buyers = sorted(wants, key=int)
    shared: list[dict[str, Any]] = []
    for ask in sorted(gives, key=int):
        parts = largest_remainder(gives[ask], [wants[bid] for bid in buyers])
        for place, bid in enumerate(buyers):
            wants[bid] -= parts[place]
            row = {"bid": bid, "ask": ask, "energy_wh": parts[place], "price_micro_per_kwh": prices[ask]}
            row["buyer_price_micro_per_kwh"] = prices[ask]
            if parts[place]:
                shared.append(row)
    return shared


def book_of(ctx: Context, venue: Venue, slot: Slot) -> Book:
    """The open orders of a delivery, by age; without those of feeders that stand still."""
    sides: dict[str, list[Order]] = {}
    until_ms = slot.from_ms
    standing: dict[tuple[str, str], bool] = {}
    for side in (BID, ASK):
        orders: list[Order] = []
        for _, number in ctx.matching("book", slot.market, time_text(slot.from_ms), side, type=int):
            order = order_of(ctx, number)
            place = (order.feeder, side)
            if place not in standing:
                standing[place] = is_halted(ctx, order.feeder, side, order.from_ms)
            if not standing[place]:
                orders.append(order)
                until_ms = order.until_ms
        sides[side] = sorted(orders, key=lambda order: order.number)
    pairs = [
        pair_of(wedge, until_ms - slot.from_ms, used_wh(ctx, slot, wedge.from_feeder, wedge.to_feeder))
        for wedge in venue.wedges
    ]
    return Book(
        bids=[in_book(order) for order in sides[BID]],
        asks=[in_book(order) for order in sides[ASK]],
        fee_micro_per_kwh=venue.market.fee_micro,
        pairs=tuple(pairs),
    )


def used_wh(ctx: Context, slot: Slot, seller_feeder: str, buyer_feeder: str) -> int:
    return ctx.get(ctx.key("line", slot.market, time_text(slot.from_ms), seller_feeder, buyer_feeder), int) or 0


def coordinated(ctx: Context, venue: Venue, slot: Slot, pairs: list[tuple[int, int, int]]) -> Slot:
    """A coordinator's matches, (bid, ask, Wh): judged by `auction`, then made trades as the contract's own would be."""
    named = [(str(bid), str(ask), energy_wh) for bid, ask, energy_wh in pairs]
    outcome = ctx.call("auction", "judge", book=book_of(ctx, venue, slot), pairs=named)
    announced(ctx, slot, "coordinator", outcome)
    return again(ctx, matched(ctx, slot, outcome["matches"]))


def may_coordinate(venue: Venue, slot: Slot, now_ms: int) -> bool:
    """Whether it is the coordinator's time: after the bids, before the contract clears by itself."""
    if venue.market.mechanism not in BY_COORDINATOR or slot.status != OPEN:
        return False
    return slot.closes_ms <= now_ms < slot.closes_ms + venue.market.coordinator_ms


def announced(ctx: Context, slot: Slot, by: str, outcome: dict[str, Any]) -> None:
    ctx.emit(
        "Cleared",
        market=slot.market,
        slot=slot.from_ms,
        by=by,
        volume_wh=outcome["volume_wh"],
        price_micro=outcome["price_micro_per_kwh"],
        welfare_micro=outcome["welfare_micro"],
        surplus_micro=outcome["surplus_micro"],
        matches=len(outcome["matches"]),
    )


def matched(ctx: Context, slot: Slot, matches: list[dict[str, Any]]) -> Slot:
    """From now on nothing of this delivery is placed or cancelled; these matches become trades."""
    named: list[tuple[int, int, int, int, int]] = []
    for found in matches:
        price_micro, buyer_micro = found["price_micro_per_kwh"], found["buyer_price_micro_per_kwh"]
        named.append((int(found["bid"]), int(found["ask"]), found["energy_wh"], price_micro, buyer_micro))
    slot = slot.replace(status=CLEARING)
    ctx.put(slot_key(ctx, slot.market, slot.from_ms), slot)
    ctx.put(pending_key(ctx, slot), Pending(matches=named))
    return slot


def again(ctx: Context, slot: Slot) -> Slot:
    ctx.schedule(clear_timer(slot.market, slot.from_ms), ctx.time_ms, "clear", market=slot.market, slot=slot.from_ms)
    return slot


def still_open(ctx: Context, slot: Slot, limit: int) -> list[int]:
    """Numbers of the first open orders of a delivery, counters included."""
    found: list[int] = []
    for key, _ in ctx.matching("own", slot.market, time_text(slot.from_ms)):
        if len(found) == limit:
            break
        found.append(int(ctx.parts(key)[4]))
    return found


def clear_timer(market: str, from_ms: int) -> str:
    return f"clear/{market}/{from_ms}"


def pending_key(ctx: Context, slot: Slot) -> str:
    return ctx.key("pending", slot.market, time_text(slot.from_ms))
