"""History and past states, against a model that remembers everything."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgernode.errors import DatabaseDamaged, Pruned
from ledgernode.store.chain import ChainStore
from ledgernode.store.kv import KeyValueStore, Table
from ledgernode.store.memory import MemoryStore
from ledgernode.store.past import encode_undo
from ledgernode.store.state import is_grave
from ledgernode.wire.types import Height
from tests.store.blocks import Builder, Call

names = st.sampled_from("abcd")
calls = st.lists(st.dictionaries(names, st.none() | st.binary(min_size=1, max_size=3), max_size=3), max_size=4)
blocks = st.lists(calls, min_size=1, max_size=6)
bounds = st.sampled_from([b"", b"test\x00", b"test\x00a", b"test\x00b", b"test\x00c\x00", b"test\x01"])


def built(written: list[list[Call]], group: int) -> tuple[Builder, ChainStore]:
    builder = Builder()
    for block in written:
        builder.block(block)
    chain = ChainStore.create(MemoryStore(), builder.genesis)
    for at in range(1, len(builder.blocks), group):
        chain.append(builder.blocks[at : at + group])
    return builder, chain


@settings(max_examples=80, deadline=None)
@given(blocks, st.integers(1, 3))
def test_history_is_every_version_newest_first(written: list[list[Call]], group: int) -> None:
    """Deletions are part of it, creations after a deletion too, whatever the grouping of the writes."""
    builder, chain = built(written, group)
    for key, versions in builder.versions.items():
        assert chain.history(key, 1_000) == versions
        assert chain.history(key, 2) == versions[:2]
    assert chain.history(b"test\x00never", 10) == []


@settings(max_examples=80, deadline=None)
@given(blocks, bounds, st.none() | bounds, st.booleans())
def test_past_state_is_what_it_was(written: list[list[Call]], start: bytes, end: bytes | None, reverse: bool) -> None:
    """At every height, one by one and in ranges, forwards and backwards."""
    builder, chain = built(written, 2)
    for height, state in enumerate(builder.states):
        expected = sorted(
            ((key, record) for key, record in state.items() if start <= key and (end is None or key < end)),
            reverse=reverse,
        )
        with chain.state_at(Height(height)) as view:
            assert list(view.scan(start, end, reverse=reverse)) == expected
            for key in builder.versions:
                assert view.get(key) == state.get(key)


def test_deleted_and_made_again_key_has_one_unbroken_history(kv: KeyValueStore) -> None:
    """The grave links the versions before and after, and goes when the key comes back."""
    builder = Builder()
    for value in (b"1", None, b"2", None):
        builder.block([{"k": value}])
    chain = ChainStore.create(kv, builder.genesis)
    for block in builder.blocks[1:4]:
        chain.append([block])
    with kv.reader() as reader:
        assert reader.count(Table.GRAVES) == 0
    reopened = ChainStore.open(kv, chain.chain_id)
    reopened.append([builder.blocks[4]])
    assert [version for version, _ in reopened.history(b"test\x00k", 9)] == [(4, 0), (3, 0), (2, 0), (1, 0)]
    assert [is_grave(record) for _, record in reopened.history(b"test\x00k", 9)] == [True, False, True, False]


def test_graves_found_after_reopening_link_history(kv: KeyValueStore) -> None:
    """A key deleted before a restart of the node and made again after it keeps its history."""
    builder = Builder()
    for value in (b"1", None, b"2"):
        builder.block([{"k": value}])
    chain = ChainStore.create(kv, builder.genesis)
    chain.append(builder.blocks[1:3])
    reopened = ChainStore.open(kv, chain.chain_id)
    reopened.append([builder.blocks[3]])
    assert reopened.history(b"test\x00k", 9) == builder.versions[b"test\x00k"]


def test_state_outside_the_window_is_pruned(kv: KeyValueStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last READABLE_PAST_HEIGHTS heights are readable, the one before them is not."""
    monkeypatch.setattr("ledgernode.config.READABLE_PAST_HEIGHTS", 2)
    builder = Builder()
    for number in range(4):
        builder.block([{"k": b"%d" % number}])
    chain = ChainStore.create(kv, builder.genesis)
    chain.append(builder.blocks[1:])
    with chain.state_at(Height(2)) as view:
        assert view.get(b"test\x00k") == builder.states[2][b"test\x00k"]
    with pytest.raises(Pruned, match="the oldest is 2"), chain.state_at(Height(1)):
        pass
    assert len(chain.history(b"test\x00k", 9)) == 4


def test_an_open_view_of_the_past_stays_while_the_chain_goes_on(kv: KeyValueStore) -> None:
    """Blocks appended meanwhile do not show."""
    builder = Builder()
    for number in range(4):
        builder.block([{"k": b"%d" % number, "n": b"x"}])
    chain = ChainStore.create(kv, builder.genesis)
    chain.append(builder.blocks[1:3])
    with chain.state_at(Height(1)) as past, chain.state() as current:
        chain.append(builder.blocks[3:])
        assert dict(past.scan(b"", None)) == builder.states[1]
        assert past.get(b"test\x00k") == builder.states[1][b"test\x00k"]
        assert dict(current.scan(b"", None)) == builder.states[2]


def test_second_write_of_a_call_does_not_break_the_history() -> None:
    """Of two writes of a key at one position, the first has what the call found."""
    assert encode_undo([(0, b"k", b"old"), (0, b"k", b"new"), (1, b"k", b"newer")]) == encode_undo(
        [(0, b"k", b"old"), (1, b"k", b"newer")]
    )


def test_unreadable_undo_is_damage(kv: KeyValueStore) -> None:
    """What cannot be read is reported, not skipped."""
    builder = Builder()
    builder.block([{"k": b"1"}])
    chain = ChainStore.create(kv, builder.genesis)
    chain.append(builder.blocks[1:])
    kv.write([(Table.UNDO, (1).to_bytes(8, "big"), b"garbage")])
    with pytest.raises(DatabaseDamaged):
        chain.history(b"test\x00k", 9)
