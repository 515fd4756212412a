"""The engine's log: what was promised before a crash is there after it."""

from __future__ import annotations

from pathlib import Path

from ledgernode.consensus.engine import LogEntry
from ledgernode.node.engine_log import EngineLog
from ledgernode.store.lmdb import LmdbStore


def test_records_are_there_after_a_restart(tmp_path: Path) -> None:
    """The last record of a key counts, an empty one forgets it, and a new process reads the same."""
    store = LmdbStore(tmp_path)
    log = EngineLog(store)
    assert log.records() == ()
    log.persist([LogEntry(b"view", b"1"), LogEntry(b"vote/7", b"a"), LogEntry(b"vote/8", b"b")])
    log.persist([LogEntry(b"view", b"2"), LogEntry(b"vote/7", b"")])
    store.close()

    store = LmdbStore(tmp_path)
    assert EngineLog(store).records() == (LogEntry(b"view", b"2"), LogEntry(b"vote/8", b"b"))
    store.close()
