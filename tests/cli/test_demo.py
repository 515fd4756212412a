"""The demonstration: a living feeder, started twice on the same data, stopped by a signal, plain where there is no
terminal."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command_line import command, done

pytestmark = pytest.mark.slow


def start(directory: Path, *options: str, engine: str = "solo") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ledgernode.cli", "demo", str(directory), "--engine", engine, *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def lines_until(running: subprocess.Popen[str], wanted: str) -> Iterator[str]:
    """What it says, up to a line with this in it."""
    assert running.stdout is not None
    for line in running.stdout:
        yield line
        if wanted in line:
            return
    raise AssertionError(f"it ended without {wanted!r}: {running.communicate()[1]}")


def test_the_demo_is_a_living_feeder_and_goes_on_where_it_stood(tmp_path: Path) -> None:
    """Twice on the same data: people buy tokens and meters take them; both starts end with a clean audit of one
    chain."""
    directory = tmp_path / "demo"
    audited = []
    for number in range(2):
        running = start(directory, "--seconds", "4")
        out, err = running.communicate(timeout=58)
        assert running.returncode == 0, err
        if number == 0:
            assert "a ledger is founded" in out
            assert re.search(r"^\d\d:\d\d  the meter of h02 takes a token: 1.600 kWh$", out, re.MULTILINE)
        else:
            assert "goes on" in out
        assert re.search(
            r"^\d\d:\d\d  -- block [\d,]+, .* tx/s, .* readings, .* transformer at \d+%", out, re.MULTILINE
        )
        assert "of conservation hold" in out
        assert "ledger and meters agree on every register and every token" in out
        assert "\x1b" not in out
        audited.append(int(re.findall(r"audit of blocks 1 to (\d+)", out)[0]))
    assert audited[1] > audited[0]
    assert "ordered by solo" in command("demo", directory, "--engine", "pbft").err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_the_demo_stops_in_order_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM: what is under way is settled, everything is gone; meanwhile the commands it printed work."""
    running = start(tmp_path / "demo")
    try:
        told = list(lines_until(running, "-- block"))
        commands = [found for line in told for found in re.findall(r"ledgernode (.* --network .*)$", line.strip())]
        assert len(commands) >= 4
        for text in commands:
            if "--follow" not in text:
                done(*shlex.split(text))
        running.send_signal(number)
        out, err = running.communicate(timeout=40)
        assert running.returncode == 0, err
        assert "Stopped." in out
        assert err == ""
    finally:
        running.kill()
        running.communicate()
    done("audit", tmp_path / "demo" / "nodes" / "north-1")


@pytest.mark.timeout(120)  # four nodes check ten contracts each, on two cores
def test_the_demo_on_four_validators_leaves_four_equal_chains(tmp_path: Path) -> None:
    """PBFT is what it shows unless told otherwise; each node's chain is audited."""
    directory = tmp_path / "demo"
    running = start(directory, "--seconds", "2", engine="pbft")
    out, err = running.communicate(timeout=100)
    assert running.returncode == 0, err
    assert "pbft, 4 validators" in out
    homes = [directory / "nodes" / f"{name}-1" for name in ("north", "south", "east", "west")]
    heights = {done("audit", home, "--json").document["last"] for home in homes}
    assert max(heights) - min(heights) <= 2  # one may stop before the last blocks have reached it
