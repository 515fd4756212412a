"""Houses that trade: what is agreed on a ledger of four flows between controllers, which are processes of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devices.house.agent.core import Agent, Answered, Forecasted, Priced, Settings, Traded
from devices.house.catalogue import HOME_BATTERY, family
from devices.house.strategy import FixedPrice, Terms
from devices.house.trading import Call, Forecast
from devices.house_shell.agent import HomeAgent
from devices.house_shell.http import call
from gateway.mqtt.connection import Access, Connection, Message
from tests.acceptance.at_feeder import Feeder
from tests.acceptance.community import CENT, FEED_IN_MICRO, HOUR_MS, INTERVAL_MS, KWH, RETAIL_MICRO, Community
from tests.acceptance.trading import Market
from tests.cli.village import HOST, Village
from tests.conditions import eventually, until
from tests.gateway.running import gateway_identity
from tests.mosquitto import Mosquitto
from tests.ports import fresh_port
from tests.running import LEDGER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WH = 1_000
BOUGHT_WH = 1
DELIVERED_S = 60.0
"""A Wh at 300 W takes twelve seconds, and what a busy machine needs."""


def test_002_3_a_trade_closes_relays_until_what_was_bought_is_there(
    community: Community, feeder: Feeder, tmp_path: Path
) -> None:
    """002-3, 003-4: an order is matched on the ledger; when its delivery begins the gateway says the trade's line, the
    bus closes the seller's OUT and the buyer's IN, both ends measure, the buyer's page shows it live, and relays are
    open when the bought amount is there: once, over the deaths of bus and gateway. The ledger settles what was
    measured."""
    street = community.streets["village"]
    seller, buyer = street.houses
    street.open()
    board = Market(street, "board")
    with Village(tmp_path / "village", [seller.point, buyer.point]) as village:
        listening = (
            *("--broker", feeder.broker.endpoint, "--broker-roots", feeder.broker.roots, "--broker-user", "screen"),
            *("--broker-password-file", feeder.files / "secrets" / "screen.password"),
            *("--ledger", LEDGER, "--feeder", street.feeder),
        )
        bus = village.bus(*listening)
        for house in (seller, buyer):
            village.tie(house.point)
        until(lambda: all(village.page(name).get("linked") for name in village.names), DELIVERED_S)
        until(lambda: "listening" in village.output() and street.feeder in village.output())

        number = board.buy(buyer, board.order(seller, "offer", BOUGHT_WH, 20)["number"])
        assert board.trade(number)["status"] == "agreed"
        assert not village.page(seller.point)["relay_out"]
        street.flow((0, 0), (0, 0))  # its delivery begins
        until(lambda: village.page(buyer.point)["relay_in"], DELIVERED_S)
        until(lambda: village.page(seller.point)["relay_out"], DELIVERED_S)
        until(lambda: village.page(buyer.point)["energy_mwh"] > 100)
        live = village.page(buyer.point)
        assert (live["trade"], live["demand_mwh"]) == (number, BOUGHT_WH * WH)
        assert f"#{number} running: {seller.point} → {buyer.point}" in village.shown(buyer.point)
        assert "12.40 V" in village.shown(buyer.point)

        bus.kill()
        bus.wait()
        feeder.gateway.kill()
        feeder.gateway.start()
        village.bus(*listening)
        until(lambda: f"trade {number} done" in village.output(), DELIVERED_S)
        until(lambda: not village.page(buyer.point)["relay_in"] and not village.page(seller.point)["relay_out"])
        taken_mwh, given_mwh = (village.page(house.point)["energy_mwh"] for house in (buyer, seller))
        assert BOUGHT_WH * WH <= taken_mwh < 3 * BOUGHT_WH * WH
        assert village.output().count(f"trade {number} done") == 1
        assert "disputed" not in village.output()

    for house, measured_mwh in ((seller, given_mwh), (buyer, taken_mwh)):
        for command in community.ask(house.meter, "settlement", "commands", point=house.point):
            done = {"command": command["number"], "measured_mwh": measured_mwh}
            assert community.ok(house.meter, "settlement", "acknowledge", **done)["status"] == "acknowledged"
    street.settle((0, given_mwh / KWH), (taken_mwh / KWH, 0))
    settled = board.trade(number)
    assert (settled["status"], settled["delivered_mwh"]) == ("done", BOUGHT_WH * WH)


# ---------------------------------------------------------------- the home's agent

USERS = {"agent": "agent's password", "machines": "machines' password"}
SOLD_WH = 500


@pytest.fixture
def home_broker(community: Community, tmp_path: Path) -> Iterator[Mosquitto]:
    identity = gateway_identity(community.network.founded, "home-broker")
    with Mosquitto(tmp_path / "broker", identity, USERS) as running:
        yield running


async def test_003_5_a_homes_agent_trades_its_sun(community: Community, home_broker: Mosquitto) -> None:
    """003-5: machines are heard over MQTT; of what sun will be left over when the battery is full the agent makes an
    order, which stands in the book of the running market and is bought by a neighbour; while that is delivered the
    battery is told over MQTT to give it, and the page over HTTP shows so."""
    street = community.streets["home-agent"]
    house, neighbour = street.houses
    street.open()
    board = Market(street, "board")
    orders: list[Call] = []
    said: dict[str, Any] = {}

    def took(message: Message) -> None:
        said[message.topic] = msgspec.json.decode(message.payload)

    def access(user: str) -> Access:
        return Access(home_broker.host, home_broker.port, user, home_broker.tls(), user, USERS[user])

    machines = Connection(access("machines"), took)
    await machines.open()
    await machines.subscribe(["home/h1/+/set"])
    settings = Settings(
        house.point,
        board.id,
        family("h1", peak_w=4_000, battery=HOME_BATTERY),
        FixedPrice(ask_micro=20 * CENT),
        board=True,
    )
    agent = HomeAgent(
        Agent(settings), "h1", access("agent"), token="owner", orders=orders.append, clock_ms=lambda: community.now_ms
    )
    port = fresh_port()
    running = asyncio.create_task(agent.run(HOST, port))

    async def state() -> Any:
        return msgspec.json.decode((await call((HOST, port), "GET", "/state")).body)

    try:
        await eventually(lambda: "home/h1/battery/set" in said)
        assert said["home/h1/battery/set"] == {"power_mw": None}
        now = {"meter": {"power_mw": 0}, "generation": {"power_mw": 1_000_000}, "battery": {"level_micro": 1_000_000}}
        for source, values in now.items():
            machines.publish(f"home/h1/{source}/state", msgspec.json.encode(values))
        await eventually(lambda: now.keys() <= agent.agent.collected.sources.keys())
        assert (await state())["sources"] == now

        delivery = community.ask(house.wallet, "market", "window", market=board.id)
        terms = Terms(RETAIL_MICRO, FEED_IN_MICRO)
        agent.do(Priced(community.now_ms, terms, RETAIL_MICRO))
        forecast = Forecast(delivery["from_ms"], delivery["until_ms"], 0, SOLD_WH)
        agent.do(Forecasted(community.now_ms, forecast))
        [order] = orders
        placed = community.ok(house.wallet, order.contract, order.function, **order.arguments)
        agent.do(Answered(community.now_ms, "OK"))
        shown = {"market": board.id, "slot": delivery["from_ms"]}
        [listed] = community.ask(neighbour.wallet, "market", "book", **shown)
        assert (listed["kind"], listed["energy_wh"], listed["price_micro"]) == ("offer", SOLD_WH, 20 * CENT)

        trade = board.trade(board.buy(neighbour, placed["number"]))
        window = trade["from_ms"], trade["until_ms"]
        agent.do(Traded(community.now_ms, *window, -trade["energy_wh"], trade["price_micro"]))
        assert said["home/h1/battery/set"] == {"power_mw": None}, "it has not begun"
        street.flow((0, 0), (0, 0))
        power_mw = -SOLD_WH * 1_000 * HOUR_MS // INTERVAL_MS  # the sun goes to what is on
        await eventually(lambda: said["home/h1/battery/set"] == {"power_mw": power_mw})
        assert (await state())["wanted"]["battery_w"] == power_mw / 1_000
        street.settle((0, SOLD_WH / 1_000), (SOLD_WH / 1_000, 0))
        assert board.trade(trade["trade"])["status"] == "done"
        await eventually(lambda: said["home/h1/battery/set"] == {"power_mw": None})
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await machines.close()


# ---------------------------------------------------------------- what is agreed stays so


def test_003_11_an_accepted_offer_is_locked_until_its_window_ends(community: Community) -> None:
    """003-11: what was accepted can neither be taken back nor bought again, before its delivery and while it runs; what
    is left of the offer can. How many trades there are, and the n-th of them, can be asked for."""
    street = community.streets["locked"]
    seller, buyer = street.houses
    street.open()
    board = Market(street, "board")

    def count() -> int:
        community.seen()
        found: int = community.ask(buyer.wallet, "market", "trade_count")
        return found

    before = count()
    whole, part = (board.order(seller, "offer", 1_000, 20)["number"] for _ in range(2))
    first, second = board.buy(buyer, whole), board.buy(buyer, part, 400)
    assert before < first < second <= count()
    for number, energy_wh in ((first, 1_000), (second, 400)):
        found = community.ask(buyer.wallet, "settlement", "trade", trade=number)
        assert (found["trade"], found["energy_wh"], found["seller_point"]) == (number, energy_wh, seller.point)
    nobody = {"trade": count() + 1_000}
    assert community.refusal(buyer.wallet, "settlement", "trade", **nobody) == "TRADE_UNKNOWN"

    def is_locked() -> bool:
        back = community.code(seller.wallet, "market", "cancel", order=whole)
        again = community.code(buyer.wallet, "market", "buy", order=whole, point=buyer.point)
        return {back, again} == {"ORDER_NOT_OPEN"}

    assert is_locked()
    held_minor = community.money(buyer.wallet)[1]
    community.ok(seller.wallet, "market", "cancel", order=part)
    assert community.money(buyer.wallet)[1] == held_minor, "the rest of it was nobody's yet"
    assert [board.trade(number)["status"] for number in (first, second)] == ["agreed"] * 2
    street.flow((0, 0), (0, 0))
    community.until(lambda: community.seen() or board.trade(first)["status"] == "delivering")
    assert is_locked()
    street.settle((0, 1.4), (1.4, 0))
    for number, energy_wh in ((first, 1_000), (second, 400)):
        settled = board.trade(number)
        assert (settled["status"], settled["delivered_mwh"]) == ("done", energy_wh * WH)
    assert is_locked()
    assert community.money(buyer.wallet)[1] == 0
