"""Strategies: orders given by timers within a budget, and an alarm when they stray."""

from __future__ import annotations

from typing import Any

from tests.chaincode.bazaar import CENT, MARKET, MONEY, Bazaar
from tests.chaincode.town import DAY_MS, FEEDER, House


def start(bazaar: Bazaar, house: House, rule: str, cents: int, budget_minor: int, **changes: Any) -> dict[str, Any]:
    wanted = {"energy_wh": 1_000, "until_ms": bazaar.now_ms + DAY_MS, **changes}
    prices = {"price_micro": cents * CENT, "budget_minor": budget_minor}
    found: dict[str, Any] = bazaar.ok(
        house.wallet, "market", "strategy", market=MARKET, point=house.point, rule=rule, **prices, **wanted
    )
    return found


def strategy(bazaar: Bazaar, house: House) -> dict[str, Any]:
    found: list[dict[str, Any]] = bazaar.ask(house.wallet, "market", "strategies", wallet=house.wallet.id)
    return found[0]


def strayed(bazaar: Bazaar) -> list[str]:
    return [event.payload["alarm"] for event in bazaar.ledger.events("market", "StrategyStrayed")]


def test_a_strategy_gives_its_order_in_every_window_and_stops_in_the_end() -> None:
    """Sell surplus above x, buy below y: executed by timers, from a budget; what is not spent comes back."""
    bazaar = Bazaar("uniform", houses=2, collateral_micro=2 * CENT)
    seller, buyer = bazaar.houses
    start(bazaar, seller, "sell_above", 10, 10_000)
    start(bazaar, buyer, "buy_below", 20, 10_000)
    assert bazaar.available(buyer) == MONEY - 10_000
    bazaar.at_minute(790)
    assert [(trade["energy_wh"], trade["price_micro"]) for trade in bazaar.trades()] == [(1_000, 15 * CENT)]
    assert bazaar.escrows(buyer) == {"strategy/2": 10_000 - 1_520, "trade/1": 1_520}
    assert bazaar.escrows(seller) == {"strategy/1": 10_000 - 200, "pledge/1": 200}
    bazaar.at_minute(1_000)
    assert len(bazaar.trades()) == 2
    assert len(bazaar.ledger.events("market", "StrategyActed")) == 4
    bazaar.ok(seller.wallet, "market", "stop_strategy", strategy=1)
    assert bazaar.code(seller.wallet, "market", "stop_strategy", strategy=1) == "STRATEGY_UNKNOWN"
    assert bazaar.escrows(seller) == {"pledge/1": 200, "pledge/2": 200}
    bazaar.at_minute(720 + 1_441)
    assert not strategy(bazaar, buyer)["running"]
    assert set(bazaar.escrows(buyer)) == {"trade/1", "trade/2"}
    assert strayed(bazaar) == []


def test_a_strategy_that_strays_raises_an_alarm_once() -> None:
    """Its order is refused, by a halt or for want of budget: an event, and the alarm stands until it acts again."""
    bazaar = Bazaar("continuous", houses=2)
    seller, buyer = bazaar.houses
    bazaar.ok(bazaar.operator, "feeder", "halt", feeder=FEEDER, direction="reverse", until_ms=0)
    start(bazaar, seller, "sell_above", 10, 0, until_ms=bazaar.now_ms + 3 * DAY_MS)
    start(bazaar, buyer, "buy_below", 20, 100)
    bazaar.at_minute(900)
    assert strayed(bazaar) == ["HALTED", "BUDGET_TOO_SMALL"]
    assert strategy(bazaar, seller)["alarm"] == "HALTED"
    bazaar.ok(bazaar.operator, "feeder", "resume", feeder=FEEDER, direction="reverse")
    bazaar.at_minute(1_440 + 700)
    assert strategy(bazaar, seller)["alarm"] == ""
    stopped = bazaar.ok(seller.wallet, "market", "stop_strategy", strategy=1)
    assert bazaar.found(stopped["order"])["status"] == "cancelled"


def test_a_battery_is_kept_at_its_level() -> None:
    """It bids for what it lacks and offers what it has beyond; when it goes further away three times, an alarm."""
    bazaar = Bazaar("continuous", houses=2)
    house, other = bazaar.houses
    prices = {"sell_price_micro": 30 * CENT, "target_wh": 5_000, "energy_wh": 2_000}
    wanted = {"point": house.point, "rule": "keep_battery", "price_micro": 31 * CENT, "until_ms": bazaar.now_ms + 1}
    refused = {"market": MARKET, "budget_minor": 1, **wanted, **prices}
    assert bazaar.code(house.wallet, "market", "strategy", **refused) == "STRATEGY_INVALID"
    start(bazaar, house, "keep_battery", 20, 100_000, until_ms=bazaar.now_ms + 5 * DAY_MS, **prices)
    assert bazaar.code(other.wallet, "market", "report_level", strategy=1, level_wh=1) == "NOT_YOUR_ORDER"
    given = []
    for minute, level_wh in ((850, 5_500), (2_080, 2_000), (2_290, 5_000)):
        bazaar.ok(house.meter, "market", "report_level", strategy=1, level_wh=level_wh)
        bazaar.at_minute(minute)
        listed = bazaar.ask(house.wallet, "market", "orders", wallet=house.wallet.id)
        given.append([(row["side"], row["energy_wh"], row["price_micro"] // CENT) for row in listed])
    assert given == [[("ask", 500, 30)], [("ask", 500, 30), ("bid", 2_000, 20)], given[1]]
    for level_wh in (4_900, 4_800, 4_700, 4_600):
        bazaar.ok(house.wallet, "market", "report_level", strategy=1, level_wh=level_wh)
    assert strayed(bazaar) == ["LEVEL"]
    assert bazaar.ok(house.wallet, "market", "report_level", strategy=1, level_wh=4_800)["alarm"] == ""
