"""Snapshots: what is restored is what was certified, or nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ledgernode.errors import DatabaseDamaged, DatabaseForeign, DiskFull, Pruned, SnapshotInvalid, UnknownBlock
from ledgernode.identity.keys import PrivateKey
from ledgernode.store import failpoint
from ledgernode.store.chain import ChainStore, SealedBlock
from ledgernode.store.failpoint import Action
from ledgernode.store.kv import KeyValueStore, Table
from ledgernode.store.lattice import EMPTY, Lattice
from ledgernode.store.lmdb import LmdbStore
from ledgernode.store.manifest import Manifest, encode_manifest
from ledgernode.store.memory import MemoryStore
from ledgernode.store.snapshot import MANIFEST_FILE, create_snapshot, restore_snapshot
from ledgernode.store.state import StateView
from ledgernode.wire.block import encode_header
from ledgernode.wire.types import Height, TransactionId
from tests.store.blocks import CHAIN, Builder, check, transaction_id


def remembered(view: StateView) -> Iterator[tuple[bytes, Height, int]]:
    """As the runtime keeps replay records: here one state key for each id, its value height and position."""
    for key, record in view.scan(b"test\x00replay ", b"test\x00replay!"):
        height, position = record[12:].decode().split("/")
        yield bytes.fromhex(key[len(b"test\x00replay ") :].decode()), Height(int(height)), int(position)


def restored(directory: Path, kv: KeyValueStore, genesis: SealedBlock) -> ChainStore:
    return restore_snapshot(directory, kv, genesis, check_certificate=check, remembered=remembered)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledgernode.config.SNAPSHOT_CHUNK_BYTES", 700)


@pytest.fixture
def builder() -> Builder:
    """Eight blocks, two changes of the validator set, keys written, overwritten and deleted."""
    made = Builder([PrivateKey.generate() for _ in range(4)])
    for height in range(1, 9):
        sets = {3: 4, 6: 5}
        replay = {f"replay {transaction_id(height, 0).hex()[:32]}": b"%d/0" % height}
        made.block(
            [{f"key {number:03d}": b"%d" % height * 20 for number in range(height, 60, 3)} | replay, {"key 007": None}],
            next_keys=[PrivateKey.generate() for _ in range(sets.get(height, 0))],
        )
    return made


@pytest.fixture
def chain(builder: Builder) -> ChainStore:
    """All eight blocks, the first seven certified."""
    made = ChainStore.create(MemoryStore(), builder.genesis)
    made.append(builder.blocks[1:], {Height(height): builder.certificate(height) for height in range(1, 8)})
    return made


@pytest.fixture
def snapshot(chain: ChainStore, tmp_path: Path) -> Path:
    create_snapshot(chain, tmp_path / "snapshot")
    return tmp_path / "snapshot"


def rewrite(directory: Path, **changes: object) -> None:
    """Alter the manifest as one who makes a snapshot could."""
    manifest = msgspec.json.decode((directory / MANIFEST_FILE).read_bytes(), type=Manifest)
    (directory / MANIFEST_FILE).write_bytes(encode_manifest(msgspec.structs.replace(manifest, **changes)))


def read(directory: Path) -> Manifest:
    return msgspec.json.decode((directory / MANIFEST_FILE).read_bytes(), type=Manifest)


def refuses(directory: Path, genesis: SealedBlock, reason: str) -> None:
    """The restore names the part, and the store it was meant for opens no chain."""
    store = MemoryStore()
    with pytest.raises(SnapshotInvalid, match=reason):
        restored(directory, store, genesis)
    with pytest.raises(DatabaseDamaged):
        ChainStore.open(store, CHAIN)


# ---------------------------------------------------------------- what holds


def test_restored_node_goes_on_with_the_same_commitment(
    kv: KeyValueStore, builder: Builder, chain: ChainStore, snapshot: Path
) -> None:
    """The state is the certified one, and the next block lands on it."""
    node = restored(snapshot, kv, builder.genesis)
    assert node.head == builder.blocks[7].header
    assert node.base == node.certified_height == 7
    assert node.certificate(Height(7)) == builder.certificate(7)
    with node.state() as view:
        assert dict(view.scan(b"", None)) == builder.states[7]
    node.append([builder.blocks[8]])
    assert node.lattice == chain.lattice
    reopened = ChainStore.open(kv, CHAIN)
    assert reopened.head.state_commitment == chain.head.state_commitment
    assert reopened.lattice == EMPTY.updated((), builder.states[8].items())


def test_restored_node_can_be_snapshotted_again(builder: Builder, snapshot: Path, tmp_path: Path) -> None:
    """It has all set changes with certificates, so a snapshot of it equals the one it came from."""
    node = restored(snapshot, MemoryStore(), builder.genesis)
    assert node.set_changes() == (3, 6)
    create_snapshot(node, tmp_path / "again")
    assert (tmp_path / "again" / MANIFEST_FILE).read_bytes() == (snapshot / MANIFEST_FILE).read_bytes()


def test_what_lies_below_the_snapshot_is_pruned(kv: KeyValueStore, builder: Builder, snapshot: Path) -> None:
    """Blocks, states and histories from before say so; heights above the head are unknown."""
    node = restored(snapshot, kv, builder.genesis)
    node.append([builder.blocks[8]])
    for height in (Height(1), Height(5), Height(7)):
        with pytest.raises(Pruned):
            node.envelopes(height)
        with pytest.raises(Pruned):
            node.receipts(height)
    with pytest.raises(Pruned):
        node.header(Height(5))
    with pytest.raises(Pruned):
        node.certificate(Height(5))
    with pytest.raises(UnknownBlock):
        node.header(Height(9))
    with pytest.raises(Pruned), node.state_at(Height(6)):
        pass
    with node.state_at(Height(7)) as view:
        assert dict(view.scan(b"", None)) == builder.states[7]
    key = b"test\x00key 020"  # written by blocks 2, 5 and 8
    assert node.history(key, 2) == builder.versions[key][:2]
    with pytest.raises(Pruned):
        node.history(key, 3)


def test_hand_overs_and_genesis_stay_readable(builder: Builder, snapshot: Path) -> None:
    """What a proof needs from before the snapshot is there: set changes, their sets and certificates."""
    node = restored(snapshot, MemoryStore(), builder.genesis)
    assert node.header(Height(0)) == builder.genesis.header
    for height in (3, 6):
        assert node.header(Height(height)) == builder.blocks[height].header
        assert node.certificate(Height(height)) == builder.certificate(height)
        assert node.validator_set(builder.blocks[height].header.next_set) == builder.blocks[height].next_set
        assert node.validator_set(builder.blocks[height].header.current_set) == builder.blocks[height].current_set


def test_duplicates_within_validity_are_known_after_a_restore(
    kv: KeyValueStore, builder: Builder, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replay records of the state fill the index again, in bounded batches."""
    monkeypatch.setattr("ledgernode.config.RESTORE_INDEX_BATCH", 2)
    node = restored(snapshot, kv, builder.genesis)
    ids = [transaction_id(height, 0) for height in range(1, 9)]
    known = {TransactionId(known_id): (height, 0) for height, known_id in enumerate(ids[:7], 1)}
    assert node.locate_since(ids, builder.blocks[1].header.time_ms) == known
    assert node.locate(ids[2], around_ms=builder.blocks[3].header.time_ms) == (3, 0)


def test_snapshot_of_an_earlier_height_is_of_that_height(builder: Builder, chain: ChainStore, tmp_path: Path) -> None:
    """Any readable certified height can be taken, a hand-over's own block too."""
    for height in (3, 4, 6):
        create_snapshot(chain, tmp_path / str(height), height=Height(height))
        node = restored(tmp_path / str(height), MemoryStore(), builder.genesis)
        assert node.head == builder.blocks[height].header
        node.append(builder.blocks[height + 1 :])
        assert node.lattice == chain.lattice


def test_snapshot_of_genesis_needs_no_certificate(tmp_path: Path) -> None:
    """A chain of one block can be taken and restored."""
    builder = Builder()
    create_snapshot(ChainStore.create(MemoryStore(), builder.genesis), tmp_path / "s")
    node = restored(tmp_path / "s", MemoryStore(), builder.genesis)
    assert node.head == builder.genesis.header
    refuses(tmp_path / "s", Builder([PrivateKey.generate()]).genesis, "changes? of the validator set|block 0")


def test_progress_counts_records(builder: Builder, chain: ChainStore, tmp_path: Path) -> None:
    """Both ways it ends at the number of records, in several steps."""
    seen: list[tuple[int, int]] = []
    create_snapshot(chain, tmp_path / "s", progress=lambda done, total: seen.append((done, total)))
    records = len(builder.states[7])
    assert len(seen) == len(read(tmp_path / "s").chunks) > 2
    assert seen[-1][0] == records
    seen.clear()
    restore_snapshot(
        tmp_path / "s",
        MemoryStore(),
        builder.genesis,
        check_certificate=check,
        remembered=remembered,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (records, records)


# ---------------------------------------------------------------- what is refused


def test_uncertified_height_is_not_taken(chain: ChainStore, tmp_path: Path) -> None:
    """Block 8 has no certificate: nobody could check its snapshot."""
    with pytest.raises(UnknownBlock, match="no certificate"):
        create_snapshot(chain, tmp_path / "s", height=Height(8))


def test_directory_that_holds_a_snapshot_is_left_alone(chain: ChainStore, snapshot: Path) -> None:
    """A second creation is refused."""
    before = (snapshot / MANIFEST_FILE).read_bytes()
    with pytest.raises(SnapshotInvalid, match="holds a snapshot already"):
        create_snapshot(chain, snapshot)
    assert (snapshot / MANIFEST_FILE).read_bytes() == before


@pytest.mark.parametrize("point", ["snapshot.before_chunk", "snapshot.before_manifest"])
def test_full_disk_leaves_no_snapshot(
    builder: Builder, chain: ChainStore, tmp_path: Path, armed: None, point: str
) -> None:
    """DiskFull; what is there does not restore; a second attempt in the same place succeeds."""
    failpoint.arm(point, action=Action.FULL)
    with pytest.raises(DiskFull):
        create_snapshot(chain, tmp_path / "s")
    refuses(tmp_path / "s", builder.genesis, "the manifest cannot be read")
    create_snapshot(chain, tmp_path / "s")
    assert restored(tmp_path / "s", MemoryStore(), builder.genesis).head.height == 7


def test_altered_chunk_is_refused(builder: Builder, snapshot: Path) -> None:
    """One byte, a missing file, a cut file, a longer file: the chunk is named."""
    file = snapshot / "chunk-000001"
    whole = file.read_bytes()
    for wrong in (whole[:-1], whole + b"x", bytes([whole[0] ^ 1]) + whole[1:]):
        file.write_bytes(wrong)
        refuses(snapshot, builder.genesis, "chunk 1")
    file.unlink()
    refuses(snapshot, builder.genesis, "chunk 1 cannot be read")


def forged(snapshot: Path, number: int, pairs: list[tuple[bytes, bytes]], *, honest_sum: bool) -> None:
    """Replace a chunk and name its new hash; with `honest_sum` another chunk's sum takes up the difference."""
    raw = msgspec.msgpack.encode(pairs)
    (snapshot / f"chunk-{number:06d}").write_bytes(raw)
    manifest = read(snapshot)
    chunks = list(manifest.chunks)
    old = Lattice(chunks[number].lattice_sum)
    named = {"sha256": hashlib.sha256(raw).digest(), "size_bytes": len(raw), "records": len(pairs)}
    if honest_sum:
        new = EMPTY.updated((), pairs)
        last = len(chunks) - 1
        # the sums still add up to the certified commitment: only the last chunk cannot be made to fit
        difference = [(int.from_bytes(a, "little"), int.from_bytes(b, "little")) for a, b in lanes(old, new)]
        final = [int.from_bytes(a, "little") for a, _ in lanes(Lattice(chunks[last].lattice_sum), old)]
        moved = b"".join(
            ((lane + before - after) % 65_536).to_bytes(2, "little")
            for lane, (before, after) in zip(final, difference, strict=True)
        )
        chunks[last] = msgspec.structs.replace(chunks[last], lattice_sum=moved)
        named["lattice_sum"] = new.sum
    chunks[number] = msgspec.structs.replace(chunks[number], **named)
    rewrite(snapshot, chunks=tuple(chunks))


def lanes(first: Lattice, second: Lattice) -> list[tuple[bytes, bytes]]:
    return [(first.sum[at : at + 2], second.sum[at : at + 2]) for at in range(0, 2_048, 2)]


def pairs_of(snapshot: Path, number: int) -> list[tuple[bytes, bytes]]:
    raw = (snapshot / f"chunk-{number:06d}").read_bytes()
    return msgspec.msgpack.decode(raw, type=list[tuple[bytes, bytes]])


def test_forged_record_is_refused_though_its_hash_is_named(builder: Builder, snapshot: Path) -> None:
    """The lattice sum of the range gives it away."""
    pairs = pairs_of(snapshot, 0)
    forged(snapshot, 0, [(pairs[0][0], pairs[0][1] + b"0"), *pairs[1:]], honest_sum=False)
    refuses(snapshot, builder.genesis, "chunk 0 does not give the lattice sum")


def test_forged_sums_that_add_up_leave_one_chunk_that_cannot_fit(builder: Builder, snapshot: Path) -> None:
    """A forger may move the difference between ranges; the last range then does not hold, and nothing opens."""
    pairs = pairs_of(snapshot, 0)
    last = len(read(snapshot).chunks) - 1
    forged(snapshot, 0, [(pairs[0][0], pairs[0][1] + b"0"), *pairs[1:]], honest_sum=True)
    refuses(snapshot, builder.genesis, f"chunk {last} does not give the lattice sum")


def test_chunk_out_of_order_or_out_of_its_range_is_refused(builder: Builder, snapshot: Path) -> None:
    """Order, range, count and form of every record are checked before it is written."""
    pairs = pairs_of(snapshot, 0)
    whole = {file.name: file.read_bytes() for file in snapshot.iterdir()}
    wrong = {
        "not in key order": [pairs[1], pairs[0], *pairs[2:]],
        "keys outside its range": [*pairs, (b"zzz", pairs[0][1])],
        "no state holds": [(b"", pairs[0][1]), *pairs],
        "record that no state": [(pairs[0][0], b"short"), *pairs[1:]],
    }
    for reason, bad in wrong.items():
        forged(snapshot, 0, bad, honest_sum=True)
        refuses(snapshot, builder.genesis, reason)
        for name, content in whole.items():
            (snapshot / name).write_bytes(content)


def test_manifest_that_does_not_add_up_is_refused_before_any_chunk(builder: Builder, snapshot: Path) -> None:
    """The sums must give the certified commitment; no chunk need even be there."""
    for file in snapshot.glob("chunk-*"):
        file.unlink()
    chunks = read(snapshot).chunks
    swapped = msgspec.structs.replace(chunks[0], lattice_sum=EMPTY.sum)
    rewrite(snapshot, chunks=(swapped, *chunks[1:]))
    refuses(snapshot, builder.genesis, "do not add up to the certified commitment")


def test_ranges_with_gaps_are_refused(builder: Builder, snapshot: Path) -> None:
    """Missing ends, missing ranges, wrong sums and oversized chunks are all named."""
    chunks = read(snapshot).chunks
    replace = msgspec.structs.replace
    wrong = {
        "do not cover the state": chunks[:-1],
        "from its beginning": (),
        "key range 1 does not begin": (chunks[0], *chunks[2:]),
        "lattice sum of key range 0": (replace(chunks[0], lattice_sum=b"x"), *chunks[1:]),
        "more than a chunk may have": (replace(chunks[0], size_bytes=1 << 40), *chunks[1:]),
    }
    for reason, bad in wrong.items():
        rewrite(snapshot, chunks=bad)
        refuses(snapshot, builder.genesis, reason)


def test_set_changes_must_lead_from_genesis_to_the_block(builder: Builder, snapshot: Path) -> None:
    """Left out, out of order, badly signed, repeated or leading elsewhere: refused."""
    first, second = read(snapshot).set_changes
    replace = msgspec.structs.replace
    wrong = {
        "leaves out a change": (first,),
        "validator-set change 1": (second, first),
        "validator-set change 2": (first, replace(second, certificate=first.certificate)),
        "does not lead from the set": (first, replace(second, next_set=first.next_set)),
        "change 1: ": (replace(first, header=b"garbage"), second),
    }
    for reason, bad in wrong.items():
        rewrite(snapshot, set_changes=bad)
        refuses(snapshot, builder.genesis, reason)


def test_set_change_that_skips_an_epoch_is_refused(tmp_path: Path) -> None:
    """Though it is certified: epochs follow one another."""
    builder = Builder()
    builder.block(next_keys=[PrivateKey.generate()], epochs=2)
    builder.block()
    chain = ChainStore.create(MemoryStore(), builder.genesis)
    chain.append(builder.blocks[1:], {Height(height): builder.certificate(height) for height in (1, 2)})
    create_snapshot(chain, tmp_path / "s")
    refuses(tmp_path / "s", builder.genesis, "from epoch 0 to epoch 2")


def test_block_of_another_set_or_without_certificate_is_refused(builder: Builder, snapshot: Path) -> None:
    """The named block is certified by the set that the changes lead to."""
    whole = (snapshot / MANIFEST_FILE).read_bytes()
    manifest = read(snapshot)
    rewrite(snapshot, certificate=b"")
    refuses(snapshot, builder.genesis, "certificate of block 7")
    rewrite(snapshot, certificate=manifest.set_changes[0].certificate)
    refuses(snapshot, builder.genesis, "certificate of block 7")
    header = encode_header(builder.blocks[8].header)
    rewrite(snapshot, certificate=manifest.certificate, header=header)
    refuses(snapshot, builder.genesis, "names block 7 and carries block 8")
    (snapshot / MANIFEST_FILE).write_bytes(whole)
    rewrite(snapshot, header=encode_header(msgspec.structs.replace(builder.blocks[7].header, current_set=bytes(32))))
    refuses(snapshot, builder.genesis, "not of the validator set that the changes lead to")


def test_manifest_of_another_ledger_or_format_is_refused(builder: Builder, snapshot: Path) -> None:
    """As is one that is no manifest at all."""
    other = Builder(builder.keys, chain_id=type(CHAIN)(bytes(32)))
    with pytest.raises(SnapshotInvalid, match="of another ledger"):
        restored(snapshot, MemoryStore(), other.genesis)
    rewrite(snapshot, format="ledgernode/snapshot/2")
    refuses(snapshot, builder.genesis, "snapshot/2")
    (snapshot / MANIFEST_FILE).write_bytes(b"{}")
    refuses(snapshot, builder.genesis, "the manifest cannot be read")


def test_oversized_manifest_is_not_read(builder: Builder, snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file beyond the limit is refused by its size."""
    monkeypatch.setattr("ledgernode.config.SNAPSHOT_MANIFEST_LIMIT_BYTES", 100)
    refuses(snapshot, builder.genesis, "the manifest has")


# ---------------------------------------------------------------- cut short


def test_half_a_restore_does_not_open_and_is_finished_later(builder: Builder, snapshot: Path, tmp_path: Path) -> None:
    """A bad chunk stops it; the store opens no chain; with the chunk mended it goes on from there."""
    store = LmdbStore(tmp_path / "db")
    whole = (snapshot / "chunk-000002").read_bytes()
    (snapshot / "chunk-000002").write_bytes(b"bad")
    with pytest.raises(SnapshotInvalid, match="chunk 2"):
        restored(snapshot, store, builder.genesis)
    store.close()
    store = LmdbStore(tmp_path / "db")
    with pytest.raises(DatabaseDamaged, match="did not finish"):
        ChainStore.open(store, CHAIN)
    with pytest.raises(DatabaseForeign):
        ChainStore.create(store, builder.genesis)
    (snapshot / "chunk-000002").write_bytes(whole)
    (snapshot / "chunk-000000").unlink()  # it is in the store already
    assert restored(snapshot, store, builder.genesis).head == builder.blocks[7].header
    store.close()


@pytest.mark.parametrize("point", ["restore.before_chunk", "restore.before_completion"])
def test_restore_stopped_anywhere_is_finished_later(
    builder: Builder, snapshot: Path, tmp_path: Path, armed: None, point: str
) -> None:
    """Stopped before a chunk or before the last write, it does not open; started again, it ends well."""
    store = LmdbStore(tmp_path / "db")
    failpoint.arm(point, 1 if point == "restore.before_completion" else 2, Action.FULL)
    with pytest.raises(OSError, match=os.strerror(28)):
        restored(snapshot, store, builder.genesis)
    with pytest.raises(DatabaseDamaged, match="did not finish"):
        ChainStore.open(store, CHAIN)
    node = restored(snapshot, store, builder.genesis)
    assert node.lattice == EMPTY.updated((), builder.states[7].items())
    with store.reader() as reader:
        assert reader.count(Table.STATE) == len(builder.states[7])
    store.close()


def test_restore_into_a_store_of_something_else_is_refused(
    builder: Builder, chain: ChainStore, snapshot: Path, tmp_path: Path
) -> None:
    """A chain, or another snapshot's unfinished restore, is left alone."""
    store = MemoryStore()
    ChainStore.create(store, builder.genesis)
    with pytest.raises(DatabaseForeign, match="empty database"):
        restored(snapshot, store, builder.genesis)
    create_snapshot(chain, tmp_path / "other", height=Height(5))
    (tmp_path / "other" / "chunk-000001").unlink()
    half = MemoryStore()
    with pytest.raises(SnapshotInvalid):
        restored(tmp_path / "other", half, builder.genesis)
    with pytest.raises(DatabaseForeign, match="another snapshot"):
        restored(snapshot, half, builder.genesis)
