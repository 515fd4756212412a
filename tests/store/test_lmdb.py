"""What only the durable store can get wrong: locks, growth, full disks and damaged files."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import lmdb
import pytest

from ledgernode.errors import DatabaseDamaged, DatabaseForeign, DatabaseInUse, DiskFull, LedgerError, Unavailable
from ledgernode.store import failpoint
from ledgernode.store.failpoint import Action
from ledgernode.store.kv import Table, Write
from ledgernode.store.lmdb import LmdbStore
from tests.store.blocks import database_file

SMALL = 128 * 1024


def rows(first: int, count: int, size: int = 200) -> list[Write]:
    return [(Table.STATE, b"%08d" % number, bytes(size)) for number in range(first, first + count)]


def count(store: LmdbStore) -> int:
    with store.reader() as reader:
        return reader.count(Table.STATE)


def filled(path: Path, entries: int = 500) -> Path:
    store = LmdbStore(path)
    store.write(rows(0, entries))
    store.close()
    return database_file(path)


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    """A finished write survives the process."""
    filled(tmp_path / "db")
    store = LmdbStore(tmp_path / "db")
    assert count(store) == 500
    store.close()


def test_files_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    """The directory is 0700, every file in it 0600, whatever the umask."""
    umask = os.umask(0)
    try:
        filled(tmp_path / "db")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "db").stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "db").iterdir()}
    assert modes == {"data.mdb": 0o600, "lock.mdb": 0o600, "holder.lock": 0o600}


# ---------------------------------------------------------------- one process


def test_second_process_is_told_who_holds_the_database(tmp_path: Path) -> None:
    """Another process gets DatabaseInUse with the holder's process id, and changes nothing."""
    store = LmdbStore(tmp_path / "db")
    code = (
        "import sys, pathlib\n"
        "from ledgernode.store.lmdb import LmdbStore\n"
        "from ledgernode.errors import DatabaseInUse\n"
        "try: LmdbStore(pathlib.Path(sys.argv[1]))\n"
        "except DatabaseInUse as error: print(error)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "db")], capture_output=True, text=True, check=True
    )
    assert f"in use by process {os.getpid()}" in answer.stdout
    store.close()
    LmdbStore(tmp_path / "db").close()


def test_same_process_cannot_open_a_database_twice(tmp_path: Path) -> None:
    """LMDB's own locks would break; the lock file refuses before that."""
    store = LmdbStore(tmp_path / "db")
    with pytest.raises(DatabaseInUse):
        LmdbStore(tmp_path / "db")
    store.write(rows(0, 1))
    store.close()


# ---------------------------------------------------------------- growth


def test_map_grows_while_batches_are_written(tmp_path: Path) -> None:
    """Writing many times the first map's size never fails."""
    store = LmdbStore(tmp_path / "db", map_size=SMALL)
    for batch in range(40):
        store.write(rows(batch * 100, 100))
    assert count(store) == 4_000
    assert database_file(tmp_path / "db").stat().st_size > 4 * SMALL
    store.close()
    reopened = LmdbStore(tmp_path / "db", map_size=SMALL)
    reopened.write(rows(4_000, 100))
    assert count(reopened) == 4_100
    reopened.close()


def test_one_batch_larger_than_the_map_is_written_whole(tmp_path: Path) -> None:
    """The map grows as often as the batch needs, and the batch is retried whole."""
    store = LmdbStore(tmp_path / "db", map_size=SMALL)
    store.write(rows(0, 5_000, size=500))
    assert count(store) == 5_000
    store.close()


def test_full_map_at_its_limit_refuses_and_writes_nothing(tmp_path: Path) -> None:
    """At the permitted size: DiskFull, nothing of the batch, and smaller batches go on."""
    store = LmdbStore(tmp_path / "db", map_size=SMALL, map_size_limit=4 * SMALL)
    store.write(rows(0, 500))
    with pytest.raises(DiskFull, match=f"permitted size of {4 * SMALL} bytes"):
        store.write(rows(1_000, 5_000))
    assert count(store) == 500
    store.write(rows(500, 10))
    assert count(store) == 510
    store.close()


def test_growth_waits_for_an_open_view(tmp_path: Path) -> None:
    """A view that ends in time sees its whole snapshot, and the writer then goes on."""
    store = LmdbStore(tmp_path / "db", map_size=SMALL)
    store.write(rows(0, 100))
    opened, full, seen = threading.Event(), threading.Event(), list[int]()

    def read() -> None:
        with store.reader() as reader:
            opened.set()
            full.wait(timeout=30)
            seen.append(sum(1 for _ in reader.scan(Table.STATE)))

    looker = threading.Thread(target=read, daemon=True)
    looker.start()
    opened.wait(timeout=30)
    threading.Timer(0.1, full.set).start()  # while the writer below waits for the view
    store.write(rows(100, 2_000))
    looker.join(timeout=30)
    assert seen == [100]
    assert count(store) == 2_100
    store.close()


def test_growth_ends_a_view_that_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block must become durable: a view still open after the wait is told to ask again."""
    monkeypatch.setattr("ledgernode.config.MAP_GROWTH_WAIT_MS", 10)
    store = LmdbStore(tmp_path / "db", map_size=SMALL)
    store.write(rows(0, 10))
    with store.reader() as reader:
        scan = reader.scan(Table.STATE)
        assert next(scan)[0] == b"%08d" % 0
        store.write(rows(10, 2_000))
        with pytest.raises(Unavailable):
            reader.get(Table.STATE, b"%08d" % 0)
        with pytest.raises(Unavailable):
            reader.count(Table.STATE)
        with pytest.raises(Unavailable):
            next(scan)
    assert count(store) == 2_010
    store.close()


def test_views_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More views than the environment has slots for: Unavailable, and the others go on."""
    monkeypatch.setattr("ledgernode.config.STORE_READERS", 2)
    store = LmdbStore(tmp_path / "db")
    store.write(rows(0, 1))
    with store.reader(), store.reader() as second:
        with pytest.raises(Unavailable), store.reader():
            pass
        assert second.count(Table.STATE) == 1
    assert count(store) == 1
    store.close()


# ---------------------------------------------------------------- full disks


def test_full_disk_refuses_and_writes_nothing(tmp_path: Path) -> None:
    """A real limit on the file's size, in a process of its own: DiskFull, nothing written, and it goes on after."""
    code = (
        "import sys, pathlib, resource\n"
        "from ledgernode.store.lmdb import LmdbStore\n"
        "from ledgernode.store.kv import Table\n"
        "from ledgernode.errors import DiskFull\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "store = LmdbStore(path)\n"
        "store.write([(Table.STATE, b'%06d' % n, bytes(100)) for n in range(100)])\n"
        "size = (path / 'data.mdb').stat().st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 65536, resource.RLIM_INFINITY))\n"
        "try: store.write([(Table.STATE, b'%06d' % n, bytes(100)) for n in range(100, 9000)])\n"
        "except DiskFull as error: print(error)\n"
        "with store.reader() as reader: print(reader.count(Table.STATE))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "store.write([(Table.STATE, b'more', b'x')])\n"
        "with store.reader() as reader: print(reader.count(Table.STATE))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "db")], capture_output=True, text=True, check=True
    )
    refusal, after_refusal, after_all = answer.stdout.splitlines()
    assert "nothing was written" in refusal
    assert (after_refusal, after_all) == ("100", "101")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize("point", ["store.before_write", "store.before_commit"])
def test_full_disk_at_each_step_before_the_commit_writes_nothing(tmp_path: Path, armed: None, point: str) -> None:
    """No space anywhere before the commit: the batch is refused whole."""
    store = LmdbStore(tmp_path / "db")
    store.write(rows(0, 5))
    failpoint.arm(point, action=Action.FULL)
    with pytest.raises(DiskFull, match="nothing was written"):
        store.write(rows(5, 5))
    assert count(store) == 5
    store.write(rows(5, 5))
    assert count(store) == 10
    store.close()


# ---------------------------------------------------------------- damaged and foreign files


@pytest.mark.parametrize("kept", [0, 100, 4_096, 5_000, 8_192, 40_960, 80_000])
def test_truncated_file_is_refused(tmp_path: Path, kept: int) -> None:
    """Cut anywhere: refused before anything beyond the file's end is touched."""
    data = filled(tmp_path / "db")
    assert data.stat().st_size > kept
    os.truncate(data, kept)
    with pytest.raises(DatabaseDamaged, match="cut short"):
        LmdbStore(tmp_path / "db")
    assert data.stat().st_size == kept


def test_garbage_is_refused(tmp_path: Path) -> None:
    """A file of something else, long enough to be a database, is refused and left alone."""
    (tmp_path / "db").mkdir()
    garbage = bytes(range(256)) * 200
    database_file(tmp_path / "db").write_bytes(garbage)
    with pytest.raises(DatabaseDamaged, match="does not begin as a database does"):
        LmdbStore(tmp_path / "db")
    assert database_file(tmp_path / "db").read_bytes() == garbage


def test_database_of_something_else_is_refused(tmp_path: Path) -> None:
    """An LMDB environment with tables that are not ours is foreign, and stays as it was."""
    environment = lmdb.open(str(tmp_path / "db"), max_dbs=2)
    environment.open_db(b"recipes")
    environment.close()
    before = database_file(tmp_path / "db").read_bytes()
    with pytest.raises(DatabaseForeign, match="recipes"):
        LmdbStore(tmp_path / "db")
    assert database_file(tmp_path / "db").read_bytes() == before


def test_newer_lmdb_format_is_refused(tmp_path: Path) -> None:
    """Another data version in the meta pages: foreign, not damaged."""
    data = filled(tmp_path / "db")
    raw = bytearray(data.read_bytes())
    for page in (0, 4_096):
        raw[page + 20 : page + 24] = (7).to_bytes(4, "little")
    data.write_bytes(raw)
    with pytest.raises(DatabaseForeign, match="format 7"):
        LmdbStore(tmp_path / "db")


def test_after_a_refusal_the_lock_is_free_again(tmp_path: Path) -> None:
    """A refused opening holds nothing."""
    data = filled(tmp_path / "db")
    whole = data.read_bytes()
    os.truncate(data, 100)
    with pytest.raises(LedgerError):
        LmdbStore(tmp_path / "db")
    data.write_bytes(whole)
    store = LmdbStore(tmp_path / "db")
    assert count(store) == 500
    store.close()


def test_killed_process_leaves_the_lock_free(tmp_path: Path) -> None:
    """The kernel gives the lock back, whatever the holder's file says."""
    code = (
        "import os, signal, sys, pathlib\n"
        "from ledgernode.store.lmdb import LmdbStore\n"
        "store = LmdbStore(pathlib.Path(sys.argv[1]))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "db")], check=False)
    assert ended.returncode == -signal.SIGKILL
    LmdbStore(tmp_path / "db").close()
