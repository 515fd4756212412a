"""The papers' line of each trade: on its feeder's topic, by number, over kills of whoever publishes it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.mqtt.trades import Notices, Tellers
from ledgernode.wire.answers import NumberedEvent
from ledgernode.wire.types import Height, TimeMs, TransactionId
from tests.conditions import eventually
from tests.gateway.mqtt.listening import Listening
from tests.gateway.mqtt.running import BRANCH, broker_setting, users
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.mosquitto import Mosquitto
from tests.running import NodeProcess, Person

CHAIN = bytes(range(32))
TEXT = "New Transaction #7: energy from north:h1 → north:h2"


def event(height: int, place: int = 1, **payload: object) -> NumberedEvent:
    raw = msgspec.json.encode({"text": TEXT, "trade": 7, **payload})
    where = Height(height), place, TimeMs(height * 1_000), TransactionId(bytes(32))
    return NumberedEvent(*where, "settlement", "DeliveryCommanded", raw)


def test_a_notice_makes_a_line_once() -> None:
    notices = Notices(CHAIN, None)
    notices.begin(3)
    assert notices.line(event(3, 99, feeder="alpha", notice=1)) is None, "what was before it began is past"
    found = event(4, feeder="alpha", notice=2, energy_wh=1_500, until_ms=900_000)
    line = notices.line(found)
    assert line is not None
    assert (line.feeder, line.number, line.text) == ("alpha", 2, TEXT)
    assert line.said == {
        "notice": "2",
        "chain": CHAIN[:8].hex(),
        "trade": "7",
        "energy_wh": "1500",
        "time_ms": "4000",
        "until_ms": "900000",
        "height": "4",
    }
    facts = notices.passed(found)
    assert notices.line(found) is None
    (kept,) = facts.values()
    assert Notices(CHAIN, kept).line(found) is None, "nor after a restart"


def test_other_commands_and_strangers_events_say_nothing() -> None:
    notices = Notices(CHAIN, b"\x92\x00\x00")
    assert notices.line(event(1, feeder="alpha", notice=0)) is None
    assert notices.line(event(1)) is None, "of a ledger that counts no notices"
    assert notices.line(event(1, feeder=1, notice="x")) is None
    assert notices.line(msgspec.structs.replace(event(1, feeder="a", notice=1), contract="other")) is None


def test_what_the_broker_has_is_not_said_again() -> None:
    """Also where another gateway has said it; not a line of another ledger, or without number."""
    notices = Notices(CHAIN, b"\x92\x00\x00")
    chain = CHAIN[:8].hex()
    for said in ({}, {"notice": "9"}, {"notice": "9", "chain": "00"}, {"notice": "x", "chain": chain}):
        notices.heard("alpha", said)
        assert notices.line(event(1, feeder="alpha", notice=1)) is not None
    notices.heard("alpha", {"notice": "2", "chain": chain})
    assert [bool(notices.line(event(1, feeder="alpha", notice=number))) for number in (1, 2, 3)] == [False, False, True]
    assert notices.line(event(1, feeder="beta", notice=1)) is not None


def test_the_first_by_name_of_those_that_are_there_tells_and_each_other_a_turn_later() -> None:
    """Whoever goes, or tells none, is not waited for; what is no status says nothing."""
    tellers = Tellers("north-2", 1_000, 500)
    there, gone = b'{"there":true,"trades":true,"taken":5}', b'{"there":false}'
    assert tellers.after_ms == 500
    for name in ("north-1", "north-2", "north-3", "north-0"):
        tellers.heard(name, there)
    assert tellers.after_ms == 2_500
    tellers.heard("north-0", gone)
    tellers.heard("north-1", b'{"there":true,"trades":false}')
    assert tellers.after_ms == 500
    for garbage in (b"", b"\xff", b"[]", b'{"there":"yes"}'):
        tellers.heard("north-1", there)
        tellers.heard("north-1", garbage)
        assert tellers.after_ms == 500


# ---------------------------------------------------------------- with a broker, a ledger, and gateways


@pytest.fixture
def own_broker(broker_identity: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker", broker_identity, users([])) as running:
        yield running


def trade(node: NodeProcess, number: int, feeder: str, notice: int) -> None:
    with node.ledger() as ledger:
        arguments = {"number": number, "feeder": feeder, "notice": notice}
        ledger.submit("settlement", "trade", arguments, signer=node.network.admin.signer)


def numbers(listening: Listening, feeder: str) -> list[int]:
    found = [one for one in listening.heard if one.topic == f"{BRANCH}/trades/{feeder}"]
    return [int(dict(one.properties)["notice"]) for one in found]


async def follows(node: NodeProcess, broker: Mosquitto) -> None:
    """Until the gateway has begun to tell what is new: until it tells of trades nobody waits for."""
    async with Listening(broker, f"{BRANCH}/trades/other", user="gateway-2") as other:
        for number in range(1, 100):
            if other.heard:
                return
            await asyncio.to_thread(trade, node, 5_000 + number, "other", number)
            await asyncio.sleep(0.1)
    raise AssertionError("it tells nothing")


@pytest.mark.slow
async def test_each_trade_is_told_on_its_feeder_by_number(
    node: NodeProcess, own_broker: Mosquitto, relay: Person, tmp_path: Path
) -> None:
    """Over kills of the gateway and of the broker, with a second gateway that stands by: none is missing, none is
    repeated without its number, and who comes later hears the last one."""
    first_home, second_home = tmp_path / "first", tmp_path / "second"
    setting = broker_setting(own_broker, first_home)
    standing_by = broker_setting(own_broker, second_home, "gateway-2", trades_after_ms=500)
    identities = [gateway_identity(node.network, f"gateway-trades-{number}") for number in range(2)]
    nodes = [node.endpoint]
    with GatewayProcess(node.network, nodes, first_home, identities[0], broker=setting) as first:
        await follows(node, own_broker)
        async with Listening(own_broker, f"{BRANCH}/trades/+", user="gateway-2") as early:
            for number in (1, 2):
                await asyncio.to_thread(trade, node, 100 + number, "alpha", number)
            await asyncio.to_thread(trade, node, 103, "beta", 1)
            await eventually(lambda: numbers(early, "alpha") == [1, 2] and numbers(early, "beta") == [1])
            first_line = next(one for one in early.heard if one.topic == f"{BRANCH}/trades/alpha")
            assert first_line.payload.decode() == "New Transaction #101: energy from a → b"
            await asyncio.to_thread(first.kill)
            await asyncio.to_thread(trade, node, 104, "alpha", 3)
            await asyncio.to_thread(first.start)
            await eventually(lambda: numbers(early, "alpha") == [1, 2, 3])
            with GatewayProcess(node.network, nodes, second_home, identities[1], broker=standing_by):
                await asyncio.to_thread(trade, node, 105, "alpha", 4)
                await eventually(lambda: numbers(early, "alpha")[-1] == 4)
                await asyncio.to_thread(first.kill)
                await asyncio.to_thread(trade, node, 106, "alpha", 5)
                await eventually(lambda: numbers(early, "alpha")[-1] == 5)
                await asyncio.to_thread(first.start)
                await asyncio.sleep(1)  # long enough for a repetition to be heard
            assert numbers(early, "alpha") == [1, 2, 3, 4, 5]
        await asyncio.to_thread(own_broker.kill)
        await asyncio.to_thread(trade, node, 107, "alpha", 6)
        own_broker.start()
        async with Listening(own_broker, f"{BRANCH}/trades/alpha", user="gateway-2", version="3.1.1") as late:
            await eventually(
                lambda: late.heard and late.heard[-1].payload.endswith(b"#107: energy from a \xe2\x86\x92 b")
            )
        async with Listening(own_broker, f"{BRANCH}/trades/alpha", user="gateway-2") as later:
            await eventually(lambda: later.heard)
            assert (later.heard[0].retained, numbers(later, "alpha")) == (True, [6])


@pytest.mark.slow
async def test_gateways_side_by_side_tell_each_trade_once(
    node: NodeProcess, own_broker: Mosquitto, relay: Person, tmp_path: Path
) -> None:
    """None of them is set to stand by; when the one that tells is killed another goes on, and none is missing."""
    identities = [gateway_identity(node.network, f"gateway-beside-{number}") for number in range(2)]
    homes = [tmp_path / "one", tmp_path / "two"]
    settings = [broker_setting(own_broker, home, f"gateway-{number}") for number, home in enumerate(homes, 1)]
    more = {"limits": {"broker_status_ms": 500}}
    nodes = [node.endpoint]
    with (
        GatewayProcess(node.network, nodes, homes[0], identities[0], broker=settings[0], **more) as one,
        GatewayProcess(node.network, nodes, homes[1], identities[1], broker=settings[1], **more),
    ):
        await follows(node, own_broker)
        async with Listening(own_broker, f"{BRANCH}/#", user="gateway-2") as heard:
            await eventually(lambda: len({one.topic for one in heard.heard if "/gateways/" in one.topic}) == 2)
            for number in range(1, 11):
                await asyncio.to_thread(trade, node, 8_000 + number, "gamma", number)
            await eventually(lambda: numbers(heard, "gamma")[-1:] == [10])
            await asyncio.to_thread(one.kill)
            await asyncio.to_thread(trade, node, 8_011, "gamma", 11)
            await eventually(lambda: numbers(heard, "gamma")[-1:] == [11])
            await asyncio.to_thread(one.start)
            await asyncio.sleep(1.5)  # long enough for a repetition to be heard
            assert numbers(heard, "gamma") == list(range(1, 12))
