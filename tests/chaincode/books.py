"""Small books, and the outcomes that a reader of the rules would find by trying everything.

Nothing here uses the code it judges: energy is dealt out one Wh at a time, prices are tried one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from hypothesis import strategies as st

from chaincode.book import Book, Cleared, Order, Pair


def order(id: str, owner: str, energy_wh: int, price: int, feeder: str = "", expires_ms: int = 0) -> Order:
    return Order(
        id=id, owner=owner, energy_wh=energy_wh, price_micro_per_kwh=price, feeder=feeder, expires_ms=expires_ms
    )


def book(bids: list[Order], asks: list[Order], fee: int = 0, pairs: tuple[Pair, ...] = ()) -> Book:
    return Book(bids=bids, asks=asks, fee_micro_per_kwh=fee, pairs=pairs)


@st.composite
def books(
    draw: st.DrawFn, *, owners: str = "abcd", orders: int = 4, energy: int = 3, feeders: str = "", limits: bool = False
) -> Book:
    """Up to so many orders a side, few customers, prices around zero, so that ties and self-trade are common."""

    def side(letter: str) -> list[Order]:
        return [
            order(
                f"{letter}{number}",
                draw(st.sampled_from(owners)),
                draw(st.integers(1, energy)),
                draw(st.integers(-3, 6)),
                draw(st.sampled_from(feeders)) if feeders else "",
            )
            for number in range(draw(st.integers(0, orders)))
        ]

    pairs = tuple(
        Pair(
            seller_feeder=seller,
            buyer_feeder=buyer,
            fee_micro_per_kwh=draw(st.none() | st.integers(0, 3)),
            limit_wh=draw(st.none() | st.integers(0, 4)) if limits else None,
        )
        for seller in feeders
        for buyer in feeders
        if draw(st.booleans())
    )
    return book(side("b"), side("s"), draw(st.integers(0, 2)), pairs)


def fee_of(market: Book, bid: Order, ask: Order) -> int:
    for pair in market.pairs:
        if (pair.seller_feeder, pair.buyer_feeder) == (ask.feeder, bid.feeder):
            return market.fee_micro_per_kwh if pair.fee_micro_per_kwh is None else pair.fee_micro_per_kwh
    return market.fee_micro_per_kwh


# ---------------------------------------------------------------- what every outcome must be


class Sums(NamedTuple):
    """What an outcome comes to; welfare in thousandths of a micro unit."""

    volume_wh: int
    welfare: int


def require_fair(market: Book, outcome: Cleared) -> Sums:
    """No self-trade, nobody beyond his limits or his energy, sellers get no more than buyers pay; sums agree."""
    bids, asks = {bid.id: bid for bid in market.bids}, {ask.id: ask for ask in market.asks}
    given = dict.fromkeys((*bids, *asks), 0)
    lines: dict[tuple[str, str], int] = {}
    welfare = surplus = 0
    for match in outcome.matches:
        bid, ask = bids[match.bid], asks[match.ask]
        fee = fee_of(market, bid, ask)
        assert match.energy_wh > 0
        assert bid.owner != ask.owner
        assert match.price_micro_per_kwh >= ask.price_micro_per_kwh
        assert match.buyer_price_micro_per_kwh + fee <= bid.price_micro_per_kwh
        surplus += (match.buyer_price_micro_per_kwh - match.price_micro_per_kwh) * match.energy_wh
        welfare += (bid.price_micro_per_kwh - ask.price_micro_per_kwh - fee) * match.energy_wh
        given[bid.id] += match.energy_wh
        given[ask.id] += match.energy_wh
        lines[ask.feeder, bid.feeder] = lines.get((ask.feeder, bid.feeder), 0) + match.energy_wh
    assert all(given[one.id] <= one.energy_wh for one in (*market.bids, *market.asks))
    for pair in market.pairs:
        if pair.limit_wh is not None:
            assert lines.get((pair.seller_feeder, pair.buyer_feeder), 0) <= pair.limit_wh
    assert surplus >= 0
    assert len({(match.bid, match.ask) for match in outcome.matches}) == len(outcome.matches)
    assert outcome.volume_wh == sum(match.energy_wh for match in outcome.matches)
    assert outcome.welfare_micro == half_even(welfare)
    assert outcome.surplus_micro == half_even(surplus)
    if outcome.price_micro_per_kwh is not None:
        prices = {(match.price_micro_per_kwh, match.buyer_price_micro_per_kwh) for match in outcome.matches}
        assert prices == {(outcome.price_micro_per_kwh,) * 2}
    return Sums(outcome.volume_wh, welfare)


def half_even(thousandths: int) -> int:
    near = (thousandths // 1000, thousandths // 1000 + 1)
    return min(near, key=lambda whole: (abs(1000 * whole - thousandths), whole % 2))


# ---------------------------------------------------------------- trying everything


def best_sums(market: Book, allowed: Callable[[Order, Order], bool] = lambda _bid, _ask: True) -> Sums:
    """The greatest (welfare, volume) of all ways to deal the asks out, one order after the other."""
    found = max(((one.welfare, one.volume_wh) for one in _dealt(market, allowed)), default=(0, 0))
    return Sums(found[1], found[0])


def greatest_volume(market: Book, allowed: Callable[[Order, Order], bool]) -> int:
    return max((one.volume_wh for one in _dealt(market, allowed)), default=0)


def _dealt(market: Book, allowed: Callable[[Order, Order], bool]) -> Iterator[Sums]:
    """Every total that dealing each Wh of each ask to some bid, or to none, can come to."""
    bids, asks, pairs = market.bids, market.asks, market.pairs
    limited = {(pair.seller_feeder, pair.buyer_feeder): n for n, pair in enumerate(pairs) if pair.limit_wh is not None}
    lines = tuple(pair.limit_wh or 0 for pair in pairs)

    @cache
    def totals(at: int, left: tuple[int, ...], lines: tuple[int, ...]) -> frozenset[Sums]:
        if at == len(asks):
            return frozenset({Sums(0, 0)})
        ask = asks[at]
        found: set[Sums] = set()

        def deal(
            to: int, energy: int, left: tuple[int, ...], lines: tuple[int, ...], volume: int, welfare: int
        ) -> None:
            if to == len(bids):
                found.update(Sums(volume + v, welfare + w) for v, w in totals(at + 1, left, lines))
                return
            bid = bids[to]
            line = limited.get((ask.feeder, bid.feeder))
            most = min(energy, left[to], lines[line] if line is not None else energy)
            if bid.owner == ask.owner or not allowed(bid, ask):
                most = 0
            gain = bid.price_micro_per_kwh - ask.price_micro_per_kwh - fee_of(market, bid, ask)
            for taken in range(most + 1):
                onward = less(left, to, taken)
                after = lines if line is None else less(lines, line, taken)
                deal(to + 1, energy - taken, onward, after, volume + taken, welfare + gain * taken)

        deal(0, ask.energy_wh, left, lines, 0, 0)
        best: dict[int, int] = {}
        for volume, welfare in found:
            best[volume] = max(best.get(volume, welfare), welfare)
        return frozenset(Sums(volume, welfare) for volume, welfare in best.items())

    yield from totals(0, tuple(bid.energy_wh for bid in bids), lines)


def less(amounts: tuple[int, ...], at: int, taken: int) -> tuple[int, ...]:
    return (*amounts[:at], amounts[at] - taken, *amounts[at + 1 :])
