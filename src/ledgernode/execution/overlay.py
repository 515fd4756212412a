"""Writes that may still be thrown away: one call's over one block's over the state as it stands.

    TransactionOverlay   what one transaction (with everything it calls) wrote; committed whole or dropped
    BlockOverlay         what the block's transactions committed so far, over the view at its start

Both read as a `StateView`, so that every reader sees the writes below its feet, in ranges too and in key
order. A scan sees the state as of its start: what is written while it is open does not appear in it.
A block's overlay is written only between transactions, when no scan is open.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ledgernode.store.state import VERSION_BYTES, Change, StateView, record

Item = tuple[bytes, bytes]
Hidden = Callable[[], None]
"""Told of each deletion a scan passes over, so that passing over many can be charged."""

_NOTHING: Final = b""


def _unheard() -> None:
    """Nobody pays for what this scan passes over."""


class BlockOverlay:
    """The state as the block's next transaction finds it, and every change made so far."""

    __slots__ = ("_height", "_index", "_read", "_view", "_written", "changes", "failure")

    def __init__(self, view: StateView, height: int, written: dict[bytes, bytes] | None = None) -> None:
        self._view = view
        self._height = height
        self._read: dict[bytes, bytes | None] = {}
        self._written = written or {}
        self._index: list[bytes] | None = None
        self.changes: list[Change] = []
        self.failure: Exception | None = None
        """What the view itself failed with: our own trouble, whatever a contract makes of it."""

    def get(self, key: bytes) -> bytes | None:
        newest = self.newest(key)
        return None if newest is None or len(newest) == VERSION_BYTES else newest

    def scan(
        self, start: bytes, end: bytes | None, *, reverse: bool = False, hidden: Hidden = _unheard
    ) -> Iterator[Item]:
        below = self._watched(self._view.scan(start, end, reverse=reverse))
        if not self._written:
            return below
        if self._index is None:
            self._index = sorted(self._written)
        return _merged(below, self._own(*_span(self._index, start, end), reverse), reverse, hidden)

    def newest(self, key: bytes) -> bytes | None:
        """The newest record of a key, a deletion's included (a record without a value)."""
        found = self._written.get(key)
        if found is not None:
            return found
        if key in self._read:
            return self._read[key]
        try:
            found = self._view.get(key)
        except Exception as failure:
            self.failure = failure
            raise
        self._read[key] = found
        return found

    def begin(self, position: int) -> TransactionOverlay:
        """A fresh overlay for the call whose receipt stands at this position."""
        return TransactionOverlay(self, position, record(self._height, position, _NOTHING))

    def apply(self, position: int, key: bytes, after: bytes) -> None:
        """Make one record the newest. Deleting what is not there is no change."""
        before = self.newest(key)
        if len(after) == VERSION_BYTES and (before is None or len(before) == VERSION_BYTES):
            return
        if self._index is not None and key not in self._written:
            insort(self._index, key)
        self._written[key] = after
        self.changes.append(Change(position, key, before, after))

    def net(self) -> tuple[list[Item], list[Item]]:
        """(removed, added) records of the whole block, each key once: what the commitment changes by."""
        first: dict[bytes, bytes | None] = {}
        for change in self.changes:
            first.setdefault(change.key, change.before)
        removed = [(key, before) for key, before in first.items() if before is not None]
        added = [(key, after) for key, after in self._written.items() if len(after) != VERSION_BYTES]
        return removed, added

    def _watched(self, items: Iterator[Item]) -> Iterator[Item]:
        try:
            yield from items
        except Exception as failure:
            self.failure = failure
            raise

    def _own(self, low: int, high: int, reverse: bool) -> Iterator[Item]:
        index, written = self._index, self._written
        assert index is not None, "a scan sorts the written keys first"
        for at in reversed(range(low, high)) if reverse else range(low, high):
            yield index[at], written[index[at]]


def beneath(view: StateView, blocks: Iterable[Iterable[Change]]) -> StateView:
    """The view with the changes of blocks that were executed, and are not saved yet."""
    written = {change.key: change.after for changes in blocks for change in changes}
    return BlockOverlay(view, 0, written) if written else view


class TransactionOverlay:
    """One transaction's writes. Dropping it undoes them; `commit` hands them to the block."""

    __slots__ = ("_block", "_index", "_position", "_version", "_writes")

    def __init__(self, block: BlockOverlay, position: int, version: bytes) -> None:
        self._block = block
        self._position = position
        self._version = version
        self._writes: dict[bytes, bytes] = {}
        self._index: list[bytes] | None = None

    @property
    def failure(self) -> Exception | None:
        """As the block's."""
        return self._block.failure

    def __len__(self) -> int:
        """How many keys it has written."""
        return len(self._writes)

    def get(self, key: bytes) -> bytes | None:
        own = self._writes.get(key)
        if own is None:
            return self._block.get(key)
        return None if len(own) == VERSION_BYTES else own

    def put(self, key: bytes, value: bytes) -> None:
        """Write a value, which is never empty."""
        assert value, "an empty value would read as a deletion"
        self._write(key, self._version + value)

    def delete(self, key: bytes) -> None:
        self._write(key, self._version)

    def scan(
        self, start: bytes, end: bytes | None, *, reverse: bool = False, hidden: Hidden = _unheard
    ) -> Iterator[Item]:
        below = self._block.scan(start, end, reverse=reverse, hidden=hidden)
        if not self._writes:
            return below
        if self._index is None:
            self._index = sorted(self._writes)
        low, high = _span(self._index, start, end)
        own = [(key, self._writes[key]) for key in self._index[low:high]]
        if not own:
            return below
        return _merged(below, reversed(own) if reverse else iter(own), reverse, hidden)

    def commit(self) -> None:
        """Make the writes the block's, in the order their keys were first written."""
        apply, position = self._block.apply, self._position
        for key, after in self._writes.items():
            apply(position, key, after)

    def _write(self, key: bytes, after: bytes) -> None:
        if self._index is not None and key not in self._writes:
            insort(self._index, key)
        self._writes[key] = after


def _span(index: list[bytes], start: bytes, end: bytes | None) -> tuple[int, int]:
    """Positions of the keys with start <= key < end."""
    low = bisect_left(index, start)
    return low, len(index) if end is None else bisect_left(index, end, low)


def _merged(below: Iterator[Item], own: Iterator[Item], reverse: bool, hidden: Hidden) -> Iterator[Item]:
    """Both in key order; one's own record hides the one below, a deletion hides it whole."""
    mine, under = next(own, None), next(below, None)
    while mine is not None:
        while under is not None and under[0] != mine[0] and (under[0] < mine[0]) is not reverse:
            yield under
            under = next(below, None)
        if under is not None and under[0] == mine[0]:
            under = next(below, None)
        if len(mine[1]) == VERSION_BYTES:
            hidden()
        else:
            yield mine
        mine = next(own, None)
    while under is not None:
        yield under
        under = next(below, None)
