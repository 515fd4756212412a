"""Conservation, recomputed: what `ledgernode audit` does.

`verify` shows that the blocks are what the contracts made of the transactions; an audit shows that what they made
adds up. Nothing is taken from a contract's word where it can be summed anew from records and events: a law knows the
records alone, and imports nothing of a contract. What a contract can recompute itself it is asked besides.

    law        what a law is: terms that add up, records without a flaw, changes that a transaction may make
    journal    the range's blocks walked back: what each transaction told, and what it wrote
    books      the records as they stood after the range
    run        the laws over both; the first break, with its block, transaction and sums

and one module for each kind of law: `currency`, `escrows`, `intervals`, `days`, `movements`, `feeders`,
`prepaid`, `tokens`, `returns`, `invoices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledgernode.audit.currency import Statement, Supply
from ledgernode.audit.days import Days
from ledgernode.audit.escrows import Purposes
from ledgernode.audit.feeders import Reports
from ledgernode.audit.intervals import Classes
from ledgernode.audit.invoices import Invoices
from ledgernode.audit.law import Finding, Law, Range
from ledgernode.audit.movements import Movements
from ledgernode.audit.prepaid import Balances
from ledgernode.audit.returns import Returns
from ledgernode.audit.run import AuditReport, Progress, audit_with
from ledgernode.audit.tokens import Lives
from ledgernode.store.chain import ChainStore
from ledgernode.wire.types import Height

__all__ = ["LAWS", "AuditReport", "Finding", "Law", "Progress", "Range", "audit"]

LAWS: Final[tuple[type[Law], ...]] = (
    Supply,
    Statement,
    Purposes,
    Classes,
    Days,
    Movements,
    Reports,
    Balances,
    Lives,
    Returns,
    Invoices,
)
"""In the order in which they are reported."""


def _silent(_done: int, _total: int) -> None:
    """Nobody watches."""


def audit(
    chain: ChainStore,
    *,
    first: Height | None = None,
    last: Height | None = None,
    laws: Sequence[type[Law]] = LAWS,
    progress: Progress = _silent,
) -> AuditReport:
    """Judge every law over blocks `first` to `last`: by default from the earliest that is here, to the head.

    Refuses with AuditFailed, naming the law and the first break: block, transaction (in the facts, whole), what does
    not add up, and the sums; with Pruned where this node does not have what the range needs.
    """
    return audit_with(chain, laws, first, last, progress)
