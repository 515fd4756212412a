"""The chain on disk, on both stores."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ledgernode.errors import DatabaseDamaged, DatabaseForeign, DiskFull, UnknownBlock
from ledgernode.identity.keys import PrivateKey
from ledgernode.store import failpoint
from ledgernode.store.chain import ChainStore, SealedBlock, holds_chain
from ledgernode.store.failpoint import Action
from ledgernode.store.kv import KeyValueStore, Table
from ledgernode.store.lattice import EMPTY
from ledgernode.store.lmdb import LmdbStore
from ledgernode.store.sealed import META_FORMAT, META_HEAD, META_LATTICE, META_RESTORING
from ledgernode.wire.block import header_hash
from ledgernode.wire.types import ChainId, Height, TransactionId
from tests.store.blocks import CHAIN, Builder, timer_id, transaction_id

DAY_MS = 86_400_000


def written(kv: KeyValueStore, builder: Builder) -> ChainStore:
    """A chain with all of the builder's blocks, certified but for the last."""
    chain = ChainStore.create(kv, builder.genesis)
    for block in builder.blocks[1:]:
        chain.append([block])
    for height in range(1, len(builder.blocks) - 1):
        chain.certify(Height(height), builder.certificate(height))
    return chain


def test_block_reads_back_as_it_was_written(kv: KeyValueStore) -> None:
    """Header, envelopes, receipts, sets and hash of every height."""
    builder = Builder()
    builder.block([{"a": b"1"}, {"b": b"2"}])
    builder.block([{"timer": b"x"}, {"a": None}], envelopes=1)
    builder.block()
    written(kv, builder)
    chain = ChainStore.open(kv, CHAIN)
    for height, block in enumerate(builder.blocks):
        assert chain.header(Height(height)) == block.header
        assert chain.envelopes(Height(height)) == block.envelopes
        assert chain.receipts(Height(height)) == block.receipts
        assert chain.height_of(header_hash(block.header)) == height
    assert chain.head == builder.blocks[-1].header
    assert chain.lattice == builder.blocks[-1].lattice
    assert chain.chain_id == CHAIN
    assert chain.base == 0
    assert chain.validator_set(chain.head.current_set) == builder.set


def test_state_is_the_sum_of_all_changes(kv: KeyValueStore) -> None:
    """After any blocks the state holds the last record of each live key, in key order."""
    builder = Builder()
    builder.block([{"a": b"1", "b": b"1"}, {"a": b"2", "c": b"3"}])
    builder.block([{"b": None}, {"d": b"4"}, {"d": None}])
    chain = written(kv, builder)
    with chain.state() as view:
        assert list(view.scan(b"", None)) == sorted(builder.states[-1].items())
        assert list(view.scan(b"test\x00b", b"test\x00d", reverse=True)) == [
            (b"test\x00c", builder.states[-1][b"test\x00c"])
        ]
        assert view.get(b"test\x00a") == builder.states[-1][b"test\x00a"]
        assert view.get(b"test\x00b") is None
    assert chain.state_records() == 3


def test_group_of_blocks_equals_the_blocks_one_by_one(kv: KeyValueStore) -> None:
    """Several heights in one write leave what single writes leave, undo and graves too."""
    builder = Builder()
    builder.block([{"a": b"1", "b": b"1"}])
    builder.block([{"a": None}, {"b": b"2"}])
    builder.block([{"a": b"3"}, {"b": None}])
    grouped = ChainStore.create(kv, builder.genesis)
    grouped.append(builder.blocks[1:], {Height(2): builder.certificate(2)})
    grouped.append([])
    assert grouped.head == builder.blocks[-1].header
    for key, versions in builder.versions.items():
        assert grouped.history(key, 100) == versions
    for height, state in enumerate(builder.states):
        with grouped.state_at(Height(height)) as view:
            assert dict(view.scan(b"", None)) == state
    assert grouped.certificate(Height(2)) == builder.certificate(2)


def test_height_that_is_not_there_is_named(kv: KeyValueStore) -> None:
    """Above the head and below zero: UnknownBlock."""
    builder = Builder()
    builder.block()
    chain = written(kv, builder)
    for height in (Height(2), Height(-1)):
        for read in (chain.header, chain.envelopes, chain.receipts, chain.certificate):
            with pytest.raises(UnknownBlock, match=f"no block {height}, the last is 1"):
                read(height)
        with pytest.raises(UnknownBlock), chain.state_at(height):
            pass
    with pytest.raises(UnknownBlock):
        chain.height_of(bytes(32))
    with pytest.raises(UnknownBlock):
        chain.validator_set(bytes(32))


# ---------------------------------------------------------------- certificates


def test_certified_height_moves_without_gaps(kv: KeyValueStore) -> None:
    """It is the last height up to which every block has its certificate, also after reopening."""
    builder = Builder()
    for _ in range(5):
        builder.block()
    chain = ChainStore.create(kv, builder.genesis)
    chain.append(builder.blocks[1:3], {Height(1): builder.certificate(1)})
    assert chain.certified_height == 1
    chain.append(builder.blocks[3:])
    chain.certify(Height(4), builder.certificate(4))
    chain.certify(Height(3), builder.certificate(3))
    assert chain.certified_height == 1
    chain.certify(Height(2), builder.certificate(2))
    assert chain.certified_height == 4
    assert ChainStore.open(kv, CHAIN).certified_height == 4
    assert chain.certificate(Height(3)) == builder.certificate(3)
    with pytest.raises(UnknownBlock, match="no certificate yet"):
        chain.certificate(Height(5))


def test_certificate_of_a_block_that_is_not_there_is_our_error(kv: KeyValueStore) -> None:
    """Certifying above the head stops the process."""
    builder = Builder()
    builder.block()
    chain = ChainStore.create(kv, builder.genesis)
    with pytest.raises(AssertionError):
        chain.certify(Height(1), builder.certificate(1))


def test_set_changes_are_listed(kv: KeyValueStore) -> None:
    """Every height whose header hands over, and both sets."""
    builder = Builder()
    builder.block()
    builder.block(next_keys=[PrivateKey.generate(), PrivateKey.generate()])
    builder.block()
    builder.block(next_keys=[PrivateKey.generate()])
    chain = written(kv, builder)
    assert chain.set_changes() == (2, 4)
    for height in (2, 4):
        header = chain.header(Height(height))
        assert chain.validator_set(header.current_set) == builder.blocks[height].current_set
        assert chain.validator_set(header.next_set) == builder.blocks[height].next_set


# ---------------------------------------------------------------- the index


def test_transactions_and_timer_calls_are_located(kv: KeyValueStore) -> None:
    """The position counts receipts: timers come first."""
    builder = Builder()
    builder.block([{"a": b"1"}, {"b": b"1"}, {"c": b"1"}], envelopes=2)
    chain = written(kv, builder)
    assert chain.locate(timer_id(1, 0)) == (1, 0)
    assert chain.locate(transaction_id(1, 0)) == (1, 1)
    assert chain.locate(transaction_id(1, 1), around_ms=builder.blocks[1].header.time_ms) == (1, 2)
    assert chain.locate(transaction_id(9, 9)) is None


def test_transaction_is_located_over_many_days_and_with_a_wrong_hint(kv: KeyValueStore) -> None:
    """Days without blocks are skipped; a hint on another day only costs probes."""
    builder = Builder()
    for later in (1_000, DAY_MS, 40 * DAY_MS, 400 * DAY_MS, 1):
        builder.block([{"a": b"%d" % later}], later_ms=later)
    chain = written(kv, builder)
    for height in range(1, 6):
        time_ms = builder.blocks[height].header.time_ms
        for hint in (None, 0, time_ms, time_ms - DAY_MS, time_ms + DAY_MS, time_ms + 90 * DAY_MS):
            assert chain.locate(transaction_id(height, 0), around_ms=hint) == (height, 0)


def test_a_batch_is_looked_for_in_recent_days_only(kv: KeyValueStore) -> None:
    """`locate_since` finds all of the ids from that day on, and none from before."""
    builder = Builder()
    for _ in range(4):
        builder.block([{"a": b"x"}], later_ms=DAY_MS)
    chain = written(kv, builder)
    ids = [transaction_id(height, 0) for height in range(1, 6)]
    since = builder.blocks[3].header.time_ms
    assert chain.locate_since(ids, since) == {transaction_id(3, 0): (3, 0), transaction_id(4, 0): (4, 0)}
    assert len(chain.locate_since(ids, 0)) == 4


def test_duplicate_leaves_the_first_entry(kv: KeyValueStore) -> None:
    """An id given as None is not indexed."""
    builder = Builder()
    builder.block([{"a": b"1"}, {"a": b"2"}], duplicates=frozenset({1}))
    chain = written(kv, builder)
    assert chain.locate(transaction_id(1, 0)) == (1, 0)
    assert chain.locate(transaction_id(1, 1)) is None


# ---------------------------------------------------------------- what must not be appended


def altered(block: SealedBlock, **header: object) -> SealedBlock:
    return msgspec.structs.replace(block, header=msgspec.structs.replace(block.header, **header))


@pytest.mark.parametrize(
    "wrong",
    [
        {"height": 3},
        {"height": 1},
        {"parent_hash": bytes(32)},
        {"chain_id": bytes(32)},
        {"time_ms": 1},
        {"state_commitment": bytes(32)},
        {"current_set": bytes(32)},
        {"next_set": bytes(32)},
        {"transactions": 2},
        {"receipts": 0},
    ],
)
def test_block_that_does_not_follow_stops_the_process(kv: KeyValueStore, wrong: dict[str, object]) -> None:
    """A block that does not fit its parent or itself is our own error, and nothing of it is written."""
    builder = Builder()
    builder.block([{"a": b"1"}])
    second = builder.block([{"b": b"1"}])
    chain = ChainStore.create(kv, builder.genesis)
    chain.append([builder.blocks[1]])
    with pytest.raises(AssertionError):
        chain.append([altered(second, **wrong)])
    assert ChainStore.open(kv, CHAIN).head == builder.blocks[1].header
    chain.append([second])
    assert chain.head.height == 2


def test_record_of_another_height_stops_the_process(kv: KeyValueStore) -> None:
    """Each record carries the version of the write that made it: history follows it."""
    builder = Builder()
    first = builder.block([{"a": b"1"}])
    second = builder.block([{"a": b"2"}])
    chain = ChainStore.create(kv, builder.genesis)
    with pytest.raises(AssertionError):
        chain.append([msgspec.structs.replace(first, changes=second.changes)])


# ---------------------------------------------------------------- opening


def test_chain_begins_in_an_empty_store_only(kv: KeyValueStore) -> None:
    """Creating over a chain is refused and leaves it."""
    builder = Builder()
    assert not holds_chain(kv)
    ChainStore.create(kv, builder.genesis)
    assert holds_chain(kv)
    with pytest.raises(DatabaseForeign):
        ChainStore.create(kv, builder.genesis)
    assert ChainStore.open(kv, CHAIN).head == builder.genesis.header


def test_another_ledgers_database_is_foreign(kv: KeyValueStore) -> None:
    """The message names both chain ids."""
    ChainStore.create(kv, Builder().genesis)
    with pytest.raises(DatabaseForeign, match=CHAIN.hex()[:16]):
        ChainStore.open(kv, ChainId(bytes(32)))


def test_newer_format_is_foreign(kv: KeyValueStore) -> None:
    """A database that later software wrote is refused, not guessed at."""
    ChainStore.create(kv, Builder().genesis)
    kv.write([(Table.META, META_FORMAT, b"ledgernode/store/2")])
    with pytest.raises(DatabaseForeign, match="store/2"):
        ChainStore.open(kv, CHAIN)


def test_empty_store_holds_no_chain(kv: KeyValueStore) -> None:
    """Opening a store that has lost everything says so."""
    with pytest.raises(DatabaseDamaged, match="no chain"):
        ChainStore.open(kv, CHAIN)


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        (Table.META, META_LATTICE, EMPTY.sum),
        (Table.META, META_LATTICE, b"short"),
        (Table.META, META_LATTICE, None),
        (Table.META, META_HEAD, None),
        (Table.META, META_HEAD, (7).to_bytes(8, "big")),
        (Table.META, META_HEAD, (0).to_bytes(8, "big")),
        (Table.HEADERS, (1).to_bytes(8, "big"), None),
        (Table.HEADERS, (1).to_bytes(8, "big"), b"garbage"),
        (Table.META, META_RESTORING, bytes(36)),
    ],
)
def test_damaged_head_is_refused(kv: KeyValueStore, table: Table, key: bytes, value: bytes | None) -> None:
    """Whatever of the head is lost or altered, the chain does not open."""
    builder = Builder()
    builder.block([{"a": b"1"}])
    written(kv, builder)
    kv.write([(table, key, value)])
    with pytest.raises(DatabaseDamaged):
        ChainStore.open(kv, CHAIN)


def test_altered_header_is_refused(kv: KeyValueStore) -> None:
    """A header with one byte changed has another hash than the one that was written."""
    builder = Builder()
    block = builder.block([{"a": b"1"}])
    written(kv, builder)
    key = (1).to_bytes(8, "big")
    with kv.reader() as reader:
        raw = bytearray(reader.get(Table.HEADERS, key) or b"")
    raw[raw.index(block.header.transaction_root)] ^= 1
    kv.write([(Table.HEADERS, key, bytes(raw))])
    with pytest.raises(DatabaseDamaged, match="not the one that was written"):
        ChainStore.open(kv, CHAIN)


def test_unreadable_parts_of_a_block_are_damage(kv: KeyValueStore) -> None:
    """A batch that is no list of envelopes is reported, not returned."""
    builder = Builder()
    builder.block([{"a": b"1"}])
    chain = written(kv, builder)
    kv.write([(Table.BATCHES, (1).to_bytes(8, "big"), b"garbage")])
    with pytest.raises(DatabaseDamaged):
        chain.envelopes(Height(1))


def test_full_disk_leaves_the_chain_where_it_was(tmp_path: Path, armed: None) -> None:
    """A block that cannot become durable is not in the chain, on disk or in memory; it can be tried again."""
    builder = Builder()
    block = builder.block([{"a": b"1"}])
    store = LmdbStore(tmp_path / "db")
    chain = ChainStore.create(store, builder.genesis)
    failpoint.arm("store.before_commit", action=Action.FULL)
    with pytest.raises(DiskFull):
        chain.append([block])
    assert chain.head.height == 0
    assert chain.locate(TransactionId(transaction_id(1, 0))) is None
    chain.append([block])
    assert ChainStore.open(store, CHAIN).head == block.header
    store.close()
