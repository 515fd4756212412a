"""Readings are committed once each, in order, while the gateway and the node are killed under them."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from gateway.client import GatewayClient
from ledgernode.errors import LedgerError
from ledgernode.identity.records import Role
from ledgernode.wire.receipt import parse_receipt
from tests.conditions import eventually
from tests.gateway.running import GatewayProcess, gateway_identity, reading
from tests.running import NodeProcess, Person, SoloNetwork, deploy, register

pytestmark = pytest.mark.slow

METERS = 3
MESSAGES = 20
AT_ONCE = 10
KILLS = 2


class Meter:
    """Sends its readings one message after another, and goes on only when all of it is safe."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.safe: list[bytes] = []
        self._client: GatewayClient | None = None

    async def report(self, gateway: GatewayProcess) -> None:
        for first in range(0, MESSAGES * AT_ONCE, AT_ONCE):
            batch = [reading(self.person, number) for number in range(first, first + AT_ONCE)]
            while not await self._sent(gateway, [one.envelope for one in batch]):  # noqa: ASYNC110  # a pause, then again
                await asyncio.sleep(0.2)
            self.safe += [one.id for one in batch]

    async def _sent(self, gateway: GatewayProcess, envelopes: list[bytes]) -> bool:
        try:
            if self._client is None:
                self._client = gateway.client(self.person)
                await self._client.connect()
            return set(await self._client.send(envelopes)) == {"OK"}
        except (LedgerError, TimeoutError) as error:
            assert self._client is not None
            await self._client.close()
            self._client = None
            if isinstance(error, LedgerError) and isinstance(advice := error.facts.get("retry_ms"), int):
                await asyncio.sleep(advice / 1_000)
            return False

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


async def test_every_reading_is_committed_once_whoever_is_killed(tmp_path: Path) -> None:
    """Kills of the gateway and an outage of the ledger; nothing is lost, doubled, or out of its meter's order."""
    network = SoloNetwork(tmp_path / "network")
    with NodeProcess(network) as node:
        with node.ledger() as ledger:
            deploy(ledger, network)
            people = [register(ledger, network, network.newcomer("north", f"M-{n}", Role.METER)) for n in range(METERS)]
        meters = [Meter(person) for person in people]
        identity = gateway_identity(network)
        with GatewayProcess(network, [node.endpoint], tmp_path / "gateway", identity) as gateway:
            reporting = [asyncio.create_task(meter.report(gateway)) for meter in meters]
            for kill in range(1, KILLS + 1):
                part = kill * METERS * MESSAGES * AT_ONCE // (KILLS + 2)
                await eventually(lambda part=part: sum(len(meter.safe) for meter in meters) >= part)
                await asyncio.to_thread(gateway.kill)
                if kill == 2:
                    await asyncio.to_thread(node.kill)  # the ledger is away for a while, too
                await asyncio.to_thread(gateway.start)
            await asyncio.gather(*reporting)
            await asyncio.to_thread(node.start)
            safe = [named for meter in meters for named in meter.safe]
            assert len(safe) == METERS * MESSAGES * AT_ONCE
            found: list[tuple[bytes, str]] = []
            with node.ledger() as ledger:
                height = 0
                async with asyncio.timeout(40):
                    while len(found) < len(safe):
                        head = await asyncio.to_thread(lambda: int(ledger.facts().height))
                        if head > height:
                            for block in ledger.blocks(height + 1, to_height=head):
                                receipts = (parse_receipt(raw) for raw in block.receipts)
                                found += [(bytes(one.id), one.code) for one in receipts if bytes(one.id) in set(safe)]
                            height = head
                        await asyncio.sleep(0.1)
            for meter in meters:
                await meter.close()
    assert Counter(found) == Counter((named, "OK") for named in safe)
    for meter in meters:
        assert [named for named, _ in found if named in set(meter.safe)] == meter.safe
