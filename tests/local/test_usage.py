"""What a process costs is read from the system, for it and for what it started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from ledgernode.local.usage import MemoryPeak, Usage, disk_bytes, machine_busy_s, usage

HOLDS_40_MB_AND_WORKS = "import time; held = bytearray(b'x') * 40_000_000\nwhile True: pass"
STARTS_ONE = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLDS_40_MB_AND_WORKS!r}])"


def test_time_and_memory_of_children_count() -> None:
    """A node with workers costs what all of them cost."""
    parent = subprocess.Popen([sys.executable, "-c", STARTS_ONE], start_new_session=True)
    try:
        ends = time.monotonic() + 40
        while usage(parent.pid).cpu_s < 0.3 and time.monotonic() < ends:
            time.sleep(0.05)
        found = usage(parent.pid)
        assert found.cpu_s >= 0.3
        assert found.memory_bytes > 45_000_000
    finally:
        os.killpg(parent.pid, 9)
        parent.wait()


def test_what_has_ended_costs_nothing() -> None:
    """A process that is gone is no failure of the one who looks."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert usage(ended.pid) == Usage(0.0, 0)


def test_a_sparse_file_counts_what_it_holds(tmp_path: Path) -> None:
    """The store reserves more than it writes."""
    (tmp_path / "inner").mkdir()
    with (tmp_path / "inner" / "sparse").open("wb") as file:
        file.truncate(100_000_000)
        file.write(b"x" * 10_000)
    assert 10_000 <= disk_bytes(tmp_path) < 1_000_000


def test_the_machine_was_busy_at_least_as_long_as_one_of_its_processes() -> None:
    """What others take can be told from what we take."""
    before, own = machine_busy_s(), time.process_time()
    while time.process_time() - own < 0.2:
        pass
    assert machine_busy_s() - before >= 0.15


def test_the_most_memory_of_a_time_is_seen() -> None:
    """Also what is given back before the end; a process that has ended counts what it had."""
    grown = "import sys, time; sys.stdin.readline(); x = b'x' * (64 << 20); print('grown', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", grown], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        before = usage(child.pid).memory_bytes
        with MemoryPeak({"one": child.pid}) as peak:
            child.stdin.write(b"\n")
            child.stdin.flush()
            child.stdout.readline()
            ends = time.monotonic() + 20
            while peak.memory_bytes["one"] < before + (60 << 20) and time.monotonic() < ends:
                time.sleep(0.02)
            child.kill()
            child.wait()
        assert peak.memory_bytes["one"] >= before + (60 << 20)
