"""Damaged pages are found before the file is mapped: LMDB would end the process on some of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from ledgernode.errors import DatabaseDamaged
from ledgernode.store.chain import ChainStore
from ledgernode.store.lmdb import LmdbStore
from ledgernode.store.pages import check_file
from tests.store.blocks import Builder, database_file

PAGE_BYTES = 4_096


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain of thirty blocks: trees of several levels, large values, a free list."""
    path = tmp_path_factory.mktemp("pages") / "db"
    builder = Builder()
    store = LmdbStore(path)
    chain = ChainStore.create(store, builder.genesis)
    for _ in range(30):
        chain.append([builder.block([{f"{len(builder.blocks)}-{number}": bytes(50)} for number in range(20)])])
    store.close()
    return path


def tree_pages(path: Path) -> int:
    """How many branch and leaf pages LMDB itself counts, in all tables and the table of tables."""
    environment = lmdb.open(str(path), max_dbs=20, readonly=True)
    with environment.begin() as transaction:
        stats = [environment.stat()]
        with transaction.cursor() as cursor:
            names = [bytes(name) for name in cursor.iternext(keys=True, values=False)]
        stats += [transaction.stat(environment.open_db(name, txn=transaction, create=False)) for name in names]
    environment.close()
    return sum(stat["branch_pages"] + stat["leaf_pages"] for stat in stats)


def refusals(raw: bytes, file: Path, damage: Callable[[bytes], bytes]) -> dict[int, str]:
    """Which pages, damaged alone, make the file refused, and with which words."""
    found: dict[int, str] = {}
    for at in range(2 * PAGE_BYTES, len(raw), PAGE_BYTES):
        file.write_bytes(raw[:at] + damage(raw[at : at + PAGE_BYTES]) + raw[at + PAGE_BYTES :])
        try:
            check_file(file)
        except DatabaseDamaged as error:
            found[at // PAGE_BYTES] = str(error)
    return found


@pytest.mark.parametrize(
    "damage",
    [
        lambda page: bytes(PAGE_BYTES),
        lambda page: random.Random(1).randbytes(PAGE_BYTES),
        lambda page: page[:8] + bytes(PAGE_BYTES - 8),
        lambda page: page[:16] + b"\xff" * (PAGE_BYTES - 16),
    ],
    ids=["zeroes", "garbage", "number only", "header only"],
)
def test_every_broken_page_of_a_tree_is_found(database: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """As many pages are refused as LMDB's trees have, and one of the free list's; values are not looked at."""
    found = refusals(database_file(database).read_bytes(), tmp_path / "data.mdb", damage)
    assert len(found) == tree_pages(database) + 1
    assert all(f"page {number} " in words for number, words in found.items())


def test_whole_file_passes(database: Path) -> None:
    """As does one with nothing in it."""
    check_file(database_file(database))


def test_empty_database_passes(tmp_path: Path) -> None:
    LmdbStore(tmp_path / "db").close()
    check_file(database_file(tmp_path / "db"))


@pytest.mark.parametrize("page", [0, 1])
def test_damaged_meta_page_is_found(database: Path, tmp_path: Path, page: int) -> None:
    """Either of the two."""
    raw = bytearray(database_file(database).read_bytes())
    raw[page * PAGE_BYTES + 16] ^= 1
    (tmp_path / "data.mdb").write_bytes(raw)
    with pytest.raises(DatabaseDamaged, match="does not begin as a database does"):
        check_file(tmp_path / "data.mdb")


def test_the_look_is_bounded(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large database opens in bounded time: CHECKED_PAGES pages are looked at, roots first."""
    monkeypatch.setattr("ledgernode.config.CHECKED_PAGES", 3)
    raw = database_file(database).read_bytes()
    assert len(refusals(raw, tmp_path / "data.mdb", lambda page: bytes(PAGE_BYTES))) == 3
