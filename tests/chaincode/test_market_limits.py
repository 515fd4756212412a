"""Limits on what two customers trade with one another, and the alarm of a strategy that meets one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.calendar import FIXED_UTC
from chaincode.partners import Dealings, left_wh
from chaincode.venue import Market, fault_of_market
from tests.chaincode.bazaar import MARKET, Bazaar
from tests.chaincode.test_market_strategies import start, strategy
from tests.chaincode.town import DAY_MS, FEEDER

HALF: dict[str, Any] = {"partner_limit_micro": 500_000, "partner_free_wh": 1_000, "partner_days": 1}


def volumes(bazaar: Bazaar) -> list[int]:
    return [trade["energy_wh"] for trade in bazaar.trades()]


def test_no_more_than_a_share_is_traded_with_one_other() -> None:
    """Diversification: beyond what is free, at most half of what a customer trades in a window is with one other."""
    bazaar = Bazaar("board", houses=4, **HALF)
    seller, buyer, third, fourth = bazaar.houses
    offer = bazaar.order(seller, "offer", 4_000, 10)["number"]

    def buy(house: Any, energy_wh: int) -> str:
        return bazaar.code(house.wallet, "market", "buy", order=offer, point=house.point, energy_wh=energy_wh)

    assert buy(buyer, 1_001) == "PARTNER_LIMIT"
    assert buy(buyer, 1_000) == "OK"
    assert buy(buyer, 1) == "PARTNER_LIMIT"
    assert buy(third, 1_000) == "OK"
    assert buy(buyer, 1) == "PARTNER_LIMIT", "half of the seller's, but all of the buyer's own"
    other = bazaar.order(fourth, "offer", 1_000, 10)["number"]
    bazaar.ok(buyer.wallet, "market", "buy", order=other, point=buyer.point)
    assert buy(buyer, 1) == "PARTNER_LIMIT", "now half of both: more would be more than half"
    assert volumes(bazaar) == [1_000, 1_000, 1_000]
    bazaar.at_minute(1_440 + 720)
    offer = bazaar.order(seller, "offer", 4_000, 10)["number"]
    assert buy(buyer, 1_000) == "OK", "the next day is another window"


def test_an_auction_passes_over_who_trades_too_much_together() -> None:
    """A match is cut to what the two may still trade, a resting order beyond that is left for others."""
    bazaar = Bazaar("continuous", houses=3, **HALF)
    seller, buyer, third = bazaar.houses
    bazaar.order(seller, "ask", 1_500, 10)
    bid = bazaar.order(buyer, "bid", 3_000, 20)
    assert (volumes(bazaar), bid["left_wh"]) == ([1_000], 2_000)
    bazaar.order(third, "ask", 1_000, 15)
    assert volumes(bazaar) == [1_000, 1_000]
    bazaar.order(third, "bid", 400, 12)
    assert volumes(bazaar) == [1_000, 1_000, 400]
    assert bazaar.found(1)["left_wh"] == 100


@pytest.mark.parametrize("mechanism", ["uniform", "central"])
def test_a_clearing_keeps_to_the_share_too(mechanism: str) -> None:
    """What would be too much between two is not traded, whatever the mechanism says, and its money is back."""
    bazaar = Bazaar(mechanism, houses=2, **HALF)
    seller, buyer = bazaar.houses
    bazaar.order(seller, "ask", 3_000, 10)
    bazaar.order(buyer, "bid", 3_000, 20)
    bazaar.at_minute(781)
    assert volumes(bazaar) == [1_000]
    assert set(bazaar.escrows(buyer)) == {"trade/1"}
    assert bazaar.found(2)["status"] == "expired"


def test_a_strategy_that_trades_with_one_alone_strays_once_and_recovers() -> None:
    """An alarm when its trade is cut short, no second one while that lasts, and an event when it is over."""
    bazaar = Bazaar("continuous", houses=3, **{**HALF, "partner_days": 2})
    seller, buyer, third = bazaar.houses
    start(bazaar, buyer, "buy_below", 20, 100_000, energy_wh=1_500, until_ms=bazaar.now_ms + 5 * DAY_MS)

    def events(name: str) -> list[str]:
        return [event.payload["alarm"] for event in bazaar.ledger.events("market", name)]

    bazaar.at_minute(721)
    for _ in range(2):
        bazaar.order(seller, "ask", 1_500, 10)
    assert (volumes(bazaar), events("StrategyStrayed")) == ([1_000], ["PARTNER_LIMIT"])
    bazaar.at_minute(850)
    bazaar.order(seller, "ask", 500, 10)
    assert strategy(bazaar, buyer)["alarm"] == "PARTNER_LIMIT", "another order given does not end it"
    assert (volumes(bazaar), events("StrategyStrayed"), events("StrategyRecovered")) == ([1_000], ["PARTNER_LIMIT"], [])
    bazaar.order(third, "ask", 900, 9)
    assert volumes(bazaar) == [1_000, 900]
    assert (strategy(bazaar, buyer)["alarm"], events("StrategyRecovered")) == ("", ["PARTNER_LIMIT"])


def test_a_strategy_that_has_stopped_raises_no_alarm_and_blocks_no_clearing() -> None:
    """It ends with the bids, after its order has been cleared and before that is traded."""
    bazaar = Bazaar("central", houses=2, **HALF)
    wedge = {"from_feeder": FEEDER, "to_feeder": FEEDER, "fee_micro": 0, "account": ""}
    bazaar.two("market", "propose_wedge", market=MARKET, wedge=wedge, from_ms=0)
    seller, buyer = bazaar.houses
    start(bazaar, buyer, "buy_below", 20, 100_000, energy_wh=1_500, until_ms=bazaar.slot)
    bazaar.order(seller, "ask", 1_500, 10)
    bazaar.at_minute(781)
    bazaar.at_minute(782)
    assert (volumes(bazaar), strategy(bazaar, buyer)["running"]) == ([1_000], False)
    assert not bazaar.ledger.events("market", "StrategyStrayed")
    assert bazaar.ask(bazaar.operator, "market", "slot", market=MARKET, slot=bazaar.slot)["status"] == "cleared"


# ---------------------------------------------------------------- the formula, and its bounds


def market_with(**fields: int) -> Market:
    base = Market(id="a:m", operator="a", area="a:a", mechanism="board", zone=FIXED_UTC, cap_micro=1)
    return base.replace(**fields)


@given(
    limit=st.integers(1, 1_000_000),
    free=st.integers(0, 20),
    whole=st.integers(0, 60),
    share=st.integers(0, 60),
)
def test_what_is_left_is_the_most_that_keeps_the_limit(limit: int, free: int, whole: int, share: int) -> None:
    """Found by trying: with + x is free, or at most the share of all with x in it."""
    given_wh = min(share, whole)
    market = market_with(partner_limit_micro=limit, partner_free_wh=free)
    found = left_wh(market, Dealings(whole_wh=whole, with_wh={"b": given_wh}), "b")

    def keeps(more: int) -> bool:
        return given_wh + more <= free or (given_wh + more) * 1_000_000 <= limit * (whole + more)

    if limit == 1_000_000:
        assert all(keeps(more) for more in range(200))
        assert found >= 200
        return
    tried = [more for more in range(1, 200) if keeps(more)]
    assert min(found, 199) == max(tried, default=0)


@pytest.mark.parametrize(
    "wrong",
    [{"partner_limit_micro": 1_000_001}, {"partner_limit_micro": -1}, {"partner_days": 0}, {"partner_free_wh": -1}],
)
def test_a_share_beyond_all_is_refused(wrong: dict[str, int]) -> None:
    """A market that contradicts itself is not proposed."""
    assert not fault_of_market(market_with(), "a")
    assert fault_of_market(market_with(**wrong), "a")
