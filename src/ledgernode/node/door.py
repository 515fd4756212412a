"""The entry node's door: what its own state refuses is refused at once, with the code execution would give.

Execution decides for good; the door spares blocks from what is bound to fail, and tells callers sooner. It
reads the state after the last block and a time that is the next block's at the earliest: the later of the
node's clock and chain time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledgernode.errors import (
    DuplicateTransaction,
    LedgerError,
    SequenceReplayed,
    TransactionExpired,
    ValidityTooFar,
)
from ledgernode.execution.contracts import TRANSACTION, Contracts, callable_function
from ledgernode.execution.ledger_view import LedgerView, RecordCache
from ledgernode.execution.replay import LONGEST_VALIDITY_MS, admit, read_window, sequence_state
from ledgernode.node.admission import Checked
from ledgernode.store.chain import ChainStore
from ledgernode.store.state import StateView
from ledgernode.wire.transaction import Nonce, Transaction
from ledgernode.wire.types import Height, TimeMs, TransactionId


class Door:
    """Looks at batches of transactions that hold by themselves (`node.admission`)."""

    def __init__(self, chain: ChainStore, contracts: Contracts, clock_ms: Callable[[], TimeMs]) -> None:
        self._chain = chain
        self._contracts = contracts
        self._clock_ms = clock_ms
        self._cache = RecordCache()

    def check_many(self, transactions: Sequence[Checked]) -> list[Checked]:
        """The same, with a refusal in place of each transaction that the state refuses."""
        with self._chain.newest() as (head, state):
            time_ms = TimeMs(max(self._clock_ms(), head.time_ms + 1))
            view = LedgerView(state, self._cache, Height(head.height + 1), time_ms)
            known = self._committed(transactions, time_ms - LONGEST_VALIDITY_MS)
            return [
                found if isinstance(found, LedgerError) else self._check(found, view, state, known)
                for found in transactions
            ]

    def _committed(self, transactions: Sequence[Checked], since_ms: int) -> frozenset[TransactionId]:
        """Of those with a nonce, which stand in the chain: none can have come earlier than its validity."""
        ids = [found.id for found in transactions if isinstance(found, Transaction) and _nonce(found) is not None]
        return frozenset(self._chain.locate_since(ids, max(0, since_ms))) if ids else frozenset()

    def _check(
        self, transaction: Transaction, view: LedgerView, state: StateView, known: frozenset[TransactionId]
    ) -> Checked:
        try:
            if transaction.id in known:
                raise DuplicateTransaction("this transaction is in the chain already: ask for its status by its id")
            body = transaction.body
            signer = view.signer(body.creator, transaction.public_key)
            refusal = signer.refusal_of(body.contract, body.function)
            if refusal is not None:
                raise refusal
            self._check_replay(transaction, view, state)
            callable_function(self._contracts.resolve(body.contract, view), body.function, (TRANSACTION,), signer.role)
        except LedgerError as refusal:
            return refusal
        return transaction

    def _check_replay(self, transaction: Transaction, view: LedgerView, state: StateView) -> None:
        nonce = _nonce(transaction)
        if nonce is None:
            self._check_sequence(transaction, view, state)
        else:
            check_validity(nonce.valid_until_ms, view.time_ms, view.parameters.validity_ms)

    def _check_sequence(self, transaction: Transaction, view: LedgerView, state: StateView) -> None:
        number = transaction.body.replay.number  # type: ignore[union-attr]  # the other of the two modes
        window = read_window(state.get(sequence_state(transaction.body.creator)))
        try:
            admit(window, number, view.parameters.sequence_window)
        except SequenceReplayed:
            if self._chain.locate(transaction.id) is None:
                raise
            raise DuplicateTransaction("this transaction is in the chain already") from None


def check_validity(valid_until_ms: int, time_ms: int, validity_ms: int) -> None:
    """Refuses what has ended, and what ends later than the ledger allows."""
    if valid_until_ms < time_ms:
        raise TransactionExpired(f"valid until {valid_until_ms}, and it is {time_ms}")
    if valid_until_ms > time_ms + validity_ms:
        raise ValidityTooFar(f"valid until {valid_until_ms}, at most {validity_ms} ms after {time_ms} are allowed")


def _nonce(transaction: Transaction) -> Nonce | None:
    replay = transaction.body.replay
    return replay if isinstance(replay, Nonce) else None
