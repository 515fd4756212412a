"""Meters that hang at points, with what they told last. Who may know a point may know its meter."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.api.answering import LARGEST, SIZE, After, Filter, Name, Size, gives
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.points import known_points
from gateway.api.scope import organisation_of
from gateway.http.app import PREFIX
from gateway.readmodel.queries import registry
from gateway.readmodel.queries.pages import Page
from gateway.readmodel.queries.registry import MeterRow

SilentBefore = Annotated[int | None, Query(ge=0, le=LARGEST, description="only those not heard of since")]


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["registry"]), Depends(asking.viewer)

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
                own = [row.meter for row in await known_points(look) if row.meter]
                rows = [await registry.meter(look.connection, one) for one in own]
                return Page(tuple(row for row in rows if row is not None and utility in ("", row.utility)))
            whose = utility or scope.staff_of
            if feeder and scope.sees_organisation(organisation_of(feeder)):
                whose = utility
            elif not scope.may_list(whose):
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

    return routes
