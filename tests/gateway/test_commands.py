"""From an event on the ledger to a device and back: told, acknowledged by a signed transaction, also over a kill."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from gateway.client import GatewayClient
from gateway.v1 import gateway_pb2 as pb
from ledgernode.client import Signed
from ledgernode.errors import BadRequest
from ledgernode.identity.records import Role
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.types import TransactionId
from tests.gateway.running import GatewayProcess
from tests.running import NodeProcess, Person, register

pytestmark = pytest.mark.slow
BUDGET = 20_000


@pytest.fixture(scope="module")
def device(node: NodeProcess) -> Iterator[Person]:
    with node.ledger() as ledger:
        yield register(ledger, node.network, node.network.newcomer("north", "relay-1", Role.METER))


def say(node: NodeProcess, function: str, **arguments: object) -> None:
    with node.ledger() as ledger:
        ledger.submit("settlement", function, arguments, signer=node.network.admin.signer)


async def next_command(client: GatewayClient) -> pb.Command:
    async with asyncio.timeout(20):
        async for message in client.told():
            if message.WhichOneof("content") == "command":
                return message.command
    raise AssertionError("unreachable")


def acknowledgement(device: Person, number: int) -> Signed:
    return device.signer.transaction("settlement", "acknowledge", {"command": number}, budget=BUDGET, sequence=number)


async def test_a_command_reaches_its_device_and_is_over_when_its_transaction_says_so(
    gateway: GatewayProcess, node: NodeProcess, device: Person, meters: list[Person]
) -> None:
    """Told while it is here and when it comes back, also from a gateway that was killed; not after it is done."""
    identity = device.signer.identity
    async with gateway.client(device) as client, gateway.client(meters[0]) as other:
        await client.connect(devices=[identity])
        await other.connect(devices=[meters[0].signer.identity])
        await asyncio.to_thread(say, node, "command", number=1, device=identity.hex(), action="start")
        command = await next_command(client)
        assert (command.number, command.kind, command.device) == (1, "delivery", identity)
        assert command.text == "New Transaction #1: energy from a → b"
        with node.ledger() as ledger:
            said = ledger.transaction(TransactionId(command.transaction_id))
        assert said.height == command.height
        assert command.payload in [event.payload for event in parse_receipt(said.receipt).events]
        await client.received(command)
        assert other._told.empty()
    await asyncio.to_thread(say, node, "command", number=2, device=identity.hex(), action="stop")
    await asyncio.to_thread(gateway.kill)
    await asyncio.to_thread(gateway.start)
    async with gateway.client(device) as client:
        await client.connect(devices=[identity])
        assert (await next_command(client)).number == 1, "not done yet, so it is told again: its number says so"
        assert await client.send([acknowledgement(device, 1).envelope]) == ["OK"]
        command = await next_command(client)
        assert command.number == 2, "the next one's turn"
        assert await client.send([acknowledgement(device, 2).envelope]) == ["OK"]
        await asyncio.to_thread(say, node, "command", number=3, device=identity.hex(), action="start")
        assert (await next_command(client)).number == 3, "what is acknowledged is told no more"
        await asyncio.to_thread(say, node, "time_out", command=3)
    assert "New Transaction #3" in gateway.log.read_text()


async def test_nobody_listens_for_more_devices_than_it_may(gateway: GatewayProcess, device: Person) -> None:
    async with gateway.client(device) as client:
        with pytest.raises(BadRequest):
            await client.connect(devices=[bytes(32), bytes(32)])
