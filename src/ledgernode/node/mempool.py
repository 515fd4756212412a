"""Transactions that wait to be ordered: first in, first out, bounded by count and by bytes.

Pure: it reads no clock and waits for nothing. What is taken for a block stays until it is committed, so
that a second sending of it meets the first one instead of starting over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ledgernode.config import MEMPOOL_BYTES, MEMPOOL_TRANSACTIONS, RETRY_ADVICE_MS
from ledgernode.errors import MempoolFull
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.transaction import Nonce, Transaction
from ledgernode.wire.types import TimeMs, TransactionId

_NO_END_MS: Final = 1 << 64


class Mempool:
    """Keyed by transaction id; iteration is in the order of arrival."""

    def __init__(self, *, transactions: int = MEMPOOL_TRANSACTIONS, size_bytes: int = MEMPOOL_BYTES) -> None:
        self._transactions_limit = transactions
        self._bytes_limit = size_bytes
        self._waiting: dict[TransactionId, Transaction] = {}
        self._by_envelope: dict[bytes, Transaction] = {}
        self._size_bytes = 0
        self._earliest_end_ms = _NO_END_MS

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, transaction_id: TransactionId) -> bool:
        return transaction_id in self._waiting

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def add(self, transaction: Transaction) -> bool:
        """Let it wait; False when its id waits already. Refuses (MempoolFull) with advice when to retry."""
        if transaction.id in self._waiting:
            return False
        size = len(transaction.raw)
        if len(self._waiting) >= self._transactions_limit or self._size_bytes + size > self._bytes_limit:
            raise MempoolFull(
                f"{len(self._waiting)} transactions wait already: try again in {RETRY_ADVICE_MS} ms",
                retry_ms=RETRY_ADVICE_MS,
            )
        self._waiting[transaction.id] = transaction
        self._by_envelope[transaction.envelope_hash] = transaction
        self._size_bytes += size
        self._earliest_end_ms = min(self._earliest_end_ms, _valid_until_ms(transaction))
        return True

    def by_envelope(self, envelope_hash: bytes) -> Transaction | None:
        """The waiting transaction of this very envelope, parsed and checked."""
        return self._by_envelope.get(envelope_hash)

    def take(self, limits: Parameters) -> list[Transaction]:
        """The oldest that fit one block by count, bytes and declared budgets; they stay until removed.

        The very first is always taken, so that none can block the others for ever.
        """
        taken: list[Transaction] = []
        size_bytes = budget = 0
        for transaction in self._waiting.values():
            size_bytes += len(transaction.raw)
            budget += transaction.body.budget
            full = len(taken) >= limits.block_transactions
            if taken and (full or size_bytes > limits.block_bytes or budget > limits.block_budget):
                break
            taken.append(transaction)
        return taken

    def remove(self, transaction_ids: Iterable[TransactionId | None]) -> None:
        """Forget those of a committed block; ids that do not wait are passed over."""
        for transaction_id in transaction_ids:
            if transaction_id is not None:
                self._forget(transaction_id)

    def drop_expired(self, time_ms: TimeMs) -> list[Transaction]:
        """Forget those whose validity chain time has passed, and say which."""
        if time_ms <= self._earliest_end_ms:
            return []
        expired = [transaction for transaction in self._waiting.values() if _valid_until_ms(transaction) < time_ms]
        self.remove(transaction.id for transaction in expired)
        self._earliest_end_ms = min(map(_valid_until_ms, self._waiting.values()), default=_NO_END_MS)
        return expired

    def drop_oversized(self, limits: Parameters) -> list[Transaction]:
        """Forget those no block may carry once the ledger's limits were lowered, and say which."""
        unfit = [transaction for transaction in self._waiting.values() if not _fits(transaction, limits)]
        self.remove(transaction.id for transaction in unfit)
        return unfit

    def _forget(self, transaction_id: TransactionId) -> None:
        transaction = self._waiting.pop(transaction_id, None)
        if transaction is not None:
            del self._by_envelope[transaction.envelope_hash]
            self._size_bytes -= len(transaction.raw)


def _valid_until_ms(transaction: Transaction) -> int:
    replay = transaction.body.replay
    return replay.valid_until_ms if isinstance(replay, Nonce) else _NO_END_MS


def _fits(transaction: Transaction, limits: Parameters) -> bool:
    return len(transaction.body_bytes) <= limits.body_bytes and transaction.body.budget <= limits.budget
