"""The command line by a clock that tests set: `python -m tests.gateway.vending.clocked CLOCK COMMAND…`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ledgernode.cli import main
from tests.acceptance.clocked_node import Clock

if __name__ == "__main__":
    clock, real_ns = Clock(Path(sys.argv[1])), time.time_ns
    time.time_ns = lambda: real_ns() + clock.ahead_ms() * 1_000_000
    main(sys.argv[2:])
