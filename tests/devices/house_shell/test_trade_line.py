"""The bus hears of trades at a real broker with TLS and passwords: each once, also those said while it was away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from devices.house.transfer import Bus, Status
from devices.house_shell.bus import BusServer
from devices.house_shell.trade_line import TradeLine, agreed
from gateway.mqtt.connection import Access, Connection, Message
from gateway.mqtt.topics import Topics
from ledgernode.errors import BadRequest
from tests.conditions import eventually
from tests.mosquitto import Mosquitto
from tests.ports import fresh_port

HOST = "127.0.0.1"
TOPIC = Topics("test").trades("north:feeder")
USERS = {"gateway": "gateway's password", "bus": "bus's password"}
RIGHTS = f"user gateway\ntopic write {TOPIC}\nuser bus\ntopic read {TOPIC}\n"
HOUSES = {"north:h1": "token of h1", "north:h2": "token of h2"}
TEXT = "New Transaction #{}: energy from north:h1 → north:h2"


def said(text: str, **properties: object) -> Message:
    return Message(TOPIC, text.encode(), 1, properties=tuple((name, str(value)) for name, value in properties.items()))


def test_a_line_says_a_trade_its_energy_and_how_long_it_is_good_for() -> None:
    found = agreed(said(TEXT.format(7), energy_wh=2, until_ms=1_000, height=4), 2_000)
    assert (found.now_ms, found.number, found.seller, found.buyer) == (2_000, 7, "north:h1", "north:h2")
    assert (found.energy_mwh, found.until_ms) == (2_000, 1_000)


@pytest.mark.parametrize(
    "wrong",
    [
        said(TEXT.format(7), until_ms=1),
        said(TEXT.format(7), energy_wh=1),
        said(TEXT.format(7), energy_wh=-1, until_ms=1),
        said(TEXT.format(7), energy_wh="²", until_ms=1),
        said(TEXT.format(7), energy_wh="1" * 16, until_ms=1),
        said("give me energy", energy_wh=1, until_ms=1),
        Message(TOPIC, b"\xff", 1, properties=(("energy_wh", "1"), ("until_ms", "1"))),
    ],
)
def test_what_is_no_line_is_refused(wrong: Message) -> None:
    with pytest.raises(BadRequest):
        agreed(wrong, 2_000)


# ---------------------------------------------------------------- at a broker


class ListeningBus:
    """A bus that hears, and a gateway that speaks."""

    def __init__(self, path: Path, broker: Mosquitto) -> None:
        self.path, self.broker = path, broker
        self.server: BusServer | None = None
        self.task: asyncio.Task[None] | None = None

    def access(self, user: str) -> Access:
        return Access(self.broker.host, self.broker.port, user, self.broker.tls(), user, USERS[user])

    def start(self) -> None:
        self.server = BusServer(self.path, Bus(), HOUSES, "operator-token")
        line = TradeLine(self.access("bus"), TOPIC, self.server.agree, retry_s=0.1)
        self.task = asyncio.create_task(self.server.run(HOST, fresh_port(), beside=line.run))

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task

    async def say(self, message: Message) -> None:
        """Retained, as gateways do, and taken by the broker."""
        gateway = Connection(self.access("gateway"), lambda _: None)
        await gateway.open()
        taken = gateway.publish(TOPIC, message.payload, retain=True, said=message.properties)
        assert taken is not None
        assert await taken < 128
        await gateway.close()

    @property
    def numbers(self) -> list[int]:
        assert self.server is not None
        return sorted(self.server.state.trades)


@pytest.fixture
def broker(broker_identity: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker", broker_identity, USERS, acl=RIGHTS, autosave=1) as running:
        yield running


@pytest_asyncio.fixture
async def bus(broker: Mosquitto, tmp_path: Path) -> AsyncIterator[ListeningBus]:
    made = ListeningBus(tmp_path / "bus.state", broker)
    yield made
    await made.stop()


@pytest.mark.slow
async def test_each_line_is_one_trade_whoever_was_away(bus: ListeningBus) -> None:
    """Repetitions, others' trades and nonsense change nothing; over an absence of the bus, and a broker's death."""
    now_ms = time.time_ns() // 1_000_000
    bus.start()
    await bus.say(said(TEXT.format(1), energy_wh=2, until_ms=now_ms + 600_000))
    await eventually(lambda: bus.numbers == [1])
    for message in (
        said(TEXT.format(1), energy_wh=9, until_ms=now_ms + 600_000),
        said(TEXT.format(2).replace("h2", "h9"), energy_wh=2, until_ms=now_ms + 600_000),
        said("give me energy", energy_wh=2, until_ms=now_ms + 600_000),
        said(TEXT.format(3)),
        said(TEXT.format(4), energy_wh=0, until_ms=now_ms + 600_000),
        said(TEXT.format(5), energy_wh=3, until_ms=now_ms - 1),
    ):
        await bus.say(message)
    await eventually(lambda: 5 in bus.numbers)
    assert bus.server is not None
    trades = bus.server.state.trades
    found = {number: (trade.energy_mwh, trade.status) for number, trade in trades.items()}
    assert found[1] == (2_000, Status.WAITING)
    assert found[5] == (3_000, Status.SHORT), "it was over long ago"
    assert set(found) == {1, 5}

    await bus.stop()
    for number in (6, 7):
        await bus.say(said(TEXT.format(number), energy_wh=1, until_ms=now_ms + 600_000))
    bus.start()
    assert set(bus.numbers) == {1, 5}, "what was kept"
    await eventually(lambda: bus.numbers == [1, 5, 6, 7])
    bus.broker.kill()
    bus.broker.start()
    await bus.say(said(TEXT.format(8), energy_wh=1, until_ms=now_ms + 600_000))
    await eventually(lambda: bus.numbers == [1, 5, 6, 7, 8])
