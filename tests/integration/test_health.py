"""Four validators, and what each tells its operator while others stand still, are away and come back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conditions import until
from tests.networks import RunningNetwork
from tests.running import NodeProcess, deploy, notes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    folder: Path = tmp_path_factory.mktemp("health")
    with RunningNetwork(folder / "network", "pbft", 4, config={"observe": "127.0.0.1:0"}) as running:
        with running.nodes[0].ledger() as ledger:
            deploy(ledger, running.founded)
        yield running


def asked(node: NodeProcess, address: str) -> tuple[int, dict[str, str]]:
    answer = httpx.get(f"http://127.0.0.1:{node.observe_port}{address}", timeout=20)
    return answer.status_code, answer.json()


def is_ready(node: NodeProcess) -> bool:
    return asked(node, "/health/ready")[0] == 200


def test_a_validator_that_cannot_reach_the_others_is_apart_and_lives(network: RunningNetwork) -> None:
    """Restarting it would bring nobody back; those that come back make it ready again."""
    alone, *others = network.nodes
    until(lambda: all(map(is_ready, network.nodes)), 40)
    for other in others:
        other.kill()
    until(lambda: asked(alone, "/health/ready")[1]["status"] == "apart")
    assert asked(alone, "/health/live")[0] == 200
    network.restart(others)
    until(lambda: all(map(is_ready, network.nodes)), 40)


def test_a_validator_that_was_away_is_ready_once_it_is_near(network: RunningNetwork) -> None:
    """Behind, it says how far; there, it stands where the others do."""
    away, *others = network.nodes
    away.kill()
    signer = network.founded.admin.signer
    with others[0].ledger() as ledger:
        for at in range(12):
            list(ledger.submit_many(notes(signer, [f"away-{at}"])))
    network.restart([away])
    until(lambda: is_ready(away), 40)
    behind = asked(away, "/health/ready")[1]["ledgers"][network.founded.ledger]["behind"]  # type: ignore[index]
    assert behind <= 4
    assert network.status(away).height >= network.status(others[0]).height - 4


def test_the_doctor_finds_a_running_validator_well(network: RunningNetwork) -> None:
    """Beside the process itself: the others answer, and their clocks agree."""
    node = network.nodes[0]
    until(lambda: all(map(is_ready, network.nodes)), 40)
    command = [sys.executable, "-m", "ledgernode.cli", "doctor", str(node.home), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    findings = json.loads(ended.stdout)["findings"]
    assert ended.returncode == 0, [one for one in findings if one["severity"] == "error"]
    said = [one["what"] for one in findings if one["severity"] == "ok"]
    assert "3 of 3 other validators of test answer" in said
    assert any("this clock agrees with 3 of 3" in one for one in said)
    assert any(f"process {node.process.pid} has it open" in one["what"] for one in findings)
