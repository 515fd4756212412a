"""The replay rules over one block: what each transaction meets before it is called, and what is remembered.

    nonce     new (in no block, nor earlier in this one), then within its validity
    sequence  new in this block and not refused before, then a number of the identity's window

It asks the chain for all nonces of the block at once. What it decides depends on the state alone: the
index is asked only for nonces whose validity lasts, and those are in the state too (`execution.replay`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ledgernode.errors import DuplicateTransaction, LedgerError, SequenceReplayed, TransactionExpired, ValidityTooFar
from ledgernode.execution import replay
from ledgernode.execution.ledger_view import LedgerView
from ledgernode.execution.overlay import BlockOverlay
from ledgernode.store.chain import ChainStore
from ledgernode.store.index import Place
from ledgernode.store.state import record
from ledgernode.wire.transaction import Nonce, Transaction
from ledgernode.wire.types import IdentityId, TransactionId
from ledgernode.wire.versions import DUPLICATES_PLACED


class ReplayGuard:
    """`indexed` has an id for each transaction that came past it, None where the first receipt stays."""

    def __init__(
        self,
        chain: ChainStore,
        overlay: BlockOverlay,
        ledger: LedgerView,
        transactions: Sequence[Transaction],
        unsaved: Mapping[TransactionId, Place],
    ) -> None:
        self._chain = chain
        self._overlay = overlay
        self._limits = ledger.parameters
        self._height = ledger.height
        self._time_ms = ledger.time_ms
        self._unsaved = unsaved
        self._placed = ledger.execution >= DUPLICATES_PLACED
        self._seen: dict[TransactionId, int] = {}
        self._any_refused = replay.any_refused(overlay)
        self._remembered: list[tuple[TransactionId, int]] = []
        self._latest_ms = 0
        live = [transaction.id for transaction in transactions if self._lives(transaction)]
        self._known = chain.locate_since(live, max(0, self._time_ms - replay.LONGEST_VALIDITY_MS)) if live else {}
        self.indexed: list[TransactionId | None] = []

    def duplicate(self, transaction: Transaction, position: int) -> LedgerError | None:
        """Why this id is not new, or None."""
        place = self._first_place(transaction)
        if place is None:
            self._seen[transaction.id] = position
            return None
        self.indexed.append(None)
        where = f" in block {place[0]} at {place[1]}" if self._placed else ""
        return DuplicateTransaction(f"a transaction with this id is in the chain: its receipt stands{where}")

    def _first_place(self, transaction: Transaction) -> Place | None:
        """Where its id stands already; alike on every node, also on one that began from a snapshot."""
        named = transaction.id
        if named in self._seen:
            return self._height, self._seen[named]
        if self._lives(transaction):
            known = self._known.get(named) or self._unsaved.get(named)
            if known is not None:
                return known
        stored = self._overlay.get(replay.refused_state(named)) if self._any_refused else None
        return None if stored is None else replay.read_refused(stored)

    def admit(self, transaction: Transaction, position: int) -> LedgerError | None:
        """Use up its nonce or its number, or say why not: block time is no time for it, or the number is none."""
        nonce = transaction.body.replay
        if not isinstance(nonce, Nonce):
            try:
                self._consume(transaction.body.creator, nonce.number, position)
            except LedgerError as refusal:
                return refusal
        elif self._time_ms > nonce.valid_until_ms:
            return TransactionExpired(f"valid until {nonce.valid_until_ms} ms, and block time is {self._time_ms} ms")
        elif self._too_far(nonce):
            return ValidityTooFar(f"a transaction is valid for at most {self._limits.validity_ms} ms from block time")
        else:
            self._remember(transaction.id, nonce, position)
        self.indexed.append(transaction.id)
        return None

    def refused(self, transaction: Transaction, position: int, refusal: LedgerError) -> None:
        """It is refused: for ever, also where the rule that refused it could hold later."""
        nonce = transaction.body.replay
        if isinstance(nonce, Nonce) and not self._too_far(nonce):
            if self._lives(transaction):
                self._remember(transaction.id, nonce, position)
        elif not isinstance(refusal, SequenceReplayed):
            stored = record(self._height, position, replay.encode_refused(self._height, position))
            self._overlay.apply(position, replay.refused_state(transaction.id), stored)
        self.indexed.append(None if self._stands(transaction) else transaction.id)

    def finish(self, position: int) -> None:
        """Write the block's digest, and remove those that block time has passed."""
        for key in replay.forgettable(self._overlay, self._time_ms):
            self._overlay.apply(position, key, record(self._height, position, b""))
        if self._remembered:
            key = replay.digest_state(self._latest_ms, self._height)
            digest = replay.encode_digest(self._remembered)
            self._overlay.apply(position, key, record(self._height, position, digest))

    def _stands(self, transaction: Transaction) -> bool:
        """Has this id a receipt in an earlier block? Of a live nonce that is known to be not so."""
        if self._lives(transaction):
            return False
        return transaction.id in self._unsaved or self._chain.locate(transaction.id, self._time_ms) is not None

    def _consume(self, identity: IdentityId, number: int, position: int) -> None:
        key = replay.sequence_state(identity)
        window = replay.admit(replay.read_window(self._overlay.get(key)), number, self._limits.sequence_window)
        self._overlay.apply(position, key, record(self._height, position, replay.encode_window(window)))

    def _remember(self, named: TransactionId, nonce: Nonce, position: int) -> None:
        self._remembered.append((named, position))
        self._latest_ms = max(self._latest_ms, nonce.valid_until_ms)

    def _lives(self, transaction: Transaction) -> bool:
        nonce = transaction.body.replay
        return isinstance(nonce, Nonce) and self._time_ms <= nonce.valid_until_ms

    def _too_far(self, nonce: Nonce) -> bool:
        return nonce.valid_until_ms > self._time_ms + self._limits.validity_ms
