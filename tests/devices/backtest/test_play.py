"""A community under each mechanism: the laws that hold whatever is measured, believed and ordered."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings

from chaincode.book import Book
from chaincode.book import Order as Entry
from chaincode.clearing import MECHANISMS, clear, mid_market
from devices.backtest.mechanisms import MARKETS, deals
from devices.backtest.plan import Plan
from devices.backtest.play import NO_MARKET, Play, Store
from devices.backtest.study import studied
from devices.house.strategy import ASK, BID, Order
from devices.physics.energy import NWH_PER_WH
from tests.devices.backtest.plans import SMALL, STRATEGIES, TERMS, plan, plans

RANDOM = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def played(community: Plan, mechanism: str) -> Play:
    play = Play(community, mechanism)
    while not play.over:
        play.step()
    return play


@pytest.mark.parametrize("mechanism", [*MARKETS, NO_MARKET])
@RANDOM
@given(community=plans())
def test_money_and_energy_are_conserved(community: Plan, mechanism: str) -> None:
    """What buyers pay is what sellers, lines, state, grid and the market get; each metered Wh has one class."""
    play = Play(community, mechanism)
    taken, given_away = [0] * len(community.houses), [0] * len(community.houses)
    while not play.over:
        done = play.step()
        for number in range(len(community.houses)):
            taken[number] += done.imports_wh[number]
            given_away[number] += done.exports_wh[number]
        for deal, energy_wh in zip(done.deals, done.delivered_wh, strict=True):
            assert deal.buyer != deal.seller
            assert 0 <= energy_wh <= deal.energy_wh
            assert deal.price_micro <= deal.buyer_price_micro
    assert play.books.conserved
    for number, account in enumerate(play.books.accounts):
        assert account.bought_wh + account.grid_import_wh == taken[number]
        assert account.sold_wh + account.grid_export_wh == given_away[number]


@pytest.mark.parametrize("mechanism", MARKETS)
@RANDOM
@given(community=plans(batteries=False, surprises=False))
def test_nobody_who_knows_his_needs_pays_more_than_without_a_market(community: Plan, mechanism: str) -> None:
    """By any strategy: nobody bids more than the grid costs, nor asks less than it pays; bills round tax once."""
    play, alone = played(community, mechanism), played(community, NO_MARKET)
    for account, usual in zip(play.books.accounts, alone.books.accounts, strict=True):
        assert account.bill_nano <= usual.bill_nano + 1
        assert account.short_wh == 0


@RANDOM
@given(community=plans())
def test_batteries_keep_what_they_take(community: Plan) -> None:
    """A house takes at least what it lacks and what its battery gained; the rest is heat."""
    play, began = Play(community, "uniform"), {}
    for number, store in enumerate(play.stores):
        began[number] = store.stored_nwh if store else 0
    passed = [0] * len(community.houses)
    while not play.over:
        done = play.step()
        passed = [
            before + into - out for before, into, out in zip(passed, done.imports_wh, done.exports_wh, strict=True)
        ]
    for number, household in enumerate(community.houses):
        net = sum(household.load_wh) - sum(household.generation_wh)
        store = play.stores[number]
        if store is None:
            assert passed[number] == net
        else:
            kept = (store.stored_nwh - began[number]) / NWH_PER_WH
            assert passed[number] >= net + kept - 2, "losses are never below zero"


def test_a_seller_who_gives_less_makes_amends() -> None:
    """It sold 1,000 Wh by what it believed and gave 400: the buyer takes 600 from the grid at its expense.

    At uniform's price, the middle of 0.06 and 0.29: 0.175. The grid costs 0.30, less the fee of 0.01 that is not due.
    """
    community = plan(([1_000], [0]), ([0], [400]), expected=[([1_000], [0]), ([0], [1_000])])
    buyer, seller = played(community, "uniform").books.accounts
    assert (buyer.bought_wh, buyer.grid_import_wh, seller.short_wh) == (400, 600, 600)
    assert buyer.amends_got_nano == seller.amends_paid_nano == 115_000 * 600
    assert buyer.bill_nano == (175_000 + 10_000) * 400 + 300_000 * 600 - 115_000 * 600
    assert buyer.bill_nano == (175_000 + 10_000) * 1_000, "it pays what it had agreed to"


def test_a_buyer_pays_for_what_it_takes() -> None:
    """It needs less than it ordered; the seller's excess goes to the grid, and nobody owes amends."""
    community = plan(([400], [0]), ([0], [1_000]), expected=[([1_000], [0]), ([0], [1_000])])
    buyer, seller = played(community, "uniform").books.accounts
    assert (buyer.bought_wh, seller.sold_wh, seller.grid_export_wh, seller.short_wh) == (400, 400, 600, 0)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_clearing_is_the_contracts(mechanism: str) -> None:
    """The same book, asked of `chaincode.clearing` itself, gives the same deals."""
    chance = random.Random(5)
    for _ in range(50):
        orders = [
            (Order(chance.choice([BID, ASK]), chance.randint(1, 3_000), chance.randint(60_000, 300_000)),)
            for _ in range(chance.randint(2, 9))
        ]
        found = deals(mechanism, orders, TERMS, chance)
        sides: dict[str, list[Entry]] = {BID: [], ASK: []}
        for number, (order,) in enumerate(orders):
            entry = Entry(str(number), str(number), order.energy_wh, order.price_micro)
            sides[order.side].append(entry)
        book = Book(sides[BID], sides[ASK], TERMS.fee_micro)
        outside = (TERMS.worth_micro, TERMS.feed_in_micro)
        cleared = mid_market(book, *outside) if mechanism == "mid-market" else clear(mechanism, book)
        expected = [
            (
                int(match.bid),
                int(match.ask),
                match.energy_wh,
                match.price_micro_per_kwh,
                match.buyer_price_micro_per_kwh,
            )
            for match in cleared.matches
        ]
        if mechanism == "bill-share":  # the same energy to each, and what sellers get is what buyers pay
            for side in (0, 1):
                assert energy_by(found, side) == energy_by(expected, side)
            assert all(deal.price_micro == deal.buyer_price_micro for deal in found)
            assert sum(deal.price_micro * deal.energy_wh for deal in found) == sum(row[3] * row[2] for row in expected)
        else:
            assert [tuple(deal) for deal in found] == expected


def energy_by(rows: Iterable[Sequence[int]], side: int) -> Counter[int]:
    found: Counter[int] = Counter()
    for row in rows:
        found[row[side]] += row[2]
    return found


def test_peers_who_choose_may_miss_what_a_coordinator_finds() -> None:
    """Hybrid lies between: its first houses have chosen before the coordinator sees the rest. All trade something."""
    chance = random.Random(1)
    worth = dict.fromkeys(("continuous", "hybrid", "central"), 0)
    for _ in range(200):
        orders = [
            (Order(side, chance.randint(1, 3_000), chance.randint(60_000, 300_000)),)
            for side in itertools.islice(itertools.cycle((BID, BID, ASK, ASK)), 12)
        ]
        for mechanism in worth:
            for deal in deals(mechanism, orders, TERMS, random.Random(2)):
                gain = orders[deal.buyer][0].price_micro - orders[deal.seller][0].price_micro - TERMS.fee_micro
                assert gain >= 0
                worth[mechanism] += gain * deal.energy_wh
    assert 0 < worth["continuous"] < worth["hybrid"] < worth["central"]


def test_a_battery_gives_and_takes_what_it_says() -> None:
    """The whole Wh that an outlook names are there."""
    store = Store(SMALL, 3_600_000)
    able = store.dischargeable_wh
    assert 0 < able <= 2_500
    assert store.pass_delivery(able, -able) == (0, 0)
    takes = store.chargeable_wh
    assert store.pass_delivery(-takes, takes)[1] == 0


@RANDOM
@given(community=plans())
def test_the_same_seed_gives_the_same(community: Plan) -> None:
    """Every figure, twice."""
    first, second = (studied(community) for _ in range(2))
    assert first.found == second.found


def test_orders_shared_between_mechanisms_are_those_of_each_alone() -> None:
    """What is decided once for all of them changes nothing: with every strategy, batteries and a day."""
    chance = random.Random(8)
    day = [
        ([chance.randint(0, 900) for _ in range(24)], [chance.randint(0, 1_500) for _ in range(24)]) for _ in range(6)
    ]
    community = plan(*day, strategies=STRATEGIES, batteries=[SMALL, None, SMALL])
    together = studied(community)
    for mechanism in MARKETS:
        alone = studied(community, [mechanism])
        assert alone.of(mechanism) == together.of(mechanism)
