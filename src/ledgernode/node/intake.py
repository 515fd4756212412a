"""Transactions that peers forward: checked once, by the chunk, each peer in its turn.

What a peer forwards has passed its door, and execution decides anyway, so the state is not asked again here. What
a peer forwards it has checked, so a bad signature is its fault: each costs a token, tokens come back
slowly, and a peer without any is not heard until they do.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ledgernode.config import GOSSIP_WAITING, MISCONDUCT_REFILL_MS, MISCONDUCT_TOKENS, VERIFY_CHUNK
from ledgernode.errors import LedgerError, MempoolFull
from ledgernode.node.admission import Admission, Checked
from ledgernode.node.mempool import Mempool
from ledgernode.node.turns import Turn, Turns
from ledgernode.wire.types import TimeMs

if TYPE_CHECKING:
    from ledgernode.node.tracing import TracedLedger


class _Entry:
    """What one peer has forwarded and how it has behaved."""

    def __init__(self, now_ms: TimeMs) -> None:
        self.waiting: deque[bytes] = deque()
        self.tokens = MISCONDUCT_TOKENS
        self.refilled_ms = now_ms

    def refill(self, now_ms: TimeMs) -> None:
        gained = (now_ms - self.refilled_ms) // MISCONDUCT_REFILL_MS
        if gained > 0:
            self.tokens = min(MISCONDUCT_TOKENS, self.tokens + gained)
            self.refilled_ms = TimeMs(self.refilled_ms + gained * MISCONDUCT_REFILL_MS)


class Intake:
    """One ledger's forwarded transactions, by the key of the validator who forwarded them."""

    def __init__(
        self,
        *,
        admission: Admission,
        mempool: Mempool,
        arrived: Callable[[], None],
        clock_ms: Callable[[], TimeMs],
        traces: TracedLedger | None = None,
        turn: Turn | None = None,
    ) -> None:
        self._traces = traces
        self._turn = turn or Turns().of("alone")
        self._admission = admission
        self._mempool = mempool
        self._arrived = arrived
        self._clock_ms = clock_ms
        self._entries: dict[bytes, _Entry] = {}
        self._wake = asyncio.Event()
        self.dropped = 0

    def may_send(self, public_key: bytes) -> bool:
        """False for a peer that has forwarded too much that does not hold."""
        entry = self._entries.get(public_key)
        if entry is None:
            return True
        entry.refill(self._clock_ms())
        return entry.tokens > 0

    def take(self, public_key: bytes, envelopes: Sequence[bytes]) -> None:
        """Let them wait to be checked; beyond the bound the newest are dropped."""
        entry = self._entries.get(public_key)
        if entry is None:
            entry = self._entries[public_key] = _Entry(self._clock_ms())
        room = GOSSIP_WAITING - len(entry.waiting)
        self.dropped += max(0, len(envelopes) - room)
        entry.waiting.extend(envelopes[: max(0, room)])
        self._wake.set()

    async def run(self) -> None:
        """Check what waits, a chunk of each peer in turn, until cancelled."""
        while True:
            self._wake.clear()
            for public_key, entry in list(self._entries.items()):
                if entry.waiting:
                    began_s = time.thread_time()
                    self._check(public_key, entry)
                    await self._turn.rest(time.thread_time() - began_s)
            if not any(entry.waiting for entry in self._entries.values()):
                await self._wake.wait()

    def _check(self, public_key: bytes, entry: _Entry) -> None:
        began_ns = 0 if self._traces is None else self._traces.now_ns()
        chunk = [entry.waiting.popleft() for _ in range(min(VERIFY_CHUNK, len(entry.waiting)))]
        found = [self._admission.checked(raw) for raw in chunk]
        entry.tokens -= sum(isinstance(one, LedgerError) for one in found)
        for transaction in found:
            if isinstance(transaction, LedgerError) or self._mempool.is_gone(transaction.id):
                continue
            try:
                self._mempool.add(transaction, public_key)
            except MempoolFull:
                self.dropped += 1
        if self._traces is not None:
            self._traces.admitted((one for one in found if _waits(one, self._mempool)), began_ns)
        self._arrived()


def _waits(found: Checked, mempool: Mempool) -> bool:
    return not isinstance(found, LedgerError) and found.id in mempool
