"""Is this a transaction that a gateway may keep? What can never be right is refused before it takes any room.

The gateway relays bytes as they were signed. It checks the signature, so that nobody fills its disk with noise; who the
signer is, and what it may do, the ledger decides.
"""

from __future__ import annotations

from typing import TypeAlias

from gateway.limits import Limits
from gateway.outbox.entry import Entry, Sender, lane_of
from ledgernode.errors import (
    BadSignature,
    MalformedTransaction,
    RoleRefused,
    SequenceNeeded,
    TransactionTooLarge,
    WrongChain,
)
from ledgernode.identity.keys import verify_digest
from ledgernode.wire.transaction import Kind, Sequence, parse_transaction
from ledgernode.wire.types import ChainId

Signers: TypeAlias = "bytes | frozenset[bytes]"
"""One creator or several; none: whoever."""


class Relay:
    """Of one ledger."""

    def __init__(self, chain_id: ChainId, limits: Limits) -> None:
        self._chain_id = chain_id
        self._limits = limits

    def checked(self, sender: Sender, envelope: bytes, now_ms: int, *, only: Signers = b"") -> Entry:
        """The entry it will be. `only`: the creators that this sender may bring, where it carries for nobody else.

        Raises TransactionTooLarge, MalformedTransaction, WrongChain, SequenceNeeded, RoleRefused, BadSignature.
        """
        limits = self._limits
        if len(envelope) > limits.transaction_bytes:
            raise TransactionTooLarge(f"a gateway takes at most {limits.transaction_bytes} bytes")
        transaction = parse_transaction(envelope)
        body = transaction.body
        if body.kind is not Kind.TRANSACTION:
            raise MalformedTransaction("a question is asked at a node, not kept for later")
        if body.chain_id != self._chain_id:
            raise WrongChain("this is signed for another ledger")
        if not isinstance(body.replay, Sequence):
            raise SequenceNeeded("what a gateway keeps has a sequence number, and no end of validity")
        if only and body.creator not in (only if isinstance(only, frozenset) else (only,)):
            raise RoleRefused("a device brings what it has signed itself")
        if not verify_digest(transaction.public_key, transaction.id, transaction.signature):
            raise BadSignature("the signature does not hold")
        lane = lane_of(sender.account, body.creator, transaction.public_key)
        return Entry(lane, body.replay.number, bytes(transaction.id), now_ms, envelope)
