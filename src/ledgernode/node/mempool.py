"""Transactions that wait to be ordered: bounded by count and by bytes, served fairly.

They come from several *entries*: this node's own clients, and each validator that forwards what it has admitted.
A block is filled from the entries in turn, each one's oldest first, so that a flood through one of them delays
its own senders. While little room is left no entry may hold more than its equal share, nor a single creator.

Pure: it reads no clock and waits for nothing. What is taken for a block stays until it is committed, so
that a second sending of it meets the first one instead of starting over. What is *under way* (proposed, or
delivered) is not taken again, unless it is released because it may have come to nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from itertools import islice, takewhile
from typing import Final, TypeVar

from ledgernode.config import ENTRY_TURN, MEMPOOL_BYTES, MEMPOOL_GONE, MEMPOOL_TRANSACTIONS, RETRY_ADVICE_MS
from ledgernode.errors import MempoolFull
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.transaction import Nonce, Transaction
from ledgernode.wire.types import IdentityId, TimeMs, TransactionId

OWN: Final = b""
"""The entry of this node's own clients; a forwarding validator's is its public key."""
_NO_END_MS: Final = 1 << 64
_Counted = TypeVar("_Counted", bytes, IdentityId)


class Mempool:
    """Keyed by transaction id; iteration of an entry is in the order of arrival."""

    def __init__(self, *, transactions: int = MEMPOOL_TRANSACTIONS, size_bytes: int = MEMPOOL_BYTES) -> None:
        self._transactions_limit = transactions
        self._bytes_limit = size_bytes
        self._waiting: dict[TransactionId, Transaction] = {}
        self._by_envelope: dict[bytes, Transaction] = {}
        self._entry_of: dict[TransactionId, bytes] = {}
        self._arrivals: dict[TransactionId, int] = {}
        self._number = 0
        self._fresh: dict[bytes, dict[TransactionId, Transaction]] = {}
        self._held: Counter[bytes] = Counter()
        self._created: Counter[IdentityId] = Counter()
        self._gone: dict[TransactionId, None] = {}
        self._turn = 0
        self._shares = 1
        self._size_bytes = 0
        self._earliest_end_ms = _NO_END_MS

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, transaction_id: TransactionId) -> bool:
        return transaction_id in self._waiting

    @property
    def limit(self) -> int:
        """So many may wait."""
        return self._transactions_limit

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    @property
    def fresh(self) -> int:
        """How many wait that are not under way."""
        return sum(map(len, self._fresh.values()))

    @property
    def newest(self) -> int:
        """The number of the last arrival."""
        return self._number

    @property
    def shares(self) -> int:
        """How many entries have an equal share."""
        return self._shares

    def ripe(self, forwarded_up_to: int) -> int:
        """How many wait that are not under way: our own clients', and of others those up to this arrival."""
        own = len(self._fresh.get(OWN, ()))
        return own + sum(1 for entry in self._fresh if entry != OWN for _ in self._line(entry, forwarded_up_to))

    def _line(self, entry: bytes, forwarded_up_to: int | None) -> Iterator[Transaction]:
        waiting = self._fresh[entry].values()
        if entry == OWN or forwarded_up_to is None:
            return iter(waiting)
        return takewhile(lambda one: self._arrivals[one.id] <= forwarded_up_to, waiting)

    def share_among(self, entries: int) -> None:
        """So many entries have an equal share of the room: one for each validator."""
        self._shares = entries

    def add(self, transaction: Transaction, entry: bytes = OWN) -> bool:
        """Let it wait; False when its id waits already. Refuses (MempoolFull) with advice when to retry."""
        if transaction.id in self._waiting:
            return False
        size = len(transaction.raw)
        if len(self._waiting) >= self._transactions_limit or self._size_bytes + size > self._bytes_limit:
            raise _full(f"{len(self._waiting)} transactions wait already")
        if 2 * len(self._waiting) >= self._transactions_limit and self._shares > 1:
            share = self._transactions_limit // self._shares
            if self._held[entry] >= share or self._created[transaction.body.creator] >= share:
                raise _full(f"{share} transactions, a fair share, wait already from the same entry or creator")
        self._waiting[transaction.id] = transaction
        self._by_envelope[transaction.envelope_hash] = transaction
        self._entry_of[transaction.id] = entry
        self._number += 1
        self._arrivals[transaction.id] = self._number
        self._fresh.setdefault(entry, {})[transaction.id] = transaction
        self._held[entry] += 1
        self._created[transaction.body.creator] += 1
        self._size_bytes += size
        self._earliest_end_ms = min(self._earliest_end_ms, _valid_until_ms(transaction))
        return True

    def by_envelope(self, envelope_hash: bytes) -> Transaction | None:
        """The waiting transaction of this very envelope, parsed and checked."""
        return self._by_envelope.get(envelope_hash)

    def by_id(self, transaction_id: TransactionId) -> Transaction | None:
        return self._waiting.get(transaction_id)

    def is_gone(self, transaction_id: TransactionId) -> bool:
        """Has it left lately? A peer's forwarding of it was slower than the block that holds it."""
        return transaction_id in self._gone

    def arrival(self, transaction_id: TransactionId) -> int | None:
        """Its number in the order of arrival; None when it does not wait."""
        return self._arrivals.get(transaction_id)

    def oldest(self, apart_from: Container[TransactionId | None] = ()) -> list[Transaction]:
        """Each entry's oldest that is not under way, and none of these."""
        found = (
            next((transaction for named, transaction in fresh.items() if named not in apart_from), None)
            for fresh in self._fresh.values()
        )
        return [transaction for transaction in found if transaction is not None]

    def take(self, limits: Parameters, forwarded_up_to: int | None = None) -> list[Transaction]:
        """What fits one block by count, bytes and declared budgets; all of it stays until removed.

        Of what others forwarded only what had arrived by then, if that is said.

        The entries are served in turn, each one's oldest first. The very first is always taken, so that none
        can block the others for ever.
        """
        lines = [self._line(entry, forwarded_up_to) for entry in sorted(self._fresh) if self._fresh[entry]]
        if lines:
            self._turn %= len(lines)
            lines = lines[self._turn :] + lines[: self._turn]
            self._turn += 1
        taken: list[Transaction] = []
        size_bytes = budget = 0
        while lines:
            line = lines.pop(0)
            for served, transaction in enumerate(line, 1):
                size_bytes += len(transaction.raw)
                budget += transaction.body.budget
                full = len(taken) >= limits.block_transactions
                if taken and (full or size_bytes > limits.block_bytes or budget > limits.block_budget):
                    return taken
                taken.append(transaction)
                if served == ENTRY_TURN and lines:
                    lines.append(line)
                    break
        return taken

    def take_up(self, transactions: Iterable[Transaction]) -> None:
        """These are under way now; those that do not wait are passed over."""
        for transaction in transactions:
            entry = self._entry_of.get(transaction.id)
            if entry is not None:
                self._fresh[entry].pop(transaction.id, None)

    def release(self, but: Iterable[Transaction] = ()) -> None:
        """What was under way may have come to nothing: all is to be taken again, in the order of arrival."""
        self._fresh = {}
        for transaction_id, transaction in self._waiting.items():
            self._fresh.setdefault(self._entry_of[transaction_id], {})[transaction_id] = transaction
        self.take_up(but)

    def remove(self, transaction_ids: Iterable[TransactionId | None]) -> None:
        """Forget those of a committed block; ids that do not wait are passed over."""
        for transaction_id in transaction_ids:
            if transaction_id is not None:
                self._forget(transaction_id)
                self._gone[transaction_id] = None
        for oldest in list(islice(self._gone, max(0, len(self._gone) - MEMPOOL_GONE))):
            del self._gone[oldest]

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
            entry = self._entry_of.pop(transaction_id)
            del self._arrivals[transaction_id]
            self._fresh[entry].pop(transaction_id, None)
            _take_one(self._held, entry)
            _take_one(self._created, transaction.body.creator)
            self._size_bytes -= len(transaction.raw)


def _full(why: str) -> MempoolFull:
    return MempoolFull(f"{why}: try again in {RETRY_ADVICE_MS} ms", retry_ms=RETRY_ADVICE_MS)


def _take_one(counts: Counter[_Counted], key: _Counted) -> None:
    """One less, and none kept at zero: what is counted comes from outside."""
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


def _valid_until_ms(transaction: Transaction) -> int:
    replay = transaction.body.replay
    return replay.valid_until_ms if isinstance(replay, Nonce) else _NO_END_MS


def _fits(transaction: Transaction, limits: Parameters) -> bool:
    return len(transaction.body_bytes) <= limits.body_bytes and transaction.body.budget <= limits.budget
