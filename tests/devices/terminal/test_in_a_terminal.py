"""`ledgernode meter ciu` in a real terminal: the unit is drawn, keys reach the meter, q ends."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from devices.journal import Journal
from devices.meter.core import new_state
from devices.meter.records import restored
from devices.meter_shell import Facts, create_home
from ledgernode.sts.keys import derive
from ledgernode.sts.tid import Tid
from ledgernode.sts.token import Credit, mint
from tests.sts.published import METER, VENDING_KEY

pytestmark = pytest.mark.slow
LIMIT_S = 45.0
SCREEN = {"COLUMNS": "110", "LINES": "32"}  # which go before what the terminal says, where a runner has set them


def test_a_terminal_shows_the_unit_and_a_token_arrives(tmp_path: Path) -> None:
    """Drawn in dots; twenty digits and return; what was shown is on the disk when it has ended."""
    home, key = tmp_path / "meter", derive(VENDING_KEY, METER)
    create_home(home, Facts(METER.pan, "utility:home-1", "00" * 32), new_state(key, METER.base))
    digits = mint(Credit(tid=Tid(1_000), random=5, units=77), key)
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 32, 110, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "ledgernode.cli", "meter", "ciu", str(home)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **SCREEN, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"},
    )
    os.close(theirs)
    try:
        until(ours, lambda seen: "LEDGERNODE" in seen and any(0x2800 < ord(letter) < 0x2900 for letter in seen))
        os.write(ours, f"{digits}\r".encode())
        until(ours, lambda seen: "relay supply closed" in seen)
        os.write(ours, b"q")
        drain(ours, process)
        assert process.wait(LIMIT_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    journal = Journal(home / "meter.journal")
    journal.close()
    assert restored(journal.records).credit.balance_mwh == 7_700_000


def test_without_the_extra_it_goes_line_by_line(tmp_path: Path) -> None:
    """And says what to install."""
    home, key = tmp_path / "meter", derive(VENDING_KEY, METER)
    create_home(home, Facts(METER.pan, "utility:home-1", "00" * 32), new_state(key, METER.base))
    program = (
        "import sys; sys.modules['textual'] = None\n"
        "from ledgernode.cli import main\n"
        f"main(['meter', 'ciu', {str(home)!r}])"
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "dumb"}
    )
    os.close(theirs)
    try:
        seen = until(ours, lambda seen: "keys> " in seen)
        assert "install ledgernode[community]" in seen
        assert "NO CREDIT    OFF" in seen
        os.write(ours, b"q\n")
        drain(ours, process)
        assert process.wait(LIMIT_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def until(terminal: int, wanted: Callable[[str], bool]) -> str:
    """Read until what is wanted was shown."""
    seen, ends = "", time.monotonic() + LIMIT_S
    while not wanted(seen):
        assert time.monotonic() < ends, seen[-2_000:]
        if select.select([terminal], [], [], 1.0)[0]:
            seen += os.read(terminal, 65_536).decode(errors="replace")
    return seen


def drain(terminal: int, process: subprocess.Popen[bytes]) -> None:
    """Read what a terminal that nobody reads would hold up."""
    ends = time.monotonic() + LIMIT_S
    while process.poll() is None and time.monotonic() < ends:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                if not os.read(terminal, 65_536):
                    return
            except OSError:  # the other side is gone
                return
