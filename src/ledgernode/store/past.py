"""Looking at the state: as it is, as it was at an earlier height, and how one key came to its value.

A block keeps what each of its writes replaced (`Table.UNDO`). Every record names the write that made it,
so the chain of replaced records is a key's history and needs no table of its own; and the state of an
earlier height is today's with the later blocks' writes taken back.

    undo  MessagePack array of [position, key, replaced record or null], in the order of the writes
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from ledgernode.errors import DatabaseDamaged, Pruned
from ledgernode.store.kv import Reader, Table
from ledgernode.store.state import is_grave, version_of

Undo = list[tuple[int, bytes, bytes | None]]

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Undo)
HEIGHT_BYTES: Final = 8


def height_key(height: int) -> bytes:
    return height.to_bytes(HEIGHT_BYTES, "big")


def encode_undo(replaced: Iterable[tuple[int, bytes, bytes | None]]) -> bytes:
    """One entry for each key a call wrote: its first write has what the call found."""
    first: dict[tuple[int, bytes], bytes | None] = {}
    for position, key, before in replaced:
        first.setdefault((position, key), before)
    return _ENCODER.encode([(position, key, before) for (position, key), before in first.items()])


def read_undo(reader: Reader, height: int) -> Undo:
    """What the block of this height replaced. Refuses where it is not kept (Pruned)."""
    raw = reader.get(Table.UNDO, height_key(height))
    if raw is None:
        raise Pruned(f"what block {height} replaced is not kept here: this node has what follows a later block")
    try:
        return _DECODER.decode(raw)
    except msgspec.MsgspecError as error:
        raise DatabaseDamaged(f"what block {height} replaced cannot be read: {error}") from error


class CurrentState:
    """The state after the last block."""

    __slots__ = ("_reader",)

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def get(self, key: bytes) -> bytes | None:
        return self._reader.get(Table.STATE, key)

    def scan(self, start: bytes, end: bytes | None, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        return self._reader.scan(Table.STATE, start, end, reverse=reverse)


class PastState:
    """The state after the block of `height`: one key by following its records back, a range by taking blocks back."""

    def __init__(self, reader: Reader, height: int, head: int) -> None:
        self._reader = reader
        self._height = height
        self._head = head
        self._replaced: dict[int, dict[bytes, bytes | None]] = {}
        self._overlay: dict[bytes, bytes | None] | None = None

    def get(self, key: bytes) -> bytes | None:
        record = self._reader.get(Table.STATE, key) or self._reader.get(Table.GRAVES, key)
        while record is not None:  # ends: what a block replaced is older than the block
            height, _ = version_of(record)
            if height <= self._height:
                return None if is_grave(record) else record
            record = self._replaced_by(height)[key]
        return None

    def scan(self, start: bytes, end: bytes | None, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Today's items of the range, but for each key written since, what it was."""
        overlay = self._whole_overlay()
        changed = sorted((key for key in overlay if start <= key and (end is None or key < end)), reverse=not reverse)
        for key, record in self._reader.scan(Table.STATE, start, end, reverse=reverse):
            while changed and (changed[-1] > key if reverse else changed[-1] < key):
                yield from self._earlier(changed.pop())
            if changed and changed[-1] == key:
                yield from self._earlier(changed.pop())
            else:
                yield key, record
        while changed:
            yield from self._earlier(changed.pop())

    def _earlier(self, key: bytes) -> Iterator[tuple[bytes, bytes]]:
        record = self._whole_overlay()[key]
        if record is not None and not is_grave(record):
            yield key, record

    def _whole_overlay(self) -> dict[bytes, bytes | None]:
        """What each key written since `height` was then: the oldest of the blocks above has it."""
        if self._overlay is None:
            self._overlay = {}
            for height in range(self._head, self._height, -1):
                self._overlay.update(self._replaced_by(height))
        return self._overlay

    def _replaced_by(self, height: int) -> dict[bytes, bytes | None]:
        """By key, what the block found."""
        found = self._replaced.get(height)
        if found is None:
            found = {}
            for _, key, before in read_undo(self._reader, height):
                found.setdefault(key, before)
            self._replaced[height] = found
        return found


def history(reader: Reader, key: bytes, limit: int, base: int) -> list[tuple[tuple[int, int], bytes]]:
    """Newest first, the (height, position) and record of each write of the key; deletions are graves.

    Refuses with Pruned where the walk needs what lies at or below `base`, the height this store began at.
    """
    found: list[tuple[tuple[int, int], bytes]] = []
    record = reader.get(Table.STATE, key) or reader.get(Table.GRAVES, key)
    undo_height, undo = -1, {}
    while record is not None and len(found) < limit:
        height, position = version_of(record)
        found.append(((height, position), record))
        if len(found) == limit:
            break
        if height <= base and base > 0:
            raise Pruned(f"older versions of this key are not kept here: this node has what follows block {base}")
        if height != undo_height:
            undo_height = height
            undo = {at: before for at, written, before in read_undo(reader, height) if written == key}
        record = undo[position]
    return found
