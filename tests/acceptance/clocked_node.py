"""A node process that goes by a clock which tests set: a month of bills takes seconds, and nothing else differs.

    python clocked_node.py HOME LISTEN CLOCK

The clock is a file with one number in it, the milliseconds by which it is ahead of the machine's own. All nodes of a
network read the same file, so they agree on the time as nodes do that are kept in step.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path

from ledgernode.services.process import run_node
from ledgernode.wire.types import TimeMs

_NUMBER = struct.Struct("<q")


class Clock:
    """The time of a network. It goes on by itself, and forward when a test says so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(_NUMBER.pack(0))
        with path.open("r+b") as file:
            self._ahead = mmap.mmap(file.fileno(), _NUMBER.size)

    def now_ms(self) -> TimeMs:
        return TimeMs(time.time_ns() // 1_000_000 + self.ahead_ms())

    def ahead_ms(self) -> int:
        """Of the machine's own."""
        [ahead_ms] = _NUMBER.unpack(self._ahead[:])
        return int(ahead_ms)

    def advance(self, ms: int) -> None:
        assert ms >= 0, "block time does not go back"
        self._ahead[:] = _NUMBER.pack(self.ahead_ms() + ms)


if __name__ == "__main__":
    run_node(Path(sys.argv[1]), listen=sys.argv[2], clock_ms=Clock(Path(sys.argv[3])).now_ms)
