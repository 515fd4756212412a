"""Brokers and gateways that are killed, stopped, or shared: every reading that a device was told is safe is committed
once, and what the broker has taken is not lost on the way."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.mqtt.client import BrokerClient
from gateway.mqtt.topics import Kind
from gateway.v1 import gateway_pb2 as pb
from ledgernode.client import Ledger, Signed
from ledgernode.errors import CommitUnknown, NodeUnreachable
from ledgernode.identity.records import Role
from ledgernode.wire.receipt import parse_receipt
from tests.conditions import eventually
from tests.gateway.mqtt.listening import Listening
from tests.gateway.mqtt.running import BRANCH, broker_setting, device, meter, password, users
from tests.gateway.running import GatewayProcess, gateway_identity, reading
from tests.mosquitto import Mosquitto
from tests.running import NodeProcess, Person, register

pytestmark = pytest.mark.slow

METERS = 3
AT_ONCE = 5
STORM = 60


@pytest.fixture
def own_broker(broker_identity: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    """To be killed: of one test."""
    names = [f"K-{number}" for number in range(METERS)]
    with Mosquitto(tmp_path / "broker", broker_identity, users(names)) as running:
        yield running


@pytest.fixture(scope="module")
def people(node: NodeProcess) -> list[Person]:
    network = node.network
    with node.ledger() as ledger:
        newcomers = [network.newcomer("north", f"K-{number}", Role.METER) for number in range(METERS)]
        return [register(ledger, network, one) for one in newcomers]


@pytest.fixture(scope="module")
def identities(node: NodeProcess) -> list[Path]:
    return [gateway_identity(node.network, f"gateway-killed-{number}") for number in range(2)]


_NUMBERS = iter(range(1_000_000))


def fresh(person: Person, count: int) -> list[Signed]:
    return [reading(person, next(_NUMBERS)) for _ in range(count)]


def found_of(ledger: Ledger, sent: list[bytes]) -> list[tuple[bytes, str]]:
    """Each time that one of these stands on the ledger, with what came of it."""
    wanted = set(sent)
    head = int(ledger.facts().height)
    blocks = ledger.blocks(1, to_height=head)
    receipts = (parse_receipt(raw) for block in blocks for raw in block.receipts)
    return [(bytes(one.id), one.code) for one in receipts if bytes(one.id) in wanted]


async def all_committed(node: NodeProcess, sent: list[bytes]) -> None:
    """All of them, once each."""

    def found() -> Any:
        with node.ledger() as ledger:
            each = found_of(ledger, sent)
        return each if len(each) >= len(sent) else None

    async with asyncio.timeout(40):
        while not (each := await asyncio.to_thread(found)):  # noqa: ASYNC110  # the ledger tells nobody
            await asyncio.sleep(0.2)
    assert Counter(each) == Counter((one, "OK") for one in sent)


class Meter:
    """Sends its readings one message after another, again until it has its answer, as a real one does."""

    def __init__(self, broker: Mosquitto, person: Person) -> None:
        self.safe: list[bytes] = []
        self._broker = broker
        self._person = person
        self._client: BrokerClient | None = None

    async def report(self, readings: list[Signed]) -> None:
        for first in range(0, len(readings), AT_ONCE):
            some = readings[first : first + AT_ONCE]
            while not await self._sent([one.envelope for one in some]):  # noqa: ASYNC110  # a pause, then again
                await asyncio.sleep(0.1)
            self.safe += [bytes(one.id) for one in some]
        await self.close()

    async def _sent(self, envelopes: list[bytes]) -> bool:
        try:
            if self._client is None:
                self._client = meter(self._broker, self._person)
                self._client._timeout_s = 1.0
                await self._client.open()
            return set(await self._client.send(envelopes)) == {"OK"}
        except CommitUnknown:
            return False
        except NodeUnreachable:
            await self.close()
            return False

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None


async def test_every_reading_is_committed_once_while_the_broker_and_the_gateway_are_killed(
    node: NodeProcess, own_broker: Mosquitto, people: list[Person], identities: list[Path], tmp_path: Path
) -> None:
    """The broker twice, the gateway twice, in the middle; nobody is told to wait for the other."""
    setting = broker_setting(own_broker, tmp_path / "gateway")
    plan = [fresh(person, 100) for person in people]
    meters = [Meter(own_broker, person) for person in people]
    with GatewayProcess(node.network, [node.endpoint], tmp_path / "gateway", identities[0], broker=setting) as gateway:
        reporting = [asyncio.create_task(one.report(part)) for one, part in zip(meters, plan, strict=True)]

        async def part_of(share: float) -> None:
            await eventually(lambda: sum(len(one.safe) for one in meters) >= share * 100 * METERS, 40)

        await part_of(0.2)
        await asyncio.to_thread(own_broker.kill)
        own_broker.start()
        await part_of(0.4)
        await asyncio.to_thread(gateway.kill)
        await asyncio.to_thread(gateway.start)
        await part_of(0.6)
        await asyncio.to_thread(gateway.kill)
        await asyncio.to_thread(own_broker.kill)
        await asyncio.to_thread(gateway.start)  # it waits for the broker
        own_broker.start()
        async with asyncio.timeout(50):
            await asyncio.gather(*reporting)
        await all_committed(node, [bytes(one.id) for part in plan for one in part])


async def test_what_the_broker_has_reaches_the_ledger_though_the_device_says_it_once(
    node: NodeProcess, own_broker: Mosquitto, people: list[Person], identities: list[Path], tmp_path: Path
) -> None:
    """A device that publishes once with QoS 1, and never listens. The gateway is killed while messages are between
    PUBLISH and PUBACK, and away for a while: the broker sends again what was not acknowledged."""
    setting = broker_setting(own_broker, tmp_path / "gateway")
    sent = fresh(people[0], 300)
    with GatewayProcess(node.network, [node.endpoint], tmp_path / "gateway", identities[0], broker=setting) as gateway:
        async with meter(own_broker, people[0]) as client:
            await client.connect()

            async def publish(some: list[Signed]) -> None:
                for one in some:
                    message = pb.Transactions(number=1, envelopes=[one.envelope]).SerializeToString()
                    await client.publish(Kind.TRANSACTIONS, message)

            for first in range(0, 300, 100):
                publishing = asyncio.create_task(publish(sent[first : first + 100]))
                await asyncio.sleep(0.05)  # any moment will do
                await asyncio.to_thread(gateway.kill)
                await publishing
                await asyncio.to_thread(gateway.start)
        await all_committed(node, [bytes(one.id) for one in sent])


async def test_two_gateways_share_what_devices_send_and_each_device_hears_its_answers(
    node: NodeProcess, own_broker: Mosquitto, people: list[Person], identities: list[Path], tmp_path: Path
) -> None:
    """Each takes a part. One is killed: devices ask again, and the other has the rest. One is stopped: it leaves its
    part to the other, and nobody waits."""
    limits = {"broker_shared_session_s": 2, "broker_status_ms": 500}
    gateways = [
        GatewayProcess(
            node.network,
            [node.endpoint],
            tmp_path / user,
            identity,
            broker=broker_setting(own_broker, tmp_path / user, user, share="gateways"),
            limits=limits,
        )
        for user, identity in zip(("gateway-1", "gateway-2"), identities, strict=True)
    ]
    first, second = gateways
    plan = fresh(people[1], 60)
    with first, second:
        async with Listening(own_broker, f"{BRANCH}/gateways/#", user="gateway-1") as status:

            def taken() -> list[int]:
                said = {one.topic: json.loads(one.payload) for one in status.heard if one.payload}
                return [one["taken"] for _, one in sorted(said.items()) if one["there"]]

            await eventually(lambda: len(taken()) == 2)
            one = Meter(own_broker, people[1])
            await one.report(plan[:20])
            await eventually(lambda: sum(taken()) == 20)
            assert all(taken()), "each takes a part"
            await asyncio.to_thread(second.kill)
            await one.report(plan[20:40])
            await asyncio.to_thread(second.start)
            await eventually(lambda: len(taken()) == 2)
            assert await asyncio.to_thread(second.terminate) == 0
            patient = Meter(own_broker, people[1])
            async with asyncio.timeout(20):
                await patient.report(plan[40:])
            await asyncio.to_thread(second.start)
            await all_committed(node, [bytes(each.id) for each in plan])


async def test_a_gateway_that_the_broker_refuses_serves_on_and_comes_in_when_it_may(
    node: NodeProcess, own_broker: Mosquitto, people: list[Person], identities: list[Path], tmp_path: Path
) -> None:
    """A wrong password: other ways in work, the log says why now and then, and nobody has to start it again."""
    setting = broker_setting(own_broker, tmp_path / "gateway")
    own_broker.enrol("gateway-1", "another")
    with GatewayProcess(node.network, [node.endpoint], tmp_path / "gateway", identities[0], broker=setting) as gateway:
        await eventually(lambda: "SIGNER_UNKNOWN" in gateway.log.read_text())
        (one, two) = fresh(people[2], 2)
        async with gateway.client(people[2]) as stream:
            await stream.connect()
            assert await stream.send([one.envelope]) == ["OK"]
        own_broker.enrol("gateway-1", password("gateway-1"))
        async with meter(own_broker, people[2]) as client:
            await client.connect()
            assert await client.send([two.envelope]) == ["OK"]
        assert gateway.log.read_text().count("SIGNER_UNKNOWN") < 20
        assert "another" not in gateway.log.read_text()
        assert password("gateway-1") not in gateway.log.read_text()


async def test_a_broker_that_falls_silent_is_left_and_found_again(
    node: NodeProcess, own_broker: Mosquitto, people: list[Person], identities: list[Path], tmp_path: Path
) -> None:
    """Half-open: it holds its connections and says nothing. Pings stay unanswered; the gateway looks for it anew."""
    setting = broker_setting(own_broker, tmp_path / "gateway")
    limits = {"broker_keepalive_s": 1, "broker_connect_ms": 1_000, "broker_pause_limit_ms": 500}
    nodes = [node.endpoint]
    with GatewayProcess(
        node.network, nodes, tmp_path / "gateway", identities[0], broker=setting, limits=limits
    ) as gateway:
        await eventually(lambda: "at the broker" in gateway.log.read_text())
        own_broker.freeze()
        try:
            await eventually(lambda: "the broker is gone" in gateway.log.read_text(), 30)
            await eventually(lambda: "the broker is not there" in gateway.log.read_text(), 30)
        finally:
            own_broker.thaw()
        (one,) = fresh(people[1], 1)
        async with meter(own_broker, people[1]) as client:
            await client.connect()
            assert await client.send([one.envelope]) == ["OK"]


async def test_devices_come_at_once_and_again_when_the_broker_was_killed(
    node: NodeProcess, broker_identity: Path, identities: list[Path], tmp_path: Path
) -> None:
    """A storm: each is welcomed, by a gateway that connects anew in the midst of them."""
    names = [f"S-{number}" for number in range(STORM)]
    with Mosquitto(tmp_path / "broker", broker_identity, users(names)) as broker:
        setting = broker_setting(broker, tmp_path / "gateway")
        limits = {"broker_pause_limit_ms": 500}
        devices = [device(broker, name) for name in names]

        async def welcomed(client: BrokerClient) -> None:
            async with asyncio.timeout(45):
                while True:
                    try:
                        await client.connect()
                        return
                    except (CommitUnknown, NodeUnreachable):
                        await asyncio.sleep(0.5)

        nodes, home = [node.endpoint], tmp_path / "gateway"
        with GatewayProcess(node.network, nodes, home, identities[0], broker=setting, limits=limits):
            await asyncio.gather(*(welcomed(one) for one in devices))
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)
            await asyncio.gather(*(welcomed(one) for one in devices))
            await asyncio.gather(*(one.close() for one in devices))


async def test_two_that_come_under_one_name_do_not_throw_each_other_out_for_ever_and_ever(
    node: NodeProcess, own_broker: Mosquitto, identities: list[Path], tmp_path: Path
) -> None:
    """An operator's mistake: each connection ends the other; both wait longer and longer, and say so a few times."""
    homes = [tmp_path / "one", tmp_path / "two"]
    settings = [broker_setting(own_broker, home, client="the same") for home in homes]
    nodes = [node.endpoint]
    with (
        GatewayProcess(node.network, nodes, homes[0], identities[0], broker=settings[0]) as first,
        GatewayProcess(node.network, nodes, homes[1], identities[1], broker=settings[1]) as second,
    ):
        logs = [first.log, second.log]
        await eventually(lambda: all("the broker is gone" in log.read_text() for log in logs))
        await asyncio.sleep(5)
        assert all(log.read_text().count("the broker is gone") < 12 for log in logs)
        assert first.process.poll() is second.process.poll() is None
