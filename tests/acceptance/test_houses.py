"""Houses that trade: what is agreed on a ledger of four flows between controllers, which are processes of their own."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devices.house_shell.http import call
from gateway.mqtt.connection import Access, Connection, Message
from ledgernode.identity.secret_file import create_secret
from tests.acceptance.at_feeder import Feeder, clocked
from tests.acceptance.community import CENT, FEED_IN_MICRO, HOUR_MS, INTERVAL_MS, MINUTE_MS, Community
from tests.acceptance.metered_town import setting_of
from tests.acceptance.prepayment import VENDING_KEY
from tests.acceptance.street import House, Plan
from tests.acceptance.trading import Market
from tests.acceptance.watching import halted, observe, watch
from tests.cli.command_line import done
from tests.cli.village import HOST, Village
from tests.conditions import eventually, until
from tests.devices.running import commissioned
from tests.gateway.running import gateway_identity
from tests.influx import PASSWORD, USER, Influx
from tests.mosquitto import Mosquitto
from tests.ports import fresh_port
from tests.running import LEDGER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WH = 1_000
BOUGHT_WH = 1
MORE_WH = 100
DELIVERED_S = 60.0
"""A Wh at 300 W takes twelve seconds, and what a busy machine needs."""


@pytest.fixture
def controller(community: Community, tmp_path: Path) -> Iterator[Feeder]:
    """A broker and a gateway that go by the community's clock, as ties' meters do."""
    with Feeder(community, tmp_path, by_clock=True) as found:
        yield found


def test_002_3_and_002_4_a_trade_closes_relays_until_what_was_bought_is_there(
    community: Community, controller: Feeder, tmp_path: Path
) -> None:
    """002-3, 003-4, 001-9: an order is matched on the ledger; when its delivery begins the gateway says the trade's
    line and both ties' meters are shown the ledger's command; the bus closes the seller's OUT and the buyer's IN, both
    ends measure, the buyer's page shows it live, and relays are open when the bought amount is there: once, over the
    deaths of bus and gateway. The next one is stopped in the middle by the ledger, because its feeder can carry no
    more. What each trade moved is acknowledged by the meters' signatures, and the ledger settles what they have
    reported. 002-4: a house's controller takes a demand over HTTP, connects, says that it could not and tries again
    every 5 s, and shows voltage, current, power, energy and demand."""
    street = community.streets["village"]
    seller, buyer = street.houses
    community.ok(community.operator, "settlement", "open_area", area=street.area)
    community.ok(community.operator, "feeder", "watch", feeder=street.feeder)
    board = Market(street, "board")
    with Village(tmp_path / "village", [seller.point, buyer.point], clocked(community)) as village:
        listening = (
            *("--broker", controller.broker.endpoint, "--broker-roots", controller.broker.roots),
            *("--broker-user", "screen", "--ledger", LEDGER, "--feeder", street.feeder),
            *("--broker-password-file", controller.files / "secrets" / "screen.password"),
        )
        bus = village.bus(*listening)
        for house in (seller, buyer):
            home = tie_meter(community, house)
            village.tie(house.point, "--meter", home, "--gateway", controller.gateway.endpoint)
        until(lambda: all(village.page(name).get("linked") for name in village.names), DELIVERED_S)
        until(lambda: "listening" in village.output() and street.feeder in village.output())
        community.until(lambda: all(shown_ms(community, house) for house in (seller, buyer)))
        start_ms = community.to_boundary()
        at = f"{HOST}:{village.ports[buyer.point]}"
        done("house", "demand", village.directory, buyer.point, "--wh", MORE_WH, "--at", at)
        until(lambda: village.page(buyer.point).get("demand_mwh") == MORE_WH * WH)

        number = board.buy(buyer, board.order(seller, "offer", BOUGHT_WH, 20)["number"])
        stopped = board.buy(buyer, board.order(seller, "offer", MORE_WH, 20)["number"])
        assert board.trade(number)["status"] == "agreed"
        assert not village.page(seller.point)["relay_out"]
        community.to_boundary()  # their delivery begins
        until(lambda: village.page(buyer.point)["relay_in"], DELIVERED_S)
        until(lambda: village.page(seller.point)["relay_out"], DELIVERED_S)
        until(lambda: village.page(buyer.point)["energy_mwh"] > 100)
        live = village.page(buyer.point)
        assert (live["trade"], live["demand_mwh"]) == (number, BOUGHT_WH * WH)
        assert live["power_mw"] == pytest.approx(live["voltage_mv"] * live["current_ma"] / 1_000, rel=0.01)
        shown = village.shown(buyer.point)
        assert f"#{number} running: {seller.point} → {buyer.point}" in shown
        assert all(figure in shown for figure in ("12.40 V", " A<", " W<", " Wh<"))

        bus.kill()
        bus.wait()
        until(lambda: village.page(buyer.point).get("text") == "connection failed, again in 5 s")
        controller.gateway.kill()
        controller.gateway.start()
        village.bus(*listening)
        until(lambda: f"trade {number} done" in village.output(), DELIVERED_S)
        until(lambda: village.page(buyer.point)["trade"] == stopped, DELIVERED_S)
        until(lambda: village.page(buyer.point)["energy_mwh"] > 100, DELIVERED_S)
        observe(street, 1, 15_000)  # of 12.5 kVA
        until(lambda: f"trade {stopped} stopped" in village.output(), DELIVERED_S)
        until(lambda: not village.page(buyer.point)["relay_in"] and not village.page(seller.point)["relay_out"])
        assert village.output().count(f"trade {number} done") == 1
        assert "disputed" not in village.output()

        def acknowledged(house: House) -> dict[int, int]:
            """What its meter has signed that each trade moved here."""
            community.seen()
            told = community.ask(house.meter, "settlement", "commands", point=house.point)
            ended = [one for one in told if one["action"] == "out" and one["status"] == "acknowledged"]
            return {one["trade"]: one["measured_mwh"] for one in ended}

        community.until(lambda: all(acknowledged(house).keys() == {number, stopped} for house in (seller, buyer)))
        given, taken = acknowledged(seller), acknowledged(buyer)
        assert BOUGHT_WH * WH <= taken[number] < 3 * BOUGHT_WH * WH
        assert 100 < taken[stopped] < MORE_WH * WH
        for trade in (number, stopped):
            assert given[trade] == pytest.approx(1.02 * taken[trade], abs=50)
        for _ in range(3):
            observe(street, 1, 2_000)
        reported(community, community.now_ms, seller, buyer)
        street.read_ms = community.to_boundary()
        reported(community, street.read_ms, seller, buyer)
        community.to(street.read_ms + INTERVAL_MS + 2 * MINUTE_MS)  # a timer that came before the readings comes again
        community.until(lambda: street.closed_ms >= street.read_ms)
    assert start_ms < street.read_ms
    settled, halfway = board.trade(number), board.trade(stopped)
    assert settled["status"] == halfway["status"] == "done"
    assert BOUGHT_WH * WH * 0.98 < settled["delivered_mwh"] <= BOUGHT_WH * WH, "to what flows in a reading's second"
    rest_mwh = taken[stopped] + taken[number] - settled["delivered_mwh"]
    assert 0 < halfway["delivered_mwh"] <= rest_mwh + 50, "a register counts on until its relay has opened"
    assert (halfway["missed_mwh"], halfway["curtailed_mwh"] > 0) == (0, True)


def tie_meter(community: Community, house: House) -> Path:
    """The meter that the utility has hung at its tie; its home."""
    network = community.network.founded
    person = network.person("north", f"{house.name}-meter")
    setting = setting_of(house.pan)
    facts = {"point": house.point, "direct": True, "prepaid": False, "reading_ms": MINUTE_MS, "send_ms": 0}
    return commissioned(network, person, setting, VENDING_KEY, **facts)


def reported(community: Community, at_ms: int, *houses: House) -> None:
    """Until their meters have reported of a time. A clock that was set forward while a gateway's time was on its way to
    a meter leaves the meter's a minute behind."""
    community.to(at_ms + 2 * MINUTE_MS)
    community.until(lambda: all(shown_ms(community, house) >= at_ms for house in houses))


def shown_ms(community: Community, house: House) -> int:
    """Of when its meter's newest reading on the ledger is."""
    community.seen()
    window = {"after_ms": community.now_ms - HOUR_MS, "until_ms": community.now_ms + MINUTE_MS}
    found = community.ask(community.operator, "metering", "shown", point=house.point, **window)
    return int(found["time_ms"]) if found else 0


# ---------------------------------------------------------------- the home's agent

USERS = {"agent": "agent's password", "machines": "machines' password"}
SOLD_WH = 500


@pytest.fixture
def home_broker(community: Community, tmp_path: Path) -> Iterator[Mosquitto]:
    identity = gateway_identity(community.network.founded, "home-broker")
    with Mosquitto(tmp_path / "broker", identity, USERS) as running:
        yield running


class HomeProcess:
    """`ledgernode house run`, as the wallet of a house; a context that ends it."""

    def __init__(self, community: Community, house: House, broker: Mosquitto, influx: Influx, directory: Path) -> None:
        self.port = fresh_port()
        create_secret(directory / "agent.password", USERS["agent"].encode())
        create_secret(directory / "store.password", PASSWORD.encode())
        self.log = directory / "agent.log"
        network = community.network
        endpoints = [argument for node in network.nodes for argument in ("--endpoint", node.endpoint)]
        self._command = [
            *(*clocked(community), "house", "run", directory / "home", "--listen", f"{HOST}:{self.port}"),
            *("--network", network.founded.directory, "--as", f"west/{house.wallet.name}", *endpoints),
            *("--broker", f"{broker.host}:{broker.port}", "--broker-user", "agent", "--broker-roots", broker.roots),
            *("--broker-password-file", directory / "agent.password", "--every", 0.5),
            *("--strategy", f"fixed-price:ask_micro={20 * CENT}"),
            *("--sink", influx.url, "--sink-user", USER, "--sink-password-file", directory / "store.password"),
        ]
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(list(map(str, self._command)), stdout=log, stderr=log, env=dict(os.environ))

    async def ask(self, path: str) -> bytes:
        """As somebody in the house sees it; nothing where nobody answers."""
        assert self.process.poll() is None, self.log.read_text()[-3_000:]
        try:
            return (await call((HOST, self.port), "GET", path)).body
        except (OSError, TimeoutError):
            return b""

    async def state(self) -> Any:
        raw = await self.ask("/state")
        return msgspec.json.decode(raw) if raw else {}

    async def logged(self) -> dict[tuple[str, int, str], int]:
        """Value by source, time in ns, and name."""
        rows = [line.split(",") for line in (await self.ask("/log.csv")).decode().splitlines()[1:]]
        return {(source, int(time_ms) * 1_000_000, name): int(value) for time_ms, source, name, value in rows}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> HomeProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


async def test_003_5_a_homes_agent_trades_its_sun(community: Community, home_broker: Mosquitto, tmp_path: Path) -> None:
    """003-5, 003-11: machines are heard over MQTT; prices, tariff and what the meter gave are the ledger's. Of what sun
    will be left over the agent makes an order, signs and places it: it stands in the book of the running market and is
    bought by a neighbour. The trade is known over the agent's death; while it is delivered the battery is told over
    MQTT to give it, until the feeder takes nothing back: then it is given no more, and the sun that nobody needs is
    curtailed. What was logged is in the time-series store, once, over its death and the agent's."""
    # a street of this hour: days without sun, which other tests let pass, would be what its agent goes by
    community.build({"home-agent": Plan(2, head=True, rating_va=12_500, reverse_limit_w=5_000)})
    street = community.streets["home-agent"]
    house, neighbour = street.houses
    street.open()
    watch(street)
    board = Market(street, "board")
    said: dict[str, Any] = {}

    def took(message: Message) -> None:
        said[message.topic.removeprefix("home/h1/")] = msgspec.json.decode(message.payload)

    access = Access(home_broker.host, home_broker.port, "m", home_broker.tls(), "machines", USERS["machines"])
    machines = Connection(access, took)
    await machines.open()
    await machines.subscribe(["home/h1/+/set"])

    def stands(**sources: dict[str, int]) -> None:
        for source, values in sources.items():
            machines.publish(f"home/h1/{source}/state", msgspec.json.encode(values))

    street.flow((0, SOLD_WH / 1_000), (SOLD_WH / 1_000, 0))  # what its meter shows of its sun
    standing = {"--name": "h1", "--point": house.point, "--market": board.id, "--peak-w": 4_000}
    battery = {"--battery-wh": 5_000, "--battery-w": 2_500, "--cheapest-ask": 0.10}
    options = [str(each) for pair in (standing | battery).items() for each in pair]
    done("house", "new", tmp_path / "home", *options, "--board", "--json")
    now = {"meter": {"power_mw": 0}, "generation": {"power_mw": 1_000_000}, "battery": {"level_micro": 1_000_000}}
    logged: dict[tuple[str, int, str], int] = {}

    async def read_log() -> None:
        logged.update(await home.logged())

    async def such(condition: Any) -> None:
        async with asyncio.timeout(60):
            while not condition(await home.state()):  # noqa: ASYNC110  # another process: it is asked again
                await asyncio.sleep(0.1)

    with (
        Influx(tmp_path / "influx") as influx,
        HomeProcess(community, house, home_broker, influx, tmp_path) as home,
    ):
        try:
            await such(lambda state: state.get("broker") and state["terms"])
            terms = (await home.state())["terms"]
            assert (terms["feed_in_micro"], terms["retail_micro"]) == (FEED_IN_MICRO, 368_900), "levy and tax included"
            await eventually(lambda: said.get("battery/set") == {"power_mw": None})
            stands(**now)
            await such(lambda state: state["sources"] == now)

            delivery = community.ask(house.wallet, "market", "window", market=board.id)
            asked = {"market": board.id, "slot": delivery["from_ms"]}

            def book() -> list[dict[str, Any]]:
                community.seen()
                found: list[dict[str, Any]] = community.ask(neighbour.wallet, "market", "book", **asked)
                return found

            await asyncio.to_thread(community.until, book)
            [listed] = book()
            assert (listed["kind"], listed["energy_wh"], listed["price_micro"]) == ("offer", SOLD_WH, 20 * CENT)
            trade = board.trade(board.buy(neighbour, listed["order"]))
            await such(lambda state: [each["number"] for each in state["trades"]] == [trade["trade"]])
            await read_log()
            home.kill()
            influx.kill()
            home.start()
            await such(lambda state: [each["number"] for each in state.get("trades", ())] == [trade["trade"]])
            assert book() == [], "it has not ordered again"
            await such(lambda state: state["broker"])
            stands(**now)
            await such(lambda state: state["sources"] == now)
            assert said["battery/set"] == {"power_mw": None}, "its delivery has not begun"

            street.flow((0, 0), (0, 0))
            power_mw = -SOLD_WH * 1_000 * HOUR_MS // INTERVAL_MS  # the sun goes to what is on
            await eventually(lambda: said["battery/set"] == {"power_mw": power_mw}, 40)
            assert (await home.state())["wanted"]["battery_w"] == power_mw / 1_000
            observe(street, 1, -6_000)  # 5 kW may flow back
            await eventually(lambda: said["battery/set"] == {"power_mw": None}, 40)
            await eventually(lambda: said["generation/set"] == {"export_mw": 0}, 40)
            assert [one["direction"] for one in halted(street)] == ["reverse"]
            for _ in range(3):
                observe(street, 1, 2_000)
            await eventually(lambda: said["generation/set"] == {"export_mw": None}, 40)
            street.settle((0, 0), (0, 0))
            settled = board.trade(trade["trade"])
            assert (settled["status"], settled["missed_mwh"]) == ("done", 0)

            influx.start()
            await such(lambda state: state["sink"]["waiting"] == 0)
            await read_log()
            points = influx.points()
            assert len(logged) > len(now)
            assert logged.items() <= points.items()
            assert {source for source, _, _ in points} == set(now)
            texts = [value for (kind, _, _), value in sorted(influx.points("happened").items()) if kind == "trade"]
            assert sorted(text.split(":")[0] for text in texts if "Wh" in text) == [f"#{trade['trade']}"] * 2
            assert f"#{trade['trade']} ended: curtailed" in texts
        except BaseException:
            print(home.log.read_text()[-5_000:])
            raise
        finally:
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
