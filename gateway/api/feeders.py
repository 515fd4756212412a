"""Feeders and their transformers: load, loss, flow, alerts. For those who work for the operator, and for regulators."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.api.answering import LARGEST, SIZE, After, Filter, FromMs, Name, Size, gives
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.flow import Link, links_of
from gateway.api.places import UntilMs, block_ms
from gateway.http.app import PREFIX
from gateway.readmodel.queries import feeders
from gateway.readmodel.queries.feeders import (
    AlertEvent,
    AlertRow,
    FeederRow,
    IntervalRow,
    SampleRow,
    TransformerRow,
)
from gateway.readmodel.queries.pages import Page
from gateway.readmodel.zones import DAY_MS
from ledgernode.errors import BadRequest

Interval = Annotated[int | None, Query(ge=0, le=LARGEST, description="by its start; the last report where none is")]
STRETCH_MS: Final = 100 * DAY_MS
"""Of one answer: some 9,600 reports of a quarter of an hour."""


class FeederShown(FeederRow, frozen=True, kw_only=True):
    """With its transformer, how many points hang on it, the last sample and the last report."""

    houses: int
    at: TransformerRow | None
    sample: SampleRow | None
    interval: IntervalRow | None


class Intervals(msgspec.Struct, frozen=True):
    from_ms: int
    until_ms: int
    items: tuple[IntervalRow, ...]


class Samples(msgspec.Struct, frozen=True):
    from_ms: int
    until_ms: int
    items: tuple[SampleRow, ...]


class Flow(msgspec.Struct, frozen=True):
    """A report, and its energy as links between nodes; none of what is not known."""

    report: IntervalRow
    links: tuple[Link, ...]


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["feeders"]), Depends(asking.viewer)

    @routes.get(f"{PREFIX}/feeders", responses=gives(Page[FeederRow], "by id"))
    async def listed(viewer: Viewer = here, area: Filter = "", size: Size = SIZE, after: After = "") -> Response:
        """Feeders, with their transformer's rating and open alerts."""

        async def found(look: Look) -> Page[FeederRow]:
            if not (look.scope.staff_of or look.scope.sees_all):
                return Page(())
            operator = look.scope.staff_of
            return await feeders.feeders(look.connection, area=area, operator=operator, size=size, after=after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/feeders/{{feeder}}", responses=gives(FeederShown, "as it is now"))
    async def one(feeder: Name, viewer: Viewer = here) -> Response:
        """A feeder, its transformer, and how they do."""

        async def found(look: Look) -> FeederShown | None:
            row = await _feeder(look, feeder)
            return None if row is None else await _shown(look, row)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/feeders/{{feeder}}/intervals", responses=gives(Intervals, "oldest first"))
    async def intervals(feeder: Name, viewer: Viewer = here, from_ms: FromMs = 0, until_ms: UntilMs = 0) -> Response:
        """Reports: energy, loss and load; of the last day where no time is named."""

        async def found(look: Look) -> Intervals | None:
            if await _feeder(look, feeder) is None:
                return None
            begin, until = await _stretch(look, from_ms, until_ms)
            return Intervals(begin, until, await feeders.intervals(look.connection, feeder, begin, until))

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/feeders/{{feeder}}/samples", responses=gives(Samples, "oldest first"))
    async def samples(feeder: Name, viewer: Viewer = here, from_ms: FromMs = 0, until_ms: UntilMs = 0) -> Response:
        """What was measured at its transformer, phase by phase: the first 10,000 from a time on."""

        async def found(look: Look) -> Samples | None:
            if await _feeder(look, feeder) is None:
                return None
            begin, until = await _stretch(look, from_ms, until_ms)
            return Samples(begin, until, await feeders.samples(look.connection, feeder, begin, until))

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/feeders/{{feeder}}/flow", responses=gives(Flow, "of an interval"))
    async def flow(feeder: Name, viewer: Viewer = here, interval_ms: Interval = None) -> Response:
        """Where an interval's energy came from and went."""

        async def found(look: Look) -> Flow | None:
            if await _feeder(look, feeder) is None:
                return None
            report = await feeders.interval(look.connection, feeder, interval_ms)
            return None if report is None else Flow(report, links_of(report))

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/alerts", responses=gives(Page[AlertRow], "the last change first"))
    async def alerts(
        *,
        viewer: Viewer = here,
        feeder: Filter = "",
        is_open: Annotated[bool, Query(alias="open")] = True,
        size: Size = SIZE,
        after: After = "",
    ) -> Response:
        """What is alarming now; with `open=false` also what was."""

        async def found(look: Look) -> Page[AlertRow] | None:
            if feeder and await _feeder(look, feeder) is None:
                return None
            if not (look.scope.staff_of or look.scope.sees_all):
                return Page(())
            page = {"open_only": is_open, "size": size, "after": after}
            whose = {"feeder": feeder, "operator": look.scope.staff_of}
            return await feeders.alerts(look.connection, **whose, **page)  # type: ignore[arg-type]

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/feeders/{{feeder}}/alerts", responses=gives(Page[AlertEvent], "newest first"))
    async def log(feeder: Name, viewer: Viewer = here, size: Size = SIZE, after: After = "") -> Response:
        """Every alert of a feeder, as it opened and cleared."""

        async def found(look: Look) -> Page[AlertEvent] | None:
            if await _feeder(look, feeder) is None:
                return None
            return await feeders.alert_log(look.connection, feeder=feeder, size=size, after=after)

        return await viewer.answer(found)

    return routes


async def _feeder(look: Look, which: str) -> FeederRow | None:
    row = await feeders.feeder(look.connection, which)
    return row if row is not None and look.scope.sees_organisation(row.operator) else None


async def _shown(look: Look, row: FeederRow) -> FeederShown:
    connection = look.connection
    known: dict[str, Any] = {name: getattr(row, name) for name in row.__struct_fields__}
    return FeederShown(
        **known,
        houses=await feeders.houses(connection, row.feeder),
        at=await feeders.transformer(connection, row.transformer),
        sample=await feeders.sample(connection, row.feeder),
        interval=await feeders.interval(connection, row.feeder),
    )


async def _stretch(look: Look, from_ms: int, until_ms: int) -> tuple[int, int]:
    until = until_ms or await block_ms(look) + 1
    begin = min(from_ms or max(until - DAY_MS, 0), until)
    if until - begin > STRETCH_MS:
        raise BadRequest("a hundred days are shown at once: ask for less time")
    return begin, until
