"""Who trades with whom under one fee: the most valuable pairs of a book in which nobody trades with himself.

Bids and asks come as lots, (order, Wh), in the order of merit. Without a ban on self-trade the best there is
stands at the crossing: the highest bids with the cheapest asks, as long as bid >= ask + fee. The ban changes
less than it seems. Let T be the volume there, and let a customer sell s and buy b of it.

* If s + b <= T for everybody, partners can be exchanged until nobody meets himself: whoever is paired with
  himself finds a pair without him, because pairs without him are at least as many. The worth stays.
* Otherwise exactly one customer has s + b > T (two would need more than the 2T that are sold and bought), and
  the best that is allowed lies where his s + b = T: each pair has him on one side. So it falls into two plain
  crossings, his asks with the others' bids and the others' asks with his bids. Nobody else can then be bound.

Both steps sort and walk, so that ten thousand orders cost what sorting them costs; `tests/chaincode` compares
them with every possible pairing of small books.
"""

from collections.abc import Sequence

from chaincode.book import Order


def best_pairs(
    bids: Sequence[tuple[Order, int]], asks: Sequence[tuple[Order, int]], fee: int
) -> list[tuple[Order, Order, int]]:
    """(bid, ask, Wh): the greatest welfare without self-trade, and of equal ones the greatest volume."""
    found = crossed(bids, asks, fee)
    if all(bid.owner != ask.owner for bid, ask, _ in found):
        return found
    volume, owner, share = heaviest(found)
    if share <= volume:
        return exchanged(found)
    selling = crossed(
        [lot for lot in bids if lot[0].owner != owner], [lot for lot in asks if lot[0].owner == owner], fee
    )
    buying = crossed(
        [lot for lot in bids if lot[0].owner == owner], [lot for lot in asks if lot[0].owner != owner], fee
    )
    return selling + buying


def crossed(
    bids: Sequence[tuple[Order, int]], asks: Sequence[tuple[Order, int]], fee: int
) -> list[tuple[Order, Order, int]]:
    """The highest bid with the cheapest ask, as long as bid >= ask + fee, whoever owns them."""
    found: list[tuple[Order, Order, int]] = []
    demand, supply = (lot for lot in bids if lot[1] > 0), (lot for lot in asks if lot[1] > 0)
    bid, bid_left = next(demand, (None, 0))
    ask, ask_left = next(supply, (None, 0))
    while bid is not None and ask is not None and bid.price_micro_per_kwh >= ask.price_micro_per_kwh + fee:
        energy_wh = min(bid_left, ask_left)
        found.append((bid, ask, energy_wh))
        bid_left, ask_left = bid_left - energy_wh, ask_left - energy_wh
        if not bid_left:
            bid, bid_left = next(demand, (None, 0))
        if not ask_left:
            ask, ask_left = next(supply, (None, 0))
    return found


def heaviest(found: Sequence[tuple[Order, Order, int]]) -> tuple[int, str, int]:
    """(volume, the customer with the greatest part of what is sold and bought, that part)."""
    parts: dict[str, int] = {}
    volume = 0
    for bid, ask, energy_wh in found:
        volume += energy_wh
        parts[bid.owner] = parts.get(bid.owner, 0) + energy_wh
        parts[ask.owner] = parts.get(ask.owner, 0) + energy_wh
    owner = max(parts, key=lambda name: parts[name], default="")
    return volume, owner, parts.get(owner, 0)


def exchanged(found: Sequence[tuple[Order, Order, int]]) -> list[tuple[Order, Order, int]]:
    """The same lots with other partners, until nobody trades with himself. Needs `heaviest` within the volume."""
    pairs = list(found)
    looked_at: dict[str, int] = {}
    for place in range(len(found)):
        while pairs[place][0].owner == pairs[place][1].owner:
            bid, ask, energy_wh = pairs[place]
            other = looked_at.get(bid.owner, place + 1) % len(pairs)
            looked_at[bid.owner] = other
            other_bid, other_ask, other_wh = pairs[other]
            if bid.owner in (other_bid.owner, other_ask.owner):
                looked_at[bid.owner] = other + 1
                continue
            moved_wh = min(energy_wh, other_wh)
            if other_wh > moved_wh:
                pairs[other] = (other_bid, other_ask, other_wh - moved_wh)
                pairs.append((other_bid, ask, moved_wh))
            else:
                pairs[other] = (other_bid, ask, moved_wh)
            if energy_wh > moved_wh:
                pairs[place] = (bid, ask, energy_wh - moved_wh)
                pairs.append((bid, other_ask, moved_wh))
            else:
                pairs[place] = (bid, other_ask, moved_wh)
    return joined(pairs)


def joined(pairs: Sequence[tuple[Order, Order, int]]) -> list[tuple[Order, Order, int]]:
    """Each pair of orders once."""
    sums: dict[tuple[str, str], tuple[Order, Order, int]] = {}
    for bid, ask, energy_wh in pairs:
        known = sums.get((bid.id, ask.id))
        sums[(bid.id, ask.id)] = (bid, ask, energy_wh if known is None else known[2] + energy_wh)
    return list(sums.values())
