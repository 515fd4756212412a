"""What a house bids: what it has over, what it lacks, and never dearer than the grid."""

from __future__ import annotations

import pytest

from devices.community.scenario import Battery, House, Load, Prices, parse_scenario
from devices.community.trading import MICRO_PER_CENT, Bid, Delivery, Past, orders, wanted

PRICES = Prices()
PLAIN = House(name="plain", load=Load(constant_w=100))
STORED = House(name="stored", load=Load(constant_w=100), battery=Battery(capacity_wh=4_000, power_w=2_000))


def bid(house: House, load_wh: float, generation_wh: float, level_micro: int = -1) -> Bid | None:
    return wanted(house, Past(load_wh, generation_wh, level_micro), PRICES, on_grid=True)


def test_who_has_sun_over_asks_and_who_lacks_bids() -> None:
    """As much as in the last quarter."""
    sold, bought = bid(PLAIN, 100, 400), bid(PLAIN, 400, 100)
    assert sold is not None
    assert bought is not None
    assert (sold.side, sold.energy_wh, bought.side, bought.energy_wh) == ("ask", 300, "bid", 300)


def test_little_is_not_worth_an_order_and_who_does_not_trade_gives_none() -> None:
    """Nobody bids for a Wh."""
    assert bid(PLAIN, 100, 103) is None
    assert bid(House(name="still", load=Load(constant_w=1), trades=False), 0, 500) is None


def test_an_own_battery_comes_before_a_neighbour() -> None:
    """A full one sells, an empty one buys."""
    full, empty = bid(STORED, 100, 100, 900_000), bid(STORED, 900, 0, 100_000)
    assert full is not None
    assert empty is not None
    assert (full.side, empty.side) == ("ask", "bid")
    assert bid(STORED, 300, 0, 500_000) is None


@pytest.mark.parametrize("level_micro", [-1, 0, 300_000, 650_000, 1_000_000])
def test_prices_lie_between_feed_in_and_the_grids(level_micro: int) -> None:
    """Neither gains by not trading."""
    for load_wh, generation_wh in ((0, 800), (800, 0)):
        found = bid(STORED if level_micro >= 0 else PLAIN, load_wh, generation_wh, level_micro)
        if found is not None:
            assert PRICES.feed_in_cents < found.price_micro / MICRO_PER_CENT < PRICES.retail_cents


@pytest.mark.parametrize("strategy", ["by-charge", "fixed-price", "cost-plus", "zero-intelligence", "price-follower"])
def test_every_strategy_sells_what_is_over_and_buys_what_is_missing(strategy: str) -> None:
    """Within the grid's prices, from the same facts always the same."""
    text = f"""
name: street
title: A street
feeders:
  - name: lane
    rating_va: 25000
    houses:
      - {{name: h1, load: {{daily_wh: 7000}}, strategy: {strategy}}}
"""
    scenario = parse_scenario(text, "test")
    [house] = scenario.houses
    delivery = Delivery(900_000, 1_800_000, 150_000)
    for past, side in ((Past(100, 400, -1), "ask"), (Past(400, 100, -1), "bid")):
        found = orders(house, past, scenario, delivery)
        assert found == orders(house, past, scenario, delivery)
        assert [(one.side, one.energy_wh) for one in found] == [(side, 300)]
        assert PRICES.feed_in_cents <= found[0].price_micro / MICRO_PER_CENT <= PRICES.retail_cents
