"""Block 0: the same file, the same block; and a ledger that knows its founders."""

from __future__ import annotations

import pytest

from ledgernode.errors import BadGenesis
from ledgernode.execution.genesis import genesis_block
from ledgernode.execution.ledger_view import LedgerView, RecordCache
from ledgernode.identity.records import Role, effective, signing_set
from ledgernode.store.chain import ChainStore
from ledgernode.store.lattice import EMPTY
from ledgernode.store.memory import MemoryStore
from ledgernode.testing import START_MS, TestLedger
from ledgernode.wire.genesis import chain_id
from ledgernode.wire.merkle import EMPTY_ROOT
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import ZERO_HASH, Height, TimeMs
from ledgernode.wire.validators import set_hash


def test_same_file_gives_the_same_block() -> None:
    """To the byte, and another file another one: its chain id is the file's."""
    raw = TestLedger().genesis_bytes
    sealed = genesis_block(raw)
    assert genesis_block(raw) == sealed
    header = sealed.header
    assert (header.height, header.epoch, header.time_ms, header.parent_hash) == (0, 0, START_MS, ZERO_HASH)
    assert header.chain_id == chain_id(raw)
    assert (header.transaction_root, header.receipts_root) == (EMPTY_ROOT, EMPTY_ROOT)
    assert header.current_set == header.next_set == set_hash(sealed.current_set)
    assert genesis_block(TestLedger().genesis_bytes).header != header


def test_ledger_knows_its_founders_from_the_start() -> None:
    """Parameters, organisations, admins and validators are state, committed like any other."""
    ledger = TestLedger(organisations=("north", "south"), parameters=Parameters(validity_ms=60_000))
    sealed = genesis_block(ledger.genesis_bytes)
    chain = ChainStore.create(MemoryStore(), sealed)
    with chain.state() as view:
        known = LedgerView(view, RecordCache(), Height(1), TimeMs(START_MS + 1))
        assert known.parameters.validity_ms == 60_000
        for name in ("north", "south"):
            admin = ledger.admin(name)
            record, organisation = known.identity(admin.id), known.organisation(name)
            assert record is not None
            assert organisation is not None
            assert (record.role, record.organisation) == (Role.ADMIN, name)
            assert known.signer(admin.identity, admin.key.public_key).refusal is None
        assert signing_set(effective(known.validators(), 1)) == sealed.current_set
        assert EMPTY.updated((), view.scan(b"", None)).commitment() == sealed.header.state_commitment


def test_file_that_makes_no_ledger_is_refused() -> None:
    """Not JSON, or with a certificate that is not its organisation's."""
    with pytest.raises(BadGenesis):
        genesis_block(b"{}")
    raw = TestLedger().genesis_bytes.replace(b'"python_version": "3.11"', b'"python_version": "3.12"')
    with pytest.raises(BadGenesis):
        genesis_block(raw)
