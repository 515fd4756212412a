"""What a house would buy or sell: the same answer to the same question, and never at a loss."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.house.strategy import (
    ASK,
    BID,
    MICRO,
    STRATEGIES,
    CostPlus,
    FixedPrice,
    Order,
    Outlook,
    PriceFollower,
    Strategy,
    Terms,
    ZeroIntelligence,
)

HOUR_MS = 3_600_000
TERMS = Terms(retail_micro=330_000, feed_in_micro=80_000, fee_micro=20_000, levy_micro=25_000, tax_micro=100_000)
ALL: tuple[Strategy, ...] = (
    FixedPrice(),
    FixedPrice(200_000, 150_000),
    CostPlus(40_000, 10_000),
    ZeroIntelligence(7),
    PriceFollower(5_000),
)


def outlook(load_wh: int = 0, generation_wh: int = 0, terms: Terms = TERMS, **changes: object) -> Outlook:
    fields = {"point": "north:h1", "from_ms": HOUR_MS, "until_ms": 2 * HOUR_MS, "terms": terms}
    return Outlook(**fields | {"load_wh": load_wh, "generation_wh": generation_wh} | changes)  # type: ignore[arg-type]


energies = st.integers(0, 20_000)
terms = st.builds(
    Terms,
    retail_micro=st.integers(0, 900_000),
    feed_in_micro=st.integers(-100_000, 400_000),
    fee_micro=st.integers(0, 50_000),
    levy_micro=st.integers(0, 50_000),
    tax_micro=st.integers(0, 300_000),
    floor_micro=st.integers(-200_000, 50_000),
    cap_micro=st.integers(50_000, 1_000_000),
    tick_micro=st.sampled_from([1, 10, 1_000, 7_000]),
    order_limit_wh=st.sampled_from([0, 500, 5_000]),
)
outlooks = st.builds(
    outlook,
    energies,
    energies,
    terms,
    chargeable_wh=energies,
    dischargeable_wh=energies,
    round_trip_micro=st.integers(500_000, MICRO),
    last_price_micro=st.none() | st.integers(-100_000, 900_000),
    last_filled_micro=st.none() | st.integers(0, MICRO),
)


@pytest.mark.parametrize("strategy", ALL)
@given(state=outlooks)
def test_nobody_does_worse_than_with_the_grid(strategy: Strategy, state: Outlook) -> None:
    """A bid, with levies and tax, costs no more than retail; an ask brings no less than feed-in. Prices and amounts are
    ones that the market takes, and nobody's orders meet."""
    orders = strategy.decide(state)
    for order in orders:
        assert state.terms.floor_micro <= order.price_micro <= state.terms.cap_micro
        assert order.price_micro % state.terms.tick_micro == 0
        assert 0 < order.energy_wh <= (state.terms.order_limit_wh or order.energy_wh)
        if order.side == BID:
            paid_micro = (order.price_micro + state.terms.levy_micro) * (MICRO + state.terms.tax_micro)
            assert paid_micro <= state.terms.retail_micro * MICRO
        else:
            assert order.price_micro >= state.terms.feed_in_micro
    bids = [order.price_micro for order in orders if order.side == BID]
    asks = [order.price_micro for order in orders if order.side == ASK]
    assert not bids or not asks or max(bids) < min(asks)


@pytest.mark.parametrize("strategy", ALL)
@given(state=outlooks)
def test_nobody_trades_more_than_it_lacks_or_has(strategy: Strategy, state: Outlook) -> None:
    """What the house needs itself comes first, then its battery."""
    orders = strategy.decide(state)
    bought_wh = sum(order.energy_wh for order in orders if order.side == BID)
    sold_wh = sum(order.energy_wh for order in orders if order.side == ASK)
    assert bought_wh <= state.deficit_wh + state.room_wh
    assert sold_wh <= state.surplus_wh + state.spare_wh
    assert strategy.decide(state) == orders


def test_a_house_that_needs_and_has_nothing_gives_no_order() -> None:
    """Not even an empty one."""
    assert all(strategy.decide(outlook(900, 900)) == () for strategy in ALL)


def test_the_battery_stands_between_the_house_and_the_market() -> None:
    """It gives before the house buys, and takes before the house sells."""
    short = outlook(3_000, 500, dischargeable_wh=1_000, chargeable_wh=700)
    assert (short.net_wh, short.deficit_wh, short.surplus_wh, short.spare_wh) == (2_500, 1_500, 0, 0)
    rich = outlook(500, 3_000, dischargeable_wh=1_000, chargeable_wh=700)
    assert (rich.deficit_wh, rich.surplus_wh, rich.spare_wh, rich.room_wh) == (0, 1_800, 1_000, 0)


def test_fixed_prices_are_those_it_was_given() -> None:
    """Within what the grid would cost or pay."""
    assert FixedPrice(200_000, 150_000).decide(outlook(1_500)) == (Order(BID, 1_500, 200_000),)
    assert FixedPrice(200_000, 150_000).decide(outlook(0, 900)) == (Order(ASK, 900, 150_000),)
    assert FixedPrice(900_000, 1).decide(outlook(1_500)) == (Order(BID, 1_500, TERMS.worth_micro),)
    assert TERMS.worth_micro == 275_000  # 330,000 without a tenth of tax, less levies


def test_energy_out_of_a_battery_costs_its_way_and_its_age() -> None:
    """80,000 of feed-in forgone, at 80 % round trip 100,000, 40,000 of ageing and 10,000 of margin."""
    state = outlook(0, 2_000, dischargeable_wh=600, round_trip_micro=800_000)
    assert CostPlus(40_000, 10_000).decide(state) == (Order(ASK, 2_000, 90_000), Order(ASK, 600, 150_000))


def test_a_battery_buys_what_pays_later() -> None:
    """(275,000 - 40,000) x 80 % - 10,000: what a stored kWh is worth when it is used in place of the grid's."""
    state = outlook(500, 0, chargeable_wh=600, round_trip_micro=800_000)
    assert CostPlus(40_000, 10_000).decide(state) == (Order(BID, 500, 275_000), Order(BID, 600, 178_000))


def test_zero_intelligence_draws_from_its_seed_place_and_time() -> None:
    """Another seed, house or delivery is another price; all of them within the band."""
    states = [
        outlook(1_000, point=f"north:h{house}", from_ms=hour * HOUR_MS, until_ms=(hour + 1) * HOUR_MS)
        for house in range(10)
        for hour in range(24)
    ]
    prices = [order.price_micro for state in states for order in ZeroIntelligence(1).decide(state)]
    others = [order.price_micro for state in states for order in ZeroIntelligence(2).decide(state)]
    assert len(prices) == 240
    assert len(set(prices)) > 230
    assert prices != others
    assert min(prices) < 90_000
    assert max(prices) > 265_000


def test_a_follower_gives_way_when_it_was_not_filled() -> None:
    """And asks for more when it was."""
    follower = PriceFollower(5_000)
    known = {"last_price_micro": 150_000}
    asks = [follower.decide(outlook(0, 900, last_filled_micro=filled, **known)) for filled in (0, MICRO, None)]
    bids = [follower.decide(outlook(900, 0, last_filled_micro=filled, **known)) for filled in (0, MICRO, None)]
    assert [each[0].price_micro for each in asks] == [145_000, 155_000, 150_000]
    assert [each[0].price_micro for each in bids] == [175_000, 165_000, 170_000]
    assert follower.decide(outlook(0, 900))[0].price_micro == (80_000 + 275_000 - 20_000) // 2


def test_where_the_grid_is_cheaper_than_its_feed_in_nobody_draws() -> None:
    """No price suits both sides: no order, rather than one at a loss."""
    upside_down = Terms(retail_micro=50_000, feed_in_micro=80_000)
    assert ZeroIntelligence(1).decide(outlook(900, terms=upside_down)) == ()


def test_strategies_are_made_from_their_names() -> None:
    """As a scenario writes them."""
    made = msgspec.convert({"step_micro": 1_000}, STRATEGIES["price-follower"])
    assert made == PriceFollower(1_000)
    assert len(STRATEGIES) == 4
