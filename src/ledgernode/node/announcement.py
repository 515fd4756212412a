"""Telling everyone who waits what a certified, durable block did: one step a block."""

from __future__ import annotations

from collections.abc import Sequence

from ledgernode.errors import BudgetOutOfRange, LedgerError, NeverCommitted
from ledgernode.node.measures import Measures
from ledgernode.node.mempool import Mempool
from ledgernode.node.waiting import Progress, Waiters
from ledgernode.store.sealed import SealedBlock
from ledgernode.wire.answers import Outcome, Stage
from ledgernode.wire.block import Header
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.types import Height, TransactionId


class Announcement:
    """Empties the mempool of what is committed and answers those who wait for it."""

    def __init__(
        self, mempool: Mempool, waiters: Waiters, progress: Progress, measures: Measures | None = None
    ) -> None:
        self._measures = measures or Measures()
        self._mempool = mempool
        self._waiters = waiters
        self._progress = progress
        self.transactions = 0

    def stored(self, sealed: SealedBlock) -> None:
        """The block is durable: what it holds no longer waits to be ordered."""
        self._mempool.remove(sealed.transaction_ids)

    def certified(self, sealed: SealedBlock) -> None:
        """The block stands. What can no longer be committed is dropped, and its waiters hear so."""
        height = sealed.header.height
        if self._waiters:
            first = len(sealed.receipts) - len(sealed.envelopes)
            for position, transaction_id in enumerate(sealed.transaction_ids, first):
                if transaction_id is not None and transaction_id in self._waiters:
                    self._waiters.tell(transaction_id, committed(height, position, sealed.receipts[position]))
        self._measures.certified(sealed.transaction_ids)
        if self._measures.traces is not None:
            self._measures.traces.certified(sealed)
        self._advance(sealed.header)

    def certified_later(self, header: Header, receipts: Sequence[bytes]) -> None:
        """The same for a block that was not kept in memory until its certificate came."""
        if self._waiters:
            for position, raw in enumerate(receipts):
                transaction_id = parse_receipt(raw).id
                if transaction_id in self._waiters:
                    self._waiters.tell(transaction_id, committed(header.height, position, raw))
        self._advance(header)

    def _advance(self, header: Header) -> None:
        self.transactions += header.transactions
        for expired in self._mempool.drop_expired(header.time_ms):
            self._waiters.tell(expired.id, never(expired.id))
        self._progress.advance(header.height, header.time_ms)

    def limits_changed(self, limits: Parameters) -> None:
        """What waits and fits no block any more is refused after all."""
        for unfit in self._mempool.drop_oversized(limits):
            reason = BudgetOutOfRange("the ledger's limits were lowered while this transaction waited")
            self._waiters.tell(unfit.id, refused(unfit.id, reason))

    def stop(self, reason: LedgerError) -> None:
        """No block will follow from this node."""
        self._waiters.tell_all(reason)
        self._progress.stop(reason)


def committed(height: Height, position: int, receipt_bytes: bytes) -> Outcome:
    """The outcome a receipt records."""
    receipt = parse_receipt(receipt_bytes)
    return Outcome(receipt.id, Stage.COMMITTED, receipt.code, receipt.message, height, position, receipt.result)


def refused(transaction_id: TransactionId, error: LedgerError) -> Outcome:
    """Not taken; nothing happened."""
    return Outcome(transaction_id, Stage.REFUSED, error.code, str(error))


def admitted(transaction_id: TransactionId) -> Outcome:
    """Checked, and waiting to be ordered."""
    return Outcome(transaction_id, Stage.ADMITTED, "")


def never(transaction_id: TransactionId) -> Outcome:
    """Chain time has passed its validity."""
    return Outcome(transaction_id, Stage.NEVER, NeverCommitted.code, str(NeverCommitted()))
