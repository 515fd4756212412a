"""One suite for every ordered key-value store."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledgernode.store.kv import KEY_BYTES, KeyValueStore, Reader, Table
from ledgernode.store.lmdb import LmdbStore
from ledgernode.store.memory import MemoryStore

TABLES = (Table.STATE, Table.INDEX, Table.META)
keys = st.binary(min_size=1, max_size=3) | st.sampled_from([b"\xff" * 3, b"a" * KEY_BYTES])
values = st.binary(max_size=40)
writes = st.lists(st.tuples(st.sampled_from(TABLES), keys, st.none() | values), max_size=12)
Model = dict[Table, dict[bytes, bytes]]


def expected_scan(
    rows: dict[bytes, bytes], start: bytes, end: bytes | None, reverse: bool
) -> list[tuple[bytes, bytes]]:
    return sorted(
        ((key, value) for key, value in rows.items() if start <= key and (end is None or key < end)), reverse=reverse
    )


class StoreMachine(RuleBasedStateMachine):
    """Any store answers as a dictionary of dictionaries does; a view stays what it was."""

    kind = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.cleanup = ExitStack()
        self.store: KeyValueStore = MemoryStore()
        if self.kind == "lmdb":
            directory = self.cleanup.enter_context(tempfile.TemporaryDirectory())
            self.store = LmdbStore(Path(directory) / "kv")
        self.cleanup.callback(self.store.close)
        self.model: Model = {table: {} for table in TABLES}
        self.views: list[tuple[AbstractContextManager[Reader], Reader, Model]] = []

    def teardown(self) -> None:
        for context, _, _ in self.views:
            context.__exit__(None, None, None)
        self.cleanup.close()

    @initialize(batch=writes)
    def begin(self, batch: list[tuple[Table, bytes, bytes | None]]) -> None:
        self.write(batch)

    @rule(batch=writes)
    def write(self, batch: list[tuple[Table, bytes, bytes | None]]) -> None:
        self.store.write(batch)
        for table, key, value in batch:
            if value is None:
                self.model[table].pop(key, None)
            else:
                self.model[table][key] = value

    @precondition(lambda self: len(self.views) < 3)
    @rule()
    def open_view(self) -> None:
        context = self.store.reader()
        frozen = {table: dict(rows) for table, rows in self.model.items()}
        self.views.append((context, context.__enter__(), frozen))

    @precondition(lambda self: bool(self.views))
    @rule()
    def close_oldest_view(self) -> None:
        self.views.pop(0)[0].__exit__(None, None, None)

    @rule(table=st.sampled_from(TABLES), start=st.just(b"") | keys, end=st.none() | keys, reverse=st.booleans())
    def scans_agree(self, table: Table, start: bytes, end: bytes | None, reverse: bool) -> None:
        with self.store.reader() as reader:
            found = list(reader.scan(table, start, end, reverse=reverse))
        assert found == expected_scan(self.model[table], start, end, reverse)

    @rule(table=st.sampled_from(TABLES), key=keys)
    def gets_agree(self, table: Table, key: bytes) -> None:
        with self.store.reader() as reader:
            assert reader.get(table, key) == self.model[table].get(key)

    @invariant()
    def open_views_stay_what_they_were(self) -> None:
        for _, view, frozen in self.views:
            for table, rows in frozen.items():
                assert list(view.scan(table)) == sorted(rows.items())
                assert view.count(table) == len(rows)


@pytest.mark.parametrize("kind", ["memory", "lmdb"])
def test_store_behaves_as_a_dictionary_of_dictionaries(kind: str) -> None:
    """Every sequence of writes, deletes, scans and views agrees with the plain model."""
    machine = type("Machine", (StoreMachine,), {"kind": kind})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=60 if kind == "memory" else 25, stateful_step_count=20, deadline=None)
    )


def test_last_write_of_a_key_wins_within_a_batch(kv: KeyValueStore) -> None:
    """Later writes of a batch win, a deletion too."""
    kv.write(
        [
            (Table.STATE, b"a", b"1"),
            (Table.STATE, b"a", b"2"),
            (Table.STATE, b"b", b"1"),
            (Table.STATE, b"b", None),
            (Table.STATE, b"c", None),
            (Table.STATE, b"c", b"3"),
        ]
    )
    with kv.reader() as reader:
        assert list(reader.scan(Table.STATE)) == [(b"a", b"2"), (b"c", b"3")]


def test_reverse_scan_ends_before_its_end_and_includes_its_start(kv: KeyValueStore) -> None:
    """start <= key < end holds in both directions, also where the end is no key or lies beyond the last."""
    kv.write([(Table.STATE, bytes((letter,)), b"x") for letter in b"bdf"])

    def scan(start: bytes, end: bytes | None) -> bytes:
        with kv.reader() as reader:
            return b"".join(key for key, _ in reader.scan(Table.STATE, start, end, reverse=True))

    assert scan(b"", None) == b"fdb"
    assert scan(b"b", b"f") == b"db"
    assert scan(b"c", b"e") == b"d"
    assert scan(b"", b"z") == b"fdb"
    assert scan(b"", b"a") == b""
    assert scan(b"", b"") == b""
    assert scan(b"d", b"d") == b""


def test_tables_do_not_share_keys(kv: KeyValueStore) -> None:
    """The same key in two tables is two entries."""
    kv.write([(Table.STATE, b"k", b"state"), (Table.META, b"k", b"meta")])
    with kv.reader() as reader:
        assert reader.get(Table.STATE, b"k") == b"state"
        assert reader.get(Table.META, b"k") == b"meta"
        assert reader.get(Table.INDEX, b"k") is None


@pytest.mark.parametrize("key", [b"", b"k" * (KEY_BYTES + 1)])
def test_keys_outside_the_permitted_length_stop_the_process(kv: KeyValueStore, key: bytes) -> None:
    """Such a key is our own error: it is asserted, and nothing of the batch is written."""
    with pytest.raises(AssertionError):
        kv.write([(Table.STATE, b"good", b"x"), (Table.STATE, key, b"x")])
    with kv.reader() as reader:
        assert reader.count(Table.STATE) == 0


def test_an_abandoned_scan_leaves_the_view_usable(kv: KeyValueStore) -> None:
    """Taking one item of a scan and dropping it disturbs nothing."""
    kv.write([(Table.STATE, b"%d" % number, b"x") for number in range(9)])
    with kv.reader() as reader:
        first = next(iter(reader.scan(Table.STATE)))
        assert first == (b"0", b"x")
        assert len(list(reader.scan(Table.STATE))) == 9
