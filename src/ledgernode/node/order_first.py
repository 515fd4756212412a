"""Where order comes before any check, as with a log: what of it depends on nothing, and what on the ledger's limits.

An engine that votes refuses a proposal that does not hold, by the limits of about now, and a majority settles the rest.
A log asks nobody. So a batch is checked twice, each time by what is the same for all validators: before it is delivered
form and signatures, by the widest limits there can be, and as it is executed the limits in force at its height. One
that goes beyond those makes an empty block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from ledgernode.errors import LedgerError
from ledgernode.node.admission import Admission
from ledgernode.node.checking import Checker
from ledgernode.node.mempool import Mempool
from ledgernode.wire.arguments import check_arguments
from ledgernode.wire.parameters import LIMITS, Parameters
from ledgernode.wire.transaction import Transaction
from ledgernode.wire.types import ChainId

if TYPE_CHECKING:
    from ledgernode.node.tracing import TracedLedger

WIDEST: Final = msgspec.structs.replace(Parameters(), **{name: highest for name, (_, highest) in LIMITS.items()})


class OrderFirstChecker(Checker):
    """Form, chain and signatures: a verdict that no two validators, and no two moments, differ in."""

    def __init__(self, chain_id: ChainId, mempool: Mempool, traces: TracedLedger | None = None) -> None:
        super().__init__(Admission(chain_id, lambda: WIDEST), mempool, traces)
        super().limits_now(WIDEST)

    def limits_now(self, limits: Parameters) -> None:
        """Those in force are asked when the batch is executed."""


def fits(transactions: Sequence[Transaction], limits: Parameters) -> bool:
    """May these make a block by the limits at its beginning? One alone may fill it as it likes."""
    if not all(_is_within(transaction, limits) for transaction in transactions):
        return False
    size_bytes = sum(len(transaction.raw) for transaction in transactions)
    budget = sum(transaction.body.budget for transaction in transactions)
    within = len(transactions) <= limits.block_transactions and size_bytes <= limits.block_bytes
    return (within and budget <= limits.block_budget) or len(transactions) == 1


def _is_within(transaction: Transaction, limits: Parameters) -> bool:
    body = transaction.body
    if len(transaction.body_bytes) > limits.body_bytes or not 0 < body.budget <= limits.budget:
        return False
    try:
        check_arguments(body.arguments, limits.arguments_depth)
    except LedgerError:
        return False
    return True
