"""Who trades with whom across feeders, where fees differ and lines have limits: the most valuable flow.

Orders of one side and feeder form a group; only its next order by merit matters. Energy flows from groups of
asks over ways, pairs of feeders, to groups of bids. Again and again the path of the greatest gain is taken,
which may lead back over a way that is in use (its energy then goes elsewhere), until no path gains anything:
successive shortest paths, the best there is for every volume reached. What was sold or bought once stays so;
the work is orders times ways, about.

Self-trade can only arise for a customer one of whose bids would pay for one of his asks. Such a customer has
groups of his own, and no way leads from him to himself. On a line with a limit those groups would share one
capacity, and the best flow need no longer be of whole Wh. So **in a book with limits a bid that would pay for
an ask of its own customer is set aside**; of what remains the flow is the best, exactly.
"""

from collections.abc import Sequence

from chaincode.api import Refusal
from chaincode.book import Book, Costs, Order, costs_of

WAYS_LIMIT = 4_096
"""Pairs of groups that one clearing looks at."""


class BookTooWide(Refusal):
    """Too many feeders, or customers whose own orders cross, for one clearing with fees by pair."""

    code = "BOOK_TOO_WIDE"


def one_fee(book: Book) -> int | None:
    """The fee, where all pairs of the book's feeders have the same and no line between them a limit."""
    if not book.pairs or not book.bids or not book.asks:
        return book.fee_micro_per_kwh
    costs = costs_of(book)
    sellers = {ask.feeder: ask for ask in book.asks}
    buyers = {bid.feeder: bid for bid in book.bids}
    fee = costs.fee(book.asks[0], book.bids[0])
    for ask in sellers.values():
        for bid in buyers.values():
            if costs.fee(ask, bid) != fee or costs.limit(ask, bid) >= 0:
                return None
    return fee


def routed(bids: Sequence[Order], asks: Sequence[Order], costs: Costs) -> list[tuple[Order, Order, int]]:
    """(bid, ask, Wh) of orders by merit: the greatest welfare, and of equal ones the greatest volume."""
    crossing = crossing_owners(bids, asks, costs)
    if costs.limits and crossing:
        bids = [bid for bid in bids if not any(bid_pays(bid, ask, costs) for ask in crossing.get(bid.owner, ()))]
        crossing = {}
    sellers, buyers = grouped(asks, crossing), grouped(bids, crossing)
    if len(sellers) * len(buyers) > WAYS_LIMIT:
        raise BookTooWide(f"{len(sellers)} groups of asks, {len(buyers)} of bids: at most {WAYS_LIMIT} pairs of them")
    ways = ways_between(sellers, buyers, crossing, costs)
    return pairs_of(sellers, buyers, best_flow(sellers, buyers, ways))


def bid_pays(bid: Order, ask: Order, costs: Costs) -> bool:
    return bid.price_micro_per_kwh >= ask.price_micro_per_kwh + costs.fee(ask, bid)


def crossing_owners(bids: Sequence[Order], asks: Sequence[Order], costs: Costs) -> dict[str, list[Order]]:
    """Customers who would pay for an ask of their own, with the cheapest ask they have on each feeder."""
    cheapest: dict[tuple[str, str], Order] = {}
    for ask in asks:
        cheapest.setdefault((ask.owner, ask.feeder), ask)
    own: dict[str, list[Order]] = {}
    for ask in cheapest.values():
        own.setdefault(ask.owner, []).append(ask)
    dearest: dict[tuple[str, str], Order] = {}
    for bid in bids:
        if bid.owner in own:
            dearest.setdefault((bid.owner, bid.feeder), bid)
    crossing: dict[str, list[Order]] = {}
    for bid in dearest.values():
        if any(bid_pays(bid, ask, costs) for ask in own[bid.owner]):
            crossing[bid.owner] = own[bid.owner]
    return crossing


def grouped(orders: Sequence[Order], crossing: dict[str, list[Order]]) -> list[list[Order]]:
    """Orders by feeder, and by customer where his orders cross; each group by merit."""
    groups: dict[tuple[str, str], list[Order]] = {}
    for order in orders:
        owner = order.owner if order.owner in crossing else ""
        groups.setdefault((order.feeder, owner), []).append(order)
    return list(groups.values())


def ways_between(
    sellers: Sequence[list[Order]], buyers: Sequence[list[Order]], crossing: dict[str, list[Order]], costs: Costs
) -> list[list[tuple[int, int]]]:
    """(fee, limit) from each group of asks to each group of bids; a limit of -1 is none, one of 0 bars the way."""
    ways: list[list[tuple[int, int]]] = []
    for asks in sellers:
        row: list[tuple[int, int]] = []
        for bids in buyers:
            same = asks[0].owner == bids[0].owner and asks[0].owner in crossing
            limit_wh = 0 if same else costs.limit(asks[0], bids[0])
            row.append((costs.fee(asks[0], bids[0]), limit_wh))
        ways.append(row)
    return ways


# ---------------------------------------------------------------- the flow


def best_flow(
    sellers: Sequence[list[Order]], buyers: Sequence[list[Order]], ways: Sequence[Sequence[tuple[int, int]]]
) -> list[list[int]]:
    """Wh from each group of asks to each group of bids."""
    flow = [[0 for _ in buyers] for _ in sellers]
    supply = [beginning(asks) for asks in sellers]
    demand = [beginning(bids) for bids in buyers]
    while True:
        asked = [price_at(asks, supply[x]) for x, asks in enumerate(sellers)]
        offered = [price_at(bids, demand[y]) for y, bids in enumerate(buyers)]
        path = best_path(asked, offered, ways, flow)
        if not path:
            return flow
        first, last = supply[path[0]], demand[path[-1]]
        moved_wh = min(first[1], last[1])
        for step in range(len(path) - 1):
            there, here = path[step], path[step + 1]
            if step % 2 == 1:
                moved_wh = min(moved_wh, flow[here][there])
            elif ways[there][here][1] >= 0:
                moved_wh = min(moved_wh, ways[there][here][1] - flow[there][here])
        for step in range(len(path) - 1):
            if step % 2 == 1:
                flow[path[step + 1]][path[step]] -= moved_wh
            else:
                flow[path[step]][path[step + 1]] += moved_wh
        supply[path[0]] = moved_on(sellers[path[0]], first, moved_wh)
        demand[path[-1]] = moved_on(buyers[path[-1]], last, moved_wh)


def beginning(orders: Sequence[Order]) -> tuple[int, int]:
    """(place of the next order, its Wh left) of an untouched group."""
    return 0, orders[0].energy_wh


def moved_on(orders: Sequence[Order], at: tuple[int, int], energy_wh: int) -> tuple[int, int]:
    """The same after so much of that order was taken; at the end, the last order with nothing left."""
    place, left_wh = at
    if energy_wh < left_wh:
        return place, left_wh - energy_wh
    return (place, 0) if place + 1 == len(orders) else (place + 1, orders[place + 1].energy_wh)


def price_at(orders: Sequence[Order], at: tuple[int, int]) -> int | None:
    """The price of the next Wh of a group; None when all is taken."""
    return orders[at[0]].price_micro_per_kwh if at[1] else None


def best_path(
    asked: Sequence[int | None],
    offered: Sequence[int | None],
    ways: Sequence[Sequence[tuple[int, int]]],
    flow: Sequence[Sequence[int]],
) -> list[int]:
    """Groups of asks and bids in turn, along which one Wh more gains most; empty where every path loses.

    What the next Wh of each group costs or pays is given. A group's gain is that of the best path which ends in
    it: less the price of the ask where it begins, less the fees of the ways taken, plus those of the ways left.
    Gains are handed on until none improves.
    """
    gains: list[int | None] = [None if price is None else -price for price in asked]
    reached: list[int | None] = [None for _ in offered]
    came_from_bids = [-1 for _ in asked]
    came_from_asks = [-1 for _ in offered]
    improving = True
    while improving:
        improving = False
        for x, gain in enumerate(gains):
            if gain is None:
                continue
            for y, (fee, limit_wh) in enumerate(ways[x]):
                known = reached[y]
                if (limit_wh < 0 or flow[x][y] < limit_wh) and (known is None or gain - fee > known):
                    reached[y], came_from_asks[y] = gain - fee, x
                    improving = True
        for y, gain in enumerate(reached):
            if gain is None:
                continue
            for x, row in enumerate(ways):
                known = gains[x]
                if flow[x][y] > 0 and (known is None or gain + row[y][0] > known):
                    gains[x], came_from_bids[x] = gain + row[y][0], y
                    improving = True
    best, last = -1, -1
    for y, price in enumerate(offered):
        gain = reached[y]
        if price is not None and gain is not None and gain + price > best:
            best, last = gain + price, y
    return [] if last < 0 else path_to(last, came_from_asks, came_from_bids)


def path_to(last: int, came_from_asks: Sequence[int], came_from_bids: Sequence[int]) -> list[int]:
    """The path that ends in a group of bids, read backwards."""
    path = [last]
    while True:
        asks = came_from_asks[path[-1]]
        path.append(asks)
        if came_from_bids[asks] < 0:
            path.reverse()
            return path
        path.append(came_from_bids[asks])


# ---------------------------------------------------------------- from groups to orders


def pairs_of(
    sellers: Sequence[list[Order]], buyers: Sequence[list[Order]], flow: Sequence[Sequence[int]]
) -> list[tuple[Order, Order, int]]:
    """(bid, ask, Wh): each way filled from what is left of both groups, by merit. Any filling is worth the same."""
    pairs: list[tuple[Order, Order, int]] = []
    supply = [beginning(asks) for asks in sellers]
    demand = [beginning(bids) for bids in buyers]
    for x, row in enumerate(flow):
        for y, flowing_wh in enumerate(row):
            left_wh = flowing_wh
            while left_wh:
                (ask, ask_wh), (bid, bid_wh) = supply[x], demand[y]
                energy_wh = min(left_wh, ask_wh, bid_wh)
                pairs.append((buyers[y][bid], sellers[x][ask], energy_wh))
                supply[x] = moved_on(sellers[x], supply[x], energy_wh)
                demand[y] = moved_on(buyers[y], demand[y], energy_wh)
                left_wh -= energy_wh
    return pairs
