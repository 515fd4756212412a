"""A node restored from a snapshot decides as those that saw every block, though it never had their index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledgernode.consensus.certifier import check_certificate
from ledgernode.execution.block import Executor
from ledgernode.execution.genesis import genesis_block
from ledgernode.execution.replay import remembered
from ledgernode.identity.keys import verify
from ledgernode.store.memory import MemoryStore
from ledgernode.store.snapshot import create_snapshot, restore_snapshot
from ledgernode.wire.block import Batch, Header
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.transaction import Transaction
from ledgernode.wire.types import Height, TimeMs
from ledgernode.wire.validators import Certificate, ValidatorSet
from tests.execution.probe import ProbeLedger, named

pytestmark = pytest.mark.slow


def _check(header: Header, certificate: Certificate, validators: ValidatorSet) -> None:
    check_certificate(header, certificate, validators, verify)


def test_restored_node_seals_the_same_block_of_old_and_new_transactions(tmp_path: Path) -> None:
    """Live, expired, refused, too far, numbered: every kind of repetition gets the receipt it gets elsewhere."""
    ledger = ProbeLedger()

    def signed(**options: Any) -> Transaction:
        def count(ctx: Any) -> None:
            ctx.put("n", (ctx.get("n") or 0) + 1)

        return ledger.sign(ledger.alice, "probe", "act", {"action": named(count)}, **options)

    ledger.run(lambda ctx: ctx.schedule("t", ctx.time_ms + 61_000, "act", action=named(lambda c: c.put("t", 1))))
    old = [
        signed(valid_for_ms=5_000),
        signed(valid_for_ms=120_000),
        signed(valid_for_ms=700_000),
        signed(sequence=3),
        signed(sequence=5_000),
    ]
    ledger.block(*old)
    ledger.advance(minutes=1)
    ledger.block(signed())
    create_snapshot(ledger.chain, tmp_path / "snapshot")
    restored = restore_snapshot(
        tmp_path / "snapshot",
        MemoryStore(),
        genesis_block(ledger.genesis_bytes),
        check_certificate=_check,
        remembered=remembered,
    )

    transactions = [*old, signed(), signed(sequence=4), old[1]]
    head = ledger.chain.head
    batch = Batch(
        head.epoch,
        Height(head.height + 1),
        TimeMs(head.time_ms + 50_000),
        tuple(transaction.raw for transaction in transactions),
    )
    there = ledger.executor.execute(batch, transactions)
    here = Executor(restored, ledger.contracts).execute(batch, transactions)
    assert [parse_receipt(raw).code for raw in there.receipts] == [
        "OK",
        "TRANSACTION_EXPIRED",
        "TRANSACTION_DUPLICATE",
        "TRANSACTION_DUPLICATE",
        "SEQUENCE_REPLAYED",
        "TRANSACTION_DUPLICATE",
        "OK",
        "OK",
        "TRANSACTION_DUPLICATE",
    ]
    assert here.header == there.header
    assert here.receipts == there.receipts
    assert here.changes == there.changes
