"""A store of an older format becomes one of this software's, whatever happens on the way; a newer one is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ledgernode.errors import DatabaseForeign
from ledgernode.store import failpoint
from ledgernode.store.chain import ChainStore
from ledgernode.store.failpoint import Action
from ledgernode.store.kv import KeyValueStore, Reader, Table, Write
from ledgernode.store.lmdb import LmdbStore
from ledgernode.store.memory import MemoryStore
from ledgernode.store.migrating import META_MIGRATING, Step, migrate, require_readable
from ledgernode.store.sealed import FORMAT, META_FORMAT
from tests.store.blocks import CHAIN, Builder

OLD = int(FORMAT.rpartition(b"/")[2])
RECORDS = 7


def doubled(reader: Reader, place: bytes) -> tuple[list[Write], bytes | None]:
    """Two votes at a time, each written twice as long: done twice it would be four times."""
    found = list(reader.scan(Table.VOTES, place or b"\x00"))
    piece, rest = found[:2], found[2:]
    return [(Table.VOTES, key, value * 2) for key, value in piece], rest[0][0] if rest else None


def marked(_reader: Reader, _place: bytes) -> tuple[list[Write], bytes | None]:
    return [(Table.META, b"marked", b"\x01")], None


STEPS = {OLD: Step("votes are twice as long", doubled), OLD + 1: Step("a mark", marked)}
NEWEST = OLD + 2


def filled(kv: KeyValueStore) -> KeyValueStore:
    builder = Builder()
    ChainStore.create(kv, builder.genesis).append([builder.block([{"key": b"x"}])])
    kv.write([(Table.VOTES, b"%d" % number, b"%d" % number) for number in range(RECORDS)])
    return kv


def is_migrated(kv: KeyValueStore) -> bool:
    with kv.reader() as reader:
        assert reader.get(Table.META, META_MIGRATING) is None
        assert reader.get(Table.META, META_FORMAT) == b"ledgernode/store/%d" % NEWEST
        assert dict(reader.scan(Table.VOTES)) == {b"%d" % n: b"%d%d" % (n, n) for n in range(RECORDS)}
        return reader.get(Table.META, b"marked") is not None


def test_every_step_is_taken_once(kv: KeyValueStore) -> None:
    """By pieces, told as it goes; afterwards there is nothing to do."""
    with capture_logs() as logged:
        assert migrate(filled(kv), steps=STEPS, newest=NEWEST)
    assert is_migrated(kv)
    assert [line["pieces"] for line in logged if "pieces" in line] == [4, 1]
    assert not migrate(kv, steps=STEPS, newest=NEWEST)


@pytest.mark.usefixtures("armed")
@pytest.mark.parametrize("point", ["migrate.before_piece", "store.before_commit"])
@pytest.mark.parametrize("count", range(1, 6))
def test_what_was_cut_short_goes_on_where_it_was(tmp_path: Path, point: str, count: int) -> None:
    """Before any of the five writes; meanwhile the store is nobody's but of who knows the step."""
    store = LmdbStore(tmp_path / "db")
    filled(store)
    failpoint.arm(point, count, Action.FULL)
    with pytest.raises(Exception, match=r"No space|nothing was written"):
        migrate(store, steps=STEPS, newest=NEWEST)
    store.close()
    failpoint.disarm()
    store = LmdbStore(tmp_path / "db")
    if count > 1:
        with pytest.raises(DatabaseForeign, match="a newer version wrote this database"):
            ChainStore.open(store, CHAIN)
    assert migrate(store, steps=STEPS, newest=NEWEST)
    assert is_migrated(store)
    store.close()


def test_a_store_of_a_newer_format_is_left_as_it_is(kv: KeyValueStore) -> None:
    """An older program says that a newer one was here, whether it opens the chain or would migrate it."""
    filled(kv)
    migrate(kv, steps=STEPS, newest=NEWEST)
    for refused in (lambda: migrate(kv), lambda: ChainStore.open(kv, CHAIN)):
        with pytest.raises(DatabaseForeign, match=f"of format ledgernode/store/{NEWEST}; this software reads {OLD}"):
            refused()
    assert is_migrated(kv)


def test_a_store_of_a_forgotten_format_is_refused(kv: KeyValueStore) -> None:
    """No step leads on from it; one that is older is not opened before it is migrated."""
    filled(kv)
    with pytest.raises(DatabaseForeign, match="does not know any more"):
        migrate(kv, steps={OLD + 1: STEPS[OLD + 1]}, newest=NEWEST)
    with kv.reader() as reader, pytest.raises(DatabaseForeign, match="start the node"):
        require_readable(reader, newest=NEWEST)


def test_what_is_no_store_of_ours_is_refused() -> None:
    """Whatever stands where the format does."""
    for raw in (
        b"ledgernode/store/",
        b"ledgernode/other/1",
        b"1",
        b"ledgernode/store/1>",
        b"ledgernode/store/-1",
        b"\xff",
    ):
        kv = MemoryStore()
        kv.write([(Table.META, META_FORMAT, raw)])
        with pytest.raises(DatabaseForeign, match="none of ours"):
            migrate(kv)


def test_an_empty_store_is_left_alone(kv: KeyValueStore) -> None:
    """Genesis writes the newest format."""
    assert not migrate(kv, steps=STEPS, newest=NEWEST)
    with kv.reader() as reader:
        assert reader.count(Table.META) == 0
