"""A device, a gateway and a node, each a process of its own: readings arrive once, and nobody is believed too much."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from gateway.client import GatewayClient
from gateway.v1 import gateway_pb2 as pb
from gateway.v1.gateway_pb2_grpc import GatewayServiceStub
from ledgernode.client import Ledger, Signed
from ledgernode.errors import (
    BadRequest,
    CommitUnknown,
    LedgerError,
    NodeStopping,
    NodeUnreachable,
    RoleRefused,
    StreamReplaced,
    UnknownTransaction,
)
from ledgernode.identity.records import Role
from ledgernode.wire.receipt import parse_receipt
from tests.conditions import eventually, until
from tests.gateway.running import GatewayProcess, gateway_identity, reading
from tests.running import NodeProcess, Person, SoloNetwork

pytestmark = pytest.mark.slow
_NUMBERS = iter(range(1_000_000))


def fresh(person: Person, count: int = 1) -> list[Signed]:
    """Readings with numbers that no other test uses, within the ledger's window."""
    return [reading(person, next(_NUMBERS)) for _ in range(count)]


def committed(ledger: Ledger, one: Signed) -> bool:
    try:
        return parse_receipt(ledger.transaction(one.id).receipt).succeeded
    except UnknownTransaction:
        return False


async def outcomes(client: GatewayClient, count: int) -> list[pb.Outcome]:
    found: list[pb.Outcome] = []
    async with asyncio.timeout(20):
        async for message in client.told():
            found += message.settled.outcomes
            if len(found) >= count:
                return found
    raise AssertionError("unreachable")


async def test_a_reading_is_safe_then_committed_and_the_device_hears_both(
    gateway: GatewayProcess, node: NodeProcess, meters: list[Person]
) -> None:
    sent = fresh(meters[0], 3)
    async with gateway.client(meters[0]) as client:
        welcome = await client.connect()
        assert (welcome.chain_id, welcome.ledger) == (node.network.chain_id, "test")
        assert await client.send([one.envelope for one in sent]) == ["OK"] * 3
        told = await outcomes(client, 3)
    assert [(one.transaction_id, one.code) for one in told] == [(one.id, "OK") for one in sent]
    assert all(one.height for one in told)
    with node.ledger() as ledger:
        assert all(committed(ledger, one) for one in sent)


async def test_the_same_again_is_safe_and_takes_effect_once(
    gateway: GatewayProcess, node: NodeProcess, meters: list[Person]
) -> None:
    """A device that lost the answer sends again: at once, and when the ledger has had it for long."""
    (one,) = fresh(meters[0])
    async with gateway.client(meters[0]) as client:
        await client.connect()
        assert await client.send([one.envelope, one.envelope]) == ["OK", "OK"]
        await outcomes(client, 1)
        await asyncio.sleep(0.5)
        assert await client.send([one.envelope]) == ["OK"]
        (again,) = await outcomes(client, 1)
        assert (again.code, again.transaction_id) == ("OK", one.id)


async def test_what_can_never_be_right_is_refused_with_its_code(
    gateway: GatewayProcess, meters: list[Person], node: NodeProcess
) -> None:
    """Each alone; the good one beside them is safe, and so is its customer's: a device brings what two have signed."""
    (good,) = fresh(meters[1])
    altered = good.envelope[:-3] + bytes((good.envelope[-3] ^ 1,)) + good.envelope[-2:]
    person = meters[1].signer
    expiring = person.transaction("notebook", "put", {"key": "a", "text": "b"}, budget=9_000).envelope
    question = person.query("notebook", "get", {"key": "a"}, budget=9_000)
    elsewhere = type(person)(meters[1].key, chain_id=b"x" * 32)  # type: ignore[arg-type]
    foreign = elsewhere.transaction("notebook", "put", {}, budget=9_000, sequence=1).envelope
    customer, others = (reading(node.network.newcomer_unregistered(), 1).envelope for _ in range(2))
    async with gateway.client(meters[1]) as client:
        await client.connect()
        items = [good.envelope, altered, expiring, question, foreign, customer, others, b"noise", b"", bytes(200_000)]
        assert await client.send(items) == [
            "OK",
            "SIGNATURE_INVALID",
            "SEQUENCE_NEEDED",
            "TRANSACTION_MALFORMED",
            "WRONG_CHAIN",
            "OK",
            "ROLE_REFUSED",
            "TRANSACTION_MALFORMED",
            "TRANSACTION_MALFORMED",
            "TRANSACTION_TOO_LARGE",
        ]


async def test_two_contents_under_one_number_conflict(
    gateway: GatewayProcess, carrier: Person, node: NodeProcess
) -> None:
    """The first waits here (nobody knows its signer yet), so the second is told at once."""
    stranger = node.network.newcomer_unregistered()
    first, second = reading(stranger, 1), reading(stranger, 1)
    second = stranger.signer.transaction("notebook", "put", {"key": "k", "text": "2"}, budget=9_000, sequence=1)
    async with gateway.client(carrier) as client:
        await client.connect()
        assert await client.send([first.envelope, second.envelope]) == ["OK", "SEQUENCE_CONFLICT"]


async def test_a_concentrator_carries_for_many(
    gateway: GatewayProcess, node: NodeProcess, carrier: Person, meters: list[Person]
) -> None:
    """Several messages at the same time; each of them gets its own answer."""
    sent = [fresh(meter, 2) for _ in range(4) for meter in meters]
    async with gateway.client(carrier) as client:
        await client.connect()
        answered = await asyncio.gather(*(client.send([one.envelope for one in part]) for part in sent))
        assert answered == [["OK", "OK"]] * len(sent)
        assert {one.code for one in await outcomes(client, 2 * len(sent))} == {"OK"}


async def test_two_gateways_side_by_side_bring_a_reading_once(
    gateway: GatewayProcess, node: NodeProcess, meters: list[Person], tmp_path: Path
) -> None:
    """A device that lost the first sends all of it to the second: safe at both, committed once."""
    identity = gateway_identity(node.network, "gateway-2")
    sent = fresh(meters[0], 20)
    with GatewayProcess(node.network, [node.endpoint], tmp_path, identity) as second:
        async with gateway.client(meters[0]) as one, second.client(meters[0]) as other:
            await asyncio.gather(one.connect(), other.connect())
            envelopes = [each.envelope for each in sent]
            assert await asyncio.gather(one.send(envelopes), other.send(envelopes)) == [["OK"] * 20] * 2
            told = [*await outcomes(one, 20), *await outcomes(other, 20)]
    assert {each.code for each in told} == {"OK"}
    with node.ledger() as ledger:
        assert all(committed(ledger, each) for each in sent)


async def test_a_device_without_a_key_is_signed_for_once_a_reading(gateway: GatewayProcess, node: NodeProcess) -> None:
    """By the key that the gateway has for it; also when it repeats itself over a kill. Of other meters nothing."""
    plug = node.network.newcomer("north", "plug", Role.METER)
    now_ms = int(time.time() * 1_000)
    readings = [pb.Reading(time_ms=now_ms - 5_000 + number, import_mwh=1_000 * number) for number in range(1, 6)]
    async with gateway.client(plug) as client:
        await client.connect()
        assert await client.report("north:plug", readings[:3]) == ["OK"] * 3
        assert await client.report("north:other", readings[:1]) == ["READING_INVALID"]
        ahead = pb.Reading(time_ms=now_ms + 3_600_000, import_mwh=9_000)
        assert await client.report("north:plug", [ahead]) == ["READING_INVALID"]
    await asyncio.to_thread(gateway.kill)
    await asyncio.to_thread(gateway.start)
    async with gateway.client(plug) as client:
        await client.connect()
        assert await client.report("north:plug", readings) == ["OK"] * 5
    expected = [[number, one.time_ms, one.import_mwh, 0, 0] for number, one in enumerate(readings)]

    def recorded() -> bool:
        with node.ledger() as ledger:
            answer = ledger.evaluate("metering", "rows", {"meter": "north:plug"}, signer=node.network.admin.signer)
            return bool(json.loads(answer.result) == expected)

    await eventually(recorded)


async def test_a_device_of_another_role_is_refused(gateway: GatewayProcess, node: NodeProcess) -> None:
    async with gateway.client(node.network.newcomer_unregistered()) as client:
        with pytest.raises(RoleRefused):
            await client.connect()


async def test_a_certificate_of_nobody_known_does_not_connect(
    gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:

    other = SoloNetwork(tmp_path_factory.mktemp("other"))
    async with gateway.client(other.newcomer("north", "M-0", Role.METER)) as client:
        with pytest.raises(LedgerError):
            await client.connect()


async def test_the_newer_stream_of_a_device_takes_the_place_of_the_older(
    gateway: GatewayProcess, meters: list[Person]
) -> None:
    """A half-open connection is nobody's."""
    async with gateway.client(meters[2]) as older, gateway.client(meters[2]) as newer:
        await older.connect()
        await newer.connect()
        assert isinstance(await older.ended(), StreamReplaced)
        assert await newer.send([fresh(meters[2])[0].envelope]) == ["OK"]


async def test_who_says_nothing_is_dropped(gateway: GatewayProcess, meters: list[Person]) -> None:
    """A connection without a handshake, and a stream without a hello."""
    begun = time.monotonic()
    host, _, port = gateway.endpoint.partition(":")
    with socket.create_connection((host, int(port))) as silent:
        silent.settimeout(20)
        assert until(lambda: silent.recv(4_096) == b"")
    assert time.monotonic() - begun < 20
    async with gateway.client(meters[0]) as client:
        client._call = GatewayServiceStub(client._channel).Connect()
        await client._call.wait_for_connection()
        assert await client._call.code() is not None
        assert isinstance(await client._reason(), CommitUnknown)


async def test_health_is_told(gateway: GatewayProcess, carrier: Person) -> None:
    async with grpc.aio.secure_channel(gateway.endpoint, carrier.credentials) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_its_operator_is_told_health_and_figures(gateway: GatewayProcess, meters: list[Person]) -> None:
    """On a listener of its own: what came in by which way, and what became of it."""
    async with gateway.client(meters[0]) as client:
        await client.connect()
        assert await client.send([one.envelope for one in fresh(meters[0])]) == ["OK"]
    at = f"http://127.0.0.1:{gateway.serving['observe_port']}"
    async with httpx.AsyncClient(base_url=at) as operator:
        for address in ("/health/started", "/health/ready", "/health/live"):
            assert (await operator.get(address)).status_code == 200
        shown = (await operator.get("/metrics")).text
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
    }
    assert samples["ledgernode_gateway_intake_total", "stream", "OK"] >= 1
    assert samples["ledgernode_gateway_outbox_write_seconds_count",] >= 1
    assert samples["ledgernode_gateway_outbox_limit_bytes",] > samples["ledgernode_gateway_outbox_bytes",]


async def test_too_many_items_in_a_message_end_the_stream(gateway: GatewayProcess, carrier: Person) -> None:
    async with gateway.client(carrier) as client:
        await client.connect()
        with pytest.raises(BadRequest):
            await client.send([b"x"] * 101)


async def test_a_stopping_gateway_tells_its_devices_and_keeps_what_it_has(
    gateway: GatewayProcess, node: NodeProcess, meters: list[Person]
) -> None:
    sent = fresh(meters[0], 20)
    async with gateway.client(meters[0]) as client:
        await client.connect()
        assert set(await client.send([one.envelope for one in sent])) == {"OK"}
        assert await asyncio.to_thread(gateway.terminate) == 0
        assert isinstance(await client.ended(), NodeStopping | NodeUnreachable)
    gateway.start()
    with node.ledger() as ledger:
        await eventually(lambda: all(committed(ledger, one) for one in sent))


async def test_a_gateway_whose_disk_goes_with_it_sends_what_waits_before_it_stops(
    node: NodeProcess, meters: list[Person], tmp_path: Path
) -> None:
    """What was safe with it is on the ledger when it has ended, although the node was away when it was told to stop."""
    sent = fresh(meters[0], 40)
    identity = gateway_identity(node.network, "passing")
    with GatewayProcess(
        node.network, [node.endpoint], tmp_path / "passing", identity, limits={"empty_ms": 60_000}
    ) as gateway:
        async with gateway.client(meters[0]) as client:
            await client.connect()
            node.freeze()
            try:
                assert set(await client.send([one.envelope for one in sent])) == {"OK"}
                ending = asyncio.create_task(asyncio.to_thread(gateway.terminate))
                await eventually(lambda: "stopping" in gateway.log.read_text())
                assert not ending.done()
            finally:
                node.thaw()
            assert await ending == 0
    with node.ledger() as ledger:
        assert all(committed(ledger, one) for one in sent)
