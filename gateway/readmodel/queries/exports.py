"""Tables as they are taken away: rows of a stretch of time, an organisation's or all, in order of their keys.

A table is read once, in the order of its key, some thousand rows at a time: a million need the memory of those. So the
condition of whose they are must not lead the database to an index by owner, after which it would have to sort them all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Select, Table, and_, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.bounds import EXPORT_BATCH, EXPORT_LIMIT
from gateway.readmodel.queries.pages import beginning
from gateway.readmodel.tables.billing import INVOICES, PAYMENTS
from gateway.readmodel.tables.feeders import ALERT_LOG, FEEDERS, INTERVALS, SAMPLES
from gateway.readmodel.tables.ledger import IDENTITIES
from gateway.readmodel.tables.market import ORDERS, SETTLED, STRATEGIES, TRADES
from gateway.readmodel.tables.metering import BUCKETS, READINGS, TAMPERS
from gateway.readmodel.tables.money import POSTINGS
from gateway.readmodel.tables.prepaid import CREDITS, SHARES
from gateway.readmodel.tables.registry import AREAS, METERS
from gateway.readmodel.zones import Span

Own = Callable[[str], ColumnElement[bool]]
"""Whose rows are an organisation's."""


class Exported(msgspec.Struct, frozen=True):
    """A table that is taken away; `time` is the column by which a stretch of time is chosen, `only` what else holds."""

    table: Table
    time: ColumnElement[int]
    own: Own
    only: ColumnElement[bool] | None = None

    @property
    def columns(self) -> tuple[tuple[str, bool], ...]:
        """(name, whether it is a whole number)."""
        return tuple((str(column.name), isinstance(column.type, BigInteger)) for column in self.table.columns)


def _prefix(*columns: ColumnElement[Any]) -> Own:
    return lambda organisation: or_(*(beginning(_plain(column), f"{organisation}:") for column in columns))


def _key_prefix(column: ColumnElement[Any]) -> Own:
    """Of the key's first column: a range of it."""
    return lambda organisation: beginning(column, f"{organisation}:")


def _plain(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Its value, by which no index is searched."""
    return func.coalesce(column, "")


def _meters(organisation: str) -> ColumnElement[bool]:
    return _plain(READINGS.c.meter).in_(select(METERS.c.meter).where(METERS.c.utility == organisation))


def _feeders(column: ColumnElement[Any]) -> Own:
    return lambda organisation: _plain(column).in_(select(FEEDERS.c.feeder).where(FEEDERS.c.operator == organisation))


def _areas(organisation: str) -> ColumnElement[bool]:
    return _plain(SETTLED.c.area).in_(select(AREAS.c.area).where(AREAS.c.operator == organisation))


def _accounts(organisation: str) -> ColumnElement[bool]:
    """Of its people and services, not of customers."""
    own = and_(IDENTITIES.c.organisation == organisation, IDENTITIES.c.role != "customer")
    return _plain(POSTINGS.c.account).in_(select(IDENTITIES.c.identity).where(own))


def _orders(organisation: str) -> ColumnElement[bool]:
    """Of its customers; a strategy's order has its strategy's customer."""
    prefix = f"{organisation}:"
    strategies = select(STRATEGIES.c.strategy).where(beginning(STRATEGIES.c.customer, prefix))
    return or_(beginning(_plain(ORDERS.c.customer), prefix), ORDERS.c.strategy.in_(strategies))


EXPORTS: Final[Mapping[str, Exported]] = {
    "readings": Exported(READINGS, READINGS.c.time_ms, _meters),
    "intervals": Exported(
        BUCKETS, BUCKETS.c.from_ms, _key_prefix(BUCKETS.c.point), BUCKETS.c.span == int(Span.QUARTER)
    ),
    "days": Exported(BUCKETS, BUCKETS.c.from_ms, _key_prefix(BUCKETS.c.point), BUCKETS.c.span == int(Span.DAY)),
    "tampers": Exported(TAMPERS, TAMPERS.c.time_ms, _prefix(TAMPERS.c.point)),
    "bills": Exported(INVOICES, INVOICES.c.issued_ms, lambda organisation: _plain(INVOICES.c.utility) == organisation),
    "payments": Exported(PAYMENTS, PAYMENTS.c.time_ms, _prefix(PAYMENTS.c.customer)),
    "postings": Exported(POSTINGS, POSTINGS.c.time_ms, _accounts),
    "tokens": Exported(CREDITS, CREDITS.c.reserved_ms, _key_prefix(CREDITS.c.point)),
    "shares": Exported(SHARES, SHARES.c.requested_ms, _prefix(SHARES.c.sender, SHARES.c.recipient)),
    "orders": Exported(ORDERS, ORDERS.c.placed_ms, _orders),
    "trades": Exported(TRADES, TRADES.c.matched_ms, _prefix(TRADES.c.seller_point, TRADES.c.buyer_point)),
    "settled": Exported(SETTLED, SETTLED.c.interval_ms, _areas),
    "feeder_intervals": Exported(INTERVALS, INTERVALS.c.interval_ms, _feeders(INTERVALS.c.feeder)),
    "feeder_samples": Exported(SAMPLES, SAMPLES.c.time_ms, _feeders(SAMPLES.c.feeder)),
    "alerts": Exported(ALERT_LOG, ALERT_LOG.c.time_ms, _feeders(ALERT_LOG.c.feeder)),
}


async def are_too_many(
    connection: AsyncConnection, which: Exported, organisation: str, from_ms: int, until_ms: int
) -> bool:
    """Whether there are more than may be taken at once; counts no further."""
    beyond = _chosen(which, organisation, from_ms, until_ms, [literal(1)]).offset(EXPORT_LIMIT).limit(1)
    return await connection.scalar(beyond) is not None


async def batches(
    connection: AsyncConnection, which: Exported, organisation: str, from_ms: int, until_ms: int
) -> AsyncIterator[list[tuple[Any, ...]]]:
    """All rows, some thousand at a time. `organisation`: '' is everybody's. Bytes are told in hex."""
    columns: list[ColumnElement[Any]] = list(which.table.columns)
    question = _chosen(which, organisation, from_ms, until_ms, columns).order_by(*which.table.primary_key.columns)
    found = await connection.stream(question, execution_options={"yield_per": EXPORT_BATCH})
    async for rows in found.partitions():
        yield [tuple(value.hex() if isinstance(value, bytes) else value for value in row) for row in rows]


def _chosen(
    which: Exported, organisation: str, from_ms: int, until_ms: int, columns: Sequence[ColumnElement[Any]]
) -> Select[Any]:
    question = select(*columns).select_from(which.table).where(which.time >= from_ms, which.time < until_ms)
    if which.only is not None:
        question = question.where(which.only)
    return question.where(which.own(organisation)) if organisation else question
