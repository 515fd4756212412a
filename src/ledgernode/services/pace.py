"""So many bytes a second to all callers together: what is given out must not starve what the node is for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ledgernode.errors import RateLimited


class Pace:
    """`take` waits for its turn, or refuses where the turn is too far away."""

    def __init__(self, bytes_per_s: int, wait_ms: int, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._bytes_per_s = bytes_per_s
        self._wait_s = wait_ms / 1_000
        self._clock_s = clock_s
        self._free_s = 0.0

    async def take(self, size_bytes: int) -> None:
        """Raises RateLimited, with when to come back, and takes nothing."""
        now_s = self._clock_s()
        wait_s = max(0.0, self._free_s - now_s)
        if wait_s > self._wait_s:
            raise RateLimited("others are being given snapshots now", retry_ms=int(wait_s * 1_000))
        self._free_s = now_s + wait_s + size_bytes / self._bytes_per_s
        if wait_s:
            await asyncio.sleep(wait_s)
