"""The memory twin of `store.lmdb`: for tests, and for the ledger of contract authors. Nothing is durable.

A table is a dictionary and its sorted keys. A write changes tables in place while nobody looks; when a
view is open it changes copies, so that the view stays what it was.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from ledgernode.store.kv import KEY_BYTES, Reader, Table, Write


class _Rows:
    """One table."""

    __slots__ = ("keys", "values")

    def __init__(self, keys: list[bytes], values: dict[bytes, bytes]) -> None:
        self.keys = keys
        self.values = values

    def copy(self) -> _Rows:
        return _Rows(list(self.keys), dict(self.values))

    def put(self, key: bytes, value: bytes) -> None:
        if key not in self.values:
            insort(self.keys, key)
        self.values[key] = value

    def delete(self, key: bytes) -> None:
        if self.values.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]


class _View:
    """The tables as they were when the view was opened."""

    __slots__ = ("_tables",)

    def __init__(self, tables: dict[Table, _Rows]) -> None:
        self._tables = tables

    def get(self, table: Table, key: bytes) -> bytes | None:
        return self._tables[table].values.get(key)

    def scan(
        self, table: Table, start: bytes = b"", end: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        rows = self._tables[table]
        first = bisect_left(rows.keys, start)
        last = len(rows.keys) if end is None else bisect_left(rows.keys, end)
        places = range(last - 1, first - 1, -1) if reverse else range(first, last)
        for place in places:
            key = rows.keys[place]
            yield key, rows.values[key]

    def count(self, table: Table) -> int:
        return len(self._tables[table].keys)


class MemoryStore:
    def __init__(self) -> None:
        self._tables: dict[Table, _Rows] = {table: _Rows([], {}) for table in Table}
        self._open_views = 0
        self._lock = Lock()

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        with self._lock:
            self._open_views += 1
            view = _View(self._tables)
        try:
            yield view
        finally:
            with self._lock:
                self._open_views -= 1

    def write(self, writes: Sequence[Write]) -> None:
        assert all(0 < len(key) <= KEY_BYTES for _, key, _ in writes), "a key has 1 to 511 bytes"
        with self._lock:
            if self._open_views:
                touched = {table for table, _, _ in writes}
                self._tables = {
                    table: rows.copy() if table in touched else rows for table, rows in self._tables.items()
                }
            for table, key, value in writes:
                if value is None:
                    self._tables[table].delete(key)
                else:
                    self._tables[table].put(key, value)

    def copy(self) -> MemoryStore:
        """Another store that holds the same, and goes its own way."""
        found = MemoryStore()
        with self._lock:
            found._tables = {table: rows.copy() for table, rows in self._tables.items()}
        return found

    def close(self) -> None:
        """Nothing to close; what was written is gone with the object."""
