"""Views of the state, and what a block changes in it.

A stored record is the version that wrote it (height 8, position 4: the receipt's place in its block)
followed by the value. A record with an empty value marks a deletion; it is kept only where history
needs it. Values are never empty.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, Protocol

import msgspec

_VERSION: Final = struct.Struct(">QI")
VERSION_BYTES: Final = _VERSION.size


class StateView(Protocol):
    """State records (version and value) at one height, by full state key."""

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, start: bytes, end: bytes | None, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]: ...


class Change(msgspec.Struct, frozen=True, gc=False):
    """One write of one call: the record it replaced (None where there was none), and the new record.

    `after` with an empty value is a deletion. Changes stand in the order they were made; the second
    write of a key within a block has the first one's record as its `before`.
    """

    position: int
    key: bytes
    before: bytes | None
    after: bytes


def record(height: int, position: int, value: bytes) -> bytes:
    return _VERSION.pack(height, position) + value


def version_of(stored: bytes) -> tuple[int, int]:
    """(height, position) of the write that made this record."""
    height, position = _VERSION.unpack_from(stored)
    return height, position


def value_of(stored: bytes) -> bytes:
    return stored[VERSION_BYTES:]


def is_grave(stored: bytes) -> bool:
    return len(stored) == VERSION_BYTES
