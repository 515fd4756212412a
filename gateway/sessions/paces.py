"""How fast somebody may ask: a bucket for each name, forgotten when it is as good as a new one. Time comes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.outbox.room import Bucket
from ledgernode.errors import RateLimited

_KEPT: Final = 20_000


class Paces:
    """`burst` at once and one more each `refill_ms`, of each name."""

    def __init__(self, what: str, burst: int, refill_ms: int, steady_ms: Callable[[], int]) -> None:
        self._what = what
        self._burst = burst
        self._refill_us = refill_ms * 1_000
        self._steady_ms = steady_ms
        self._buckets: dict[str, Bucket] = {}

    def require(self, name: str) -> None:
        """Raises RateLimited, with when to come back."""
        now_ms = self._steady_ms()
        bucket = self._buckets.get(name)
        if bucket is None:
            if len(self._buckets) >= _KEPT:
                self._forget_idle(now_ms)
            bucket = self._buckets[name] = Bucket(self._burst, self._refill_us, now_ms)
        if wait_ms := bucket.take(now_ms):
            raise RateLimited(f"{self._what} too often", retry_ms=wait_ms)

    def _forget_idle(self, now_ms: int) -> None:
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if not bucket.filled(now_ms)}
        if len(self._buckets) >= _KEPT:
            self._buckets.clear()  # so many at once are an attack, and our memory is not to be its next aim
