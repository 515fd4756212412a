"""Two gateways side by side on four validators: one may go, a validator may go; each reading is on the ledger once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from devices.fleet.counting import Counting, Tally
from devices.fleet.directory import read_fleet_secret, read_plan, read_standing
from devices.fleet.meters import key_of
from ledgernode.client import Signer
from ledgernode.identity.tls import load_tls, write_roots
from ledgernode.wire.receipt import OK
from tests.cli.command_line import done
from tests.conditions import until
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.networks import RunningNetwork
from tests.running import now_ms

pytestmark = pytest.mark.slow
METERS = 40


class Place(NamedTuple):
    network: RunningNetwork
    gateways: list[GatewayProcess]
    fleet: Path

    def start(self, rounds: int, every_ms: int) -> subprocess.Popen[str]:
        """The fleet, in the background."""
        where = [argument for gateway in self.gateways for argument in ("--gateway", gateway.endpoint)]
        arguments = ["fleet", "run", self.fleet, "--network", self.network.founded.directory, *where, "--json"]
        arguments += ["--rounds", rounds, "--every", every_ms, "--hear", 1_000]
        command = [sys.executable, "-m", "ledgernode.cli", *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def counted(self, until_number: int) -> Tally:
        """When all of it is there."""

        async def go() -> Tally:
            async with self.network.client() as client:
                counting = Counting(client, read_plan(self.fleet), read_fleet_secret(self.fleet))
                async with asyncio.timeout(40):
                    while (await counting.up_to_now()).missing(until_number):  # noqa: ASYNC110  # the ledger tells nobody
                        await asyncio.sleep(0.3)
                return counting.tally

        return asyncio.run(go())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    base = tmp_path_factory.mktemp("several")
    with RunningNetwork(base / "network", "pbft", 4) as network:
        done("fleet", "enrol", base / "fleet", "--meters", METERS, "--network", base / "network")
        with (
            GatewayProcess(
                network.founded, network.endpoints, base / "one", gateway_identity(network.founded, "one")
            ) as a,
            GatewayProcess(
                network.founded, network.endpoints, base / "two", gateway_identity(network.founded, "two")
            ) as b,
        ):
            yield Place(network, [a, b], base / "fleet")


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate(timeout=50)
    found: dict[str, Any] = json.loads(out)
    return found


def require_once(tally: Tally, last: int) -> None:
    document = tally.document(last)
    assert (document["missing"], document["doubled"], document["readings"]) == (0, 0, METERS * last)
    assert set(document["rows"].values()) == {0, METERS * last}


def test_a_gateway_that_is_told_to_stop_sends_its_devices_to_the_other(place: Place) -> None:
    """It ends well; its devices are told that it goes, and go on at the other. What it keeps comes when it is back."""
    begun = read_standing(place.fleet).begun
    fleet = place.start(rounds=8, every_ms=800)
    until(lambda: read_standing(place.fleet).safe >= begun + 2)
    assert place.gateways[0].terminate() == 0
    told = ended(fleet)
    place.gateways[0].start()
    assert (told["safe"], told["refused"], told["waiting"]) == (8 * METERS, {}, 0)
    assert "NODE_STOPPING" in told["lost_connections"]
    require_once(place.counted(begun + 7), begun + 7)


def test_a_gateway_whose_validator_is_gone_goes_on_with_the_others(place: Place) -> None:
    """The first of its list, while readings come; all is on the ledger before that one is back."""
    begun = read_standing(place.fleet).begun
    fleet = place.start(rounds=6, every_ms=800)
    until(lambda: read_standing(place.fleet).safe >= begun + 2)
    place.network.nodes[0].kill()
    told = ended(fleet)
    assert (told["safe"], told["waiting"], told["lost_connections"]) == (6 * METERS, 0, {})
    tally = place.counted(begun + 5)
    assert not place.network.nodes[0].running
    require_once(tally, begun + 5)
    place.network.nodes[0].start()
    place.network.wait_for_equal_heads()


async def test_what_comes_over_both_gateways_at_once_is_there_once(place: Place) -> None:
    """Two concentrators have heard the same meters, and each brings all of it to a gateway of its own."""
    founded, plan, secret = place.network.founded, read_plan(place.fleet), read_fleet_secret(place.fleet)
    carriers = [founded.person("north", name) for name in plan.carriers]
    for carrier in carriers:
        write_roots(carrier.directory, load_tls(founded.admin.directory).roots)
    number = read_standing(place.fleet).begun + 20
    readings = []
    for meter in range(METERS):
        signer = Signer(key_of(secret, meter), chain_id=founded.chain_id)
        rows = {"rows": [[number, now_ms(), 10_000_000, 10_000_000, 0]], "columns": []}
        readings.append(signer.transaction("metering", "record", rows, budget=20_000, sequence=number))
    envelopes = [one.envelope for one in readings]
    async with place.gateways[0].client(carriers[0]) as one, place.gateways[1].client(carriers[1]) as other:
        await asyncio.gather(one.connect(), other.connect())
        assert await asyncio.gather(one.send(envelopes), other.send(envelopes)) == [[OK] * METERS] * 2
        for client in (one, other):
            codes: dict[bytes, str] = {}
            async with asyncio.timeout(30):
                async for told in client.told():
                    codes |= {each.transaction_id: each.code for each in told.settled.outcomes}
                    if len(codes) == METERS:
                        break
            assert set(codes.values()) == {OK}, "a repeat is told as what it is: there"
    async with place.network.client() as ledger, asyncio.timeout(30):
        counting = Counting(ledger, plan, secret)
        while not all(numbers[number] for numbers in (await counting.up_to_now()).numbers):  # noqa: ASYNC110
            await asyncio.sleep(0.3)  # the node that is asked may be behind the one that told the gateway
        tally = counting.tally
    assert all(numbers[number] == 1 for numbers in tally.numbers)
