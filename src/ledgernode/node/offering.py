"""When to offer the engine what waits, and what.

At once when nothing is under way. While something is, others gather, so that blocks grow with load: an offer then
waits until as many have gathered as are under way, or fill a block, but never long. So a few large blocks are under
way under load, not many small ones, and what is committed costs less. An engine that does not take an offer (a
miner, who only learns what to mine) is offered a changed one, and not too often.

Where each validator orders for itself (a log), it offers what its own clients brought, and leaves to the others for a
while what they have forwarded: else all would order everything.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ledgernode.config import OFFER_AGAIN_MS, PROPOSAL_LINGER_MS
from ledgernode.node.mempool import Mempool
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.transaction import Transaction

_MARKS: Final = 10
"""How often the arrivals are marked within the time that they are left alone."""


class Offering:
    """Of one epoch's engine. Times are milliseconds of the caller's clock.

    What others forwarded is left to them for `own_first_ms`.
    """

    def __init__(self, mempool: Mempool, *, own_first_ms: int = 0) -> None:
        self._mempool = mempool
        self._own_first_ms = own_first_ms
        self._arrived: deque[tuple[int, int]] = deque()
        self._ripe_up_to = 0
        self._last: list[Transaction] | None = None
        self._last_ms = 0
        self._last_taken = False

    def next(self, limits: Parameters, now_ms: int, *, timer_due: bool) -> list[Transaction] | None:
        """What to offer now; None: nothing yet. A due timer alone is offered once."""
        self._ripen(now_ms)
        fresh = self._fresh()
        if not fresh and not timer_due:
            return None
        if now_ms < self.earliest_ms(limits):
            return None
        offer = self._take(limits) if fresh else []
        if offer == self._last and (not offer or not self._last_taken):
            return None
        return offer

    def earliest_ms(self, limits: Parameters) -> int:
        """Before this nothing is offered (a time that has passed: at once)."""
        if self._last_taken:
            fresh = self._fresh()
            under_way = len(self._mempool) - self._mempool.fresh
            if self._own_first_ms:
                under_way //= self._mempool.shares
            gathered = fresh >= min(under_way, limits.block_transactions)
            return 0 if gathered else self._last_ms + PROPOSAL_LINGER_MS
        return self._last_ms + OFFER_AGAIN_MS if self._last else 0

    def _take(self, limits: Parameters) -> list[Transaction]:
        return self._mempool.take(limits, self._ripe_up_to) if self._own_first_ms else self._mempool.take(limits)

    def _fresh(self) -> int:
        return self._mempool.ripe(self._ripe_up_to) if self._own_first_ms else self._mempool.fresh

    def _ripen(self, now_ms: int) -> None:
        """What had arrived so long ago has been left to others long enough."""
        if not self._own_first_ms:
            return
        if not self._arrived or not 0 <= now_ms - self._arrived[-1][0] < self._own_first_ms // _MARKS:
            self._arrived.append((now_ms, self._mempool.newest))
        while not 0 <= now_ms - self._arrived[0][0] < self._own_first_ms:
            self._ripe_up_to = self._arrived.popleft()[1]
            if not self._arrived:
                self._arrived.append((now_ms, self._mempool.newest))

    def offered(self, offer: list[Transaction], now_ms: int, *, taken: bool) -> None:
        self._last, self._last_ms, self._last_taken = offer, now_ms, taken
        if taken:
            self._mempool.take_up(offer)

    def forget(self) -> None:
        """A block was stored, or the engine has let go: the same may be offered again."""
        self._last = None
