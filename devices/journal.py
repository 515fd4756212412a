"""A device's disk: records by key in one file that only grows, until it is written anew.

    entry   length 4 | CRC-32 4 | MessagePack array of (key, content), one step's

A step's records are one entry, and durable when `write` returns. A torn last entry was never acknowledged and is cut
off; damage before it stops the device, since what follows cannot be trusted. Of two processes the second is refused.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from ledgernode.errors import DatabaseDamaged, DatabaseInUse
from ledgernode.wire.unreadable import UNREADABLE

_HEAD: Final = struct.Struct(">II")
_GARBAGE: Final = 8
"""Written anew when it is so many times larger than what it says."""
_LEAST_BYTES: Final = 1 << 20

Entry = tuple[tuple[str, bytes], ...]


class Journal:
    """Open at most once; `records` is what stands."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.records: dict[str, bytes] = {}
        try:
            self._lock(self._file)
            self._size = self._read()
        except BaseException:
            os.close(self._file)
            raise
        _sync_directory(path.parent)

    def write(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Make them durable together; an empty content forgets its key."""
        entry = tuple(records)
        if not entry:
            return
        self._append(self._file, _framed(entry))
        self._take(entry)
        if self._size > max(_LEAST_BYTES, _GARBAGE * sum(map(len, self.records.values()))):
            self._rewrite()

    def close(self) -> None:
        os.close(self._file)

    def _read(self) -> int:
        raw = _whole(self._file)
        at = 0
        while at + _HEAD.size <= len(raw) and any(raw[at : at + _HEAD.size]):
            length, check = _HEAD.unpack_from(raw, at)
            payload = raw[at + _HEAD.size : at + _HEAD.size + length]
            end = at + _HEAD.size + length
            if len(payload) < length or zlib.crc32(payload) != check:
                if end < len(raw):
                    raise DatabaseDamaged(f"{self._path} is damaged at byte {at}: entries follow what cannot be read")
                break
            try:
                self._take(msgspec.msgpack.decode(payload, type=Entry))
            except UNREADABLE as error:
                raise DatabaseDamaged(f"{self._path} is damaged at byte {at}: {error}") from error
            at = end
        os.ftruncate(self._file, at)
        os.lseek(self._file, at, os.SEEK_SET)
        return at

    def _take(self, entry: Entry) -> None:
        for key, content in entry:
            if content:
                self.records[key] = content
            else:
                self.records.pop(key, None)

    def _append(self, file: int, framed: bytes) -> None:
        left = memoryview(framed)
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
        self._size += len(framed)

    def _rewrite(self) -> None:
        """What stands, in one entry of a new file that takes the old one's place."""
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        file = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._lock(file)
        self._size = 0
        self._append(file, _framed(tuple(sorted(self.records.items()))))
        fresh.rename(self._path)
        _sync_directory(self._path.parent)
        os.close(self._file)
        self._file = file

    def _lock(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatabaseInUse(f"another process has {self._path} open") from None


def _framed(entry: Entry) -> bytes:
    payload = msgspec.msgpack.encode(entry)
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def _whole(file: int) -> bytes:
    size = os.fstat(file).st_size
    parts: list[bytes] = []
    while size:
        part = os.read(file, size)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
