"""The outbox on disk: LMDB, one synced transaction for all that was handed in meanwhile.

    entries   what waits for the ledger                   (`entry.py`)
    refused   when (ms) | entry's key -> code | NUL | entry's value: what the ledger will never take
    facts     what belongs to the same moment as entries: an edge device's counters, positions, commands
    meta      the format of all this; a newer one is refused, and left as it is

One process has a directory; LMDB's own lock file is not asked, a lock beside it is.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import lmdb

from gateway.holder import hold
from gateway.outbox.entry import Entry, id_in, read_entry, read_key
from ledgernode.errors import DatabaseDamaged, DatabaseForeign, DiskFull, OutboxFull

_TIME: Final = struct.Struct(">Q")
_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ROOM_FACTOR: Final = 3
"""The map beside what is kept: pages are never full, and deleted ones wait for their readers."""
_READERS: Final = 126
FORMAT: Final = b"ledgernode/outbox/1"


class Refused(NamedTuple):
    """An entry that the ledger will never take, when that was found, and its code."""

    at_ms: int
    code: str
    entry: Entry


class Writes(NamedTuple):
    """Durable together, or not at all."""

    kept: Sequence[Entry] = ()
    gone: Sequence[bytes] = ()
    refused: Sequence[Refused] = ()
    facts: Mapping[bytes, bytes | None] = {}


class OutboxStore:
    """Opens the directory, or makes it. Refuses with DatabaseInUse, DatabaseForeign and DatabaseDamaged."""

    def __init__(self, path: Path, *, entry_bytes: int, refused_kept: int) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self._refused_kept = refused_kept
        self._holder = hold(path, "gateway")
        try:
            self._environment: Any = lmdb.open(
                str(path), map_size=_ROOM_FACTOR * entry_bytes + (64 << 20), max_dbs=4, max_readers=_READERS, mode=0o600
            )
            self._entries = self._environment.open_db(b"entries")
            self._refused = self._environment.open_db(b"refused")
            self._facts = self._environment.open_db(b"facts")
            self._require_format()
        except lmdb.Error as error:
            os.close(self._holder)
            raise DatabaseDamaged(f"{path} cannot be opened: {error}") from error
        except DatabaseForeign:
            self.close()
            raise

    def _require_format(self) -> None:
        """Write it where none stands: that was before there was one. Refuses another (DatabaseForeign)."""
        meta = self._environment.open_db(b"meta")
        with self._environment.begin() as transaction:
            found = transaction.get(b"format", db=meta)
        if found is None:
            with self._environment.begin(write=True) as transaction:
                transaction.put(b"format", FORMAT, db=meta)
        elif found != FORMAT:
            raise DatabaseForeign(
                f"another version wrote {self.path}, in format {bytes(found)[:40].decode('ascii', 'replace')}; "
                f"this software reads {FORMAT.decode()}: install that version again"
            )

    def close(self) -> None:
        self._environment.close()
        os.close(self._holder)

    def write(self, writes: Writes) -> None:
        """Synced when this returns. Raises OutboxFull or DiskFull with nothing written."""
        try:
            with self._environment.begin(write=True) as transaction:
                for key in writes.gone:
                    transaction.delete(key, db=self._entries)
                for entry in sorted(writes.kept):
                    transaction.put(entry.key, entry.value, db=self._entries)
                for refused in writes.refused:
                    value = refused.code.encode() + b"\x00" + refused.entry.value
                    transaction.put(_TIME.pack(refused.at_ms) + refused.entry.key, value, db=self._refused)
                if writes.refused:
                    self._forget_oldest_refused(transaction)
                for key, fact in writes.facts.items():
                    if fact is None:
                        transaction.delete(key, db=self._facts)
                    else:
                        transaction.put(key, fact, db=self._facts)
        except lmdb.MapFullError as error:
            raise OutboxFull(f"{self.path} has its permitted size: nothing was written") from error
        except lmdb.DiskError as error:
            raise DiskFull(f"{self.path}: a write was cut short: nothing was written") from error
        except lmdb.Error as error:
            if getattr(error, "code", 0) in _NO_SPACE:
                raise DiskFull(f"{self.path}: the disk is full: nothing was written") from error
            raise DatabaseDamaged(f"{self.path}: {error}") from error

    def lanes(self) -> Iterator[tuple[bytes, int, int]]:
        """Of every entry: its lane, its number, and the bytes of its value. In order."""
        with self._environment.begin(buffers=True) as transaction, transaction.cursor(self._entries) as cursor:
            for key, value in cursor.iternext():
                lane, sequence = read_key(key)
                yield lane, sequence, len(value)

    def find(self, key: bytes) -> bytes | None:
        """The transaction id under this key."""
        with self._environment.begin(buffers=True) as transaction:
            value = transaction.get(key, db=self._entries)
            return None if value is None else bytes(id_in(value))

    def run(self, lane: bytes, entries: int, without: Mapping[bytes, object]) -> list[Entry]:
        """The first entries of a lane, in order of their numbers, but for those that have left already."""
        found: list[Entry] = []
        with self._environment.begin() as transaction, transaction.cursor(self._entries) as cursor:
            if not cursor.set_range(lane):
                return found
            for key, value in cursor.iternext():
                if len(found) == entries or not key.startswith(lane):
                    break
                if key not in without:
                    found.append(read_entry(key, value))
        return found

    def refused(self) -> Iterator[Refused]:
        """Oldest first."""
        with self._environment.begin() as transaction, transaction.cursor(self._refused) as cursor:
            for key, value in cursor.iternext():
                code, _, kept = value.partition(b"\x00")
                yield Refused(_TIME.unpack_from(key)[0], code.decode(), read_entry(key[_TIME.size :], kept))

    def fact(self, key: bytes) -> bytes | None:
        with self._environment.begin() as transaction:
            found: bytes | None = transaction.get(key, db=self._facts)
            return found

    def facts(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """With this prefix, in order."""
        with self._environment.begin() as transaction, transaction.cursor(self._facts) as cursor:
            if cursor.set_range(prefix):
                for key, value in cursor.iternext():
                    if not key.startswith(prefix):
                        return
                    yield key, value

    def _forget_oldest_refused(self, transaction: Any) -> None:
        excess = transaction.stat(self._refused)["entries"] - self._refused_kept
        with transaction.cursor(self._refused) as cursor:
            while excess > 0 and cursor.first():
                cursor.delete()
                excess -= 1
