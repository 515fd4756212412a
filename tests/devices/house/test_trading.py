"""What an agent sends is what the market's contract takes: houses with strategies clear a delivery on a ledger."""

from __future__ import annotations

import pytest

from devices.house.catalogue import HOME_BATTERY
from devices.house.strategy import (
    STRATEGIES,
    CostPlus,
    FixedPrice,
    Outlook,
    PriceFollower,
    Strategy,
    Terms,
    ZeroIntelligence,
)
from devices.house.trading import Forecast, calls, outlook
from devices.physics.energy import NWH_PER_WH
from tests.chaincode.bazaar import CENT, MARKET, Bazaar

TERMS = Terms(30 * CENT, 8 * CENT, floor_micro=0, cap_micro=100 * CENT)
KNOWN: tuple[Strategy, ...] = (FixedPrice(), CostPlus(4 * CENT, CENT), ZeroIntelligence(3), PriceFollower(CENT))


@pytest.mark.parametrize("mechanism", ["uniform", "pay_as_bid", "continuous"])
def test_houses_trade_by_their_strategies(mechanism: str) -> None:
    """Two that have and two that lack, each by another strategy: orders are taken as they are, energy changes hands."""
    bazaar = Bazaar(mechanism, 4)
    for house, strategy, (load_wh, made_wh) in zip(
        bazaar.houses, KNOWN, [(1_500, 0), (0, 1_200), (900, 0), (0, 1_800)], strict=True
    ):
        state = outlook(house.point, Forecast(bazaar.slot, bazaar.until_ms, load_wh, made_wh), TERMS)
        for call in calls(MARKET, state, strategy.decide(state)):
            bazaar.ok(house.wallet, call.contract, call.function, **call.arguments)
    bazaar.at_minute(781)
    assert sum(trade["energy_wh"] for trade in bazaar.trades()) > 0
    for trade in bazaar.trades():
        assert 8 * CENT <= trade["price_micro"] <= 30 * CENT


def test_a_board_takes_offers_and_requests() -> None:
    """The same orders under the board's names."""
    bazaar = Bazaar("board", 2)
    seller, buyer = bazaar.houses
    for house, load_wh, made_wh, kind in ((seller, 0, 1_000, "offer"), (buyer, 1_000, 0, "request")):
        state = outlook(house.point, Forecast(bazaar.slot, bazaar.until_ms, load_wh, made_wh), TERMS)
        (call,) = calls(MARKET, state, FixedPrice().decide(state), board=True)
        assert call.function == kind
        assert bazaar.ok(house.wallet, call.contract, call.function, **call.arguments)["status"] == "open"


def test_a_call_for_another_delivery_is_refused() -> None:
    """It names its times: late, it lands in no other window."""
    bazaar = Bazaar("uniform", 2)
    house = bazaar.houses[0]
    state = outlook(house.point, Forecast(bazaar.slot, bazaar.until_ms, 500, 0), TERMS)
    (call,) = calls(MARKET, state, FixedPrice().decide(state))
    bazaar.at_minute(850)
    assert bazaar.code(house.wallet, call.contract, call.function, **call.arguments) == "WINDOW_CLOSED"


def test_an_outlook_knows_what_the_battery_could_do() -> None:
    """Within its power and its levels, both efficiencies counted."""
    hour = Forecast(0, 3_600_000, 0, 0)
    half = outlook("p", hour, TERMS, HOME_BATTERY, 2_500 * NWH_PER_WH)
    assert (half.chargeable_wh, half.dischargeable_wh) == (2_500, 1_920)
    assert half.round_trip_micro == 921_600
    full = outlook("p", hour, TERMS, HOME_BATTERY, 5_000 * NWH_PER_WH)
    assert (full.chargeable_wh, full.dischargeable_wh) == (0, 2_500)
    none = outlook("p", hour, TERMS)
    assert none == Outlook("p", 0, 3_600_000, TERMS)
    assert set(STRATEGIES.values()) == {type(strategy) for strategy in KNOWN}
