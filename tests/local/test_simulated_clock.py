"""A simulated clock: forward only, shared by all, and nobody's by accident."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledgernode.errors import BadRequest
from ledgernode.identity.founding import found_network
from ledgernode.local.simulated import CLOCK, SimulatedClock, clock_of, main
from ledgernode.services.process import run_node
from ledgernode.wire.parameters import Parameters
from tests.ports import fresh_port

pytestmark = pytest.mark.slow


def founded(directory: Path, ledger: str) -> Path:
    """The home of its one node."""
    network = found_network(
        directory,
        organisations=("north", "south"),
        ledger=ledger,
        engine="solo",
        base_port=fresh_port(),
        parameters=Parameters(),
        now_ms=time.time_ns() // 1_000_000,
    )
    return directory / network.nodes[0].home


def test_it_goes_on_by_itself_and_forward_when_it_is_set(tmp_path: Path) -> None:
    """Never back; whoever opens the file later has the same time."""
    clock = SimulatedClock(tmp_path / CLOCK)
    begins_ms = clock.now_ms()
    assert abs(begins_ms - time.time_ns() // 1_000_000) < 5_000
    clock.forward_to(begins_ms + 3_600_000)
    clock.forward_to(begins_ms)
    assert clock.now_ms() >= begins_ms + 3_600_000
    clock.keep()
    assert SimulatedClock(tmp_path / CLOCK).ahead_ms == clock.ahead_ms


def test_an_ordinary_node_refuses_a_simulated_ledger_and_the_other_way_round(tmp_path: Path) -> None:
    """The ledger's name says which it is; it stands in the genesis file."""
    simulated = founded(tmp_path / "simulated", "simulated-street")
    real = founded(tmp_path / "real", "street")
    with pytest.raises(BadRequest, match="serves a simulation, which goes by a clock of its own"):
        run_node(simulated)
    with pytest.raises(BadRequest, match="ledger street goes by the real time"):
        main(real, tmp_path / CLOCK)
    refused = subprocess.run(
        [sys.executable, "-m", "ledgernode.cli", "node", "run", str(simulated)], capture_output=True, check=False
    )
    assert refused.returncode != 0
    assert b"ledgernode community run" in refused.stderr


def test_who_signs_for_a_simulated_ledger_goes_by_its_clock(tmp_path: Path) -> None:
    """And nobody else does."""
    SimulatedClock(tmp_path / CLOCK).forward_to(time.time_ns() // 1_000_000 + 7_200_000)
    clock_ms = clock_of(tmp_path, "simulated-street")
    assert clock_ms is not None
    assert clock_ms() > time.time_ns() // 1_000_000 + 7_000_000
    assert clock_of(tmp_path, "street") is None
