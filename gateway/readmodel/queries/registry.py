"""Customers and where they live, points and their meters, claims, consents."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.bounds import PAGE_LIMIT
from gateway.readmodel.queries.pages import DEFAULT_SIZE, Page, Placed, all_of, beginning, one_of, page_of, rows_of
from gateway.readmodel.tables.metering import HEADS
from gateway.readmodel.tables.registry import (
    AREAS,
    CLAIMS,
    CONSENTS,
    CUSTOMERS,
    GROUND,
    METERS,
    POINT_CHANGES,
    POINTS,
    PREMISES,
    TENANCIES,
    UTILITIES,
    WALLETS,
)


class GroundRow(Placed, frozen=True):
    """What everything on the ledger stands on: the length of an interval, the currency's digits."""

    interval_ms: int
    digits: int
    founder: str


class UtilityRow(Placed, frozen=True):
    organisation: str
    zone: msgspec.Raw
    treasury: str
    tax_account: str
    levy_account: str


class AreaRow(Placed, frozen=True):
    area: str
    operator: str
    opened_ms: int


class CustomerRow(Placed, frozen=True):
    customer: str
    utility: str
    document_hash: str


class WalletRow(Placed, frozen=True):
    wallet: str
    customer: str
    removed: bool


class PointRow(Placed, frozen=True):
    """`customer` lives there now, '' if nobody does."""

    point: str
    utility: str
    kind: str
    premises: str
    customer: str
    feeder: str
    phases: int
    import_rating_w: int
    export_rating_w: int
    prepaid: bool
    tariff: str
    meter: str


class PointChange(Placed, frozen=True):
    from_ms: int
    what: str
    value: str


class MeterRow(Placed, frozen=True):
    """With what it told last; `heard_ms` is when the ledger last took readings of it, 0 if never."""

    meter: str
    utility: str
    point: str
    pan: str
    gateway_signed: bool
    installed_ms: int
    removed_ms: int
    predecessor: str
    last_ms: int
    last_import_mwh: int
    last_export_mwh: int
    held: int
    heard_ms: int


class Tenancy(Placed, frozen=True):
    """From when on a customer lives there; '' is nobody."""

    premises: str
    from_ms: int
    customer: str


class ClaimRow(Placed, frozen=True):
    premises: str
    wallet: str
    status: str
    customer: str
    claimed_ms: int


class ConsentRow(Placed, frozen=True):
    point: str
    reader: str
    scopes: str
    until_ms: int
    given_by: str
    withdrawn: bool


def _points() -> Any:
    customer = select(PREMISES.c.customer).where(PREMISES.c.premises == POINTS.c.premises).scalar_subquery()
    return rows_of(PointRow, POINTS, customer=customer)


def _meters() -> Any:
    told = {
        name: select(HEADS.c[name]).where(HEADS.c.meter == METERS.c.meter).scalar_subquery()
        for name in ("last_ms", "last_import_mwh", "last_export_mwh", "held", "heard_ms")
    }
    return rows_of(MeterRow, METERS, **{name: func.coalesce(column, 0) for name, column in told.items()})


async def ground(connection: AsyncConnection) -> GroundRow | None:
    return await one_of(connection, GroundRow, rows_of(GroundRow, GROUND))


async def utilities(connection: AsyncConnection) -> tuple[UtilityRow, ...]:
    question = rows_of(UtilityRow, UTILITIES).order_by(UTILITIES.c.organisation)
    return await all_of(connection, UtilityRow, question)


async def areas(connection: AsyncConnection) -> tuple[AreaRow, ...]:
    return await all_of(connection, AreaRow, rows_of(AreaRow, AREAS).order_by(AREAS.c.area))


async def customers(
    connection: AsyncConnection, *, utility: str = "", prefix: str = "", size: int = DEFAULT_SIZE, after: str = ""
) -> Page[CustomerRow]:
    """By id."""
    question = rows_of(CustomerRow, CUSTOMERS)
    if utility:
        question = question.where(CUSTOMERS.c.utility == utility)
    if prefix:
        question = question.where(beginning(CUSTOMERS.c.customer, prefix))
    keys: list[ColumnElement[Any]] = [CUSTOMERS.c.customer]
    return await page_of(connection, CustomerRow, question, keys, size=size, after=after, newest_first=False)


async def customer(connection: AsyncConnection, which: str) -> CustomerRow | None:
    return await one_of(connection, CustomerRow, rows_of(CustomerRow, CUSTOMERS).where(CUSTOMERS.c.customer == which))


async def customer_of_wallet(connection: AsyncConnection, wallet: str) -> str:
    """'' if the wallet is no customer's, or no more."""
    question = select(WALLETS.c.customer).where(WALLETS.c.wallet == wallet, WALLETS.c.removed == 0)
    return await connection.scalar(question) or ""


async def wallet(connection: AsyncConnection, which: str) -> WalletRow | None:
    """With the customer it spoke for last, if it speaks for none any more."""
    return await one_of(connection, WalletRow, rows_of(WalletRow, WALLETS).where(WALLETS.c.wallet == which))


async def wallets(connection: AsyncConnection, customer: str) -> tuple[WalletRow, ...]:
    question = rows_of(WalletRow, WALLETS).where(WALLETS.c.customer == customer)
    return await all_of(connection, WalletRow, question.order_by(WALLETS.c.wallet))


async def points_of_customer(connection: AsyncConnection, customer: str) -> tuple[PointRow, ...]:
    """Where a customer lives now."""
    homes = select(PREMISES.c.premises).where(PREMISES.c.customer == customer)
    question = _points().where(POINTS.c.premises.in_(homes))
    return await all_of(connection, PointRow, question.order_by(POINTS.c.point))


async def points(
    connection: AsyncConnection, *, utility: str = "", feeder: str = "", size: int = DEFAULT_SIZE, after: str = ""
) -> Page[PointRow]:
    """By id: of a utility, of a feeder."""
    question = _points()
    if utility:
        question = question.where(POINTS.c.utility == utility)
    if feeder:
        question = question.where(POINTS.c.feeder == feeder)
    keys: list[ColumnElement[Any]] = [POINTS.c.point]
    return await page_of(connection, PointRow, question, keys, size=size, after=after, newest_first=False)


async def point(connection: AsyncConnection, which: str) -> PointRow | None:
    return await one_of(connection, PointRow, _points().where(POINTS.c.point == which))


async def point_changes(connection: AsyncConnection, which: str) -> tuple[PointChange, ...]:
    """Its feeders, tariffs and ways of paying, with the time from which each holds, the latest first."""
    question = rows_of(PointChange, POINT_CHANGES).where(POINT_CHANGES.c.point == which)
    return await all_of(
        connection, PointChange, question.order_by(POINT_CHANGES.c.from_ms.desc(), POINT_CHANGES.c.what)
    )


async def tenancies(connection: AsyncConnection, *, premises: str = "", customer: str = "") -> tuple[Tenancy, ...]:
    """Who lived there, or where somebody lived; the latest first."""
    question = rows_of(Tenancy, TENANCIES)
    if premises:
        question = question.where(TENANCIES.c.premises == premises)
    if customer:
        question = question.where(TENANCIES.c.customer == customer)
    return await all_of(connection, Tenancy, question.order_by(TENANCIES.c.from_ms.desc(), TENANCIES.c.premises))


async def meters(
    connection: AsyncConnection,
    *,
    utility: str = "",
    feeder: str = "",
    size: int = DEFAULT_SIZE,
    after: str = "",
) -> Page[MeterRow]:
    """Those that hang, by id."""
    question = _hanging(_meters(), utility, feeder)
    keys: list[ColumnElement[Any]] = [METERS.c.meter]
    return await page_of(connection, MeterRow, question, keys, size=size, after=after, newest_first=False)


async def meter(connection: AsyncConnection, which: str) -> MeterRow | None:
    """By id, or by PAN."""
    here = or_(METERS.c.meter == which, METERS.c.pan == which)
    return await one_of(connection, MeterRow, _meters().where(here).order_by(METERS.c.installed_ms.desc()))


async def meters_of_point(connection: AsyncConnection, point: str) -> tuple[MeterRow, ...]:
    """Those that hang or hung there, the present one first."""
    question = _meters().where(METERS.c.point == point)
    return await all_of(connection, MeterRow, question.order_by(METERS.c.installed_ms.desc()))


async def silent(
    connection: AsyncConnection, before_ms: int, *, utility: str = "", feeder: str = "", size: int = DEFAULT_SIZE
) -> tuple[MeterRow, ...]:
    """Meters that hang, and of which nothing was heard since; the longest silent first."""
    still = select(HEADS.c.meter).join(METERS, METERS.c.meter == HEADS.c.meter)
    still = _hanging(still.where(HEADS.c.heard_ms < before_ms), utility, feeder).order_by(HEADS.c.heard_ms)
    size = min(max(size, 1), PAGE_LIMIT)
    found = await all_of(connection, MeterRow, _meters().where(METERS.c.meter.in_(still.limit(size))))
    return tuple(sorted(found, key=lambda row: (row.heard_ms, row.meter)))


def _hanging(question: Select[Any], utility: str, feeder: str) -> Select[Any]:
    question = question.where(METERS.c.removed_ms == 0)
    if utility:
        question = question.where(METERS.c.utility == utility)
    if feeder:
        question = question.where(METERS.c.point.in_(select(POINTS.c.point).where(POINTS.c.feeder == feeder)))
    return question


async def claims(
    connection: AsyncConnection, *, utility: str = "", wallet: str = "", status: str = "open"
) -> tuple[ClaimRow, ...]:
    """Claims on premises, by a utility's people to be decided, or of one wallet."""
    question = rows_of(ClaimRow, CLAIMS)
    if status:
        question = question.where(CLAIMS.c.status == status)
    if utility:
        question = question.where(beginning(CLAIMS.c.premises, f"{utility}:"))
    if wallet:
        question = question.where(CLAIMS.c.wallet == wallet)
    return await all_of(connection, ClaimRow, question.order_by(CLAIMS.c.claimed_ms, CLAIMS.c.premises))


async def consents(connection: AsyncConnection, *, point: str = "", reader: str = "") -> tuple[ConsentRow, ...]:
    """Who may read a point, or what somebody may read; with those that were withdrawn or are over."""
    question = rows_of(ConsentRow, CONSENTS)
    if point:
        question = question.where(CONSENTS.c.point == point)
    if reader:
        question = question.where(CONSENTS.c.reader == reader)
    return await all_of(connection, ConsentRow, question.order_by(CONSENTS.c.point, CONSENTS.c.reader))
