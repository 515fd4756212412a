"""Noticing a leader that leaves someone out, as against one that is merely busy.

An honest leader serves the entries in turn, each one's oldest first. So when blocks keep taking transactions that
came here later, while an entry's oldest goes on waiting, through more blocks than a round of turns and for longer
than half a view time-out, its leader is passed over it. Under mere overload nothing younger is taken.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledgernode.config import PASSED_OVER_BLOCKS
from ledgernode.node.mempool import Mempool
from ledgernode.wire.types import TimeMs, TransactionId


class Overlooked:
    """Of one leader: a new one begins with a clean sheet."""

    def __init__(self, mempool: Mempool, *, members: int, patience_ms: int) -> None:
        self._mempool = mempool
        self._blocks = max(PASSED_OVER_BLOCKS, 2 * members)
        self._patience_ms = patience_ms
        self._leader: object = None
        self._sightings: dict[TransactionId, tuple[int, TimeMs]] = {}

    def block(self, leader: object, taken: Iterable[TransactionId | None], now_ms: TimeMs) -> bool:
        """A block of this leader took these, which wait here still; has it passed someone over too often?"""
        if leader != self._leader:
            self._leader, self._sightings = leader, {}
        numbers = [self._mempool.arrival(named) for named in taken if named is not None]
        youngest = max((number for number in numbers if number is not None), default=0)
        sightings: dict[TransactionId, tuple[int, TimeMs]] = {}
        for transaction in self._mempool.oldest(apart_from=set(taken)):
            times, since_ms = self._sightings.get(transaction.id, (0, now_ms))
            arrived = self._mempool.arrival(transaction.id)
            passed = arrived is not None and arrived < youngest
            sightings[transaction.id] = (times + passed, since_ms)
        self._sightings = sightings
        return any(
            times >= self._blocks and now_ms - since_ms > self._patience_ms for times, since_ms in sightings.values()
        )
