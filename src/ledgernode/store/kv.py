"""The ordered key-value interface that every durable thing of the node stands on.

Two implementations keep one contract (and one test suite): `store.memory` and `store.lmdb`.
A write is one batch over any tables: it is durable whole, or it did not happen. Readers see the
last finished write and are never blocked by one. Keys have 1 to `KEY_BYTES` bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Final, Protocol

KEY_BYTES: Final = 511
"""What LMDB can hold; the ledger's own `key_bytes` and names stay well below."""

Write = tuple["Table", bytes, bytes | None]
"""(table, key, value), None deletes. Later writes of a batch win over earlier ones of the same key."""


class Table(StrEnum):
    """Every table there is. Keys of `…by height` are 8 big-endian bytes."""

    META = "meta"  # format, chain id, head, lattice sum
    HEADERS = "headers"  # by height
    BATCHES = "batches"  # by height: the ordered envelopes
    RECEIPTS = "receipts"  # by height
    CERTIFICATES = "certificates"  # by height
    HASHES = "hashes"  # header hash -> height
    SETS = "sets"  # by hash: validator sets that ever signed
    STATE = "state"  # namespace NUL key -> version, value
    GRAVES = "graves"  # a deleted key -> version of the deletion, so that its history can be followed
    UNDO = "undo"  # by height: what each write replaced (history, past heights)
    INDEX = "index"  # day 4 | transaction id 16 -> height 8 | position 4
    VOTES = "votes"  # the engine's own log


class Reader(Protocol):
    """One consistent view."""

    def get(self, table: Table, key: bytes) -> bytes | None: ...

    def scan(
        self, table: Table, start: bytes = b"", end: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Items with start <= key < end (None: to the end), in key order or its reverse."""
        ...

    def count(self, table: Table) -> int: ...


class KeyValueStore(Protocol):
    def reader(self) -> AbstractContextManager[Reader]:
        """A view of the last finished write, the same for as long as it is open."""
        ...

    def write(self, writes: Sequence[Write]) -> None:
        """Make the whole batch durable before returning; refuses (DiskFull) with nothing written."""
        ...

    def close(self) -> None: ...
