"""A look into a database that a node may be using: read only, beside it, and without taking it away from anybody.

LMDB gives every reader its own consistent view, and readers of other processes are welcome. A file that is broken is
looked at before it is mapped (`store.pages`), as when a node opens it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import lmdb

from ledgernode import config
from ledgernode.errors import DatabaseForeign
from ledgernode.store.kv import Reader, Table, Write
from ledgernode.store.lmdb import StoreFacts, View, translate
from ledgernode.store.pages import check_file

DATA_FILE = "data.mdb"


class LookedAt:
    """Opens the directory for reading. Refuses with DatabaseForeign or DatabaseDamaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        check_file(path / DATA_FILE)
        try:
            self._environment: Any = lmdb.open(
                str(path), readonly=True, create=False, max_dbs=len(Table), max_readers=config.STORE_READERS
            )
            self._tables = {table: self._environment.open_db(table.encode(), create=False) for table in Table}
        except lmdb.NotFoundError as error:
            raise DatabaseForeign(f"{path} is a database of something else") from error
        except lmdb.Error as error:
            translate(error, path)

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        try:
            transaction = self._environment.begin()
        except lmdb.MapResizedError:  # the node's database has grown since
            self._environment.set_mapsize(0)
            transaction = self._environment.begin()
        try:
            yield View(transaction, self._tables, self._path)
        finally:
            transaction.abort()

    def write(self, writes: Sequence[Write]) -> NoReturn:
        raise AssertionError(f"{self._path} is only looked at: {len(writes)} writes are a fault of ours")

    def close(self) -> None:
        self._environment.close()

    def facts(self) -> StoreFacts:
        information, page_bytes = self._environment.info(), self._environment.stat()["psize"]
        return StoreFacts(
            map_bytes=information["map_size"],
            used_bytes=(information["last_pgno"] + 1) * page_bytes,
            limit_bytes=config.MAP_SIZE_LIMIT,
            views=0,
            reader_slots=information["num_readers"],
        )


def holder_of(path: Path) -> int | None:
    """The process that has this database open; None where nobody has, 0 where it does not say."""
    try:
        descriptor = os.open(path / "holder.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        said = os.read(descriptor, 32).decode("ascii", "replace").strip()
        return int(said) if said.isdigit() else 0
    finally:
        os.close(descriptor)
    return None
