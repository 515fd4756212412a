"""All nodes of a one-machine network under one command."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledgernode.identity.founding import read_network
from tests.cli.command_line import command, done
from tests.ports import fresh_port

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_network_run_serves_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    """It says where each node serves and how it stands; on a signal all are drained and gone."""
    directory = tmp_path / "network"
    done("network", "init", directory, "--base-port", fresh_port())
    running = subprocess.Popen(
        [sys.executable, "-m", "ledgernode.cli", "network", "run", str(directory)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert running.stdout is not None
        assert re.match(r"north-1 serves on 127\.0\.0\.1:\d+, its log is ", running.stdout.readline())
        assert re.match(r"north-1: block 0, 0 waiting, [\d.]+ MiB, [\d.]+ KiB on disk", running.stdout.readline())
        assert done("node", "status", "--network", directory, "--json").document["nodes"]
        running.send_signal(number)
        out, err = running.communicate(timeout=40)
        assert (running.returncode, out, err) == (0, "Stopped.\n", "")
    finally:
        running.kill()
        running.communicate()
    (node,) = read_network(directory).nodes
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(node.endpoint.rpartition(":")[2])))


def test_network_run_ends_after_its_time(tmp_path: Path) -> None:
    """With --seconds nobody needs to stop it."""
    directory = tmp_path / "network"
    done("network", "init", directory, "--base-port", fresh_port())
    begun = time.monotonic()
    assert done("network", "run", directory, "--seconds", "1").out.endswith("Stopped.\n")
    assert time.monotonic() - begun < 30


def test_an_engine_option_stands_in_the_genesis(tmp_path: Path) -> None:
    """Options are of the engine that is founded, numbers, and within their ranges."""
    made = (
        "network", "init", tmp_path / "network", "--engine", "pow", "--organisations", "north,south,east,west",
    )  # fmt: skip
    for option in ("depth_blocks=0", "depth=3", "depth"):
        assert command(*made, "--engine-option", option, "--json").error["code"] == "GENESIS_INVALID"
    done(*made, "--engine-option", "depth_blocks=3", "--engine-option", "interval_ms=100")
    assert '"depth_blocks": 3' in (tmp_path / "network" / "genesis.json").read_text()
