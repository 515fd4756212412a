"""What the ledger's answer means for an entry: it is done, refused for good, or to be tried again.

What stands in a block is settled, whatever its receipt says: the number is used. What a node refuses at its door may
be its own state (full, stopping), may change (a meter that is registered tomorrow), or can never be right.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from ledgernode.client import Outcome, Stage
from ledgernode.errors import (
    Broken,
    DuplicateTransaction,
    ExpiredSigner,
    Late,
    LedgerError,
    MempoolFull,
    Missing,
    RateLimited,
    RoleRefused,
    SequenceTooFar,
    SuspendedSigner,
    Unavailable,
    UnknownSigner,
    by_code,
)


class Verdict(Enum):
    SETTLED = auto()
    """It is in the chain: forget it, and tell the device what its receipt says."""
    REFUSED = auto()
    """It will never be in the chain: put it aside, and say so."""
    HOLD = auto()
    """Not yet: the device's lane waits, the others go on."""
    AGAIN = auto()
    """The nodes are at fault: try again."""


_NODES: Final = (Unavailable, Late, Broken, MempoolFull, RateLimited)
# someone may put these right: register the device, lift a suspension, renew a certificate, deploy a contract
_MENDABLE: Final = (UnknownSigner, SuspendedSigner, ExpiredSigner, RoleRefused, SequenceTooFar, Missing)


def judge(outcome: Outcome, kept_ms: int, give_up_ms: int) -> Verdict:
    """Of an entry that has been kept for so long. A code that this gateway does not know is never the end at once."""
    if outcome.stage is Stage.COMMITTED:
        return Verdict.SETTLED
    if outcome.stage is not Stage.REFUSED:
        return Verdict.AGAIN
    refusal = by_code(outcome.code)
    if issubclass(refusal, DuplicateTransaction):
        return Verdict.SETTLED
    if issubclass(refusal, _NODES):
        return Verdict.AGAIN
    if issubclass(refusal, _MENDABLE) or refusal is LedgerError:
        return Verdict.HOLD if kept_ms < give_up_ms else Verdict.REFUSED
    return Verdict.REFUSED
