"""A command in a terminal of its own, as somebody sits before it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from typing import Self

LIMIT_S = 45.0
ROWS, COLUMNS = 32, 110
DRAWS = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}


class Terminal:
    """A context that ends the command. `seen` is all that it has shown."""

    def __init__(self, command: Sequence[str], **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        size = {"COLUMNS": str(COLUMNS), "LINES": str(ROWS)}  # these go before what the terminal says, where set
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **size, **environment}
        )
        os.close(theirs)
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def until(self, wanted: Callable[[str], bool]) -> None:
        """Read until what is wanted was shown."""
        ends = time.monotonic() + LIMIT_S
        while not wanted(self.seen):
            assert time.monotonic() < ends, self.seen[-2_000:]
            self._read(1.0)

    def end(self, keys: str) -> int:
        """By what ends it; the exit code."""
        self.type(keys)
        ends = time.monotonic() + LIMIT_S
        while self.process.poll() is None and time.monotonic() < ends:
            try:
                self._read(0.2)  # what nobody reads would hold it up
            except OSError:  # the other side is gone
                break
        return self.process.wait(LIMIT_S)

    def _read(self, seconds: float) -> None:
        if select.select([self._ours], [], [], seconds)[0]:
            self.seen += os.read(self._ours, 65_536).decode(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
