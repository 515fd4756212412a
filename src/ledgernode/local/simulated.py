"""A clock that a simulation sets forward, and a node that goes by it: hours of a community's life in minutes.

    python -m ledgernode.local.simulated HOME CLOCK

The clock is a file with one number, the milliseconds by which it is ahead of the machine's own: it goes on by itself,
forward when the simulation says so, and never back. All nodes of a network read the same file, so they agree on the
time as nodes do that are kept in step.

Nobody gets here by accident. A ledger that goes by such a clock says so in its name, `simulated-…`, which stands in its
genesis file, in the status of its nodes, and in everything that is signed for it. An ordinary node refuses such a
ledger, and this one refuses every other.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ledgernode.errors import BadRequest
from ledgernode.identity.home import NodeConfig
from ledgernode.services.process import run_node
from ledgernode.wire.genesis import SIMULATED
from ledgernode.wire.types import TimeMs

CLOCK: Final = "simulated.clock"
"""Its file in a network's folder."""
_NUMBER: Final = struct.Struct("<q")


class SimulatedClock:
    """The time of a network. Whoever plays sets it forward; everybody else reads it."""

    def __init__(self, path: Path) -> None:
        """Begins with the machine's time where there is no file."""
        self.path = path
        if not path.exists():
            path.write_bytes(_NUMBER.pack(0))
        with path.open("r+b") as file:
            self._ahead = mmap.mmap(file.fileno(), _NUMBER.size)

    def now_ms(self) -> TimeMs:
        return TimeMs(time.time_ns() // 1_000_000 + self.ahead_ms)

    @property
    def ahead_ms(self) -> int:
        [ahead_ms] = _NUMBER.unpack(self._ahead[:])
        return int(ahead_ms)

    def forward_to(self, time_ms: int) -> None:
        """Set it to this time, unless that is past."""
        missing_ms = time_ms - self.now_ms()
        if missing_ms > 0:
            self._ahead[:] = _NUMBER.pack(self.ahead_ms + missing_ms)

    def stand_at(self, time_ms: int) -> None:
        """Go on from this time, however long nobody was there. Only while no node runs, from a time after theirs."""
        self._ahead[:] = _NUMBER.pack(time_ms - time.time_ns() // 1_000_000)

    def keep(self) -> None:
        """On the disk: whoever starts the network again begins no earlier."""
        self._ahead.flush()
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_simulated(ledger: str) -> bool:
    """Whether a ledger of this name goes by a simulated clock."""
    return ledger.startswith(SIMULATED)


def clock_of(directory: Path, ledger: str) -> Callable[[], int] | None:
    """The simulated clock of the network in a folder; None where the ledger goes by the machine's."""
    path = directory / CLOCK
    return SimulatedClock(path).now_ms if is_simulated(ledger) and path.exists() else None


def main(home: Path, clock: Path) -> None:
    """Run the node of `home`; refuses a ledger that is none of a simulation."""
    real = [name for name in NodeConfig.read(home).ledgers if not is_simulated(name)]
    if real:
        raise BadRequest(f"ledger {real[0]} goes by the real time: run its node with `ledgernode node run {home}`")
    run_node(home, clock_ms=SimulatedClock(clock).now_ms)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
