"""What the outbox acknowledged survives SIGKILL at any moment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.outbox.entry import read_entry
from gateway.outbox.store import OutboxStore
from tests.gateway.outbox_at_work import entry

pytestmark = pytest.mark.slow

KILLS = 6
LINES = 500


def test_what_was_acknowledged_is_there_after_every_kill(tmp_path: Path) -> None:
    """Each acknowledged entry waits, byte for byte, or the ledger has it."""
    safe: set[int] = set()
    settled: set[int] = set()
    first = 0
    for kill in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.gateway.outbox_at_work", str(tmp_path), str(first)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(LINES + 37 * kill)]
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
        process.stdout.close()
        process.wait()
        for line in lines:
            assert line, "the outbox ended by itself"
            what, _, number = line.decode().partition(" ")
            if line.endswith(b"\n"):
                (safe if what == "safe" else settled).add(int(number))
        store = OutboxStore(tmp_path, entry_bytes=1 << 30, refused_kept=10)
        present = {sequence for _, sequence, _ in store.lanes()}
        for lane in {lane for lane, _, _ in store.lanes()}:
            for found in store.run(lane, 5, {}):
                assert found._replace(taken_ms=0) == entry(found.sequence)._replace(taken_ms=0)
        store.close()
        lost = safe - settled - present
        assert not lost, f"after kill {kill} {len(lost)} are lost, the first {min(lost)}"
        first = max(present | safe) + 1
    assert len(safe) > KILLS * 100
    assert settled, "nothing was ever settled: the test shows less than it says"


def test_an_entry_reads_as_it_was_written() -> None:
    written = entry(41)
    assert read_entry(written.key, written.value) == written
