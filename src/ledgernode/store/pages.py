"""A look at a database file before it is mapped: LMDB trusts its pages, and a bad one ends the process.

Both meta pages, the file's length, and then the page trees from their roots downwards, level by level, up
to `config.CHECKED_PAGES` pages: each must carry its own number, be a branch or a leaf, and have its
entries inside itself. What values say is not looked at: hashes guard those.

Layout of LMDB 0.9 on a little-endian 64-bit machine, from its `mdb.c`:

    page  number 8 | pad 2 | flags 2 | lower 2 | upper 2 | offsets of entries, 2 each, up to `lower`
    entry low 2 | high 2 | flags 2 | key length 2 | key | data      (branch: the first three are a page number)
    meta  page header 16 | magic 4 | version 4 | address 8 | map size 8 | two tables 48 each | last page 8 | number 8
    table pad (of the first: page size) 4 | flags 2 | depth 2 | pages 8, 8, 8 | entries 8 | root 8
"""

from __future__ import annotations

import mmap
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ledgernode import config
from ledgernode.errors import DatabaseDamaged, DatabaseForeign

_PAGE: Final = struct.Struct("<QHHHH")
_ENTRY: Final = struct.Struct("<HHHH")
_META: Final = struct.Struct("<IIQQ48s48sQQ")
_TABLE: Final = struct.Struct("<IHHQQQQQ")
_MAGIC: Final = 0xBEEFC0DE
_VERSION: Final = 1
_BRANCH: Final = 0x01
_LEAF: Final = 0x02
_DIRTY: Final = 0x10
_SUB_TABLE: Final = 0x02
_PAGE_SIZES: Final = (4_096, 8_192, 16_384, 32_768, 65_536)
_EMPTY_ROOT: Final = (1 << 64) - 1

Waiting = deque[tuple[int, bool]]
"""(page number, whether its entries may be tables)"""


class _File(NamedTuple):
    path: Path
    mapped: mmap.mmap
    page_bytes: int


def check_file(data: Path) -> None:
    """Refuses a file that is cut short or broken (DatabaseDamaged), or of another format (DatabaseForeign)."""
    size_bytes = data.stat().st_size
    if size_bytes < _PAGE.size + _META.size:
        raise DatabaseDamaged(f"{data} is cut short: it has {size_bytes} bytes")
    with data.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        page_bytes = _page_bytes(data, mapped)
        if size_bytes < 2 * page_bytes:
            raise DatabaseDamaged(f"{data} is cut short: it has {size_bytes} bytes")
        opened = _File(data, mapped, page_bytes)
        roots, last_page = _newest_meta(opened)
        needed = (last_page + 1) * page_bytes
        if size_bytes < needed:
            raise DatabaseDamaged(f"{data} is cut short: it has {size_bytes} bytes of {needed}")
        _check_trees(opened, roots, last_page)


def _page_bytes(data: Path, mapped: mmap.mmap) -> int:
    """The page size of the machine that made the file: the first table's pad."""
    magic, _, _, _, free, *_ = _META.unpack_from(mapped, _PAGE.size)
    page_bytes: int = _TABLE.unpack(free)[0]
    if magic != _MAGIC or page_bytes not in _PAGE_SIZES:
        raise DatabaseDamaged(f"{data} does not begin as a database does")
    return page_bytes


def _newest_meta(file: _File) -> tuple[Waiting, int]:
    """The roots of the free list and of the table of tables, and the last page in use."""
    newest, roots, last = -1, Waiting(), 0
    for at in (0, file.page_bytes):
        magic, version, _, _, free, main, last_page, number = _META.unpack_from(file.mapped, at + _PAGE.size)
        if magic != _MAGIC:
            raise DatabaseDamaged(f"{file.path} does not begin as a database does")
        if version != _VERSION:
            raise DatabaseForeign(f"{file.path} is of LMDB format {version}, this software reads {_VERSION}")
        if number > newest:
            newest, last = number, last_page
            roots = Waiting([*((root, False) for root in _root(free)), *((root, True) for root in _root(main))])
    return roots, last


def _root(table: bytes) -> tuple[int, ...]:
    """The page a table begins at; none of an empty one."""
    root: int = _TABLE.unpack(table)[-1]
    return () if root == _EMPTY_ROOT else (root,)


def _check_trees(file: _File, waiting: Waiting, last_page: int) -> None:
    for _ in range(config.CHECKED_PAGES):
        if not waiting:
            return
        number, holds_tables = waiting.popleft()
        if not 1 < number <= last_page:
            raise DatabaseDamaged(f"{file.path} is damaged: it leads to page {number}, the last is {last_page}")
        flags, offsets = _check_page(file, number)
        at = number * file.page_bytes
        if flags & _BRANCH:
            waiting.extend((child, holds_tables) for child in _children(file, at, offsets))
        elif holds_tables:
            waiting.extend((root, False) for root in _tables(file, at, offsets))


def _check_page(file: _File, number: int) -> tuple[int, tuple[int, ...]]:
    """The page's flags and where its entries begin."""
    at = number * file.page_bytes
    carried, _, flags, lower, upper = _PAGE.unpack_from(file.mapped, at)
    ordered = _PAGE.size <= lower <= upper <= file.page_bytes
    if carried != number or flags & ~_DIRTY not in (_BRANCH, _LEAF) or not ordered:
        raise DatabaseDamaged(f"{file.path} is damaged: its page {number} is not a page of a table")
    offsets: tuple[int, ...] = struct.unpack_from(f"<{(lower - _PAGE.size) // 2}H", file.mapped, at + _PAGE.size)
    if offsets and not upper <= min(offsets) <= max(offsets) <= file.page_bytes - _ENTRY.size:
        raise DatabaseDamaged(f"{file.path} is damaged: entries of its page {number} lie outside it")
    return flags, offsets


def _children(file: _File, at: int, offsets: tuple[int, ...]) -> Iterator[int]:
    for offset in offsets:
        low, high, highest, _ = _ENTRY.unpack_from(file.mapped, at + offset)
        yield low | high << 16 | highest << 32


def _tables(file: _File, at: int, offsets: tuple[int, ...]) -> Iterator[int]:
    for offset in offsets:
        _, _, flags, key_bytes = _ENTRY.unpack_from(file.mapped, at + offset)
        begins = offset + _ENTRY.size + key_bytes
        if flags & _SUB_TABLE and begins + _TABLE.size <= file.page_bytes:
            yield from _root(file.mapped[at + begins : at + begins + _TABLE.size])
