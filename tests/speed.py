"""How slow this machine is just now: limits on processor time are stretched by it.

Neighbours on a shared machine take caches, memory bandwidth and the hypervisor's page tables, which counts as
processor time of whoever waits for them. So a piece of work of known cost is done beside what is measured.
"""

from __future__ import annotations

import time

_QUIET_S = 0.014
"""What `_work` takes on an idle machine of 2 GHz."""


def slowness() -> float:
    """How many times longer than on a quiet machine the same work takes now; never less than once."""
    begun = time.thread_time()
    _work()
    return max(1.0, (time.thread_time() - begun) / _QUIET_S)


def _work() -> None:
    """Thirty megabytes that are touched for the first time, then a loop: both are what sandboxed code costs."""
    large, count = 1 << 4_000, 0
    kept = [large + number for number in range(60_000)]
    while count < 300_000:
        count += 1
    del kept
