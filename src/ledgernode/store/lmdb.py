"""The durable store: one LMDB environment, a sub-database per table, one synced transaction per write.

Rules it keeps:

* a directory belongs to one process at a time (a lock file beside the database, held for as long as the
  store is open, names the holder);
* a batch that does not fit into the map makes the map grow and is written again, whole. The map grows
  early, at half full, in a moment without readers, because a new mapping ends the views on the old one.
  A view that stays open from half full to full is given `config.MAP_GROWTH_WAIT_MS` to finish, then it
  ends with `Unavailable`: a block must become durable, a read can be asked again;
* a full disk, or a map at its permitted size, refuses the batch with `DiskFull` and nothing of it written;
* LMDB trusts what it maps, so the file is looked at before it is mapped (`store.pages`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Condition, Lock
from typing import Any, Final, NamedTuple, NoReturn

import lmdb

from ledgernode import config
from ledgernode.errors import DatabaseDamaged, DatabaseForeign, DatabaseInUse, DiskFull, LedgerError, Unavailable
from ledgernode.store.failpoint import reach
from ledgernode.store.files import disk_full_refused, sync_directory
from ledgernode.store.kv import KEY_BYTES, Reader, Table, Write
from ledgernode.store.pages import check_file

_DATA_FILE: Final = "data.mdb"
_LOCK_FILE: Final = "lock.mdb"
_HOLDER_FILE: Final = "holder.lock"
_COMPACTED: Final = "compacted"
_META_PAGES: Final = 2

_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DAMAGE: Final = (lmdb.BadTxnError, lmdb.CorruptedError, lmdb.InvalidError, lmdb.PageNotFoundError, lmdb.PanicError)


class StoreFacts(NamedTuple):
    """Of a database."""

    map_bytes: int
    """What is mapped: it grows by itself, up to the limit."""
    used_bytes: int
    """Up to its last page, those that are free again among them."""
    limit_bytes: int
    views: int
    """Open now, of this process."""
    reader_slots: int
    """Ever used, of `STORE_READERS`."""


class LmdbStore:
    """Opens the directory, and makes it when it is not there.

    Refuses with DatabaseInUse, DatabaseForeign or DatabaseDamaged.
    """

    def __init__(
        self, path: Path, *, map_size: int = config.MAP_SIZE_START, map_size_limit: int = config.MAP_SIZE_LIMIT
    ) -> None:
        self._path = path
        self._map_size_limit = map_size_limit
        self._writing = Lock()
        self._views = 0
        self._quiet = Condition()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._holder = _hold(path)
        try:
            self._environment = _open_environment(path, min(map_size, map_size_limit))
            self._tables = _open_tables(self._environment, path)
            self._page_bytes: int = self._environment.stat()["psize"]
        except BaseException:
            os.close(self._holder)
            raise

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        with self._quiet:
            try:
                transaction = self._environment.begin()
            except lmdb.ReadersFullError as error:
                raise Unavailable(f"more than {config.STORE_READERS} views of the database are open") from error
            except lmdb.Error as error:
                translate(error, self._path)
            self._views += 1
        try:
            yield View(transaction, self._tables, self._path)
        finally:
            with self._quiet:
                transaction.abort()
                self._views -= 1
                self._quiet.notify_all()

    def write(self, writes: Sequence[Write]) -> None:
        """Make the batch durable; refuses with DiskFull and DatabaseDamaged."""
        batch = _by_table(writes)
        with self._writing:
            try:
                self._write_whole(batch)
            except lmdb.Error as error:
                translate(error, self._path)
            except OSError as error:
                if error.errno not in _NO_SPACE:
                    raise
                raise DiskFull(f"{self._path}: {error.strerror}: nothing was written") from error
        reach("store.after_commit")

    def close(self) -> None:
        """Once a write that is under way has ended: LMDB must not be closed under it."""
        with self._writing:
            self._environment.close()
        os.close(self._holder)

    def give_way_to(self, successor: LmdbStore) -> None:
        """Put the other's database in place of this one, in one rename: a crash leaves the one whole, or the other.

        Both are closed afterwards; until then this directory stays this process's.
        """
        successor.close()
        self._environment.close()
        try:
            (self._path / _LOCK_FILE).unlink(missing_ok=True)  # it names readers of the file that goes
            reach("install.before_rename")
            (successor._path / _DATA_FILE).replace(self._path / _DATA_FILE)  # of the same class
            sync_directory(self._path)
        finally:
            os.close(self._holder)
        reach("install.after_rename")

    def copy_to(self, directory: Path) -> None:
        """A durable copy without free pages, in a directory that is empty."""
        try:
            self._environment.copy(str(directory), compact=True)
        except lmdb.Error as error:
            translate(error, self._path)
        with (directory / _DATA_FILE).open("rb+") as file:
            os.fsync(file.fileno())
        sync_directory(directory)

    def facts(self) -> StoreFacts:
        """How large it is and may become, and who reads it."""
        information = self._environment.info()
        return StoreFacts(
            map_bytes=information["map_size"],
            used_bytes=(information["last_pgno"] + 1) * self._page_bytes,
            limit_bytes=self._map_size_limit,
            views=self._views,
            reader_slots=information["num_readers"],
        )

    def free_bytes(self) -> int:
        """Pages within the file that hold nothing: what was deleted has left them, and the next writes take them."""
        with self.reader() as reader:
            assert isinstance(reader, View)
            pages = _META_PAGES + sum(reader.pages(table) for table in Table)
        return int(self._environment.info()["last_pgno"] + 1 - pages) * self._page_bytes

    def _write_whole(self, batch: dict[Table, dict[bytes, bytes | None]]) -> None:
        reach("store.before_write")
        self._grow_early()
        while True:  # ends: each turn grows the map, up to its limit
            try:
                self._commit(batch)
                return
            except lmdb.MapFullError:
                self._grow(config.MAP_GROWTH_WAIT_MS)

    def _commit(self, batch: dict[Table, dict[bytes, bytes | None]]) -> None:
        with self._environment.begin(write=True) as transaction:
            for table in sorted(batch):
                rows = batch[table]
                handle = self._tables[table]
                kept = [(key, value) for key, value in sorted(rows.items()) if value is not None]
                if kept:
                    with transaction.cursor(handle) as cursor:
                        cursor.putmulti(kept)
                if len(kept) != len(rows):
                    for key in sorted(key for key, value in rows.items() if value is None):
                        transaction.delete(key, db=handle)
            reach("store.before_commit")

    def _grow_early(self) -> None:
        information = self._environment.info()
        used = (information["last_pgno"] + 1) * self._page_bytes
        size = information["map_size"]
        if used * 2 > size and size * config.MAP_SIZE_STEP_FACTOR <= self._map_size_limit:
            with self._quiet:
                if self._views == 0:
                    self._environment.set_mapsize(size * config.MAP_SIZE_STEP_FACTOR)

    def _grow(self, wait_ms: int) -> None:
        """A larger map; views still open after the wait are ended. Refuses at the limit."""
        size = self._environment.info()["map_size"]
        larger = min(size * config.MAP_SIZE_STEP_FACTOR, self._map_size_limit)
        if larger <= size:
            raise DiskFull(
                f"{self._path}: the database has its permitted size of {size} bytes: nothing was written", limit=size
            )
        with self._quiet:
            self._quiet.wait_for(lambda: self._views == 0, timeout=wait_ms / 1_000)
            self._environment.set_mapsize(larger)


def compact(path: Path) -> tuple[int, int]:
    """Write a database that nobody has open anew without its free pages; its bytes before and after.

    The new one takes the old one's place in one rename: a crash leaves the one whole, or the other. Refuses as
    `LmdbStore`, and with DiskFull, nothing changed.
    """
    beside = path.parent / _COMPACTED
    shutil.rmtree(beside, ignore_errors=True)
    with ExitStack() as opened:
        current = LmdbStore(path)
        opened.callback(current.close)
        before = current.facts().used_bytes
        with disk_full_refused(beside, "nothing was changed"):
            beside.mkdir(mode=0o700)
            current.copy_to(beside)
        successor = LmdbStore(beside)
        after = successor.facts().used_bytes
        reach("compact.before_rename")
        opened.pop_all()
        current.give_way_to(successor)
    shutil.rmtree(beside, ignore_errors=True)
    return before, after


class View:
    """One read transaction."""

    __slots__ = ("_path", "_tables", "_transaction")

    def __init__(self, transaction: Any, tables: dict[Table, Any], path: Path) -> None:
        self._transaction = transaction
        self._tables = tables
        self._path = path

    def get(self, table: Table, key: bytes) -> bytes | None:
        try:
            found: bytes | None = self._transaction.get(key, db=self._tables[table])
        except lmdb.Error as error:
            translate(error, self._path)
        return found

    def scan(
        self, table: Table, start: bytes = b"", end: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        try:
            with self._transaction.cursor(self._tables[table]) as cursor:
                if reverse:
                    yield from _backwards(cursor, start, end)
                else:
                    yield from _forwards(cursor, start, end)
        except lmdb.Error as error:
            translate(error, self._path)

    def pages(self, table: Table) -> int:
        """How many pages of the file it takes."""
        found = self._transaction.stat(self._tables[table])
        return int(found["branch_pages"] + found["leaf_pages"] + found["overflow_pages"])

    def count(self, table: Table) -> int:
        try:
            return int(self._transaction.stat(self._tables[table])["entries"])
        except lmdb.Error as error:
            translate(error, self._path)


def _forwards(cursor: Any, start: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    if not (cursor.set_range(start) if start else cursor.first()):
        return
    for key, value in cursor.iternext():
        if end is not None and key >= end:
            return
        yield key, value


def _backwards(cursor: Any, start: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    if end is not None and (not end or start >= end):
        return
    # `end` itself stands outside the range; where no key is as large, the last one begins it
    placed = cursor.prev() if end is not None and cursor.set_range(end) else cursor.last()
    if not placed:
        return
    for key, value in cursor.iterprev():
        if key < start:
            return
        yield key, value


def _by_table(writes: Sequence[Write]) -> dict[Table, dict[bytes, bytes | None]]:
    """The last write of each key: LMDB is fastest with the sorted keys of one table at a time."""
    batch: dict[Table, dict[bytes, bytes | None]] = {}
    for table, key, value in writes:
        assert 0 < len(key) <= KEY_BYTES, f"a key has 1 to {KEY_BYTES} bytes"
        rows = batch.get(table)
        if rows is None:
            rows = batch[table] = {}
        rows[key] = value
    return batch


def _hold(path: Path) -> int:
    """Lock the directory for this process; refuses where another one has it."""
    holder = os.open(path / _HOLDER_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        process = os.read(holder, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(holder)
        raise DatabaseInUse(f"{path} is in use by process {process}", process=process) from error
    os.ftruncate(holder, 0)
    os.pwrite(holder, f"{os.getpid()}\n".encode("ascii"), 0)
    return holder


def _open_environment(path: Path, map_size: int) -> Any:
    data = path / _DATA_FILE
    if data.exists():
        check_file(data)
        map_size = max(map_size, data.stat().st_size)
    try:
        return lmdb.open(str(path), map_size=map_size, max_dbs=len(Table), max_readers=config.STORE_READERS, mode=0o600)
    except lmdb.Error as error:
        translate(error, path)


def _open_tables(environment: Any, path: Path) -> dict[Table, Any]:
    """Make the tables, or find them; refuses an environment that holds anything else."""
    try:
        with environment.begin() as transaction, transaction.cursor() as cursor:
            names = {bytes(name) for name in cursor.iternext(keys=True, values=False)}
        foreign = names - {table.encode() for table in Table}
        if foreign:
            shown = ", ".join(sorted(name[:32].decode("ascii", "replace") for name in foreign)[:3])
            raise DatabaseForeign(f"{path} is a database of something else: it holds {shown}")
        with environment.begin(write=True) as transaction:
            return {table: environment.open_db(table.encode(), txn=transaction) for table in Table}
    except lmdb.Error as error:
        environment.close()
        translate(error, path)
    except LedgerError:
        environment.close()
        raise


def translate(error: Any, path: Path) -> NoReturn:
    """LMDB's error as one of ours."""
    code = getattr(error, "code", 0)
    if code in _NO_SPACE:
        raise DiskFull(f"{path}: {os.strerror(code)}: nothing was written") from error
    if code == errno.EIO:
        # what LMDB makes of a write that was cut short; it drops the transaction
        raise DiskFull(
            f"{path}: a write was cut short, by a full disk or a failing one: nothing was written"
        ) from error
    if isinstance(error, _DAMAGE):
        raise DatabaseDamaged(f"{path} fails LMDB's own checks: {error}") from error
    if isinstance(error, lmdb.VersionMismatchError):
        raise DatabaseForeign(f"{path} is of another LMDB format: {error}") from error
    if "closed/deleted/dropped" in str(error):
        raise Unavailable("this view of the database has ended: ask again") from error
    raise error
