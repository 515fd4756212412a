"""A database is not closed under a write: LMDB would wait for ever."""

from __future__ import annotations

import threading
from pathlib import Path

from ledgernode.store.lmdb import LmdbStore


def test_closing_waits_for_the_write_under_way(tmp_path: Path) -> None:
    """It ends once the write has."""
    store = LmdbStore(tmp_path)
    closing = threading.Thread(target=store.close)
    with store._writing:
        closing.start()
        closing.join(0.1)
        assert closing.is_alive()
    closing.join(10)
    assert not closing.is_alive()
