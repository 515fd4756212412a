"""The engine's own log on disk: what it must remember of its promises after a crash."""

from __future__ import annotations

from collections.abc import Sequence

from ledgernode.consensus.engine import LogEntry
from ledgernode.store.kv import KeyValueStore, Table, Write


class EngineLog:
    """By key; the last record of a key counts, an empty one forgets it."""

    def __init__(self, kv: KeyValueStore) -> None:
        self._kv = kv

    def records(self) -> tuple[LogEntry, ...]:
        """What is remembered, by key."""
        with self._kv.reader() as reader:
            return tuple(LogEntry(key, record) for key, record in reader.scan(Table.VOTES))

    def persist(self, entries: Sequence[LogEntry]) -> None:
        """Durable before returning."""
        self._kv.write(log_writes(entries))

    def forgetting(self) -> tuple[LogEntry, ...]:
        """The entries that empty it: an epoch's promises end with it."""
        return tuple(LogEntry(entry.key, b"") for entry in self.records())


def log_writes(entries: Sequence[LogEntry]) -> list[Write]:
    """What makes these entries durable, to be joined with other writes."""
    return [(Table.VOTES, entry.key, entry.record or None) for entry in entries]
