"""The one check per node of what every envelope must hold by itself, wherever it came from.

Form, chain, kind, size, declared budget, strict arguments and signature: none of it depends on the
state, so any two nodes agree for ever. Registration, validity, replay and roles are the state's
business (`node.door` before the mempool, the executor for good).

Verifying a signature costs more than all else together. Its verdict is remembered by the envelope's
hash, so that an envelope met again (a resend, a proposal, a block) is not verified twice; and many are
checked in chunks between which the event loop serves others. No threads: a verifying thread beside a
busy loop gets a hundredth of its speed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from ledgernode.config import QUERY_BUDGET, VERDICT_CACHE, VERIFY_CHUNK
from ledgernode.errors import (
    BadSignature,
    BudgetOutOfRange,
    LedgerError,
    MalformedTransaction,
    TransactionTooLarge,
    WrongChain,
)
from ledgernode.identity.keys import verify_digest
from ledgernode.wire.arguments import check_arguments
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.transaction import Kind, Transaction, parse_transaction
from ledgernode.wire.types import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, ChainId

Checked = Transaction | LedgerError
_ENVELOPE_EXTRA = PUBLIC_KEY_BYTES + SIGNATURE_BYTES


class Admission:
    """Checks envelopes of one ledger. `verified` counts the signatures it really verified."""

    def __init__(self, chain_id: ChainId, parameters: Callable[[], Parameters], *, cache: int = VERDICT_CACHE) -> None:
        self._chain_id = chain_id
        self._parameters = parameters
        self._cache = cache
        self._verdicts: dict[bytes, bool] = {}
        self.verified = 0

    def check(self, raw: bytes, kind: Kind = Kind.TRANSACTION) -> Transaction:
        """The parsed envelope; refuses with the leaf that names what does not hold."""
        limits = self._parameters()
        if len(raw) > limits.body_bytes + _ENVELOPE_EXTRA:
            raise TransactionTooLarge(f"a body has at most {limits.body_bytes} bytes, this one {_body_size(raw)}")
        transaction = parse_transaction(raw)
        body = transaction.body
        if body.kind is not kind:
            raise MalformedTransaction(f"a {kind.name.lower()} is asked for, this is a {body.kind.name.lower()}")
        if body.chain_id != self._chain_id:
            raise WrongChain(f"the body names chain {body.chain_id.hex()[:16]}, this is {self._chain_id.hex()[:16]}")
        budget_limit = limits.budget if kind is Kind.TRANSACTION else QUERY_BUDGET
        if not 0 < body.budget <= budget_limit:
            raise BudgetOutOfRange(f"a {kind.name.lower()} declares a budget of 1 to {budget_limit}, not {body.budget}")
        check_arguments(body.arguments, limits.arguments_depth)
        if not self._signature_holds(transaction):
            raise BadSignature("the signature is malformed, not low-s, or not of this key over this body")
        return transaction

    async def check_many(self, envelopes: Sequence[bytes]) -> AsyncIterator[list[Checked]]:
        """Each envelope's parsed form or its refusal, in order, by the chunk: between two, others are served."""
        for start in range(0, len(envelopes), VERIFY_CHUNK):
            yield [self.checked(raw) for raw in envelopes[start : start + VERIFY_CHUNK]]

    def checked(self, raw: bytes) -> Checked:
        """The parsed envelope, or its refusal."""
        try:
            return self.check(raw)
        except LedgerError as refusal:
            return refusal

    def _signature_holds(self, transaction: Transaction) -> bool:
        known = self._verdicts.pop(transaction.envelope_hash, None)
        if known is None:
            known = verify_digest(transaction.public_key, transaction.id, transaction.signature)
            self.verified += 1
            if len(self._verdicts) >= self._cache:
                del self._verdicts[next(iter(self._verdicts))]
        self._verdicts[transaction.envelope_hash] = known
        return known


def _body_size(raw: bytes) -> int:
    return len(raw) - _ENVELOPE_EXTRA
