"""Rows as structs, and pages of them that go on after a key.

A struct's fields are named as columns. A page's bookmark holds the key of its last row, so that the next one begins
there however many rows lie before it, and however many came meanwhile.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Select, Table, and_, select, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.bounds import PAGE_LIMIT
from gateway.readmodel.tables.ledger import TRANSACTIONS
from ledgernode.errors import BadRequest

T = TypeVar("T", bound=msgspec.Struct)
_LARGEST: Final = (1 << 63) - 1
DEFAULT_SIZE: Final = 50


class Page(msgspec.Struct, Generic[T], frozen=True):
    """`after` is where the next page begins, '' at the end."""

    items: tuple[T, ...]
    after: str = ""


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """Where a row comes from: the block and receipt that changed it last, and that receipt's id in hex."""

    height: int
    position: int
    transaction: str


def rows_of(kind: type[T], table: Table, **given: ColumnElement[Any]) -> Select[Any]:
    """A question for these rows: each field from the column of its name, or from the one that is given."""
    columns: list[ColumnElement[Any]] = []
    placed = False
    for name in kind.__struct_fields__:
        if name == "transaction" and name not in given:
            columns.append(TRANSACTIONS.c.id.label("transaction"))
            placed = True
        else:
            columns.append(given[name].label(name) if name in given else table.c[name])
    question = select(*columns)
    if not placed:
        return question.select_from(table)
    here = and_(TRANSACTIONS.c.height == table.c.height, TRANSACTIONS.c.position == table.c.position)
    return question.select_from(table.outerjoin(TRANSACTIONS, here))


async def all_of(connection: AsyncConnection, kind: type[T], question: Select[Any]) -> tuple[T, ...]:
    """Every row, at most as many as a page may have."""
    if question._limit_clause is None:  # noqa: SLF001  # nothing public says whether a question is bounded
        question = question.limit(PAGE_LIMIT)
    make = _maker(kind)
    return tuple(make(row) for row in await connection.execute(question))


async def one_of(connection: AsyncConnection, kind: type[T], question: Select[Any]) -> T | None:
    row = (await connection.execute(question.limit(1))).first()
    return None if row is None else _maker(kind)(row)


async def page_of(
    connection: AsyncConnection,
    kind: type[T],
    question: Select[Any],
    keys: Sequence[ColumnElement[Any]],
    *,
    size: int = DEFAULT_SIZE,
    after: str = "",
    newest_first: bool = True,
) -> Page[T]:
    """Rows in the order of unique keys, from a bookmark on. Refuses (BadRequest) a bookmark that is none of these."""
    size = min(max(size, 1), PAGE_LIMIT)
    fields = len(kind.__struct_fields__)
    question = question.add_columns(*(key.label(f"key_{at}") for at, key in enumerate(keys)))
    if after:
        values = read_bookmark(after, keys)
        here, there = (keys[0], values[0]) if len(keys) == 1 else (tuple_(*keys), tuple_(*values))
        question = question.where(here < there if newest_first else here > there)
    question = question.order_by(*(key.desc() if newest_first else key.asc() for key in keys)).limit(size + 1)
    rows = (await connection.execute(question)).all()
    make = _maker(kind)
    items = tuple(make(row[:fields]) for row in rows[:size])
    return Page(items, bookmark(rows[size - 1][fields:]) if len(rows) > size else "")


def bookmark(values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(list(values))).decode().rstrip("=")


def read_bookmark(text: str, keys: Sequence[ColumnElement[Any]]) -> list[Any]:
    """The key that it holds, each value of its column's type."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        values = msgspec.json.decode(raw, type=list[int | str])
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise BadRequest("this is no bookmark of a page") from error
    kinds = [key.type.python_type for key in keys]
    if len(values) != len(kinds) or not all(_fits(value, kind) for value, kind in zip(values, kinds, strict=True)):
        raise BadRequest("this bookmark is of another list")
    return values


def _fits(value: int | str, kind: type) -> bool:
    return type(value) is kind and ("\x00" not in value if isinstance(value, str) else abs(value) <= _LARGEST)


def any_of(key: ColumnElement[Any], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Rows for which one of these holds, each found by its own index: an `or` would be looked for row by row."""
    return key.in_(union_all(*(select(key).where(condition) for condition in conditions)))


def beginning(column: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    """Texts that begin so, as a range of the column's index."""
    return and_(column >= prefix, column < prefix + "\U0010ffff")


@lru_cache(maxsize=1_000)
def _maker(kind: type[T]) -> Callable[[Sequence[Any]], T]:
    """Makes a struct of a row: bytes as hex, flags as truth, JSON as it stands."""
    made = [_conversion(field.type) for field in msgspec.structs.fields(kind)]

    def make(row: Sequence[Any]) -> T:
        return kind(*(value if change is None else change(value) for change, value in zip(made, row, strict=True)))

    if issubclass(kind, Placed):
        names = kind.__struct_fields__

        def make_by_name(row: Sequence[Any]) -> T:
            values = {
                name: value if change is None else change(value)
                for name, change, value in zip(names, made, row, strict=True)
            }
            return kind(**values)

        return make_by_name
    return make


def _conversion(type_: Any) -> Callable[[Any], Any] | None:
    if type_ is bool:
        return bool
    if type_ is msgspec.Raw:
        return _raw
    if type_ is str:
        return _text
    return None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else bytes(value).hex()


def _raw(value: str | None) -> msgspec.Raw:
    return msgspec.Raw((value or "null").encode())
