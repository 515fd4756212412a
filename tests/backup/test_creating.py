"""Making a backup: only what is new, never a bad one in the place of a good one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ledgernode.backup.checking import verify_backup
from ledgernode.backup.creating import unhurried
from ledgernode.backup.folder import INDEX_FILE, Folder
from ledgernode.backup.restoring import Way, restore_backup
from ledgernode.errors import BackupForeign, BackupInUse, BackupInvalid, DiskFull, LedgerError, Pruned, UnknownBackup
from ledgernode.store import failpoint
from ledgernode.store.chain import ChainStore
from ledgernode.store.failpoint import Action
from ledgernode.store.kv import Table
from ledgernode.store.lmdb import LmdbStore
from ledgernode.store.looking import LookedAt
from ledgernode.store.memory import MemoryStore
from ledgernode.testing import TestLedger
from tests.backup.conftest import back_up, grow


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def blocks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("blocks-*"))


def test_a_backup_names_every_block_and_the_state(ledger: TestLedger, tmp_path: Path) -> None:
    made = back_up(ledger, tmp_path)
    index = Folder(tmp_path).index()
    assert index == made.index
    assert (index.first, index.last, index.certified_height) == (1, ledger.height, ledger.height)
    assert [state.height for state in index.states] == [ledger.height]
    assert made.blocks_added == ledger.height
    assert index.transactions == sum(
        ledger.chain.header(height).transactions  # type: ignore[arg-type]
        for height in range(1, ledger.height + 1)
    )
    assert index.size_bytes == made.bytes_written


def test_only_what_is_new_is_written(ledger: TestLedger, tmp_path: Path) -> None:
    """Full segments stay as they are; the last, shorter one is replaced by a longer one."""
    back_up(ledger, tmp_path, with_state=False)
    before = files(tmp_path)
    full = [name for name in blocks(tmp_path) if (int(name.split("-")[2]) - int(name.split("-")[1])) == 4]
    grow(ledger, 3)
    made = back_up(ledger, tmp_path, with_state=False)
    after = files(tmp_path)
    assert made.blocks_added == 3
    assert {name: after[name] for name in full} == {name: before[name] for name in full}
    assert made.bytes_written < sum(map(len, after.values())) / 2
    assert verify_backup(tmp_path, ledger.genesis_bytes).head == ledger.chain.head
    unchanged = files(tmp_path)
    assert back_up(ledger, tmp_path, with_state=False).bytes_written == 0
    assert files(tmp_path) == unchanged


def test_the_newest_states_stay(ledger: TestLedger, tmp_path: Path) -> None:
    heights = []
    for _ in range(4):
        back_up(ledger, tmp_path, keep=2)
        heights.append(ledger.height)
        grow(ledger, 1)
    assert [path.name for path in sorted(tmp_path.glob("state-*"))] == [
        f"state-{height:012d}" for height in heights[-2:]
    ]
    assert verify_backup(tmp_path, ledger.genesis_bytes).index.first == 1


@pytest.mark.parametrize("point", ["backup.before_segment", "backup.before_index", "snapshot.before_manifest"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_full_disk_leaves_the_backup_as_good_as_it_was(
    ledger: TestLedger, tmp_path: Path, point: str, count: int
) -> None:
    """It is refused with its code, holds afterwards, and the next one goes on."""
    back_up(ledger, tmp_path)
    last = ledger.height
    grow(ledger, 12)
    failpoint.arm(point, count, Action.FULL)
    try:
        back_up(ledger, tmp_path)
    except DiskFull:
        pass
    else:
        assert (point, count) == ("snapshot.before_manifest", 2)
    finally:
        failpoint._armed.clear()
    assert verify_backup(tmp_path, ledger.genesis_bytes).head.height >= last
    restore_backup(tmp_path, MemoryStore(), ledger.genesis_bytes, way=Way.STATE)
    back_up(ledger, tmp_path)
    assert verify_backup(tmp_path, ledger.genesis_bytes).head == ledger.chain.head
    assert len(list(tmp_path.glob("state-*"))) <= 2


_KILLED = """
import sys
from pathlib import Path
from ledgernode import config
from ledgernode.backup.creating import ChainSource, create_backup
from ledgernode.store.looking import LookedAt

config.BACKUP_SEGMENT_BLOCKS = 5
data, folder, genesis = map(Path, sys.argv[1:])
create_backup(ChainSource(LookedAt(data), genesis.read_bytes()), folder)
"""


def on_disk(ledger: TestLedger, folder: Path) -> None:
    kv = LmdbStore(folder)
    with ledger._store.reader() as reader:
        kv.write([(table, key, value) for table in Table for key, value in reader.scan(table)])
    kv.close()


@pytest.mark.slow
def test_a_backup_that_is_killed_is_whole_and_goes_on(ledger: TestLedger, tmp_path: Path) -> None:
    """SIGKILL at each of its steps, one after the other, while the chain grows."""
    data, folder, genesis = tmp_path / "data", tmp_path / "backup", tmp_path / "genesis.json"
    genesis.write_bytes(ledger.genesis_bytes)
    back_up(ledger, folder)
    for number, point in enumerate(("backup.before_index", "snapshot.before_manifest")):
        last = ledger.height
        grow(ledger, 6)
        on_disk(ledger, data / str(number))
        command = [sys.executable, "-c", _KILLED, str(data / str(number)), str(folder), str(genesis)]
        killed = subprocess.run(command, env={**os.environ, failpoint.VARIABLE: f"{point}:{2 - number}"}, check=False)
        assert killed.returncode == -signal.SIGKILL
        assert verify_backup(folder, ledger.genesis_bytes).head.height >= last
        back_up(ledger, folder)
        assert verify_backup(folder, ledger.genesis_bytes).head == ledger.chain.head


def test_another_ledgers_backup_is_left_as_it_is(ledger: TestLedger, tmp_path: Path) -> None:
    back_up(ledger, tmp_path)
    before = files(tmp_path)
    other = TestLedger()
    with pytest.raises(BackupForeign, match="of the ledger"):
        back_up(other, tmp_path)
    with pytest.raises(BackupForeign):
        verify_backup(tmp_path, other.genesis_bytes)
    with pytest.raises(BackupForeign):
        restore_backup(tmp_path, MemoryStore(), other.genesis_bytes)
    assert files(tmp_path) == before


def test_another_history_is_left_as_it_is(ledger: TestLedger, tmp_path: Path) -> None:
    """A validator set that signs two histories, or a single node that was set back: the backup is the witness."""
    other = ledger.copy()
    grow(ledger, 1)
    back_up(ledger, tmp_path)
    other.advance(minutes=1)
    grow(other, 3)
    before = files(tmp_path)
    with pytest.raises(BackupForeign, match="another block"):
        back_up(other, tmp_path)
    assert files(tmp_path) == before


def test_a_node_that_is_behind_adds_nothing(ledger: TestLedger, tmp_path: Path) -> None:
    behind = ledger.copy()
    grow(ledger, 3)
    back_up(ledger, tmp_path)
    before = files(tmp_path)
    assert back_up(behind, tmp_path).blocks_added == 0
    assert files(tmp_path) == before


def test_a_damaged_database_is_noticed_before_it_is_backed_up(ledger: TestLedger, tmp_path: Path) -> None:
    back_up(ledger, tmp_path)
    last = ledger.height
    grow(ledger, 2)
    receipts = ledger.chain.receipts(ledger.height)
    key = ledger.height.to_bytes(8, "big")
    with ledger._store.reader() as reader:
        raw = reader.get(Table.RECEIPTS, key)
    assert raw is not None
    assert receipts
    ledger._store.write([(Table.RECEIPTS, key, raw[:-1] + bytes((raw[-1] ^ 1,)))])
    with pytest.raises(LedgerError, match=r"node's chain.*receipts"):
        back_up(ledger, tmp_path, with_state=False)
    assert verify_backup(tmp_path, ledger.genesis_bytes).head.height == last


def test_a_node_that_began_from_a_snapshot_has_a_backup_from_there(ledger: TestLedger, tmp_path: Path) -> None:
    """Its blocks begin later: so does the backup, which then needs a state, and holds."""
    back_up(ledger, tmp_path / "first")
    grow(ledger, 3)
    back_up(ledger, tmp_path / "first")
    kv = MemoryStore()
    base = Folder(tmp_path / "first").index().states[0].height  # type: ignore[union-attr]
    restore_backup(tmp_path / "first", kv, ledger.genesis_bytes, way=Way.STATE, height=base)
    for table in (Table.BATCHES, Table.RECEIPTS):  # as one that never had them
        with kv.reader() as reader:
            kv.write([(table, key, None) for key, _ in reader.scan(table)])
    restore_backup(tmp_path / "first", kv, ledger.genesis_bytes)
    late = ledger.copy()
    late._store = kv
    late._stand_on(ChainStore.open(kv, ledger.chain.chain_id))
    with pytest.raises(Pruned, match="without a state"):
        back_up(late, tmp_path / "second", with_state=False)
    made = back_up(late, tmp_path / "third")
    assert (made.index.first, made.index.last) == (base + 1, ledger.height)
    assert verify_backup(tmp_path / "third", ledger.genesis_bytes).head == ledger.chain.head
    found = restore_backup(tmp_path / "third", MemoryStore(), ledger.genesis_bytes)
    assert (found.head, found.base) == (ledger.chain.head, ledger.height)
    with pytest.raises(UnknownBackup, match="no state"):
        restore_backup(tmp_path / "third", MemoryStore(), ledger.genesis_bytes, height=base + 1)
    grow(ledger, 1)
    back_up(ledger, tmp_path / "third")  # another node of the ledger goes on with it
    assert verify_backup(tmp_path / "third", ledger.genesis_bytes).head == ledger.chain.head


def test_two_at_once_are_refused(ledger: TestLedger, tmp_path: Path) -> None:
    with Folder(tmp_path).held(), pytest.raises(BackupInUse):
        back_up(ledger, tmp_path)
    back_up(ledger, tmp_path)


def test_what_another_wrote_into_the_folder_stays(ledger: TestLedger, tmp_path: Path) -> None:
    """What a backup that was cut short has left goes; a stranger's file does not."""
    back_up(ledger, tmp_path)
    (tmp_path / "README").write_text("ours")
    (tmp_path / "blocks-000000000900-000000000901").write_bytes(b"left")
    (tmp_path / "state-000000000900").mkdir()
    grow(ledger, 1)
    back_up(ledger, tmp_path)
    assert (tmp_path / "README").exists()
    assert not list(tmp_path.glob("*0900*"))


def test_a_broken_index_is_no_reason_to_begin_again(ledger: TestLedger, tmp_path: Path) -> None:
    back_up(ledger, tmp_path)
    (tmp_path / INDEX_FILE).write_bytes(b"{}")
    with pytest.raises(BackupInvalid, match=INDEX_FILE):
        back_up(ledger, tmp_path)
    assert blocks(tmp_path)


def test_a_broken_segment_is_not_gone_on_with(ledger: TestLedger, tmp_path: Path) -> None:
    """The one that would be made longer is read, and named; the others are for `verify`."""
    back_up(ledger, tmp_path)
    last = tmp_path / blocks(tmp_path)[-1]
    last.write_bytes(last.read_bytes()[:-1])
    before = files(tmp_path)
    grow(ledger, 1)
    with pytest.raises(BackupInvalid, match=last.name):
        back_up(ledger, tmp_path)
    assert files(tmp_path) == before


def test_what_was_taken_without_certificates_is_taken_again(ledger: TestLedger, tmp_path: Path) -> None:
    """As soon as it has them; a backup of certified blocks has no others."""
    grow(ledger, 7)
    certified = ledger.copy()
    head = ledger.height
    ledger._store.write(
        [
            (Table.META, b"certified", (head - 4).to_bytes(8, "big")),
            *((Table.CERTIFICATES, height.to_bytes(8, "big"), None) for height in range(head - 3, head + 1)),
        ]
    )
    ledger._stand_on(ChainStore.open(ledger._store, ledger.chain.chain_id))
    assert back_up(ledger, tmp_path, uncertified=True).index.certified_height == head - 4
    assert verify_backup(tmp_path, ledger.genesis_bytes).head.height == head
    grow(certified, 1)
    index = back_up(certified, tmp_path).index
    assert (index.certified_height, index.last) == (head + 1, head + 1)
    assert verify_backup(tmp_path, ledger.genesis_bytes).head == certified.chain.head


def test_it_rests_for_as_long_as_the_node_is_to_have_the_processor() -> None:
    rested: list[float] = []
    pace = unhurried(20, rested.append)
    sum(range(200_000))
    pace()
    assert rested[0] > 0
    unhurried(100, rested.append)()
    assert len(rested) == 1


_GROWING = """
import sys
from pathlib import Path
from ledgernode.store.kv import Table
from ledgernode.store.lmdb import LmdbStore

store = LmdbStore(Path(sys.argv[1]), map_size=1 << 20)
store.write([(Table.STATE, b"a", b"1")])
print("there", flush=True)
sys.stdin.readline()
for number in range(64):
    store.write([(Table.STATE, b"large %d" % number, bytes(1 << 18))])
print("grown", flush=True)
sys.stdin.readline()
"""


def test_a_look_beside_a_node_goes_on_when_its_database_grows(tmp_path: Path) -> None:
    """A backup takes minutes, in which the map of the node's database may become larger."""
    with subprocess.Popen(
        [sys.executable, "-c", _GROWING, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout is not None
        assert node.stdin is not None
        assert node.stdout.readline() == "there\n"
        looked = LookedAt(tmp_path)
        with looked.reader() as reader:
            assert reader.count(Table.STATE) == 1
        node.stdin.write("\n")
        node.stdin.flush()
        assert node.stdout.readline() == "grown\n"
        with looked.reader() as reader:
            assert reader.count(Table.STATE) == 65
            assert reader.get(Table.STATE, b"large 63") == bytes(1 << 18)
        looked.close()
        node.kill()
