"""The engine's log: what was promised before a crash is there after it."""

from __future__ import annotations

from pathlib import Path

from ledgernode.consensus.engine import LogEntry
from ledgernode.node.engine_log import EngineLog
from ledgernode.store.lmdb import LmdbStore
from ledgernode.wire.types import Epoch


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


def test_an_epoch_sees_what_the_one_before_has_left_until_it_writes(tmp_path: Path) -> None:
    """Its own records and theirs are apart; with the first writes of the new epoch the old ones go."""
    store = LmdbStore(tmp_path)
    log = EngineLog(store)
    log.persist([LogEntry(b"promise", b"of epoch 0")])
    assert log.former() == ()
    removals = log.begin(Epoch(1))
    assert (log.records(), log.former()) == ((), (LogEntry(b"promise", b"of epoch 0"),))
    store.write([*removals, *log.writes([LogEntry(b"promise", b"of epoch 1")])])
    assert (log.records(), log.former()) == ((LogEntry(b"promise", b"of epoch 1"),), ())
    store.close()
