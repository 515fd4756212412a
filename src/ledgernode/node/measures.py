"""What a ledger's driver counts of its own work: a block, a write or a call at a time.

How long it takes from coming in to standing certified is measured of the first of each group that came in together (a
call, or up to a hundred of a stream), so that nothing is kept for each transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ledgernode.config import LATENCIES_WATCHED
from ledgernode.observe.figures import LONG_S, SHORT_S, Codes, Tally
from ledgernode.wire.types import TransactionId

if TYPE_CHECKING:
    from ledgernode.node.tracing import TracedLedger

BLOCK_SIZES = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0)


class Measures:
    """Of one ledger. `steady_s` is a clock that nobody sets; `traces` notes single transactions, where it is there."""

    def __init__(self, steady_s: Callable[[], float] = time.monotonic, *, traces: TracedLedger | None = None) -> None:
        self._steady_s = steady_s
        self.traces = traces
        self._came: dict[TransactionId, float] = {}
        self.submit_commit_s = Tally(LONG_S)
        self.execution_s = Tally(SHORT_S)
        self.block_transactions = Tally(BLOCK_SIZES)
        self.write_s = Tally(SHORT_S)
        self.refused = Codes()
        self.votes = 0

    def came(self, transaction_id: TransactionId) -> None:
        """The first of a group was admitted from our own clients."""
        if len(self._came) >= LATENCIES_WATCHED:
            del self._came[next(iter(self._came))]
        self._came.setdefault(transaction_id, self._steady_s())

    def certified(self, transaction_ids: Iterable[TransactionId | None]) -> None:
        """A block with these stands."""
        if self._came:
            now_s = self._steady_s()
            for transaction_id in self._came.keys() & transaction_ids:
                self.submit_commit_s.add(now_s - self._came.pop(transaction_id))

    def executed(self, seconds: float, transactions: int) -> None:
        self.execution_s.add(seconds)
        self.block_transactions.add(transactions)
