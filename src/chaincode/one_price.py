"""One price for a whole book: where most energy changes hands, and nobody who was left out would have traded.

At a price p an ask may trade when ask <= p, and a bid when bid - fee >= p; those strictly on their side of p
want to. With supply S and demand D of those who may, and the greatest part S_o + D_o that one customer has in
both, the energy that can change hands without self-trade is

    V = min(S, D, S + D - max(S_o + D_o))

(any cut of the graph of sellers and buyers that separates more than one customer cuts off a whole side). The
**competitive interval** is the run of prices at which V is greatest, and of those the ones at which least is
left over of what strictly wants to trade: none, where no customer's own orders cross. Its ends are prices of
orders. Of several such runs the lowest counts; the price is the middle of the run, half a micro rounded down.
"""

from collections.abc import Sequence

from chaincode.book import Order
from chaincode.pairing import crossed, heaviest


def competitive_interval(bids: Sequence[Order], asks: Sequence[Order], fee: int) -> tuple[int, int] | None:
    """The lowest and the highest competitive price of orders by merit; None where nothing can be traded."""
    found = crossed([(bid, bid.energy_wh) for bid in bids], [(ask, ask.energy_wh) for ask in asks], fee)
    if not found:
        return None
    volume_wh, _, part_wh = heaviest(found)
    if part_wh > volume_wh:
        return interval_beside_own_orders(bids, asks, fee)
    last_bid, last_ask, _ = found[-1]
    high, low = last_bid.price_micro_per_kwh - fee, last_ask.price_micro_per_kwh
    next_bid, next_ask = order_after(bids, volume_wh), order_after(asks, volume_wh)
    if next_bid is not None:
        low = max(low, next_bid.price_micro_per_kwh - fee)
    if next_ask is not None:
        high = min(high, next_ask.price_micro_per_kwh)
    return low, high


def middle(low: int, high: int) -> int:
    """Half way, half a micro rounded down."""
    return (low + high) // 2


def order_after(orders: Sequence[Order], energy_wh: int) -> Order | None:
    """The order to which the Wh after so many belongs."""
    for order in orders:
        if energy_wh < order.energy_wh:
            return order
        energy_wh -= order.energy_wh
    return None


# ---------------------------------------------------------------- a customer who would trade mostly with himself


def interval_beside_own_orders(bids: Sequence[Order], asks: Sequence[Order], fee: int) -> tuple[int, int] | None:
    """The interval by looking at every price of the book, and every gap between two of them.

    The place 2i stands for the i-th price, 2i + 1 for what lies between it and the next.
    """
    known = {ask.price_micro_per_kwh: True for ask in asks}
    known.update({bid.price_micro_per_kwh - fee: True for bid in bids})
    prices = sorted(known)
    place = {price: 2 * index for index, price in enumerate(prices)}
    steps = [(place[ask.price_micro_per_kwh], ask.owner, ask.energy_wh) for ask in asks]
    steps += [(place[bid.price_micro_per_kwh - fee] + 1, bid.owner, -bid.energy_wh) for bid in bids]
    places = 2 * len(prices) - 1
    supply, demand = [0] * (places + 1), [0] * (places + 1)
    for at, _, energy_wh in steps:
        if energy_wh > 0:
            supply[at] += energy_wh
        else:
            demand[at] += energy_wh
    demand[0] += sum(bid.energy_wh for bid in bids)
    for at in range(1, places + 1):
        supply[at] += supply[at - 1]
        demand[at] += demand[at - 1]
    parts = greatest_parts(bids, steps, places)
    ranks: list[tuple[int, int]] = []
    for at in range(places):
        volume_wh = min(supply[at], demand[at], supply[at] + demand[at] - parts[at])
        below, above = (at, at) if at % 2 == 1 else (max(at - 1, 0), at + 1)
        wanting_wh = max(supply[below] if at else 0, demand[above])
        ranks.append((volume_wh, min(volume_wh - wanting_wh, 0)))
    best = max(ranks)
    if best[0] <= 0:
        return None
    first = ranks.index(best)
    last = first
    while last + 2 < places and ranks[last + 1] == best and ranks[last + 2] == best:
        last += 2
    return prices[first // 2], prices[last // 2]


def greatest_parts(bids: Sequence[Order], steps: Sequence[tuple[int, str, int]], places: int) -> list[int]:
    """At each place, the most that one customer supplies and demands together.

    A customer's part is constant between his steps. The stretches are painted from the greatest part to the
    smallest, each place once: `onward` leads from a painted place to the next one that is not.
    """
    parts: dict[str, int] = {}
    for bid in bids:
        parts[bid.owner] = parts.get(bid.owner, 0) + bid.energy_wh
    since: dict[str, int] = {}
    stretches: list[tuple[int, int, int]] = []
    for at, owner, energy_wh in sorted(steps):
        stretches.append((-parts.get(owner, 0), since.get(owner, 0), at))
        parts[owner] = parts.get(owner, 0) + energy_wh
        since[owner] = at
    stretches += [(-part, since.get(owner, 0), places) for owner, part in parts.items()]
    painted = [0] * places
    onward = list(range(places + 1))
    for part, begin, end in sorted(stretches):
        at = begin
        while at < end:
            if onward[at] == at:
                painted[at] = -part
                onward[at] = at + 1
            following = onward[at]
            onward[at] = onward[following]
            at = following
    return painted
