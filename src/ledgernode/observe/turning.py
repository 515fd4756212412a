"""How late the event loop is: what waits on it waits that long.

A loop that does not turn at all shows nothing here, nor answers a liveness check; that is how it is noticed.
"""

from __future__ import annotations

import asyncio
from typing import Final

from ledgernode.observe.figures import SHORT_S, Tally, counter, histogram

LAG: Final = histogram(
    "ledgernode_event_loop_lag_seconds", "How late the event loop was for a call once a second; all work waits so long."
)
LOG_LINES: Final = counter("ledgernode_log_lines_total", "Lines logged, by level.", "level")
_EVERY_S: Final = 1.0


class Turning:
    """Runs until it is cancelled."""

    def __init__(self) -> None:
        self.lag_s = Tally(SHORT_S)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            self.lag_s.add(max(0.0, loop.time() - due_s))
