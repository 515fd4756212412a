"""A thousand devices come at once, each with a certificate and a stream of its own; again when the gateway was killed.

All are served in time, each reading is on the ledger once, and nobody had to wait for another's bad luck.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import grpc
import pytest

from devices.fleet.counting import Counting
from devices.fleet.directory import read_fleet_secret, read_plan
from devices.fleet.houses import Courses, SeededHouses
from devices.fleet.meters import Meters
from devices.fleet.plan import Plan, Reading, Run
from gateway.client import GatewayClient
from ledgernode.errors import LedgerError
from ledgernode.identity.authority import CertificateAuthority, build_request, issue
from ledgernode.identity.certificate_profile import Purpose
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.organisation import issuing_directory
from ledgernode.identity.records import Role
from ledgernode.identity.tls import TlsFiles, channel_credentials, load_tls
from ledgernode.wire.types import ChainId
from tests.cli.command_line import done
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.networks import RunningNetwork
from tests.running import now_ms

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # two storms, on a machine that others may want, too
DEVICES = 1_000
LIMIT_S = 50


class Device:
    """One meter with its own connection. It comes back whenever it was sent away, after the time it was told."""

    def __init__(self, credentials: grpc.ChannelCredentials) -> None:
        self.sent_away: list[str] = []
        self._credentials = credentials
        self._client: GatewayClient | None = None

    async def report(self, endpoint: str, envelope: bytes) -> None:
        while True:
            try:
                if self._client is None:
                    self._client = GatewayClient(endpoint, self._credentials, timeout_ms=LIMIT_S * 1_000)
                    await self._client.connect()
                assert await self._client.send([envelope]) == ["OK"]
                return
            except (LedgerError, TimeoutError) as error:
                advice = error.facts.get("retry_ms") if isinstance(error, LedgerError) else None
                self.sent_away.append(getattr(error, "code", type(error).__name__))
                await self.close()
                await asyncio.sleep((advice if isinstance(advice, int) else 500) / 1_000)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None


class Place(NamedTuple):
    network: RunningNetwork
    gateway: GatewayProcess
    fleet: Path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with RunningNetwork(tmp_path / "network", "solo", 2) as network:
        done("fleet", "enrol", tmp_path / "fleet", "--meters", DEVICES, "--network", tmp_path / "network")
        identity = gateway_identity(network.founded)
        with GatewayProcess(network.founded, network.endpoints, tmp_path / "gateway", identity) as gateway:
            yield Place(network, gateway, tmp_path / "fleet")


async def test_a_thousand_devices_come_at_once_and_again_after_a_kill(place: Place) -> None:
    network, gateway = place.network, place.gateway
    plan, secret = read_plan(place.fleet), read_fleet_secret(place.fleet)
    devices = [Device(credentials) for credentials in _credentials(network, plan)]
    run = Run(1, 2, now_ms() - 2_000, 1_000)
    courses = Courses(SeededHouses(Random(1)), [run])
    meters = Meters(secret, ChainId(network.founded.chain_id), range(DEVICES), courses)
    for number in (1, 2):
        if number == 2:
            await asyncio.to_thread(gateway.kill)
            await asyncio.to_thread(gateway.start)
        readings = [Reading(place, number, run.begins_ms + number * 900) for place in range(DEVICES)]
        envelopes = [meters.envelope(reading) for reading in readings]
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(
                *(device.report(gateway.endpoint, one) for device, one in zip(devices, envelopes, strict=True))
            )
    assert all(len(device.sent_away) <= 20 for device in devices), "somebody was sent away again and again"
    await asyncio.gather(*(device.close() for device in devices))
    async with network.client() as client, asyncio.timeout(LIMIT_S):
        counting = Counting(client, plan, secret)
        while (await counting.up_to_now()).missing(2):  # noqa: ASYNC110  # the ledger tells nobody
            await asyncio.sleep(0.5)
    document = counting.tally.document(2)
    assert (document["readings"], document["doubled"], document["without_effect"]) == (2 * DEVICES, 0, {})


def _credentials(network: RunningNetwork, plan: Plan) -> list[grpc.ChannelCredentials]:
    """A certificate for each, by their organisation; one key will do for what is tried here."""
    organisation = network.founded.directory / "organisations" / plan.organisation
    authority = CertificateAuthority.load(issuing_directory(organisation))
    roots, key_file = load_tls(network.founded.admin.directory).roots, organisation / "storm-key.pem"
    key = PrivateKey.generate()
    key.save(key_file)
    found = []
    for place in range(plan.meters):
        name = plan.meter_name(place)
        request = build_request(key, organisation=plan.organisation, role=Role.METER, name=name, purpose=Purpose.TLS)
        certificate = issue(request, authority, now_ms=now_ms())
        found.append(channel_credentials(TlsFiles(key_file.read_bytes(), certificate, roots)))
    return found
