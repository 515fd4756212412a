"""Customers and where they live, points and their meters, claims on premises, consents.

A customer finds its own, and of others' points what it was let read; staff what is of their utility, and the points on
feeders that their organisation operates; regulators everything.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.api.answering import LARGEST, SIZE, After, Filter, Name, Size, gives
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.scope import Scope, organisation_of
from gateway.http.app import PREFIX
from gateway.readmodel.queries import registry
from gateway.readmodel.queries.pages import Page
from gateway.readmodel.queries.registry import (
    ClaimRow,
    ConsentRow,
    CustomerRow,
    MeterRow,
    PointChange,
    PointRow,
    Tenancy,
    WalletRow,
)

ClaimStatus = Annotated[Literal["", "open", "approved", "refused"], Query(description="'' is any")]
SilentBefore = Annotated[int | None, Query(ge=0, le=LARGEST, description="only those not heard of since")]


class CustomerShown(msgspec.Struct, frozen=True):
    """With its wallets, its points now, and where it has lived."""

    row: CustomerRow
    wallets: tuple[WalletRow, ...]
    points: tuple[PointRow, ...]
    tenancies: tuple[Tenancy, ...]


class PointShown(msgspec.Struct, frozen=True):
    """With its meters and what changed, as far back as the person may look; who lived there only for staff."""

    row: PointRow
    meters: tuple[MeterRow, ...]
    changes: tuple[PointChange, ...]
    tenancies: tuple[Tenancy, ...]
    reads: tuple[str, ...]
    """What the person may read of it: readings, bills, trades."""
    since_ms: int
    """From when on."""


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["registry"]), Depends(asking.viewer)

    @routes.get(f"{PREFIX}/customers", responses=gives(Page[CustomerRow], "by id"))
    async def customers(
        *, viewer: Viewer = here, utility: Filter = "", q: Filter = "", size: Size = SIZE, after: After = ""
    ) -> Response:
        """Customers of a utility; `q` is how their ids begin. A customer finds itself."""

        async def found(look: Look) -> Page[CustomerRow]:
            scope = look.scope
            if scope.customer:
                own = await registry.customer(look.connection, scope.customer)
                return Page((own,) if own is not None and own.customer.startswith(q) else ())
            whose = utility or scope.staff_of
            if not _may_list(scope, whose):
                return Page(())
            return await registry.customers(look.connection, utility=whose, prefix=q, size=size, after=after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/customers/{{which}}", responses=gives(CustomerShown, "with wallets and points"))
    async def customer(which: Name, viewer: Viewer = here) -> Response:
        """A customer."""

        async def found(look: Look) -> CustomerShown | None:
            row = await registry.customer(look.connection, which)
            if row is None or not look.scope.sees_customer(which):
                return None
            return CustomerShown(
                row,
                await registry.wallets(look.connection, which),
                await registry.points_of_customer(look.connection, which),
                await registry.tenancies(look.connection, customer=which),
            )

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/points", responses=gives(Page[PointRow], "by id"))
    async def points(
        *,
        viewer: Viewer = here,
        customer: Filter = "",
        utility: Filter = "",
        feeder: Filter = "",
        size: Size = SIZE,
        after: After = "",
    ) -> Response:
        """Points of a customer, a utility or on a feeder. A customer finds its own, and those that it was let read."""

        async def found(look: Look) -> Page[PointRow]:
            scope = look.scope
            if customer:
                seen = scope.sees_customer(customer)
                return Page(await registry.points_of_customer(look.connection, customer) if seen else ())
            if not scope.staff_of and not scope.sees_all:
                rows = await _known_points(look)
                return Page(tuple(row for row in rows if utility in ("", row.utility) and feeder in ("", row.feeder)))
            whose = utility if feeder else utility or scope.staff_of
            if not (_may_list(scope, whose) or scope.sees_organisation(organisation_of(feeder))):
                return Page(())
            page = await registry.points(look.connection, utility=whose, feeder=feeder, size=size, after=after)
            return Page(tuple(_shown(scope, row) for row in page.items), page.after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/points/{{which}}", responses=gives(PointShown, "with its meters and what changed"))
    async def point(which: Name, viewer: Viewer = here) -> Response:
        """A point where energy is taken or given."""

        async def found(look: Look) -> PointShown | None:
            scope = look.scope
            row = await registry.point(look.connection, which)
            if row is None or not scope.knows_point(row):
                return None
            staff, since_ms = scope.sees_organisation(row.utility), scope.since_ms(row)
            billed = scope.sees_point(row, "bills")
            meters = await registry.meters_of_point(look.connection, which)
            changes = await registry.point_changes(look.connection, which) if billed else ()
            return PointShown(
                row=_shown(scope, row),
                meters=tuple(meter for meter in meters if not meter.removed_ms or meter.removed_ms > since_ms),
                changes=tuple(change for change in changes if staff or change.from_ms >= since_ms),
                tenancies=await registry.tenancies(look.connection, premises=row.premises)
                if staff and row.premises
                else (),
                reads=tuple(what for what in WHATS if scope.sees_point(row, what)),
                since_ms=since_ms,
            )

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/meters", responses=gives(Page[MeterRow], "by id; the longest silent first, where asked so"))
    async def meters(
        *,
        viewer: Viewer = here,
        utility: Filter = "",
        feeder: Filter = "",
        silent_before_ms: SilentBefore = None,
        size: Size = SIZE,
        after: After = "",
    ) -> Response:
        """Meters that hang, with what they told last. A customer finds its own."""

        async def found(look: Look) -> Page[MeterRow]:
            scope = look.scope
            if not scope.staff_of and not scope.sees_all:
                own = [row.meter for row in await _known_points(look) if row.meter]
                rows = [await registry.meter(look.connection, one) for one in own]
                return Page(tuple(row for row in rows if row is not None and utility in ("", row.utility)))
            whose = utility or scope.staff_of
            if feeder and scope.sees_organisation(organisation_of(feeder)):
                whose = utility
            elif not _may_list(scope, whose):
                return Page(())
            if silent_before_ms is not None:
                return Page(
                    await registry.silent(look.connection, silent_before_ms, utility=whose, feeder=feeder, size=size)
                )
            return await registry.meters(look.connection, utility=whose, feeder=feeder, size=size, after=after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/meters/{{which}}", responses=gives(MeterRow, "with what it told last"))
    async def meter(which: Name, viewer: Viewer = here) -> Response:
        """A meter, by its id or its PAN."""

        async def found(look: Look) -> MeterRow | None:
            row = await registry.meter(look.connection, which)
            where = await registry.point(look.connection, row.point) if row is not None else None
            if row is None or where is None or not look.scope.knows_point(where):
                return None
            gone = row.removed_ms and row.removed_ms <= look.scope.since_ms(where)
            return None if gone else row

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/claims", responses=gives(Page[ClaimRow], "the oldest first"))
    async def claims(viewer: Viewer = here, utility: Filter = "", status: ClaimStatus = "open") -> Response:
        """Claims on premises: those that a utility's people decide, or the person's own."""

        async def found(look: Look) -> Page[ClaimRow]:
            scope = look.scope
            if not scope.staff_of and not scope.sees_all:
                return Page(await registry.claims(look.connection, wallet=scope.identity, status=status))
            whose = utility or scope.staff_of
            seen = _may_list(scope, whose)
            return Page(await registry.claims(look.connection, utility=whose, status=status) if seen else ())

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/consents", responses=gives(Page[ConsentRow], "by point and reader; also those that ended"))
    async def consents(viewer: Viewer = here, point: Filter = "") -> Response:
        """Who may read a point; without one, what the person may read, and who may read its own points."""

        async def found(look: Look) -> Page[ConsentRow]:
            if point:
                row = await registry.point(look.connection, point)
                return Page(await _given(look, row) if row is not None else ())
            rows = list(await registry.consents(look.connection, reader=look.scope.identity))
            for own in look.scope.points:
                row = await registry.point(look.connection, own)
                rows += await _given(look, row) if row is not None else ()
            return Page(tuple(dict.fromkeys(rows)))

        return await viewer.answer(found)

    return routes


WHATS: tuple[Literal["readings", "bills", "trades"], ...] = ("readings", "bills", "trades")


def _may_list(scope: Scope, organisation: str) -> bool:
    """What is an organisation's; of all organisations ('') for who sees all."""
    return scope.sees_organisation(organisation) if organisation else scope.sees_all


def _shown(scope: Scope, row: PointRow) -> PointRow:
    """Who lives there and by which tariff is not for who reads its meter alone."""
    return row if scope.sees_point(row, "bills") else msgspec.structs.replace(row, customer="", tariff="")


async def _known_points(look: Look) -> list[PointRow]:
    """The customer's own, and those that it was let read."""
    named = sorted({*look.scope.points, *look.scope.holdings.lets})
    rows = [await registry.point(look.connection, one) for one in named]
    return [_shown(look.scope, row) for row in rows if row is not None and look.scope.knows_point(row)]


async def _given(look: Look, point: PointRow) -> tuple[ConsentRow, ...]:
    """Consents to read a point: all for staff; those of its own for who lives there; the person's for a reader."""
    rows = await registry.consents(look.connection, point=point.point)
    scope = look.scope
    if scope.sees_organisation(point.utility):
        return rows
    found = []
    for row in rows:
        giver = await registry.wallet(look.connection, row.given_by)
        own = bool(scope.customer) and giver is not None and giver.customer == scope.customer
        if own or scope.is_self(row.reader):
            found.append(row)
    return tuple(found)
