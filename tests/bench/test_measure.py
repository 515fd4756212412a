"""The benchmark measures what it says: a short run on one validator, and its figures."""

from __future__ import annotations

import os

import pytest

from ledgernode.bench.measure import measure, verification_us
from ledgernode.bench.plan import Plan, Workload
from tests.cli.command_line import command, done

pytestmark = pytest.mark.slow


def test_everything_sent_is_committed_and_the_figures_agree() -> None:
    """Rate, efficiency, blocks and processes are of one and the same run."""
    found = measure(Plan(Workload.PUT, "solo", 1, seconds=1.0, rate=500))
    assert found.failures == {}
    assert found.committed >= 500
    assert 100 < found.committed_per_s < 800
    assert 0 < found.p50_ms <= found.p99_ms
    cores = len(os.sched_getaffinity(0))
    assert found.efficiency == pytest.approx(found.committed_per_s * found.verify_us / 1e6 / cores, abs=0.001)
    assert found.blocks > 0
    assert found.blocks * found.transactions_per_block == pytest.approx(found.committed_per_s, rel=0.3)
    node, client = found.processes
    assert (node.name, client.name) == ("org-1-1", "client-1")
    assert node.cpu_percent > 0
    assert found.node_us == pytest.approx(node.cpu_percent / 100 / found.committed_per_s * 1e6, rel=0.01)
    assert node.memory_bytes > 10_000_000
    assert found.bytes_per_transaction > 200


def test_calls_of_one_key_are_all_counted() -> None:
    """A hot key loses nothing: the command itself refuses when the ledger's count differs."""
    found = done("bench", "hot", "--validators", 1, "--seconds", 1, "--rate", 500, "--json").document
    assert (found["workload"], found["engine"], found["failures"]) == ("hot", "solo", {})
    assert found["committed"] >= 500


def test_one_signature_check_costs_microseconds() -> None:
    """Between what the fastest and the slowest machine of today take."""
    assert 5 < verification_us() < 5_000


def test_solo_is_of_one_validator() -> None:
    """A network that cannot be is refused before anything is started."""
    refused = command("bench", "put", "--engine", "solo", "--validators", 4, "--json")
    assert refused.error["code"] == "REQUEST_INVALID"
