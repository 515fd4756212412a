"""The overlay against the simplest thing it could be: a dictionary that is sorted whenever it is read."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ledgernode.execution.overlay import BlockOverlay, TransactionOverlay, beneath
from ledgernode.store.state import Change, is_grave, record, value_of, version_of

KEYS = st.binary(min_size=1, max_size=2).map(lambda raw: b"c\x00" + raw.hex().encode())
VALUES = st.binary(min_size=1, max_size=3)
HEIGHT = 7


class PlainView:
    """A state view over a dictionary."""

    def __init__(self, records: dict[bytes, bytes]) -> None:
        self.records = records

    def get(self, key: bytes) -> bytes | None:
        return self.records.get(key)

    def scan(self, start: bytes, end: bytes | None, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        return iter(expected(self.records, start, end, reverse))


def expected(records: dict[bytes, bytes], start: bytes, end: bytes | None, reverse: bool) -> list[tuple[bytes, bytes]]:
    found = sorted(item for item in records.items() if start <= item[0] and (end is None or item[0] < end))
    return found[::-1] if reverse else found


def values(items: Iterator[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(key, value_of(stored)) for key, stored in items]


class OverlayMachine(RuleBasedStateMachine):
    """Transactions write, scan, commit or vanish; the model is three dictionaries."""

    @initialize(state=st.dictionaries(KEYS, VALUES, max_size=8))
    def start(self, state: dict[bytes, bytes]) -> None:
        self.before = {key: record(3, 0, value) for key, value in state.items()}
        self.block = BlockOverlay(PlainView(self.before), HEIGHT)
        self.committed = dict(state)
        self.model = dict(state)
        self.position = 0
        self.open_scans: list[tuple[Iterator[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]] = []
        self.transaction: TransactionOverlay = self.block.begin(0)

    @rule(key=KEYS, value=VALUES)
    def put(self, key: bytes, value: bytes) -> None:
        self.transaction.put(key, value)
        self.model[key] = value

    @rule(key=KEYS)
    def delete(self, key: bytes) -> None:
        self.transaction.delete(key)
        self.model.pop(key, None)

    @rule(key=KEYS)
    def get(self, key: bytes) -> None:
        found = self.transaction.get(key)
        assert (None if found is None else value_of(found)) == self.model.get(key)

    @rule(start=KEYS | st.just(b""), end=KEYS | st.none(), reverse=st.booleans())
    def scan(self, start: bytes, end: bytes | None, reverse: bool) -> None:
        found = values(self.transaction.scan(start, end, reverse=reverse))
        assert found == expected(self.model, start, end, reverse)

    @rule(reverse=st.booleans())
    def open_scan(self, reverse: bool) -> None:
        """What is written from here on must not appear in it."""
        scan = self.transaction.scan(b"", None, reverse=reverse)
        self.open_scans.append((scan, expected(self.model, b"", None, reverse)))

    @precondition(lambda self: self.open_scans)
    @rule()
    def read_open_scan_on(self) -> None:
        scan, waiting = self.open_scans[-1]
        found = next(scan, None)
        assert (None if found is None else (found[0], value_of(found[1]))) == (waiting.pop(0) if waiting else None)

    @rule()
    def commit(self) -> None:
        self._finish_scans()
        self.transaction.commit()
        self.committed = dict(self.model)
        self._next()

    @rule()
    def discard(self) -> None:
        self._finish_scans()
        self.model = dict(self.committed)
        self._next()

    @invariant()
    def block_shows_what_was_committed(self) -> None:
        if hasattr(self, "block"):
            assert values(self.block.scan(b"", None)) == expected(self.committed, b"", None, False)

    def teardown(self) -> None:
        if hasattr(self, "block"):
            self._finish_scans()
            self._check_changes()

    def _finish_scans(self) -> None:
        for scan, waiting in self.open_scans:
            assert values(scan) == waiting
        self.open_scans = []

    def _next(self) -> None:
        self.position += 1
        self.transaction = self.block.begin(self.position)

    def _check_changes(self) -> None:
        """Applied in order to the state before, the changes give the state after; so does the net of them."""
        newest = dict(self.before)
        for change in self.block.changes:
            assert change.before == newest.get(change.key)
            assert version_of(change.after) == (HEIGHT, change.position)
            newest[change.key] = change.after
        removed, added = self.block.net()
        netted = dict((self.before.items() - set(removed)) | set(added))
        assert netted == {key: stored for key, stored in newest.items() if not is_grave(stored)}
        assert values(iter(sorted(netted.items()))) == sorted(self.committed.items())


TestOverlayAgainstPlainDictionaries = OverlayMachine.TestCase
TestOverlayAgainstPlainDictionaries.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)


def block_over(records: dict[bytes, bytes]) -> BlockOverlay:
    return BlockOverlay(PlainView(records), HEIGHT)


def test_several_writes_of_one_key_in_a_transaction_are_one_change() -> None:
    """A transaction is one version of each key it wrote: its last word."""
    block = block_over({})
    transaction = block.begin(2)
    transaction.put(b"a", b"1")
    transaction.put(b"b", b"1")
    transaction.put(b"a", b"2")
    transaction.commit()
    assert block.changes == [
        Change(2, b"a", None, record(HEIGHT, 2, b"2")),
        Change(2, b"b", None, record(HEIGHT, 2, b"1")),
    ]


def test_later_transaction_replaces_the_record_of_the_earlier_one() -> None:
    """The second write of a key within a block has the first one's record as its `before`, also a deletion's."""
    old = record(1, 0, b"old")
    block = block_over({b"a": old})
    for position, value in enumerate((b"1", b"", b"3")):
        transaction = block.begin(position)
        transaction.put(b"a", value) if value else transaction.delete(b"a")
        transaction.commit()
    records = [record(HEIGHT, position, value) for position, value in enumerate((b"1", b"", b"3"))]
    assert [(change.before, change.after) for change in block.changes] == list(
        zip([old, *records], records, strict=False)
    )
    assert block.net() == ([(b"a", old)], [(b"a", records[2])])


def test_deleting_what_is_not_there_is_no_change() -> None:
    """Neither an absent key, nor one put and deleted by the same transaction, nor one deleted before."""
    block = block_over({b"b": record(1, 0, b"x")})
    first = block.begin(0)
    first.delete(b"absent")
    first.put(b"brief", b"1")
    first.delete(b"brief")
    first.delete(b"b")
    first.commit()
    second = block.begin(1)
    second.delete(b"b")
    second.commit()
    assert [(change.position, change.key) for change in block.changes] == [(0, b"b")]


def test_scan_reports_each_deletion_it_passes_over() -> None:
    """So that passing over thousands of them can be charged."""
    block = block_over({bytes([at]): record(1, 0, b"x") for at in range(6)})
    first = block.begin(0)
    first.delete(b"\x01")
    first.commit()
    second = block.begin(1)
    second.delete(b"\x02")
    second.delete(b"\x05")
    passed: list[int] = []
    found = [key for key, _ in second.scan(b"\x00", b"\x05", hidden=lambda: passed.append(1))]
    assert found == [b"\x00", b"\x03", b"\x04"]
    assert len(passed) == 2


def test_unsaved_blocks_lie_beneath_the_next_one() -> None:
    """Their writes are read like saved ones; the next block's changes are its own alone."""
    view = PlainView({b"a": record(1, 0, b"a"), b"b": record(1, 0, b"b")})
    first = BlockOverlay(view, 2)
    writing = first.begin(0)
    writing.put(b"c", b"c")
    writing.delete(b"a")
    writing.commit()
    next_block = BlockOverlay(beneath(view, [first.changes]), 3)
    assert values(next_block.scan(b"", None)) == [(b"b", b"b"), (b"c", b"c")]
    assert next_block.changes == []
    assert next_block.net() == ([], [])
    assert beneath(view, []) is view
