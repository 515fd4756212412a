"""The engine's own log on disk: what it must remember of its promises after a crash.

Promises are those of one epoch: what an earlier one has left is removed when the next begins, after that has had a
look at it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledgernode.consensus.engine import LogEntry
from ledgernode.store.kv import KeyValueStore, Table, Write
from ledgernode.wire.types import Epoch


class EngineLog:
    """By epoch and key; the last record of a key counts, an empty one forgets it."""

    def __init__(self, kv: KeyValueStore) -> None:
        self._kv = kv
        self._prefix = _prefix(Epoch(0))

    def begin(self, epoch: Epoch) -> list[Write]:
        """Entries are of this epoch from now on; answers what removes those of others."""
        self._prefix = _prefix(epoch)
        with self._kv.reader() as reader:
            return [(Table.VOTES, key, None) for key, _ in reader.scan(Table.VOTES) if not key.startswith(self._prefix)]

    def records(self) -> tuple[LogEntry, ...]:
        """What is remembered of this epoch, by key."""
        return self._read(self._prefix)

    def former(self) -> tuple[LogEntry, ...]:
        """What the epoch before has left, until it is removed."""
        epoch = int.from_bytes(self._prefix, "big")
        return self._read(_prefix(Epoch(epoch - 1))) if epoch else ()

    def _read(self, prefix: bytes) -> tuple[LogEntry, ...]:
        with self._kv.reader() as reader:
            found = reader.scan(Table.VOTES, prefix)
            return tuple(LogEntry(key[len(prefix) :], record) for key, record in found if key.startswith(prefix))

    def writes(self, entries: Sequence[LogEntry]) -> list[Write]:
        """What makes these entries durable, to be joined with other writes."""
        return [(Table.VOTES, self._prefix + entry.key, entry.record or None) for entry in entries]

    def persist(self, entries: Sequence[LogEntry]) -> None:
        """Durable before returning."""
        self._kv.write(self.writes(entries))


def _prefix(epoch: Epoch) -> bytes:
    return epoch.to_bytes(8, "big")
