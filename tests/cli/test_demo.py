"""The demonstration: started twice on the same data, stopped by a signal, plain where there is no terminal."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command_line import command, done

pytestmark = pytest.mark.slow


def start(directory: Path, *options: str, engine: str = "solo") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ledgernode.cli", "demo", str(directory), "--engine", engine, *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_demo_shows_a_living_ledger_and_goes_on_from_its_height(tmp_path: Path) -> None:
    """Twice on the same data: the second start goes on where the first ended, and all of it verifies."""
    directory = tmp_path / "demo"
    heights = []
    for _ in range(2):
        running = start(directory, "--seconds", "1")
        out, err = running.communicate(timeout=50)
        assert running.returncode == 0, err
        assert "customer-1 pays customer-2 1.00" in out
        assert "It holds against the genesis file alone" in out
        assert "\x1b" not in out
        assert "\r" not in out
        told = [int(height) for height in re.findall(r"^  block +(\d+) ", out, re.MULTILINE)]
        assert told == list(range(told[0], told[-1] + 1))
        heights.append((told[0], told[-1]))
    assert heights[0][0] == 1
    assert heights[1][0] == heights[0][1] + 1
    home = directory / "nodes" / "north-1"
    assert done("verify", home, "--json").document["height"] == heights[1][1]
    findings = done("audit", home, "--json").document["findings"]
    assert findings[0]["sums"]["supply_minor"] == 200_00
    offline = next(line for line in out.splitlines() if "proof check" in line)
    assert command(*shlex.split(offline)[1:]).code == 0


def test_demo_on_four_validators_leaves_four_equal_chains(tmp_path: Path) -> None:
    """PBFT is what it shows unless told otherwise; each node's chain verifies, up to what all of them certified."""
    directory = tmp_path / "demo"
    running = start(directory, "--seconds", "1", engine="pbft")
    out, err = running.communicate(timeout=55)
    assert running.returncode == 0, err
    assert "Ordered by pbft; 4 validators, each a process of its own" in out
    assert re.search(r"^  view \d+ led by (north|south|east|west)$", out, re.MULTILINE)
    for column in ("memory at rest", "under load", "disk afterwards"):
        assert column in out
    assert "1,000 committed in" in out
    homes = [directory / "nodes" / f"{name}-1" for name in ("north", "south", "east", "west")]
    heights = {done("verify", home, "--json").document["height"] for home in homes}
    assert max(heights) - min(heights) <= 1  # one may stop before the last block has reached it
    assert "is ordered by pbft: name another folder" in command("demo", directory, "--engine", "solo").err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_demo_stops_cleanly_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM: the node is drained and gone, and the commands it printed work meanwhile."""
    running = start(tmp_path / "demo")
    try:
        assert running.stdout is not None
        commands = []
        for line in running.stdout:
            commands += re.findall(r"ledgernode (.* --network .*)$", line)
            if line.startswith("Live"):
                break
        for text in commands:
            if "--follow" not in text and "deploy" not in text:
                done(*shlex.split(text))
        assert len(commands) >= 6
        running.send_signal(number)
        out, err = running.communicate(timeout=40)
        assert running.returncode == 0, err
        assert "Stopped." in out
        assert err == ""
    finally:
        running.kill()
        running.communicate()
    done("verify", tmp_path / "demo" / "nodes" / "north-1")
