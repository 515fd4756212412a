"""`ledgernode` by a clock which tests set, for homes, their ties' meters and a gateway (`clocked_node`).

python -m tests.acceptance.clocked_home CLOCK COMMAND…
"""

from __future__ import annotations

import sys
from pathlib import Path

from devices.house_shell import tie_meter
from gateway import process
from ledgernode.cli.connection import Connection
from ledgernode.cli.root import main
from tests.acceptance.clocked_node import Clock

if __name__ == "__main__":
    CLOCK = Clock(Path(sys.argv.pop(1)))
    process._clock_ms = tie_meter._clock_ms = CLOCK.now_ms
    Connection._simulated_clock = lambda _: CLOCK.now_ms  # type: ignore[assignment,method-assign]
    main()
