"""Search by anything: a height, a hash or its beginning, an id or its beginning, a name."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.queries.pages import beginning
from gateway.readmodel.tables.billing import INVOICES, TARIFFS
from gateway.readmodel.tables.feeders import FEEDERS
from gateway.readmodel.tables.ledger import BLOCKS, IDENTITIES, TRANSACTIONS
from gateway.readmodel.tables.market import MARKETS, ORDERS, TRADES
from gateway.readmodel.tables.money import ACCOUNTS
from gateway.readmodel.tables.registry import AREAS, CUSTOMERS, METERS, POINTS, PREMISES, TRANSFORMERS, WALLETS

OF_A_KIND: Final = 5
LONGEST: Final = 200
_HEX: Final = re.compile(r"[0-9a-f]{4,64}")
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_MORE: Final = 64
_TEXTS: Final[tuple[tuple[str, ColumnElement[str], ColumnElement[str]], ...]] = (
    ("identity", IDENTITIES.c.identity, IDENTITIES.c.identity),
    ("identity", IDENTITIES.c.name, IDENTITIES.c.identity),
    ("account", ACCOUNTS.c.account, ACCOUNTS.c.account),
    ("wallet", WALLETS.c.wallet, WALLETS.c.wallet),
    ("customer", CUSTOMERS.c.customer, CUSTOMERS.c.customer),
    ("premises", PREMISES.c.premises, PREMISES.c.premises),
    ("point", POINTS.c.point, POINTS.c.point),
    ("meter", METERS.c.meter, METERS.c.meter),
    ("meter", METERS.c.pan, METERS.c.meter),
    ("feeder", FEEDERS.c.feeder, FEEDERS.c.feeder),
    ("transformer", TRANSFORMERS.c.transformer, TRANSFORMERS.c.transformer),
    ("area", AREAS.c.area, AREAS.c.area),
    ("market", MARKETS.c.market, MARKETS.c.market),
    ("invoice", INVOICES.c.invoice, INVOICES.c.invoice),
    ("tariff", TARIFFS.c.tariff, TARIFFS.c.tariff),
)


class Found(msgspec.Struct, frozen=True, order=True):
    """`id` is what the page of that kind is asked by; `label` is what was found."""

    kind: str
    id: str
    label: str


async def search(connection: AsyncConnection, text: str, *, of_a_kind: int = OF_A_KIND) -> tuple[Found, ...]:
    """So many of each kind at most; nothing for what is shorter than two characters and no number, or too long."""
    wanted = text.strip()
    if len(wanted) > LONGEST:
        return ()
    found: list[Found] = []
    if _NUMBER.fullmatch(wanted):
        found += await _numbered(connection, int(wanted))
    if _HEX.fullmatch(wanted.lower()):
        found += await _hashed(connection, wanted.lower(), of_a_kind)
    if len(wanted) >= 2 and "\x00" not in wanted:
        found += [Found(*row) for row in await connection.execute(_named(wanted, of_a_kind))]
    return tuple(dict.fromkeys(found))


def _named(wanted: str, of_a_kind: int) -> CompoundSelect[Any]:
    """All kinds in one question."""
    parts = []
    for number, (kind, column, names) in enumerate(_TEXTS):
        part = select(literal(kind).label("kind"), names.label("id"), column.label("label"))
        parts.append(part.where(beginning(column, wanted)).order_by(column).limit(of_a_kind).subquery(f"part_{number}"))
    return union_all(*(select(part) for part in parts))


async def _numbered(connection: AsyncConnection, number: int) -> list[Found]:
    kinds: tuple[tuple[str, ColumnElement[int]], ...] = (
        ("block", BLOCKS.c.height),
        ("order", ORDERS.c.number),
        ("trade", TRADES.c.trade),
    )
    text = str(number)
    return [
        Found(kind, text, text)
        for kind, column in kinds
        if await connection.scalar(select(literal(1)).where(column == number).limit(1))
    ]


async def _hashed(connection: AsyncConnection, prefix: str, of_a_kind: int) -> list[Found]:
    found = []
    for kind, column in (("transaction", TRANSACTIONS.c.id), ("block", BLOCKS.c.hash)):
        rows = await connection.execute(_between(column, prefix).limit(of_a_kind))
        found += [Found(kind, bytes(row[0]).hex(), bytes(row[0]).hex()) for row in rows]
    return found


def _between(column: ColumnElement[bytes], prefix: str) -> Select[Any]:
    """Hashes that begin so, as a range of the column's index."""
    least = bytes.fromhex(prefix.ljust(_MORE, "0"))
    most = bytes.fromhex(prefix.ljust(_MORE, "f"))
    return select(column).where(and_(column >= least, column <= most)).order_by(column).distinct()
