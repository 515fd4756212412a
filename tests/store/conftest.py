"""The two stores, so that one suite runs on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgernode.store import failpoint
from ledgernode.store.kv import KeyValueStore
from ledgernode.store.lmdb import LmdbStore
from ledgernode.store.memory import MemoryStore


@pytest.fixture(params=["memory", "lmdb"])
def kv(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyValueStore]:
    store: KeyValueStore = MemoryStore() if request.param == "memory" else LmdbStore(tmp_path / "kv")
    yield store
    store.close()


@pytest.fixture
def armed() -> Iterator[None]:
    """Nothing stays armed after a test that arms a fail-point."""
    yield
    failpoint.disarm()
