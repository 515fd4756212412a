"""Clearing a market: a book of bids and asks in, who trades how much at which price out. Pure functions.

    uniform       one competitive price for all (chaincode.one_price); most energy changes hands
    pay_as_bid    the most valuable pairs; each buyer pays its own bid, of which the seller gets all but the fee
    truthful      trade reduction after McAfee and Huang: the last buyer and seller set the prices and step back,
                  so that nobody with one order gains by naming another price than his own
    central       the coordinator's match of greatest welfare, pairs of feeders and line limits included; what a
                  pair gains is halved between the two
    mid_market    one price half way between what energy costs and earns outside; the longer side is served in
                  proportion to its energy
    bill_share    the pairs of `uniform`; each seller gets what it asks, and the sum is a bill that the buyers
                  share in proportion to their energy

Rules that all of them keep: nobody trades with himself (one customer, over any order); a seller gets at least
its ask and a buyer pays at most its bid, fee included; sellers never get more than buyers pay; no order gives
or takes more energy than it names. Integers only. Orders go by price, then by their place in the book, and where
neither may decide by id: the same book has one result everywhere, and in what order equal prices came in changes
none of its sums.

Four of them have one price for a side or for all, and therefore need one fee for all pairs of feeders and lines
without limits: they refuse other books (FEES_DIFFER). `chaincode.continuous` is the auction without windows.
"""

from collections.abc import Sequence

from chaincode.api import Refusal
from chaincode.book import Book, Cleared, Match, Order, by_merit, check, costs_of, in_micro
from chaincode.one_price import competitive_interval, middle
from chaincode.pairing import best_pairs, crossed
from chaincode.routing import one_fee, routed
from chaincode.units import largest_remainder

UNIFORM = "uniform"
PAY_AS_BID = "pay-as-bid"
TRUTHFUL = "truthful"
CENTRAL = "central"
MID_MARKET = "mid-market"
BILL_SHARE = "bill-share"
MECHANISMS = (UNIFORM, PAY_AS_BID, TRUTHFUL, CENTRAL, MID_MARKET, BILL_SHARE)


class MechanismUnknown(Refusal):
    """There is no mechanism of this name."""

    code = "MECHANISM_UNKNOWN"


class FeesDiffer(Refusal):
    """One price for all needs one fee for all pairs of feeders, and lines without limits."""

    code = "FEES_DIFFER"


def clear(mechanism: str, book: Book) -> Cleared:
    """Clear a book by the name of a mechanism. Refuses a book with a fault."""
    if mechanism == UNIFORM:
        return uniform(book)
    if mechanism == PAY_AS_BID:
        return pay_as_bid(book)
    if mechanism == TRUTHFUL:
        return truthful(book)
    if mechanism == CENTRAL:
        return central(book)
    if mechanism == MID_MARKET:
        return mid_market(book)
    if mechanism == BILL_SHARE:
        return bill_share(book)
    raise MechanismUnknown(f"a mechanism is one of {', '.join(MECHANISMS)}")


# ---------------------------------------------------------------- one competitive price


def uniform(book: Book) -> Cleared:
    """All at the middle of the competitive interval."""
    check(book)
    fee = common_fee(book, UNIFORM)
    found = competitive_interval(*by_merit(book), fee)
    if found is None:
        return cleared(book, [])
    price = middle(found[0], found[1])
    return at_one_price(book, best_pairs(*willing(book, price, fee), fee), price)


def bill_share(book: Book) -> Cleared:
    """The pairs of `uniform`; sellers get their asks, buyers share the sum by energy, rounded up to whole micro."""
    check(book)
    fee = common_fee(book, BILL_SHARE)
    found = competitive_interval(*by_merit(book), fee)
    if found is None:
        return cleared(book, [])
    pairs = best_pairs(*willing(book, middle(found[0], found[1]), fee), fee)
    volume_wh = sum(energy_wh for _, _, energy_wh in pairs)
    bill = sum(ask.price_micro_per_kwh * energy_wh for _, ask, energy_wh in pairs)
    shared = -(-bill // volume_wh)
    return cleared(book, [(bid, ask, energy_wh, ask.price_micro_per_kwh, shared) for bid, ask, energy_wh in pairs])


# ---------------------------------------------------------------- a price for each pair


def pay_as_bid(book: Book) -> Cleared:
    """The most valuable pairs; the buyer pays its bid in all, fee included."""
    check(book)
    costs = costs_of(book)
    deals: list[tuple[Order, Order, int, int, int]] = []
    for bid, ask, energy_wh in most_valuable(book):
        price = bid.price_micro_per_kwh - costs.fee(ask, bid)
        deals.append((bid, ask, energy_wh, price, price))
    return cleared(book, deals)


def central(book: Book) -> Cleared:
    """The most valuable pairs; the price is half way between the ask and the bid less the fee."""
    check(book)
    costs = costs_of(book)
    deals: list[tuple[Order, Order, int, int, int]] = []
    for bid, ask, energy_wh in most_valuable(book):
        price = middle(ask.price_micro_per_kwh, bid.price_micro_per_kwh - costs.fee(ask, bid))
        deals.append((bid, ask, energy_wh, price, price))
    return cleared(book, deals)


def most_valuable(book: Book) -> list[tuple[Order, Order, int]]:
    """(bid, ask, Wh): the greatest welfare without self-trade, and of equal ones the greatest volume."""
    bids, asks = by_merit(book)
    fee = one_fee(book)
    return routed(bids, asks, costs_of(book)) if fee is None else best_pairs(lots(bids), lots(asks), fee)


# ---------------------------------------------------------------- trade reduction


def truthful(book: Book) -> Cleared:
    """Prices that no trader sets himself.

    Orders of one size trade after McAfee: if the middle of the first bid and ask that are left out suits the last
    ones that are in, all trade at it. Otherwise, and for orders of any sizes (Huang, Scheller-Wolf and Sycara),
    the last buyer's bid is what the others pay, the last seller's ask what the others get, and these two stand
    back; the longer side gives up the same Wh for each order, whatever its price. Bids are sealed, so of equal
    prices the larger order goes first and then the id decides, not who came first.
    """
    check(book)
    fee = common_fee(book, TRUTHFUL)
    bids = sorted(book.bids, key=lambda bid: (-bid.price_micro_per_kwh, -bid.energy_wh, bid.id))
    asks = sorted(book.asks, key=lambda ask: (ask.price_micro_per_kwh, -ask.energy_wh, ask.id))
    found = crossed(lots(bids), lots(asks), fee)
    if not found:
        return cleared(book, [])
    last_bid, last_ask, _ = found[-1]
    buying, selling = len({bid.id: True for bid, _, _ in found}), len({ask.id: True for _, ask, _ in found})
    if buying < len(bids) and selling < len(asks) and len({order.energy_wh: True for order in [*bids, *asks]}) == 1:
        outside = middle(bids[buying].price_micro_per_kwh - fee, asks[selling].price_micro_per_kwh)
        if last_ask.price_micro_per_kwh <= outside <= last_bid.price_micro_per_kwh - fee:
            return at_one_price(book, best_pairs(lots(bids[:buying]), lots(asks[:selling]), fee), outside)
    buyers, sellers = lots(bids[: buying - 1]), lots(asks[: selling - 1])
    excess_wh = energy_of(buyers) - energy_of(sellers)
    pairs = best_pairs(cut_evenly(buyers, excess_wh), cut_evenly(sellers, -excess_wh), fee)
    price, buyer_price = last_ask.price_micro_per_kwh, last_bid.price_micro_per_kwh - fee
    return cleared(book, [(bid, ask, energy_wh, price, buyer_price) for bid, ask, energy_wh in pairs])


def cut_evenly(taking: Sequence[tuple[Order, int]], excess_wh: int) -> list[tuple[Order, int]]:
    """Lots that give up so much together, each the same, the smallest no more than they have.

    Equal lots go by their ids, so that nobody's price decides about a Wh.
    """
    if excess_wh <= 0:
        return list(taking)
    cuts: dict[str, int] = {}
    sharing = len(taking)
    for order, energy_wh in sorted(taking, key=lambda lot: (lot[1], lot[0].id)):
        cuts[order.id] = min(energy_wh, excess_wh // sharing)
        excess_wh -= cuts[order.id]
        sharing -= 1
    return [(order, energy_wh - cuts[order.id]) for order, energy_wh in taking]


# ---------------------------------------------------------------- the middle of the market


def mid_market(
    book: Book, retail_micro_per_kwh: int | None = None, feed_in_micro_per_kwh: int | None = None
) -> Cleared:
    """All at half way between retail less the fee and feed-in; those whom it does not suit stay outside.

    Where an outside price is not given, the highest bid and the lowest ask of the book stand for it.
    """
    check(book)
    fee = common_fee(book, MID_MARKET)
    bids, asks = by_merit(book)
    if not bids or not asks:
        return cleared(book, [])
    retail = bids[0].price_micro_per_kwh if retail_micro_per_kwh is None else retail_micro_per_kwh
    feed_in = asks[0].price_micro_per_kwh if feed_in_micro_per_kwh is None else feed_in_micro_per_kwh
    if retail - fee < feed_in:
        return cleared(book, [])
    price = middle(feed_in, retail - fee)
    return at_one_price(book, best_pairs(*in_proportion(*willing(book, price, fee)), fee), price)


def in_proportion(
    buyers: Sequence[tuple[Order, int]], sellers: Sequence[tuple[Order, int]]
) -> tuple[list[tuple[Order, int]], list[tuple[Order, int]]]:
    """The most that can be traded without self-trade, shared on each side by energy.

    One customer at most is in the way of plain shares: what he buys and sells would be more than the volume. Then
    he gets what he can trade with the others, and they share the rest.
    """
    demand_wh, supply_wh = energy_of(buyers), energy_of(sellers)
    _, part_wh = greatest_owner(buyers, sellers)
    volume_wh = min(demand_wh, supply_wh, demand_wh + supply_wh - part_wh)
    buying, selling = shares(buyers, volume_wh), shares(sellers, volume_wh)
    owner, part_wh = greatest_owner(buying, selling)
    if part_wh <= volume_wh:
        return buying, selling
    own_buyers, other_buyers = apart(buyers, owner)
    own_sellers, other_sellers = apart(sellers, owner)
    if volume_wh < min(demand_wh, supply_wh):
        own_wh = energy_of(other_sellers)
    elif demand_wh > supply_wh:
        own_wh = volume_wh - energy_of(own_sellers)
    else:
        own_wh = energy_of(own_buyers)
    return (
        shares(own_buyers, own_wh) + shares(other_buyers, volume_wh - own_wh),
        shares(own_sellers, volume_wh - own_wh) + shares(other_sellers, own_wh),
    )


def greatest_owner(buying: Sequence[tuple[Order, int]], selling: Sequence[tuple[Order, int]]) -> tuple[str, int]:
    """The customer with the most energy on both sides together, and how much that is."""
    parts: dict[str, int] = {}
    for order, energy_wh in [*buying, *selling]:
        parts[order.owner] = parts.get(order.owner, 0) + energy_wh
    owner = max(parts, key=lambda name: parts[name], default="")
    return owner, parts.get(owner, 0)


def apart(taking: Sequence[tuple[Order, int]], owner: str) -> tuple[list[tuple[Order, int]], list[tuple[Order, int]]]:
    """(the customer's lots, the others')."""
    return [lot for lot in taking if lot[0].owner == owner], [lot for lot in taking if lot[0].owner != owner]


def shares(taking: Sequence[tuple[Order, int]], total_wh: int) -> list[tuple[Order, int]]:
    """A total shared among lots by their energy: whole Wh by the largest remainder, of equal ones by id."""
    if energy_of(taking) <= total_wh:
        return list(taking)
    by_id = sorted(taking, key=lambda lot: lot[0].id)
    parts = largest_remainder(total_wh, [energy_wh for _, energy_wh in by_id])
    found = {lot[0].id: parts[index] for index, lot in enumerate(by_id)}
    return [(order, found[order.id]) for order, _ in taking]


# ---------------------------------------------------------------- parts that mechanisms share


def common_fee(book: Book, mechanism: str) -> int:
    """The one fee of the book; refuses several, and line limits."""
    fee = one_fee(book)
    if fee is None:
        raise FeesDiffer(f"{mechanism} has one price for all: it needs one fee for all pairs of feeders, and no limits")
    return fee


def lots(orders: Sequence[Order]) -> list[tuple[Order, int]]:
    """Whole orders as lots."""
    return [(order, order.energy_wh) for order in orders]


def energy_of(taking: Sequence[tuple[Order, int]]) -> int:
    return sum(energy_wh for _, energy_wh in taking)


def willing(book: Book, price: int, fee: int) -> tuple[list[tuple[Order, int]], list[tuple[Order, int]]]:
    """Bids and asks, by merit, that a price suits."""
    bids, asks = by_merit(book)
    return (
        lots([bid for bid in bids if bid.price_micro_per_kwh - fee >= price]),
        lots([ask for ask in asks if ask.price_micro_per_kwh <= price]),
    )


def at_one_price(book: Book, pairs: Sequence[tuple[Order, Order, int]], price: int) -> Cleared:
    """The pairs, all at one price; the price of no pairs is None."""
    done = cleared(book, [(bid, ask, energy_wh, price, price) for bid, ask, energy_wh in pairs])
    return done.replace(price_micro_per_kwh=price) if pairs else done


def cleared(book: Book, deals: Sequence[tuple[Order, Order, int, int, int]]) -> Cleared:
    """What deals, (bid, ask, Wh, price, buyer's price), come to; no price for all."""
    costs = costs_of(book)
    volume_wh, welfare, surplus = 0, 0, 0
    matches: list[Match] = []
    for bid, ask, energy_wh, price, buyer_price in deals:
        volume_wh += energy_wh
        welfare += (bid.price_micro_per_kwh - ask.price_micro_per_kwh - costs.fee(ask, bid)) * energy_wh
        surplus += (buyer_price - price) * energy_wh
        match = Match(
            bid=bid.id,
            ask=ask.id,
            energy_wh=energy_wh,
            price_micro_per_kwh=price,
            buyer_price_micro_per_kwh=buyer_price,
        )
        matches.append(match)
    return Cleared(
        volume_wh=volume_wh,
        price_micro_per_kwh=None,
        welfare_micro=in_micro(welfare),
        surplus_micro=in_micro(surplus),
        matches=matches,
    )
