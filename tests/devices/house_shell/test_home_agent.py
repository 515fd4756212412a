"""A home's agent at a real broker with TLS and passwords: machines over MQTT, people over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from devices.house.agent.core import Agent, Priced, Settings
from devices.house.agent.response import INTERVAL_MS
from devices.house.catalogue import HOME_BATTERY, family
from devices.house.strategy import FixedPrice, Terms
from devices.house_shell.agent import HomeAgent, plug_values
from devices.house_shell.http import call
from gateway.mqtt.connection import Access, Connection, Message
from ledgernode.errors import BadRequest
from tests.conditions import eventually
from tests.mosquitto import Mosquitto
from tests.ports import fresh_port

pytestmark = pytest.mark.slow
HOST = "127.0.0.1"
TOKEN = "the owner's"
TERMS = Terms(330_000, 80_000)
USERS = {"agent": "agent's password", "machines": "machines' password"}
PLUG = b'{"Time":"2023-05-19T20:52:56","ENERGY":{"Total":514.153,"Today":0.4,"Power":56,"Voltage":234,"Current":0.25}}'


@pytest.fixture(scope="module")
def broker(broker_identity: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker"), broker_identity, USERS) as running:
        yield running


def access(broker: Mosquitto, user: str) -> Access:
    return Access(broker.host, broker.port, f"{user}-session", broker.tls(), user, USERS[user])


class Machines:
    """Everything in the house that is no agent."""

    def __init__(self, broker: Mosquitto) -> None:
        self.said: dict[str, bytes] = {}
        self.all: list[Message] = []
        self.connection = Connection(access(broker, "machines"), self._took)

    def _took(self, message: Message) -> None:
        self.all.append(message)
        self.said[message.topic] = message.payload
        self.connection.acknowledge(message.number)

    async def open(self) -> None:
        await self.connection.open()
        await self.connection.subscribe(["home/h1/+/set", "cmnd/+/POWER", "home/h1/alarm", "home/h1/response/state"])

    def say(self, source: str, **values: Any) -> None:
        assert self.connection.publish(f"home/h1/{source}/state", msgspec.json.encode(values)) is not None

    @property
    def alarms(self) -> list[Any]:
        return [msgspec.json.decode(each.payload) for each in self.all if each.topic == "home/h1/alarm"]

    def document(self, topic: str) -> Any:
        found = self.said.get(f"home/h1/{topic}")
        return None if found is None else msgspec.json.decode(found)


class Home:
    def __init__(self, broker: Mosquitto) -> None:
        house = family("one", peak_w=4_000, battery=HOME_BATTERY, boiler=True)
        agent = Agent(Settings("north:h1", "north", house, FixedPrice()))
        self.port = fresh_port()
        self.home = HomeAgent(agent, "h1", access(broker, "agent"), token=TOKEN, plugs=["plug"], retry_s=0.2)
        self.home.do(Priced(0, TERMS, TERMS.retail_micro))
        self.machines = Machines(broker)
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.machines.open()
        self.task = asyncio.create_task(self.home.run(HOST, self.port))
        await eventually(lambda: self.home._connection is not None)  # what machines hear may be of the test before
        await eventually(lambda: "home/h1/boiler/set" in self.machines.said)

    async def ask(self, method: str, path: str, document: Any = None, token: str = TOKEN) -> Any:
        body = b"" if document is None else msgspec.json.encode(document)
        return await call((HOST, self.port), method, path, body, token)

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.machines.connection.close()


@pytest_asyncio.fixture
async def home(broker: Mosquitto) -> AsyncIterator[Home]:
    made = Home(broker)
    await made.start()
    yield made
    await made.stop()


async def test_machines_are_heard_and_told(home: Home) -> None:
    """Sun enough: the boiler may run; none: it waits. A plug as it is sold is heard in our units."""
    machines = home.machines
    assert machines.document("boiler/set") == {"on": False}
    machines.say("meter", power_mw=-4_000_000, voltage_mv=231_000, import_mwh=5)
    machines.say("generation", power_mw=4_500_000)
    await eventually(lambda: machines.document("boiler/set") == {"on": True})
    assert machines.document("battery/set") == {"power_mw": None}
    machines.say("meter", power_mw=400_000, voltage_mv=231_000)
    machines.say("generation", power_mw=0)
    await eventually(lambda: machines.document("boiler/set") == {"on": False})
    machines.connection.publish("tele/plug/SENSOR", PLUG)
    sources = home.home.agent.collected.sources
    await eventually(lambda: "plug" in home.home.agent.collected.sources)
    assert home.home.agent.collected.value("plug", "energy_mwh") == 514_153_000
    assert len(sources) >= 2
    state = msgspec.json.decode((await home.ask("GET", "/state")).body)
    assert state["broker"] is True
    assert state["sources"]["plug"] == {
        "power_mw": 56_000,
        "energy_mwh": 514_153_000,
        "voltage_mv": 234_000,
        "current_ma": 250,
    }


async def test_an_alarm_is_said(home: Home) -> None:
    """Ten seconds of 260 V; it stands in the state as well."""
    for _ in range(2):
        home.machines.say("meter", power_mw=0, voltage_mv=260_000)
        await eventually(lambda: home.home.agent.collected.value("meter", "voltage_mv") == 260_000)
    rung = {"kind": "over_voltage", "what": "voltage_mv", "opened": True, "value": 260_000}
    await eventually(lambda: rung in home.machines.alarms, 40)
    state = msgspec.json.decode((await home.ask("GET", "/state")).body)
    assert "over_voltage voltage_mv" in state["alarms"]


async def test_a_response_is_called_and_opted_out_of(home: Home) -> None:
    """Over HTTP by the owner's token, over MQTT by whoever the broker lets; refused ones change nothing."""
    from_ms = time.time_ns() // 1_000_000 // INTERVAL_MS * INTERVAL_MS + 4 * INTERVAL_MS
    asked = {"id": "c1", "from_ms": from_ms, "duration_ms": INTERVAL_MS, "less_w": 500}
    assert (await home.ask("POST", "/response", asked, "another's")).status == 401
    assert (await home.ask("POST", "/response", asked | {"less_w": 0})).status == 400
    assert (await home.ask("POST", "/response", {"id": 5})).status == 400
    assert (await home.ask("POST", "/response", asked)).status == 200
    responses = home.home.agent.responses
    assert [each.status for each in responses.calls] == ["scheduled"]
    other = msgspec.json.encode(asked | {"id": "c2", "from_ms": from_ms + 2 * INTERVAL_MS})
    home.machines.connection.publish("home/h1/response/call", other)
    await eventually(lambda: len(home.home.agent.responses.calls) == 2)
    assert (await home.ask("POST", "/opt-out", {"id": "c1"})).status == 200
    assert [each.status for each in home.home.agent.responses.calls] == ["opted out", "scheduled"]


async def test_garbage_moves_nothing(home: Home) -> None:
    """Not JSON, no whole numbers, too much, another's house: the agent lives on."""
    machines = home.machines
    before = home.home.agent.collected
    for topic, payload in (
        ("home/h1/meter/state", b"\xff\x00"),
        ("home/h1/meter/state", b'{"power_mw": 1.5}'),
        ("home/h1/meter/state", b'{"power_mw": NaN}'),
        ("home/h1/meter/state", b"[" * 3_000),
        ("home/h1/meter/state", b'{"a": "' + b"x" * 8_000 + b'"}'),
        ("tele/plug/SENSOR", b'{"ENERGY":{"Total":-1,"Power":0}}'),
        ("home/h2/meter/state", b'{"power_mw": 1}'),
    ):
        machines.connection.publish(topic, payload)
    machines.say("battery", level_micro=500_000, power_mw=0)
    await eventually(lambda: "battery" in home.home.agent.collected.sources)
    assert home.home.agent.collected.sources.keys() - before.sources.keys() == {"battery"}


async def test_the_log_goes_to_a_time_series(home: Home) -> None:
    """As lines that any of them takes."""
    home.machines.say("meter", power_mw=123_000, voltage_mv=230_000)
    await eventually(lambda: home.home.agent.collected.value("meter", "power_mw") == 123_000)
    home.home.agent.log.sample(1 << 50, home.home.agent.collected)
    lines = (await home.ask("GET", "/log.csv")).body.decode().splitlines()
    assert lines[0] == "time_ms,source,name,value"
    assert f"{1 << 50},meter,power_mw,123000" in lines


async def test_a_broker_that_comes_back_is_told_everything_again(broker: Mosquitto) -> None:
    """Killed: the agent stays, and tries; started: machines hear what is wanted of them."""
    home = Home(broker)
    await home.start()
    try:
        broker.kill()
        await eventually(lambda: not home.home._connection)
        broker.start()
        await home.machines.connection.close()
        home.machines = Machines(broker)
        await home.machines.open()
        await eventually(lambda: home.machines.document("boiler/set") == {"on": False}, 40)
        await eventually(lambda: home.machines.said.get("cmnd/plug/POWER") == b"ON")
    finally:
        await home.stop()


@pytest.mark.parametrize("number", ["-1", "1e9", "1e400", '"NaN"', "null"])
def test_a_plug_that_shows_nonsense_is_refused(number: str) -> None:
    """It does not become a reading."""
    with pytest.raises(BadRequest):
        plug_values(b'{"ENERGY":{"Total":1,"Power":' + number.encode() + b"}}")
