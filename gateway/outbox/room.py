"""Is there room for one more? Quotas by account and in all, and how fast an account may send.

A pure core: time comes in with each question. What is refused costs nothing and changes nothing.
"""

from __future__ import annotations

from gateway.limits import Limits
from ledgernode.errors import OutboxFull, RateLimited

FULL_RETRY_MS = 60_000
_US = 1_000


class Bucket:
    """So many at once, and one more after each refill time."""

    __slots__ = ("_at_us", "_burst", "_refill_us", "_tokens_us")

    def __init__(self, burst: int, refill_us: int, now_ms: int) -> None:
        self._burst = burst
        self._refill_us = refill_us
        self._tokens_us = burst * refill_us
        self._at_us = now_ms * _US

    def take(self, now_ms: int) -> int:
        """Takes one and answers 0; or says in how many milliseconds there will be one. A clock set back costs none."""
        self._refill(now_ms)
        if self._tokens_us < self._refill_us:
            return -(-(self._refill_us - self._tokens_us) // _US)
        self._tokens_us -= self._refill_us
        return 0

    def filled(self, now_ms: int) -> bool:
        """Is it as good as a new one?"""
        self._refill(now_ms)
        return self._tokens_us == self._burst * self._refill_us

    def _refill(self, now_ms: int) -> None:
        now_us = now_ms * _US
        self._tokens_us = min(self._burst * self._refill_us, self._tokens_us + max(0, now_us - self._at_us))
        self._at_us = now_us


class Room:
    """Counts what is kept, by account and in bytes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries: dict[bytes, int] = {}
        self._buckets: dict[bytes, Bucket] = {}
        self.size = 0
        self.entries = 0

    def require(self, account: bytes, size: int, *, carries: bool, now_ms: int) -> None:
        """Raises OutboxFull or RateLimited, with when to come back; else it may be kept."""
        limits = self._limits
        if self.size + size > limits.outbox_bytes:
            raise OutboxFull("the gateway keeps as much as it may for the ledger", retry_ms=FULL_RETRY_MS)
        allowed = limits.concentrator_entries if carries else limits.device_entries
        if self._entries.get(account, 0) >= allowed:
            raise OutboxFull(f"the gateway keeps at most {allowed} of this sender", retry_ms=FULL_RETRY_MS)
        wait_ms = self._bucket(account, carries, now_ms).take(now_ms)
        if wait_ms:
            raise RateLimited("this sender is faster than its share", retry_ms=wait_ms)

    def took(self, account: bytes, size: int) -> None:
        self._entries[account] = self._entries.get(account, 0) + 1
        self.entries += 1
        self.size += size

    def left(self, account: bytes, size: int) -> None:
        """One has gone, or was not written after all."""
        remaining = self._entries[account] - 1
        assert remaining >= 0, "no more leave than came"
        if remaining:
            self._entries[account] = remaining
        else:
            del self._entries[account]
        self.entries -= 1
        self.size -= size

    def forget_idle(self, now_ms: int) -> None:
        """Drop the rates of those that have sent nothing for long."""
        for account in [account for account, bucket in self._buckets.items() if bucket.filled(now_ms)]:
            del self._buckets[account]

    def _bucket(self, account: bytes, carries: bool, now_ms: int) -> Bucket:
        bucket = self._buckets.get(account)
        if bucket is None:
            limits = self._limits
            if carries:
                bucket = Bucket(limits.concentrator_burst, limits.concentrator_refill_us, now_ms)
            else:
                bucket = Bucket(limits.device_burst, limits.device_refill_ms * _US, now_ms)
            self._buckets[account] = bucket
        return bucket
