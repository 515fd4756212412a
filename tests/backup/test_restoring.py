"""A node filled from a backup has what the node had that it was made of, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledgernode.backup.restoring import Restored, Way, restore_backup
from ledgernode.errors import BackupInvalid, ChainInvalid, DatabaseForeign, Pruned, UnknownBackup
from ledgernode.store import failpoint
from ledgernode.store.chain import ChainStore
from ledgernode.store.failpoint import Action
from ledgernode.store.kv import KeyValueStore, Table
from ledgernode.store.memory import MemoryStore
from ledgernode.testing import TestLedger
from ledgernode.verification import verify_chain
from ledgernode.wire.types import Height
from tests.backup.conftest import back_up, grow

EVERYTHING = [table for table in Table if table is not Table.VOTES]
OF_BLOCKS = [Table.HEADERS, Table.BATCHES, Table.RECEIPTS, Table.CERTIFICATES, Table.HASHES, Table.SETS]


def rows(kv: KeyValueStore, table: Table) -> dict[bytes, bytes]:
    with kv.reader() as reader:
        return dict(reader.scan(table))


def require_same(kv: KeyValueStore, ledger: TestLedger, tables: list[Table]) -> None:
    for table in tables:
        assert rows(kv, table) == rows(ledger._store, table), table


def restored(folder: Path, ledger: TestLedger, kv: KeyValueStore, **options: object) -> Restored:
    return restore_backup(folder, kv, ledger.genesis_bytes, **options)  # type: ignore[arg-type]


def test_by_execution_every_table_is_the_same(ledger: TestLedger, tmp_path: Path) -> None:
    """State, blocks, histories, past heights, index and certificates, to the byte."""
    back_up(ledger, tmp_path)
    kv = MemoryStore()
    found = restored(tmp_path, ledger, kv)
    assert found.head == ledger.chain.head
    assert (found.base, found.way, found.blocks_executed) == (0, Way.EXECUTION, ledger.height)
    require_same(kv, ledger, EVERYTHING)


def test_from_a_state_the_blocks_before_it_are_there_and_their_results_certain(
    ledger: TestLedger, tmp_path: Path
) -> None:
    """All that `verify` asks for; only histories begin with the state."""
    back_up(ledger, tmp_path)
    grow(ledger, 7)
    back_up(ledger, tmp_path, with_state=False)
    kv = MemoryStore()
    found = restored(tmp_path, ledger, kv, way=Way.STATE)
    base = ledger.height - 7
    assert (found.base, found.blocks_executed, found.way) == (base, 7, Way.STATE)
    require_same(kv, ledger, [*OF_BLOCKS, Table.STATE])
    chain = ChainStore.open(kv, ledger.chain.chain_id)
    assert verify_chain(chain, ledger.genesis_bytes).re_executed
    for height in range(1, base + 1):
        for position, raw in enumerate(ledger.chain.receipts(Height(height))):
            assert raw == chain.receipts(Height(height))[position]
    with pytest.raises(Pruned), chain.state_at(Height(base - 1)):
        pass


def test_from_a_state_each_transaction_is_found_where_it_had_effect(ledger: TestLedger, tmp_path: Path) -> None:
    """Repeated ones too: the first inclusion stands."""
    back_up(ledger, tmp_path)
    kv = MemoryStore()
    restored(tmp_path, ledger, kv, way=Way.STATE)
    chain = ChainStore.open(kv, ledger.chain.chain_id)
    index = rows(ledger._store, Table.INDEX)
    assert len(index) > 10
    again = rows(kv, Table.INDEX)
    assert {key: again.get(key) for key in index} == index
    assert {value for key, value in again.items() if key not in index} <= set(index.values())
    assert chain.set_changes() == ledger.chain.set_changes()


@pytest.mark.parametrize("way", Way)
def test_at_an_earlier_height_it_is_as_it_was(ledger: TestLedger, tmp_path: Path, way: Way) -> None:
    """Point in time: the state commitment is that of the block's own header."""
    back_up(ledger, tmp_path)
    height = ledger.height + 3
    grow(ledger, 8)
    back_up(ledger, tmp_path)
    kv = MemoryStore()
    found = restored(tmp_path, ledger, kv, height=height, way=way)
    assert found.head == ledger.chain.header(Height(height))
    chain = ChainStore.open(kv, ledger.chain.chain_id)
    with chain.state() as now, ledger.chain.state_at(Height(height)) as then:
        assert dict(now.scan(b"", None)) == dict(then.scan(b"", None))


@pytest.mark.parametrize("way", Way)
def test_goes_on_with_a_later_backup(ledger: TestLedger, tmp_path: Path, way: Way) -> None:
    """The same node, filled further: only what is new is executed."""
    back_up(ledger, tmp_path)
    kv = MemoryStore()
    restored(tmp_path, ledger, kv, way=way)
    grow(ledger, 4)
    back_up(ledger, tmp_path)
    assert restored(tmp_path, ledger, kv).blocks_executed == 4
    require_same(kv, ledger, OF_BLOCKS)
    assert restored(tmp_path, ledger, kv).blocks_executed == 0


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("moment", [1, 2, 3, 4, 5])
def test_cut_short_anywhere_it_goes_on(ledger: TestLedger, tmp_path: Path, way: Way, moment: int) -> None:
    """Whatever write is the last: until the end no half chain opens, afterwards all is there."""
    back_up(ledger, tmp_path)
    grow(ledger, 6)
    back_up(ledger, tmp_path, with_state=False)
    kv = _Failing(moment)
    with pytest.raises(OSError, match="cut short"):
        restored(tmp_path, ledger, kv, way=way)
    assert restored(tmp_path, ledger, kv, way=way).head == ledger.chain.head
    require_same(kv, ledger, [*OF_BLOCKS, Table.STATE])


class _Failing(MemoryStore):
    """Its write with this number fails, once, with nothing written."""

    def __init__(self, moment: int) -> None:
        super().__init__()
        self._left = moment

    def write(self, writes: object) -> None:
        self._left -= 1
        if self._left == 0:
            raise OSError("cut short")
        super().write(writes)  # type: ignore[arg-type]


def test_a_height_that_the_backup_does_not_reach_is_refused(ledger: TestLedger, tmp_path: Path) -> None:
    back_up(ledger, tmp_path)
    with pytest.raises(UnknownBackup, match="ends with block"):
        restored(tmp_path, ledger, MemoryStore(), height=ledger.height + 1)
    with pytest.raises(UnknownBackup):
        restored(tmp_path / "nothing", ledger, MemoryStore())


def test_a_database_that_went_another_way_is_left_alone(ledger: TestLedger, tmp_path: Path) -> None:
    """It is longer, or has another block."""
    short, other = ledger.copy(), ledger.copy()
    back_up(ledger, tmp_path)
    grow(short, 1)
    with pytest.raises(DatabaseForeign, match="stands at block"):
        restored(tmp_path, ledger, short._store)
    grow(ledger, 2)
    back_up(ledger, tmp_path)
    other.advance(minutes=1)
    grow(other, 1)
    before = rows(other._store, Table.STATE)
    with pytest.raises(DatabaseForeign, match="another block"):
        restored(tmp_path, ledger, other._store)
    assert rows(other._store, Table.STATE) == before


def test_a_damaged_part_is_named_and_nothing_beyond_it_is_taken(ledger: TestLedger, tmp_path: Path) -> None:
    back_up(ledger, tmp_path)
    parts = sorted(tmp_path.glob("blocks-*"))
    raw = bytearray(parts[1].read_bytes())
    raw[len(raw) // 2] ^= 1
    parts[1].write_bytes(raw)
    kv = MemoryStore()
    with pytest.raises(BackupInvalid, match=parts[1].name):
        restored(tmp_path, ledger, kv)
    assert ChainStore.open(kv, ledger.chain.chain_id).head.height < 10


def test_what_other_software_would_have_decided_is_not_taken(
    ledger: TestLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certified block that gives another result here: this node must not go on with it."""
    back_up(ledger, tmp_path)
    monkeypatch.setattr("ledgernode.execution.replay_guard.ReplayGuard.duplicate", lambda *_: None)
    with pytest.raises(ChainInvalid, match="executed again"):
        restored(tmp_path, ledger, MemoryStore())


def test_blocks_without_a_certificate_come_back_without_one(ledger: TestLedger, tmp_path: Path) -> None:
    """Of a stopped validator: what it had executed and nobody had certified yet. It will sign them again."""
    grow(ledger, 6)
    key = ledger.height.to_bytes(8, "big")
    certified = Height(ledger.height - 1)
    ledger._store.write([(Table.CERTIFICATES, key, None), (Table.META, b"certified", certified.to_bytes(8, "big"))])
    ledger._stand_on(ChainStore.open(ledger._store, ledger.chain.chain_id))
    back_up(ledger, tmp_path / "certified")
    assert restored(tmp_path / "certified", ledger, MemoryStore()).head.height == certified
    back_up(ledger, tmp_path / "all", uncertified=True)
    kv = MemoryStore()
    assert restored(tmp_path / "all", ledger, MemoryStore()).head.height == certified  # nobody vouches for the others
    found = restored(tmp_path / "all", ledger, kv, uncertified=True)
    assert (found.head, found.certified_height) == (ledger.chain.head, certified)
    require_same(kv, ledger, EVERYTHING)


def test_a_full_disk_is_said_and_the_restore_goes_on(ledger: TestLedger, tmp_path: Path) -> None:
    back_up(ledger, tmp_path)
    kv = MemoryStore()
    failpoint.arm("restore.before_completion", 1, Action.FULL)
    with pytest.raises(OSError, match="space"):
        restored(tmp_path, ledger, kv, way=Way.STATE)
    assert restored(tmp_path, ledger, kv, way=Way.STATE).head == ledger.chain.head
