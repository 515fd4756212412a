"""Pruning: what is kept reads as before, what is not is PRUNED, a crash leaves either, and the place is used again."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgernode.errors import DatabaseInUse, LedgerError, Pruned, PruneRefused
from ledgernode.identity.keys import PrivateKey
from ledgernode.store import failpoint
from ledgernode.store.chain import ChainStore
from ledgernode.store.failpoint import Action
from ledgernode.store.kv import KeyValueStore, Table
from ledgernode.store.lmdb import LmdbStore, compact
from ledgernode.store.memory import MemoryStore
from ledgernode.store.snapshot import MANIFEST_FILE, create_snapshot
from ledgernode.wire.block import header_hash
from ledgernode.wire.types import Height
from tests.store.blocks import CHAIN, Builder, transaction_id

BLOCKS = 12
HAND_OVERS = (3, 7)
KEYS = [PrivateKey.generate() for _ in range(4)]


def certified(kv: KeyValueStore, builder: Builder, blocks: int = BLOCKS) -> ChainStore:
    chain = ChainStore.create(kv, builder.genesis)
    chain.append(builder.blocks[1 : blocks + 1], {Height(at): builder.certificate(at) for at in range(1, blocks + 1)})
    return chain


@cache
def built() -> Builder:
    """Twelve blocks, two hand-overs, keys written, overwritten, deleted and made again."""
    made = Builder(KEYS)
    for height in range(1, BLOCKS + 1):
        calls = [{f"key {height % 3}": b"%d" % height, f"own {height}": b"x"}, {f"key {(height + 1) % 3}": None}]
        made.block(calls, next_keys=KEYS[: height % 4 + 1] if height in HAND_OVERS else ())
    return made


@pytest.fixture
def builder() -> Builder:
    return built()


def answer(ask: Callable[[], Any]) -> Any:
    """What it gives, or the code of its refusal."""
    try:
        return ask()
    except LedgerError as refusal:
        return refusal.code


def same_above(pruned: ChainStore, archive: ChainStore, builder: Builder) -> None:
    """Everything above the base is as in the chain that keeps all; below it, nothing but what proofs need."""
    base = pruned.base
    assert (pruned.head, pruned.certified_height, pruned.lattice) == (
        archive.head,
        archive.certified_height,
        archive.lattice,
    )
    assert pruned.set_changes() == archive.set_changes() == HAND_OVERS
    for height in map(Height, range(BLOCKS + 1)):
        for part in ("header", "envelopes", "receipts", "certificate"):
            found = answer(lambda part=part, height=height: getattr(pruned, part)(height))
            kept = height > base or height == 0 or (part in ("header", "certificate") and height in (*HAND_OVERS, base))
            assert found == (getattr(archive, part)(height) if kept and (height or part != "certificate") else found)
            assert kept or found == Pruned.code
        assert pruned.locate(transaction_id(height, 0)) == archive.locate(transaction_id(height, 0))
        if height >= base:
            with pruned.state_at(height) as found, archive.state_at(height) as expected:
                assert list(found.scan(b"", None)) == list(expected.scan(b"", None))
        if height > base:
            assert pruned.replaced(height) == archive.replaced(height)
            assert pruned.height_of(header_hash(builder.blocks[height].header)) == height
    for key, versions in builder.versions.items():
        newest = [version for version in versions if version[0][0] > base]
        assert pruned.history(key, len(newest)) == newest


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, BLOCKS), st.integers(1, 5), st.integers(0, 3)), min_size=1, max_size=4))
def test_whatever_is_pruned_the_rest_reads_as_before(asked: list[tuple[int, int, int]]) -> None:
    """In any order, with pieces of any size, also while some are not removed yet and after opening it again."""
    builder = built()
    archive, kv = certified(MemoryStore(), builder), MemoryStore()
    chain = certified(kv, builder)
    for below, piece, pieces in asked:
        chain.prune(Height(below))
        for _ in range(pieces):
            chain.prune_on(piece)
        same_above(chain, archive, builder)
        chain = ChainStore.open(kv, CHAIN)
    while chain.prune_on(2):
        same_above(chain, archive, builder)
    highest = max(max(below for below, _, _ in asked) - 1, 0)
    assert chain.base == highest
    same_above(ChainStore.open(kv, CHAIN), archive, builder)
    _nothing_left(kv, highest)


def _nothing_left(kv: KeyValueStore, base: int) -> None:
    """In the tables themselves."""
    with kv.reader() as reader:
        for table in (Table.BATCHES, Table.RECEIPTS, Table.UNDO):
            heights = [int.from_bytes(key, "big") for key, _ in reader.scan(table)]
            assert [height for height in heights if 0 < height <= base] == []
        kept = {height for height in (*HAND_OVERS, base) if height <= base}
        for table in (Table.HEADERS, Table.CERTIFICATES):
            found = {int.from_bytes(key, "big") for key, _ in reader.scan(table)}
            assert {height for height in found if 0 < height <= base} == kept - {0}
        assert len(list(reader.scan(Table.HASHES))) == len(list(reader.scan(Table.HEADERS)))
        assert reader.get(Table.META, b"pruning") is None


def test_a_pruned_chain_goes_on(kv: KeyValueStore, builder: Builder) -> None:
    """The next blocks land on it, and are certified, as on the chain that keeps all."""
    chain, archive = certified(kv, builder, 9), certified(MemoryStore(), builder, 9)
    chain.prune(Height(9))
    for height in range(10, BLOCKS + 1):
        chain.prune_on(3)
        for grown in (chain, archive):
            grown.append([builder.blocks[height]], {Height(height): builder.certificate(height)})
    same_above(chain, archive, builder)


def test_a_snapshot_of_a_pruned_chain_is_the_archives(kv: KeyValueStore, builder: Builder, tmp_path: Path) -> None:
    """To the byte, also one of the base's own height."""
    chain, archive = certified(kv, builder), certified(MemoryStore(), builder)
    chain.prune(Height(9))
    while chain.prune_on():
        pass
    for height in (8, 12):
        for name, of in (("pruned", chain), ("archive", archive)):
            create_snapshot(of, tmp_path / name / str(height), height=Height(height))
        written = [(tmp_path / name / str(height) / MANIFEST_FILE).read_bytes() for name in ("pruned", "archive")]
        assert written[0] == written[1]


def test_what_has_no_certificate_is_not_pruned(kv: KeyValueStore, builder: Builder) -> None:
    """Nobody could show that it was ever right."""
    chain = ChainStore.create(kv, builder.genesis)
    chain.append(builder.blocks[1:6], {Height(1): builder.certificate(1), Height(2): builder.certificate(2)})
    with pytest.raises(PruneRefused):
        chain.prune(Height(4))
    chain.prune(Height(2))
    assert (chain.base, answer(lambda: chain.envelopes(Height(1)))) == (1, Pruned.code)
    chain.certify(Height(3), builder.certificate(3))
    assert chain.certified_height == 3


@pytest.mark.usefixtures("armed")
@pytest.mark.parametrize(
    "point", ["prune.before_base", "prune.before_piece", "store.before_write", "store.before_commit"]
)
@pytest.mark.parametrize("count", [1, 2])
def test_pruning_that_is_cut_short_goes_on(tmp_path: Path, builder: Builder, point: str, count: int) -> None:
    """Wherever the disk gives out: what is answered is answered rightly, and the rest is removed later."""
    archive = certified(MemoryStore(), builder)
    store = LmdbStore(tmp_path / "db")
    chain = certified(store, builder)
    failpoint.arm(point, count, Action.FULL)

    def prune() -> None:
        chain.prune(Height(6))
        chain.prune(Height(10))
        while chain.prune_on(2):
            pass

    with pytest.raises((OSError, LedgerError)):
        prune()
    store.close()
    failpoint.disarm()
    store = LmdbStore(tmp_path / "db")
    chain = ChainStore.open(store, CHAIN)
    same_above(chain, archive, builder)
    prune()
    same_above(chain, archive, builder)
    _nothing_left(store, 9)
    store.close()


# ---------------------------------------------------------------- the place on the disk


def grown(store: LmdbStore, chain: ChainStore | None, builder: Builder, blocks: int) -> ChainStore:
    """Blocks whose contents take far more than the state does."""
    first = len(builder.blocks)
    for _ in range(blocks):
        builder.block([{"same": bytes(4_000)}] * 6)
    certificates = {Height(at): builder.certificate(at) for at in range(first, first + blocks)}
    if chain is None:
        chain = ChainStore.create(store, builder.genesis)
    for height in range(first, first + blocks):
        chain.append([builder.blocks[height]], {Height(height): certificates[Height(height)]})
    return chain


def test_the_place_of_pruned_blocks_is_used_again(tmp_path: Path) -> None:
    """A node that prunes as it grows does not grow on the disk; compacted, the file gives back what was free."""
    store, builder = LmdbStore(tmp_path / "db", map_size=64 << 20), Builder()
    chain = grown(store, None, builder, 60)
    full = store.facts().used_bytes
    for _ in range(4):
        chain.prune(Height(chain.head.height - 10))
        while chain.prune_on(8):
            pass
        freed = store.free_bytes()
        assert freed > full // 3
        chain = grown(store, chain, builder, 20)
    assert store.facts().used_bytes < full * 1.3
    chain.prune(chain.head.height)
    while chain.prune_on():
        pass
    archive, head = chain.set_changes(), chain.head
    store.close()
    before, after = compact(tmp_path / "db")
    assert after < before // 3
    assert (tmp_path / "db" / "data.mdb").stat().st_size == after
    store = LmdbStore(tmp_path / "db")
    chain = ChainStore.open(store, CHAIN)
    assert (chain.head, chain.set_changes()) == (head, archive)
    grown(store, chain, builder, 3)
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["db"]


@pytest.mark.usefixtures("armed")
def test_compacting_that_is_cut_short_leaves_the_database(tmp_path: Path) -> None:
    """It is started again; and it is refused while somebody has the database open."""
    store = LmdbStore(tmp_path / "db")
    head = grown(store, None, Builder(), 5).head
    with pytest.raises(DatabaseInUse):
        compact(tmp_path / "db")
    store.close()
    failpoint.arm("compact.before_rename", 1, Action.FULL)
    with pytest.raises(OSError, match="No space"):
        compact(tmp_path / "db")
    compact(tmp_path / "db")
    store = LmdbStore(tmp_path / "db")
    assert ChainStore.open(store, CHAIN).head == head
    store.close()
