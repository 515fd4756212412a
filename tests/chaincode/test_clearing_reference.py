"""Every mechanism against everything that could be done with small books."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import permutations
from random import Random
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode.book import Book, Cleared, Order, by_merit, costs_of
from chaincode.clearing import (
    MECHANISMS,
    bill_share,
    central,
    clear,
    cut_evenly,
    mid_market,
    pay_as_bid,
    truthful,
    uniform,
)
from chaincode.matching import shared_out
from chaincode.one_price import competitive_interval, interval_beside_own_orders
from chaincode.routing import routed
from tests.chaincode.books import best_sums, book, books, fee_of, greatest_volume, order, require_fair

pytestmark = pytest.mark.slow

HALVES: Final = [Fraction(doubled, 2) for doubled in range(-14, 16)]
"""Every price of a small book and every gap between two of them."""

thorough = settings(max_examples=100, deadline=None)


def suits(market: Book, price: Fraction) -> Callable[[Order, Order], bool]:
    """Whether one price for all lets a bid and an ask trade."""
    fee = market.fee_micro_per_kwh
    return lambda bid, ask: bid.price_micro_per_kwh - fee >= price >= ask.price_micro_per_kwh


def energy(orders: Sequence[Order], among: Callable[[Order], bool]) -> int:
    return sum(one.energy_wh for one in orders if among(one))


def traded(outcome: Cleared) -> dict[str, int]:
    """Wh by order."""
    found: dict[str, int] = {}
    for match in outcome.matches:
        for name in (match.bid, match.ask):
            found[name] = found.get(name, 0) + match.energy_wh
    return found


# ---------------------------------------------------------------- every mechanism


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_outcome_is_fair(mechanism: str) -> None:
    """Nobody trades with himself, beyond his price or his energy; sellers never get more than buyers pay."""

    @thorough
    @given(books(orders=6, energy=5_000))
    def fair(market: Book) -> None:
        require_fair(market, clear(mechanism, market))

    fair()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_order_of_equal_prices_changes_no_sum(mechanism: str) -> None:
    """Volume, price and welfare are those of the orders, whoever of equal prices came first."""

    @settings(max_examples=60, deadline=None)
    @given(books(orders=5), st.randoms(use_true_random=False))
    def independent(market: Book, chance: Random) -> None:
        bids, asks = list(market.bids), list(market.asks)
        chance.shuffle(bids)
        chance.shuffle(asks)
        first, second = clear(mechanism, market), clear(mechanism, market.replace(bids=bids, asks=asks))
        assert first.replace(matches=[]) == second.replace(matches=[])

    independent()


@pytest.mark.parametrize("mechanism", ["central", "pay-as-bid"])
@pytest.mark.parametrize("limits", [False, True])
def test_with_wedges_outcomes_are_fair_and_in_any_order_the_same_sums(mechanism: str, limits: bool) -> None:
    """Fees by pair of feeders, lines with limits: within price, energy and line, and who came first changes no sum."""

    @settings(max_examples=60, deadline=None)
    @given(books(orders=5, feeders="xyz", limits=limits), st.randoms(use_true_random=False))
    def fair_and_independent(market: Book, chance: Random) -> None:
        bids, asks, pairs = list(market.bids), list(market.asks), list(market.pairs)
        for side in (bids, asks, pairs):
            chance.shuffle(side)
        first = clear(mechanism, market)
        second = clear(mechanism, market.replace(bids=bids, asks=asks, pairs=tuple(pairs)))
        assert require_fair(market, first) == require_fair(market, second)

    fair_and_independent()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_price_is_never_moved_by_where_zero_is(mechanism: str) -> None:
    """All prices a kWh dearer: the same trades, each a kWh dearer. Negative prices are prices like others."""

    @settings(max_examples=100, deadline=None)
    @given(books(orders=5), st.integers(-40, 40))
    def shifted(market: Book, by: int) -> None:
        moved = [
            [one.replace(price_micro_per_kwh=one.price_micro_per_kwh + by) for one in side]
            for side in (market.bids, market.asks)
        ]
        first = clear(mechanism, market)
        second = clear(mechanism, market.replace(bids=moved[0], asks=moved[1]))
        assert (first.volume_wh, first.welfare_micro) == (second.volume_wh, second.welfare_micro)
        assert [match.price_micro_per_kwh + by for match in first.matches] == [
            match.price_micro_per_kwh for match in second.matches
        ]

    shifted()


# ---------------------------------------------------------------- the greatest welfare


@thorough
@given(books())
def test_pairs_of_greatest_welfare(market: Book) -> None:
    """No other pairing without self-trade is worth more, and none of equal worth moves more energy."""
    best = best_sums(market)
    assert require_fair(market, central(market)) == best
    assert require_fair(market, pay_as_bid(market)) == best


@thorough
@given(books(owners="ab", orders=5, energy=2))
def test_pairs_of_greatest_welfare_when_two_customers_fill_the_book(market: Book) -> None:
    """Most orders cross those of their own customer."""
    assert require_fair(market, central(market)) == best_sums(market)


@thorough
@given(books(owners="abc", feeders="xy"))
def test_pairs_of_greatest_welfare_across_feeders(market: Book) -> None:
    """Each pair of feeders with its own fee."""
    best = best_sums(market)
    assert require_fair(market, central(market)) == best
    assert require_fair(market, pay_as_bid(market)) == best


@settings(max_examples=60, deadline=None)
@given(books(owners="abc", orders=3, feeders="xyz"))
def test_pairs_of_greatest_welfare_across_three_feeders(market: Book) -> None:
    """Energy may be better sent elsewhere when a better buyer comes: flows are taken back."""
    best = best_sums(market)
    assert require_fair(market, central(market)) == best
    assert require_fair(market, pay_as_bid(market)) == best


@thorough
@given(books(owners="abc", feeders="xy", limits=True))
def test_lines_carry_no_more_than_their_limit(market: Book) -> None:
    """The greatest welfare within the limits, when bids that would pay for their own customer's asks are set aside."""

    def crosses_its_own(bid: Order) -> bool:
        return any(
            ask.owner == bid.owner and bid.price_micro_per_kwh >= ask.price_micro_per_kwh + fee_of(market, bid, ask)
            for ask in market.asks
        )

    limited = any(pair.limit_wh is not None for pair in market.pairs)
    bids = [bid for bid in market.bids if not (limited and crosses_its_own(bid))]
    outcome = require_fair(market, central(market))
    assert require_fair(market, pay_as_bid(market)) == outcome
    unbounded = best_sums(market)
    assert outcome.welfare <= unbounded.welfare
    if outcome != unbounded:
        assert outcome == best_sums(market.replace(bids=bids))


@thorough
@given(books() | books(feeders="xy"))
def test_the_pairs_of_pay_as_bid_pay_their_bid(market: Book) -> None:
    """The buyer pays its own bid in all; of it the seller gets all but the fee between the two."""
    bids, asks = {bid.id: bid for bid in market.bids}, {ask.id: ask for ask in market.asks}
    for match in pay_as_bid(market).matches:
        bid, fee = bids[match.bid], fee_of(market, bids[match.bid], asks[match.ask])
        assert match.price_micro_per_kwh + fee == bid.price_micro_per_kwh


@thorough
@given(books() | books(feeders="xy"))
def test_the_coordinator_halves_what_a_pair_gains(market: Book) -> None:
    """Half way between the ask and the bid less the fee between the two, half a micro to the buyer."""
    bids, asks = {bid.id: bid for bid in market.bids}, {ask.id: ask for ask in market.asks}
    for match in central(market).matches:
        bid, ask = bids[match.bid], asks[match.ask]
        seller = match.price_micro_per_kwh - ask.price_micro_per_kwh
        buyer = bid.price_micro_per_kwh - fee_of(market, bid, ask) - match.price_micro_per_kwh
        assert 0 <= buyer - seller <= 1


# ---------------------------------------------------------------- one competitive price


def reference_interval(market: Book) -> tuple[Fraction, Fraction] | None:
    """By trying every price: the most energy, then the least of what strictly wants to trade and cannot."""
    fee = market.fee_micro_per_kwh

    def rank(price: Fraction) -> tuple[int, int]:
        volume = greatest_volume(market, suits(market, price))
        selling = energy(market.asks, lambda ask: ask.price_micro_per_kwh < price)
        buying = energy(market.bids, lambda bid: bid.price_micro_per_kwh - fee > price)
        return volume, -max(selling - volume, buying - volume, 0)

    ranks = [rank(price) for price in HALVES]
    best = max(ranks)
    if best[0] == 0:
        return None
    first = last = ranks.index(best)
    while ranks[last + 1] == best:
        last += 1
    return HALVES[first], HALVES[last]


@settings(max_examples=80, deadline=None)
@given(books(orders=4) | books(owners="ab", orders=4) | books(owners="abcdefgh", orders=5))
def test_the_uniform_price_is_the_middle_of_the_competitive_interval(market: Book) -> None:
    """No price moves more energy; the pairs at it are worth the most that one price allows."""
    outcome, interval = uniform(market), reference_interval(market)
    if interval is None:
        assert outcome == Cleared(volume_wh=0, price_micro_per_kwh=None, welfare_micro=0, surplus_micro=0, matches=[])
        return
    price = (interval[0] + interval[1]) // 2
    assert outcome.price_micro_per_kwh == price
    assert require_fair(market, outcome) == best_sums(market, suits(market, Fraction(price)))
    assert outcome.volume_wh == max(greatest_volume(market, suits(market, one)) for one in HALVES)


@thorough
@given(books(orders=6, owners="abcdefghijkl"))
def test_nobody_is_left_out_at_the_uniform_price(market: Book) -> None:
    """Whoever keeps energy back or goes without would not have gained by trading it, where no one meets himself."""
    outcome = uniform(market)
    price, fee = outcome.price_micro_per_kwh, market.fee_micro_per_kwh
    owners = {bid.owner for bid in market.bids} & {ask.owner for ask in market.asks}
    if price is None or owners:
        return
    taken = traded(outcome)
    for bid in market.bids:
        assert taken.get(bid.id, 0) == bid.energy_wh or bid.price_micro_per_kwh - fee <= price
    for ask in market.asks:
        assert taken.get(ask.id, 0) == ask.energy_wh or ask.price_micro_per_kwh >= price


@thorough
@given(books(orders=6))
def test_both_ways_to_the_interval_agree(market: Book) -> None:
    """Looking at every price finds what the crossing finds, whenever the crossing is enough."""
    bids = sorted(market.bids, key=lambda bid: -bid.price_micro_per_kwh)
    asks = sorted(market.asks, key=lambda ask: ask.price_micro_per_kwh)
    found = competitive_interval(bids, asks, market.fee_micro_per_kwh)
    if not bids or not asks:
        assert found is None
        return
    assert found == interval_beside_own_orders(bids, asks, market.fee_micro_per_kwh)


@thorough
@given(books())
def test_a_shared_bill_is_paid_in_full(market: Book) -> None:
    """Sellers get their asks, every buyer pays the same per kWh, and at most a micro of it is left over."""
    outcome = bill_share(market)
    assert require_fair(market, outcome) == require_fair(market, uniform(market))
    asks = {ask.id: ask.price_micro_per_kwh for ask in market.asks}
    assert all(match.price_micro_per_kwh == asks[match.ask] for match in outcome.matches)
    assert len({match.buyer_price_micro_per_kwh for match in outcome.matches}) <= 1
    paid = sum(match.buyer_price_micro_per_kwh * match.energy_wh for match in outcome.matches)
    bill = sum(match.price_micro_per_kwh * match.energy_wh for match in outcome.matches)
    assert 0 <= paid - bill < max(outcome.volume_wh, 1)


@thorough
@given(books(orders=5, energy=40))
def test_on_a_ledger_a_shared_bill_is_cut_without_losing_a_wh(market: Book) -> None:
    """Every buyer takes a part of every seller's energy, in proportion to a Wh; each order's energy stays as it was."""
    outcome = bill_share(market)
    rows: list[dict[str, Any]] = [
        {
            "bid": match.bid.removeprefix("b"),
            "ask": str(100 + int(match.ask.removeprefix("s"))),
            "energy_wh": match.energy_wh,
            "price_micro_per_kwh": match.price_micro_per_kwh,
        }
        for match in outcome.matches
    ]
    shared = shared_out(rows)
    for side in ("bid", "ask"):
        before, after = (dict.fromkeys((row[side] for row in rows), 0) for _ in range(2))
        for row in rows:
            before[row[side]] += row["energy_wh"]
        for row in shared:
            after[row[side]] += row["energy_wh"]
        assert before == after
    asks = {row["ask"]: row["price_micro_per_kwh"] for row in rows}
    assert all(row["buyer_price_micro_per_kwh"] == row["price_micro_per_kwh"] == asks[row["ask"]] for row in shared)
    assert len({(row["bid"], row["ask"]) for row in shared}) == len(shared)


# ---------------------------------------------------------------- the middle of the market


@thorough
@given(books(), st.none() | st.integers(-2, 7), st.none() | st.integers(-4, 5))
def test_the_middle_of_the_market_serves_the_most(market: Book, retail: int | None, feed_in: int | None) -> None:
    """Half way between the outside prices; at that price no more can change hands."""
    outcome = mid_market(market, retail, feed_in)
    above = max((bid.price_micro_per_kwh for bid in market.bids), default=0) if retail is None else retail
    below = min((ask.price_micro_per_kwh for ask in market.asks), default=0) if feed_in is None else feed_in
    room = above - market.fee_micro_per_kwh - below
    price = below + room // 2
    require_fair(market, outcome)
    assert outcome.volume_wh == (greatest_volume(market, suits(market, Fraction(price))) if room >= 0 else 0)
    assert outcome.price_micro_per_kwh == (price if outcome.volume_wh else None)


@thorough
@given(books(owners="abcdefghijkl", orders=6, energy=9))
def test_the_longer_side_shares_by_energy(market: Book) -> None:
    """Each order gets its part of the volume, exact but for less than one Wh, where no one meets himself."""
    outcome = mid_market(market)
    price = outcome.price_micro_per_kwh
    if price is None or {bid.owner for bid in market.bids} & {ask.owner for ask in market.asks}:
        return
    taken = traded(outcome)
    bids = [bid for bid in market.bids if bid.price_micro_per_kwh - market.fee_micro_per_kwh >= price]
    asks = [ask for ask in market.asks if ask.price_micro_per_kwh <= price]
    for side in (bids, asks):
        for one in side:
            exact = Fraction(outcome.volume_wh * one.energy_wh, sum(other.energy_wh for other in side))
            assert abs(taken.get(one.id, 0) - exact) < 1


# ---------------------------------------------------------------- truth pays


def gain(market: Book, name: str, value: int) -> int:
    """What the truthful mechanism is worth to the customer of an order whose true price is this."""
    won = 0
    for match in truthful(market).matches:
        if match.bid == name:
            won += (value - market.fee_micro_per_kwh - match.buyer_price_micro_per_kwh) * match.energy_wh
        if match.ask == name:
            won += (match.price_micro_per_kwh - value) * match.energy_wh
    return won


@pytest.mark.parametrize("energy_wh", [1, 4])
def test_no_other_price_gains_more_than_the_true_one(energy_wh: int) -> None:
    """For a customer with one order: of all prices it may name, its own is among the best, whatever others do."""

    @settings(max_examples=60, deadline=None)
    @given(books(orders=5, energy=energy_wh))
    def honest(market: Book) -> None:
        alone = [
            [one.replace(owner=one.id) for one in side]  # every order has a customer of its own
            for side in (market.bids, market.asks)
        ]
        market = market.replace(bids=alone[0], asks=alone[1])
        for side in ("bids", "asks"):
            for place, one in enumerate(getattr(market, side)):
                true = gain(market, one.id, one.price_micro_per_kwh)
                assert true >= 0
                for named in range(-8, 10):
                    orders = list(getattr(market, side))
                    orders[place] = one.replace(price_micro_per_kwh=named)
                    assert gain(market.replace(**{side: orders}), one.id, one.price_micro_per_kwh) <= true

    honest()


class Reduced(NamedTuple):
    """What trade reduction comes to: both prices, and Wh by order."""

    price: int
    buyer_price: int
    traded: dict[str, int]


def reference_reduction(market: Book) -> Reduced | None:
    """Trade reduction over single Wh: who meets last sets the prices and stands back; McAfee where sizes are one."""
    fee = market.fee_micro_per_kwh
    bids = sorted(market.bids, key=lambda bid: (-bid.price_micro_per_kwh, -bid.energy_wh, bid.id))
    asks = sorted(market.asks, key=lambda ask: (ask.price_micro_per_kwh, -ask.energy_wh, ask.id))
    meeting = [
        (bid, ask)
        for bid, ask in zip(by_wh(bids), by_wh(asks), strict=False)
        if bid.price_micro_per_kwh - fee >= ask.price_micro_per_kwh
    ]
    if not meeting:
        return None
    last_bid, last_ask = meeting[-1]
    bids_in, asks_in = bids[: bids.index(last_bid) + 1], asks[: asks.index(last_ask) + 1]
    next_bids, next_asks = bids[len(bids_in) :], asks[len(asks_in) :]
    if next_bids and next_asks and len({one.energy_wh for one in (*bids, *asks)}) == 1:
        middle = (next_bids[0].price_micro_per_kwh - fee + next_asks[0].price_micro_per_kwh) // 2
        if last_ask.price_micro_per_kwh <= middle <= last_bid.price_micro_per_kwh - fee:
            whole = {one.id: one.energy_wh for one in (*bids_in, *asks_in)}
            return Reduced(middle, middle, whole)
    buying = {one.id: one.energy_wh for one in bids_in[:-1]}
    selling = {one.id: one.energy_wh for one in asks_in[:-1]}
    longer = buying if sum(buying.values()) > sum(selling.values()) else selling
    given_up = dict.fromkeys(longer, 0)
    for _ in range(abs(sum(buying.values()) - sum(selling.values()))):
        able = [name for name in longer if given_up[name] < longer[name]]
        least = min(given_up[name] for name in able)
        given_up[max((longer[name], name) for name in able if given_up[name] == least)[1]] += 1
    left = {name: energy_wh - given_up.get(name, 0) for name, energy_wh in (*buying.items(), *selling.items())}
    price, buyer_price = last_ask.price_micro_per_kwh, last_bid.price_micro_per_kwh - fee
    return Reduced(price, buyer_price, {name: energy_wh for name, energy_wh in left.items() if energy_wh})


def by_wh(orders: Sequence[Order]) -> list[Order]:
    return [one for one in orders for _ in range(one.energy_wh)]


@settings(max_examples=200, deadline=None)
@given(books(orders=6) | books(orders=6, energy=1))
def test_trade_reduction_agrees_with_a_slower_reading_of_the_rules(market: Book) -> None:
    """Prices and every order's energy, Wh by Wh, where each order is of a customer of its own."""
    alone = [[one.replace(owner=one.id) for one in side] for side in (market.bids, market.asks)]
    market = market.replace(bids=alone[0], asks=alone[1])
    outcome, expected = truthful(market), reference_reduction(market)
    if expected is None or not expected.traded:
        assert (outcome.volume_wh, outcome.matches) == (0, [])
        return
    require_fair(market, outcome)
    prices = {(match.price_micro_per_kwh, match.buyer_price_micro_per_kwh) for match in outcome.matches}
    assert prices == {(expected.price, expected.buyer_price)}
    assert traded(outcome) == expected.traded


@thorough
@given(books(orders=6, owners="abcdefghijkl"))
def test_at_most_the_last_buyer_and_seller_are_given_up(market: Book) -> None:
    """What is traded is the competitive volume, less at most one order of each side."""
    outcome, best = truthful(market), uniform(market)
    if {bid.owner for bid in market.bids} & {ask.owner for ask in market.asks}:
        return
    largest = max((one.energy_wh for one in (*market.bids, *market.asks)), default=0)
    assert best.volume_wh - largest <= outcome.volume_wh <= best.volume_wh


@thorough
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.data())
def test_excess_is_given_up_evenly(energies: list[int], data: st.DataObject) -> None:
    """Each order gives up the same, give or take a Wh, or all that it has."""
    excess = data.draw(st.integers(0, sum(energies) - 1))
    before = [(order(f"o{number}", "a", energy_wh, 0), energy_wh) for number, energy_wh in enumerate(energies)]
    after = cut_evenly(before, excess)
    cuts = [energy_wh - left_wh for energy_wh, (_, left_wh) in zip(energies, after, strict=True)]
    assert sum(cuts) == excess
    most = max(cuts)
    assert all(cut in (most, most - 1) or cut == energy_wh for cut, energy_wh in zip(cuts, energies, strict=True))


# ---------------------------------------------------------------- larger books


@pytest.mark.parametrize("owners", [3, 20])
def test_two_ways_to_the_greatest_welfare_agree_on_large_books(owners: int) -> None:
    """Fees that are the same for all pairs of feeders, once by crossing, once by flow: the same sums."""

    @settings(max_examples=25, deadline=None)
    @given(books(owners="abcdefghijklmnopqrst"[:owners], orders=40, energy=1_000))
    def agree(market: Book) -> None:
        flowing = routed(*by_merit(market), costs_of(market))
        outcome = central(market)
        assert sum(energy_wh for _, _, energy_wh in flowing) == outcome.volume_wh
        worth = sum(
            (bid.price_micro_per_kwh - ask.price_micro_per_kwh - market.fee_micro_per_kwh) * energy_wh
            for bid, ask, energy_wh in flowing
        )
        assert worth == require_fair(market, outcome).welfare
        assert all(bid.owner != ask.owner for bid, ask, _ in flowing)

    agree()


def test_all_orders_of_a_book_can_come_in_any_order() -> None:
    """Every permutation of four bids of one price and four asks of another: one outcome in sums."""
    for mechanism in MECHANISMS:
        sums = set()
        for bids in permutations([order(f"b{n}", n, e, 5) for n, e in zip("wxyz", (1, 2, 2, 4), strict=True)]):
            asks = [order(f"s{n}", n, e, 2) for n, e in zip("wxyz", (3, 1, 1, 2), strict=True)]
            done = clear(mechanism, book(list(bids), asks, fee=1))
            sums.add((done.volume_wh, done.price_micro_per_kwh, done.welfare_micro, done.surplus_micro))
        assert len(sums) == 1, mechanism
