"""Checking proposals for the engine: every envelope must hold by itself, and together they fit a block.

What was admitted here or forwarded to us is known already and costs a look-up; the signatures of the rest are
verified by the chunk, so that a proposal full of strangers delays nobody. Limits that were in force a moment ago
count as well: a proposal is on its way while a decision lowers them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from ledgernode.config import FORMER_LIMITS, VERIFY_CHUNK
from ledgernode.consensus.engine import Validate
from ledgernode.errors import LedgerError
from ledgernode.node.admission import Admission
from ledgernode.node.mempool import Mempool
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.transaction import Transaction, parse_transaction
from ledgernode.wire.types import sha256

if TYPE_CHECKING:
    from ledgernode.node.tracing import TracedLedger


class Verdict(msgspec.Struct, frozen=True):
    digest: bytes
    holds: bool


class _Check(msgspec.Struct):
    digest: bytes
    envelopes: Sequence[bytes]
    done: int = 0
    budget: int = 0


class Checker:
    """Proposals in the order they were asked for."""

    def __init__(self, admission: Admission, mempool: Mempool, traces: TracedLedger | None = None) -> None:
        self._traces = traces
        self._admission = admission
        self._mempool = mempool
        self._checks: deque[_Check] = deque()
        self._limits: deque[Parameters] = deque(maxlen=FORMER_LIMITS)

    def __bool__(self) -> bool:
        return bool(self._checks)

    def ask(self, validate: Validate) -> None:
        self._checks.append(_Check(validate.digest, validate.envelopes))

    def limits_now(self, limits: Parameters) -> None:
        """After each block: the limits then in force."""
        self._limits.append(limits)

    def go_on(self) -> list[Verdict]:
        """Check on, for about a chunk of unknown signatures; the verdicts that came of it."""
        verdicts: list[Verdict] = []
        until = self._admission.verified + VERIFY_CHUNK
        while self._checks and self._admission.verified < until:
            check = self._checks[0]
            holds = self._advance(check, until)
            if holds is not None:
                self._checks.popleft()
                verdicts.append(Verdict(check.digest, holds))
        return verdicts

    def _advance(self, check: _Check, until: int) -> bool | None:
        if not check.done and not any(_has_room(check.envelopes, limits) for limits in self._limits):
            return False
        while check.done < len(check.envelopes):
            if self._admission.verified >= until:
                return None
            try:
                transaction = self.transaction(check.envelopes[check.done])
            except LedgerError:
                return False
            if self._traces is not None:
                self._traces.taken_up((transaction,))
            check.budget += transaction.body.budget
            check.done += 1
        return any(check.budget <= limits.block_budget for limits in self._limits) or check.done == 1

    def transaction(self, raw: bytes) -> Transaction:
        """The envelope as it waits here, or checked now. Refuses with what does not hold."""
        return self._mempool.by_envelope(sha256(raw)) or self._admission.check(raw)

    def agreed(self, raw: bytes) -> Transaction:
        """An envelope of a decided batch: others have checked it, by the limits of its day."""
        return self._mempool.by_envelope(sha256(raw)) or parse_transaction(raw)


def _has_room(envelopes: Sequence[bytes], limits: Parameters) -> bool:
    fits = len(envelopes) <= limits.block_transactions and sum(map(len, envelopes)) <= limits.block_bytes
    return fits or len(envelopes) == 1
