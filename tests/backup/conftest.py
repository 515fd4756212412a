"""A ledger with a contract, refusals, duplicates and timers, copied for each test; and its backups."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest

from ledgernode.backup.creating import ChainSource, Created, create_backup
from ledgernode.testing import TestLedger

COUNTER = '''"""A counter that also counts by a timer."""

from chaincode.api import Context, Contract, Refusal, transaction


class TooMuch(Refusal):
    """It counts to a thousand."""

    code = "TOO_MUCH"


class Counter(Contract):
    name = "counter"
    version = "1.0.0"

    @transaction
    def add(self, ctx: Context, amount: int) -> int:
        count = (ctx.get("count", int) or 0) + amount
        if count > 1_000:
            raise TooMuch("it counts to a thousand")
        ctx.put("count", count)
        ctx.put(f"step {count:04d}", "x" * 50)
        return count

    @transaction
    def forget(self, ctx: Context, count: int) -> None:
        ctx.delete(f"step {count:04d}")

    @transaction
    def later(self, ctx: Context, delay_ms: int) -> None:
        ctx.schedule("later", ctx.time_ms + delay_ms, "add", amount=1)
'''


@lru_cache
def _founded() -> TestLedger:
    ledger = TestLedger()
    source = Path(__file__).with_name("counter.py")
    try:
        source.write_text(COUNTER)
        ledger.deploy(source)
    finally:
        source.unlink(missing_ok=True)
    someone = ledger.identity("someone")
    ledger.submit(someone, "counter", "later", delay_ms=1_000)
    twice = ledger.sign(someone, "counter", "add", {"amount": 5})
    ledger.block(twice, ledger.sign(someone, "counter", "add", {"amount": 5_000}))
    ledger.block(twice, ledger.sign(someone, "counter", "add", {"amount": 7}, sequence=3))
    ledger.block(ledger.sign(someone, "counter", "add", {"amount": 7}, sequence=3))
    ledger.advance(seconds=2)
    ledger.submit(someone, "counter", "forget", count=5)
    return ledger


@pytest.fixture
def ledger() -> TestLedger:
    return _founded().copy()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five blocks fill a segment, a few records a chunk."""
    monkeypatch.setattr("ledgernode.config.BACKUP_SEGMENT_BLOCKS", 5)
    monkeypatch.setattr("ledgernode.config.BACKUP_BLOCKS_PER_WRITE", 3)
    monkeypatch.setattr("ledgernode.config.SNAPSHOT_CHUNK_BYTES", 20_000)


def grow(ledger: TestLedger, blocks: int) -> None:
    admin = ledger.admin()
    for _ in range(blocks):
        ledger.block(ledger.sign(admin, "counter", "add", {"amount": 1}))


def back_up(ledger: TestLedger, folder: Path, **options: object) -> Created:
    uncertified = bool(options.pop("uncertified", False))
    source = ChainSource(ledger._store, ledger.genesis_bytes, uncertified=uncertified)
    return create_backup(source, folder, **options)  # type: ignore[arg-type]
