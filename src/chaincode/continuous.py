"""The auction without windows: an order meets the resting orders at once, by price, then by time.

    match    what an arriving order takes from the book, and what is left of it
    rest     put what is left into the book, behind orders of the same price
    cancel   take an order out again, with what it has left
    expire   drop what is over

A book keeps each side by merit: bids from the highest, asks from the lowest price, equal ones by arrival. Functions
make a new book and leave the old one as it is. Rules they keep:

* a trade has the price of the order that was there first; of a resting bid that is what it pays less the fee;
* where fees differ by feeder, the arriving order goes by what it pays or gets in the end, then as the book stands;
* nobody trades with himself: an arriving order passes over those of its own customer, and all of them stay;
* an order that is over trades no more, at its very time; what was filled or cancelled is gone, so that a cancel
  that comes after the match refuses, and one that comes before leaves nothing to match;
* what an order has left and what it has traded always sum to its energy.

One arrival costs a walk over the resting orders that it could take, and one over the book to copy it.
"""

from collections.abc import Sequence

from chaincode.api import Record, Refusal
from chaincode.book import Book, Costs, Match, Order, costs_of, fault_of_order

BID = "bid"
ASK = "ask"


class Matched(Record):
    """Fills in the order in which they happened; the energy that is left; the book without what was taken."""

    fills: list[Match]
    rest_wh: int
    book: Book


class SideUnknown(Refusal):
    """An order is a bid or an ask."""

    code = "SIDE_UNKNOWN"


class OrderInvalid(Refusal):
    """An order that no book can hold: the words name the field and its limit."""

    code = "ORDER_INVALID"


class OrderExpired(Refusal):
    """The order is over before it arrives: its slot is closed."""

    code = "ORDER_EXPIRED"


class OrderExists(Refusal):
    """The book has an order of this id."""

    code = "ORDER_EXISTS"


class OrderUnknown(Refusal):
    """The book has no such order: it was filled, cancelled or dropped, or never there."""

    code = "ORDER_UNKNOWN"


class NotYourOrder(Refusal):
    """An order is cancelled by its customer."""

    code = "NOT_YOUR_ORDER"


# ---------------------------------------------------------------- what happens to a book


def match(book: Book, side: str, order: Order, now_ms: int = 0) -> Matched:
    """Let an order take what suits it. Refuses a faulty one, one that is over, and an id the book has."""
    require_order(book, side, order, now_ms)
    costs = costs_of(book)
    resting = book.asks if side == BID else book.bids
    left: dict[str, int] = {}
    fills: list[Match] = []
    rest_wh = order.energy_wh
    for other in by_price_in_the_end(side, order, resting, costs):
        bid, ask = (order, other) if side == BID else (other, order)
        fee = costs.fee(ask, bid)
        if not rest_wh or bid.price_micro_per_kwh < ask.price_micro_per_kwh + fee:
            break
        if other.owner == order.owner or is_over(other, now_ms):
            continue
        energy_wh = min(rest_wh, other.energy_wh)
        price = other.price_micro_per_kwh - (0 if side == BID else fee)
        fills.append(
            Match(
                bid=bid.id, ask=ask.id, energy_wh=energy_wh, price_micro_per_kwh=price, buyer_price_micro_per_kwh=price
            )
        )
        left[other.id] = other.energy_wh - energy_wh
        rest_wh -= energy_wh
    remaining = taken_from(resting, left)
    changed = book.replace(asks=remaining) if side == BID else book.replace(bids=remaining)
    return Matched(fills=fills, rest_wh=rest_wh, book=changed)


def rest(book: Book, side: str, order: Order, now_ms: int = 0) -> Book:
    """Put an order into the book, behind those of its price; refusals as for `match`."""
    require_order(book, side, order, now_ms)
    if side == BID:
        return book.replace(bids=inserted(book.bids, order, -1))
    return book.replace(asks=inserted(book.asks, order, 1))


def place(book: Book, side: str, order: Order, now_ms: int = 0) -> Matched:
    """Match an order and let what is left of it rest; refusals as for `match`."""
    done = match(book, side, order, now_ms)
    if not done.rest_wh:
        return done
    return done.replace(book=rest(done.book, side, order.replace(energy_wh=done.rest_wh), now_ms))


def cancel(book: Book, order: str, owner: str) -> tuple[Book, Order]:
    """(the book without the order, the order with what it had left). Refuses others' and unknown orders."""
    for resting in (book.bids, book.asks):
        for found in resting:
            if found.id == order:
                if found.owner != owner:
                    raise NotYourOrder(f"order {order} belongs to somebody else")
                return without(book, order), found
    raise OrderUnknown(f"the book has no order {order}")


def expire(book: Book, now_ms: int) -> tuple[Book, list[Order]]:
    """(the book without what is over, what was dropped: bids, then asks)."""
    dropped = [order for order in [*book.bids, *book.asks] if is_over(order, now_ms)]
    bids = [bid for bid in book.bids if not is_over(bid, now_ms)]
    asks = [ask for ask in book.asks if not is_over(ask, now_ms)]
    return book.replace(bids=bids, asks=asks), dropped


# ---------------------------------------------------------------- parts


def require_order(book: Book, side: str, order: Order, now_ms: int) -> None:
    if side not in (BID, ASK):
        raise SideUnknown(f"an order is a {BID} or an {ASK}")
    fault = fault_of_order(order, f"{side} {order.id}")
    if fault is not None:
        raise OrderInvalid(fault.text)
    if is_over(order, now_ms):
        raise OrderExpired(f"{side} {order.id} is over since {order.expires_ms}, it is {now_ms}")
    if any(known.id == order.id for known in book.bids) or any(known.id == order.id for known in book.asks):
        raise OrderExists(f"the book has an order {order.id}")


def is_over(order: Order, now_ms: int) -> bool:
    return 0 < order.expires_ms <= now_ms


def by_price_in_the_end(side: str, order: Order, resting: Sequence[Order], costs: Costs) -> Sequence[Order]:
    """Resting orders as they suit an arriving one: as they stand, unless fees differ by feeder."""
    if not costs.fees:
        return resting
    if side == BID:
        return sorted(resting, key=lambda ask: ask.price_micro_per_kwh + costs.fee(ask, order))
    return sorted(resting, key=lambda bid: costs.fee(order, bid) - bid.price_micro_per_kwh)


def taken_from(resting: Sequence[Order], left: dict[str, int]) -> list[Order]:
    """The same orders with what they have left; those with nothing left are gone, the others keep their place."""
    remaining: list[Order] = []
    for order in resting:
        left_wh = left.get(order.id, order.energy_wh)
        if left_wh == order.energy_wh:
            remaining.append(order)
        elif left_wh:
            remaining.append(order.replace(energy_wh=left_wh))
    return remaining


def inserted(resting: Sequence[Order], order: Order, sign: int) -> list[Order]:
    """The orders with another one behind those that are as good: found by halving."""
    low, high = 0, len(resting)
    while low < high:
        half = (low + high) // 2
        if sign * resting[half].price_micro_per_kwh <= sign * order.price_micro_per_kwh:
            low = half + 1
        else:
            high = half
    return [*resting[:low], order, *resting[low:]]


def without(book: Book, order: str) -> Book:
    bids = [bid for bid in book.bids if bid.id != order]
    asks = [ask for ask in book.asks if ask.id != order]
    return book.replace(bids=bids, asks=asks)
