"""Who may open a stream: everybody one, not too often, and not more than there is room for.

A pure core. A device that opens a second stream has lost the first, whether or not that has been noticed: the newer
one takes its place. When all come back at once, each is told another moment to try again.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.limits import Limits
from gateway.outbox.room import Bucket
from ledgernode.errors import RateLimited

Replace = Callable[[], None]
"""Ends the stream that lost its place."""

SPREAD_MS = 30_000
_FORGET_EVERY = 1_000


class Streams:
    """Open streams by account."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[bytes, tuple[int, Replace]] = {}
        self._buckets: dict[bytes, Bucket] = {}
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, account: bytes, now_ms: int, replace: Replace) -> int:
        """The stream's number; the account's former one is replaced. Raises RateLimited, with when to come back."""
        limits = self._limits
        bucket = self._buckets.get(account)
        if bucket is None:
            bucket = self._buckets[account] = Bucket(limits.connects_burst, limits.connects_refill_ms * 1_000, now_ms)
        wait_ms = bucket.take(now_ms)
        if wait_ms:
            raise RateLimited("this device connects too often", retry_ms=wait_ms)
        former = self._open.get(account)
        if former is None and len(self._open) >= limits.streams:
            spread_ms = 1_000 + int.from_bytes(account[:4], "big") % SPREAD_MS
            raise RateLimited(f"the gateway has {limits.streams} streams, as many as it may", retry_ms=spread_ms)
        self._numbers += 1
        if self._numbers % _FORGET_EVERY == 0:
            self._forget_idle(now_ms)
        self._open[account] = (self._numbers, replace)
        if former is not None:
            former[1]()
        return self._numbers

    def closed(self, account: bytes, number: int) -> None:
        """The stream of this number has ended; a newer one of the account stays."""
        if self._open.get(account, (0, None))[0] == number:
            del self._open[account]

    def _forget_idle(self, now_ms: int) -> None:
        for account in [account for account, bucket in self._buckets.items() if bucket.filled(now_ms)]:
            del self._buckets[account]
