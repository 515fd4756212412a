"""Points where energy is taken or given.

A customer finds its own, and of others' what it was let read; staff those of their utility, and those on feeders that
their organisation operates; regulators all.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from gateway.api.answering import SIZE, After, Filter, Name, Size, gives
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.scope import Scope, organisation_of
from gateway.http.app import PREFIX
from gateway.readmodel.queries import registry
from gateway.readmodel.queries.pages import Page
from gateway.readmodel.queries.registry import MeterRow, PointChange, PointRow, Tenancy

WHATS: Final[tuple[Literal["readings", "bills", "trades"], ...]] = ("readings", "bills", "trades")


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
                rows = await known_points(look)
                return Page(tuple(row for row in rows if utility in ("", row.utility) and feeder in ("", row.feeder)))
            whose = utility if feeder else utility or scope.staff_of
            if not (scope.may_list(whose) or scope.sees_organisation(organisation_of(feeder))):
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

    return routes


def _shown(scope: Scope, row: PointRow) -> PointRow:
    """Who lives there and by which tariff is not for who reads its meter alone."""
    return row if scope.sees_point(row, "bills") else msgspec.structs.replace(row, customer="", tariff="")


async def known_points(look: Look) -> list[PointRow]:
    """The customer's own, and those that it was let read."""
    named = sorted({*look.scope.points, *look.scope.holdings.lets})
    rows = [await registry.point(look.connection, one) for one in named]
    return [_shown(look.scope, row) for row in rows if row is not None and look.scope.knows_point(row)]
