"""`ledgernode fleet` on a running ledger and gateway: enrolled, run, killed, run again, counted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.fleet.directory import read_standing
from tests.cli.command_line import command, done
from tests.conditions import until
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.networks import RunningNetwork

pytestmark = pytest.mark.slow
METERS = 60
FILES = Path(__file__).parents[2] / "data" / "citylearn2022"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    with RunningNetwork(tmp_path_factory.mktemp("fleet") / "network", "solo", 2) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(network: RunningNetwork) -> Iterator[GatewayProcess]:
    identity = gateway_identity(network.founded)
    directory = network.founded.directory.parent / "gateway"
    with GatewayProcess(network.founded, network.endpoints, directory, identity) as running:
        yield running


@pytest.fixture(scope="module")
def fleet(network: RunningNetwork) -> Path:
    directory = network.founded.directory.parent / "fleet"
    arguments = ["fleet", "enrol", directory, "--meters", METERS, "--history", FILES, "--json"]
    assert done(*arguments, "--network", network.founded.directory).document["meters"] == METERS
    return directory


def run(fleet: Path, network: RunningNetwork, gateway: GatewayProcess, *more: object) -> list[str]:
    where = ["--gateway", gateway.endpoint, "--network", network.founded.directory]
    return [str(one) for one in ("fleet", "run", fleet, *where, *more)]


def counted(fleet: Path, network: RunningNetwork) -> dict[str, object]:
    found: dict[str, object] = done("fleet", "count", fleet, "--network", network.founded.directory, "--json").document
    return found


def test_a_fleet_reports_and_what_it_reports_is_counted(
    fleet: Path, network: RunningNetwork, gateway: GatewayProcess
) -> None:
    """Over both its processes; each meter with an identity of its own on the ledger."""
    told = done(*run(fleet, network, gateway, "--rounds", 3, "--every", 60_000, "--speed", 60, "--json")).document
    assert (told["safe"], told["committed"], told["refused"], told["waiting"]) == (3 * METERS, 3 * METERS, {}, 0)
    assert 0 <= told["delay_ms"]["reading_to_safe"]["p50"] <= told["delay_ms"]["reading_to_committed"]["p50"]
    found = counted(fleet, network)
    assert (found["readings"], found["missing"], found["doubled"]) == (3 * METERS, 0, 0)
    assert found["rows"] == {"accepted": 3 * METERS, "conflicts": 0, "held": 0, "ignored": 0, "known": 0}


def test_a_fleet_that_is_killed_goes_on_with_the_same_numbers(
    fleet: Path, network: RunningNetwork, gateway: GatewayProcess
) -> None:
    """What it may have sent is sent again, and taken once; its processes end with it."""
    before = read_standing(fleet)
    command_line = [sys.executable, "-m", "ledgernode.cli", *run(fleet, network, gateway)]
    with subprocess.Popen([*command_line, "--rounds", "1000", "--every", "400"], stderr=subprocess.DEVNULL) as process:
        until(lambda: read_standing(fleet).safe >= before.safe + 3)
        process.kill()
    told = done(*run(fleet, network, gateway, "--rounds", 2, "--every", 500, "--json")).document
    assert (told["waiting"], told["refused"], told["failed"]) == (0, {}, {})
    after = read_standing(fleet)
    assert after.safe == after.begun == after.runs[-1].after
    found = counted(fleet, network)
    assert (found["last_sequence"], found["missing"], found["doubled"]) == (after.safe - 1, 0, 0)


def test_readings_wait_while_no_gateway_is_there(fleet: Path, network: RunningNetwork, gateway: GatewayProcess) -> None:
    """And are all sent when it is back: late, with the times at which they were due."""
    before = read_standing(fleet)
    gateway.kill()
    waiting = command(*run(fleet, network, gateway, "--rounds", 2, "--every", 300, "--within", 15, "--json"))
    assert (waiting.error["code"], json.loads(waiting.out)["safe"]) == ("COMMIT_UNKNOWN", 0)
    assert json.loads(waiting.out)["waiting"] == 2 * METERS
    gateway.start()
    told = done(*run(fleet, network, gateway, "--rounds", 1, "--every", 300, "--json")).document
    assert told["safe"] == 3 * METERS
    assert counted(fleet, network)["last_sequence"] == before.begun + 2


def test_a_missing_reading_is_noticed(fleet: Path, network: RunningNetwork) -> None:
    last = read_standing(fleet).begun - 1
    arguments = ["fleet", "count", fleet, "--until", last + 1, "--network", network.founded.directory, "--json"]
    ended = command(*arguments)
    assert (ended.error["code"], json.loads(ended.out)["missing"]) == ("AUDIT_FAILED", METERS)


def test_an_enrolment_can_be_run_again_and_not_for_another_fleet(fleet: Path, network: RunningNetwork) -> None:
    where = ["--history", FILES, "--network", network.founded.directory, "--json"]
    assert done("fleet", "enrol", fleet, "--meters", METERS, *where).document["meters"] == METERS
    assert command("fleet", "enrol", fleet, "--meters", METERS + 1, *where).error["code"] == "REQUEST_INVALID"
