"""Strategies on a real market: a node of its own process, meters that report, wallets that sign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from devices.backtest.live import Limits
from devices.backtest.trader import Setting, Trader
from devices.history.registers import measured
from devices.house.strategy import BID, FixedPrice
from tests.acceptance.community import DAY_MS, INTERVAL_MS, KWH, Community, SimulatedNetwork, kwh
from tests.acceptance.street import House, Plan, Street
from tests.acceptance.trading import Market
from tests.cli.command_line import command, done

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """Three houses on a ledger with one node."""
    directory = tmp_path_factory.mktemp("solo") / "network"
    with SimulatedNetwork(directory, "solo", "street") as network:
        found = Community(network, {"trading": Plan(3)})
        yield found.streets["trading"]
        found.close()


def trader(street: Street, market: Market, house: House, **more: Any) -> Trader:
    terms = {"retail_micro": 300_000, "feed_in_micro": 80_000, "levy_micro": 10_000, "tax_micro": 190_000}
    more = {"strategy": FixedPrice(), **terms, **more}
    setting = Setting(market=market.id, point=house.point, **more)
    return Trader(street.community.ledger, house.wallet.signer, setting)


def test_004_6_strategies_trade_live_by_what_their_meters_showed(street: Street) -> None:
    """004-6, live: two houses see their intervals on the ledger, order within their limits, and trade; a third one
    plays along without sending anything. What was placed is not placed again."""
    community = street.community
    buyer, seller, watcher = street.houses
    street.open()
    street.flow((2.0, 0), (0, 1.5), (1.0, 0))
    market = Market(street, "uniform", "live")

    shown = measured(community.ledger, buyer.wallet.signer, buyer.point, 3, until_ms=community.now_ms)
    assert shown.step_ms == INTERVAL_MS
    assert shown.load_mwh.sum() == 2 * KWH
    assert shown.known[shown.load_mwh > 0].all()

    buying = trader(street, market, buyer, limits=Limits(order_wh=1_200))
    selling = trader(street, market, seller, strategy=FixedPrice(ask_micro=100_000))
    watching = trader(street, market, watcher, dry_run=True)
    bought, sold, watched = buying.turn(), selling.turn(), watching.turn()
    assert bought is not None
    assert sold is not None
    assert watched is not None
    (bid,), (ask,), (dry,) = bought.orders, sold.orders, watched.orders
    assert (bought.load_wh, bid.side, bid.energy_wh) == (2_000, BID, 1_200), "its limit lets it bid for no more"
    assert bought.held == ("bid of 2000 Wh to 1200 Wh: order limit",)
    assert (ask.energy_wh, ask.price_micro) == (1_500, 100_000)
    assert bid.number is not None
    assert ask.number is not None
    assert (dry.energy_wh, dry.number, watched.dry_run) == (1_000, None, True)
    assert market.found(bid.number)["price_micro"] == bid.price_micro == 300_000 * 100 // 119 - 10_000
    assert community.ask(watcher.wallet, "market", "orders", wallet=watcher.wallet.id) == []

    assert buying.turn() is None, "one turn a delivery"
    assert trader(street, market, buyer).turn() is None, "whoever starts again finds what has been placed"

    community.to(bought.from_ms + 200)
    (trade,) = market.cleared(bought.from_ms)
    assert (trade["energy_wh"], trade["bid"], trade["ask"]) == (1_200, bid.number, ask.number)
    assert 100_000 <= trade["price_micro"] <= bid.price_micro

    after = buying.turn()
    assert after is not None
    assert after.from_ms > bought.from_ms
    (again,) = after.orders
    assert again.number is not None


def test_001_8_and_004_6_a_forecast_and_a_dry_run_read_the_ledger(street: Street) -> None:
    """001-8, 004-6: a forecast from a point's own intervals, and a dry run, as its wallet; no stranger may read it.
    They sign by the ledger's clock, which is simulated and ahead of the machine's."""
    community = street.community
    house = street.houses[2]
    street.flow((0.7, 0), (0, 0), (0.5, 0.0))
    market = Market(street, "uniform", "watched")
    network = community.network.founded.directory
    at = ("--point", house.point, "--network", network, "--json")
    own = ("--as", f"west/{house.wallet.name}")
    (told,) = done("forecast", "day", *at, *own).document["houses"]
    assert told["name"] == house.point
    assert told["begin_ms"] == community.now_ms // DAY_MS * DAY_MS, "the day after the last whole one"
    assert len(told["load_wh"]) == DAY_MS // INTERVAL_MS
    terms = ("--market", market.id, "--retail", "0.30", "--feed-in", "0.08", "--levy", "0.01", "--tax", "0.19")
    turn = done("trade", "run", *terms, "--dry-run", "--deliveries", "1", *at, *own).document
    assert turn["dry_run"] is True
    assert turn["load_wh"] > 0
    assert [(order["side"], order["number"]) for order in turn["orders"]] == [("bid", None)]
    assert community.ask(house.wallet, "market", "orders", wallet=house.wallet.id) == []
    refused = command("forecast", "day", *at, "--as", f"west/{community.stranger.name}")
    assert refused.code != 0
    assert "read by its tenant" in refused.err


def test_what_the_ledger_refuses_is_told(street: Street) -> None:
    """A closed market, an order beyond what the market takes: the trader goes on."""
    street.flow((kwh(0.002), 0), (0, 0), (0, 0))
    buyer = street.houses[0]
    market = Market(street, "uniform", "strict", position_limit_wh=100)
    turn = trader(street, market, buyer).turn()
    assert turn is not None
    (order,) = turn.orders
    assert order.number is None
    assert order.refused == "market.POSITION_LIMIT"
