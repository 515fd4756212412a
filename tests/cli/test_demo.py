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

import httpx
import pytest

from gateway.sessions.challenges import Challenge, entry_message
from ledgernode.identity.phrase import key_from_phrase
from ledgernode.wire.types import ChainId
from tests.cli.command_line import command, done

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]  # ten contracts are checked by each node, on two cores


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


def shown(directory: Path, *options: str, engine: str = "solo") -> str:
    """What it says when it ends by itself, in order."""
    running = start(directory, *options, engine=engine)
    out, err = running.communicate(timeout=150)
    assert running.returncode == 0, err
    assert "\x1b" not in out
    assert re.search(r"^\d\d:\d\d  -- block [\d,]+, .* tx/s, .* transformer at \d+%", out, re.MULTILINE)
    assert "of conservation hold" in out
    assert "ledger and meters agree on every register and every token" in out
    assert "Stopped." in out
    return out


def entered(told: list[str]) -> dict[str, str]:
    """Whom the console takes those for who enter by the words that were printed, and what each finds there."""
    (origin,) = re.findall(r"^Open in a browser  (http://127.0.0.1:\d+)$", "".join(told), re.MULTILINE)
    found: dict[str, str] = {}
    for role, words in re.findall(r"^  (customer|operator|regulator) \(\w+\) +((?:\w+ ?){12})$", "".join(told), re.M):
        key = key_from_phrase(words)
        with httpx.Client(base_url=origin, headers={"origin": origin}, timeout=30) as client:
            asked = client.post("/api/v1/session/challenges").json()
            challenge = Challenge(bytes.fromhex(asked["nonce"]), asked["expires_ms"])
            message = entry_message(ChainId(bytes.fromhex(asked["chain_id"])), origin, challenge)
            answer = {"public_key": key.public_key.hex(), "nonce": asked["nonce"], "signature": key.sign(message).hex()}
            who = client.post("/api/v1/session", json=answer).json()
            assert client.get("/api/v1/points").json()["items"], f"the {role} sees points"
            found[who["role"]] = who["organisation"]
    return found


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A demo that was shown once; its folder, and what it said."""
    directory = tmp_path_factory.mktemp("demo") / "solo"
    return directory, shown(directory, "--seconds", "3")


def test_the_demo_is_a_living_feeder(lived: tuple[Path, str]) -> None:
    """People buy tokens, meters take them; the report says how the houses fared."""
    _, out = lived
    assert "a ledger is founded" in out
    assert re.search(r"^\d\d:\d\d  the meter of h02 takes a token: 1.600 kWh$", out, re.MULTILINE)
    assert re.search(r"^h10 +50.00 ", out, re.MULTILINE)


def test_the_demo_goes_on_where_it_stood_and_refuses_another(lived: tuple[Path, str]) -> None:
    """One chain over both starts; a folder of another engine is left alone, with what to do."""
    directory, first = lived
    second = shown(directory, "--seconds", "3")
    assert "goes on" in second
    before, after = (int(re.findall(r"audit of blocks 1 to (\d+)", out)[0]) for out in (first, second))
    assert after > before
    refused = command("demo", directory, "--engine", "pbft").err
    assert "ordered by solo" in refused
    assert "remove it, or name another folder" in refused


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_the_demo_stops_in_order_on_a_signal(lived: tuple[Path, str], number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM: what is under way is settled, everything is gone; meanwhile the commands it printed work."""
    directory, _ = lived
    running = start(directory)
    try:
        told = list(lines_until(running, "-- block"))
        commands = [found for line in told for found in re.findall(r"ledgernode (.* --network .*)$", line.strip())]
        assert len(commands) >= 4
        assert entered(told) == {"customer": "west", "operator": "north", "regulator": "east"}
        for text in commands:
            if "--follow" not in text:
                done(*shlex.split(text))
        running.send_signal(number)
        out, err = running.communicate(timeout=100)
        assert running.returncode == 0, err
        assert "Stopped." in out
        assert err == ""
    finally:
        running.kill()
        running.communicate()
    done("audit", directory / "nodes" / "north-1")


def test_the_demo_on_four_validators_leaves_four_equal_chains(tmp_path: Path) -> None:
    """PBFT is what it shows unless told otherwise; each node's chain is audited."""
    directory = tmp_path / "demo"
    out = shown(directory, "--seconds", "2", engine="pbft")
    assert "pbft, 4 validators" in out
    homes = [directory / "nodes" / f"{name}-1" for name in ("north", "south", "east", "west")]
    heights = {done("audit", home, "--json").document["last"] for home in homes}
    assert max(heights) - min(heights) <= 2  # one may stop before the last blocks have reached it


def test_the_demo_leaves_nothing_when_it_is_stopped_while_it_is_founded(tmp_path: Path) -> None:
    """The next start is a first one."""
    running = start(tmp_path / "demo")
    try:
        list(lines_until(running, "contracts are installed"))
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        assert running.returncode == 0, err
        assert "Stopped before anything was shown." in out
        assert not (tmp_path / "demo").exists()
    finally:
        running.kill()
        running.communicate()
