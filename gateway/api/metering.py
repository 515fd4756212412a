"""What a point took and gave: by seconds, minutes, hours, days, months; reading by reading; now; tampering.

Who lives there sees what was used since it moved in, and not what was used before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.api.answering import SIZE, After, Filter, FromMs, Name, Size, gives
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.places import Place, UntilMs, block_ms, place_of, zone_of
from gateway.http.app import PREFIX
from gateway.readmodel.bounds import SERIES_LIMIT
from gateway.readmodel.queries import metering, registry
from gateway.readmodel.queries.metering import BucketRow, HeadRow, ReadingRow, TamperRow
from gateway.readmodel.queries.pages import Page
from gateway.readmodel.zones import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS, Span, bucket_ms
from ledgernode.errors import BadRequest

By = Annotated[
    Literal["auto", "reading", "minute", "quarter", "hour", "day", "month"],
    Query(description="how fine; `auto`: what draws the stretch of time at once"),
]
_SPANS: Final = {
    "minute": (Span.MINUTE, MINUTE_MS),
    "quarter": (Span.QUARTER, QUARTER_MS),
    "hour": (Span.HOUR, HOUR_MS),
    "day": (Span.DAY, DAY_MS),
    "month": (Span.MONTH, 28 * DAY_MS),
}
_NAMES: Final = {span: name for name, (span, _) in _SPANS.items()}
READINGS_MS: Final = 12 * HOUR_MS
"""Reading by reading half a day is shown: of 5 s these are 8,640, and a series has 10,000 points."""


class Series(msgspec.Struct, frozen=True):
    """`by` is what was chosen; `from_ms` and `until_ms` are what was looked at, as far as the person may see."""

    by: str
    from_ms: int
    until_ms: int
    items: tuple[BucketRow, ...]


class Now(msgspec.Struct, frozen=True):
    """Of the meter that hangs there: what it said last, and what went through since the local day and month began.

    `time_ms` is the time of the block that this is of. What is null is not known.
    """

    meter: str
    time_ms: int
    head: HeadRow | None
    reading: ReadingRow | None
    today: BucketRow | None
    month: BucketRow | None


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["metering"]), Depends(asking.viewer)

    @routes.get(f"{PREFIX}/points/{{point}}/series", responses=gives(Series, "oldest first"))
    async def series(
        point: Name, viewer: Viewer = here, from_ms: FromMs = 0, until_ms: UntilMs = 0, by: By = "auto"
    ) -> Response:
        """Consumption and generation over time; the last day where no time is named."""

        async def found(look: Look) -> Series | None:
            place = await place_of(look, point, "readings")
            if place is None:
                return None
            until = until_ms or await block_ms(look) + 1
            usual_ms = READINGS_MS if by == "reading" else DAY_MS
            begin = from_ms or until - usual_ms
            return await _series(look, place, min(begin, until), until, by)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/points/{{point}}/readings", responses=gives(Page[ReadingRow], "newest first"))
    async def readings(
        *,
        point: Name,
        viewer: Viewer = here,
        meter: Filter = "",
        from_ms: FromMs = 0,
        until_ms: UntilMs = 0,
        held: bool = False,
        size: Size = SIZE,
        after: After = "",
    ) -> Response:
        """Readings as they were signed, of the meter that hangs there or of one that did."""

        async def found(look: Look) -> Page[ReadingRow] | None:
            place = await place_of(look, point, "readings")
            if place is None:
                return None
            which = meter or place.row.meter
            if meter and meter not in {one.meter for one in await registry.meters_of_point(look.connection, point)}:
                return None
            return await metering.readings(
                look.connection,
                which,
                from_ms=max(from_ms, place.since_ms),
                until_ms=until_ms or 1 << 60,
                held_only=held,
                size=size,
                after=after,
            )

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/points/{{point}}/now", responses=gives(Now, "what is known now"))
    async def now(point: Name, viewer: Viewer = here) -> Response:
        """The last reading, today, this month."""

        async def found(look: Look) -> Now | None:
            place = await place_of(look, point, "readings")
            return None if place is None else await _now(look, place)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/points/{{point}}/tampers", responses=gives(Page[TamperRow], "the last told first"))
    async def tampers(point: Name, viewer: Viewer = here, size: Size = SIZE, after: After = "") -> Response:
        """What its meters have noticed."""

        async def found(look: Look) -> Page[TamperRow] | None:
            place = await place_of(look, point, "readings")
            if place is None:
                return None
            since_ms = place.since_ms
            return await metering.tampers(look.connection, point=point, since_ms=since_ms, size=size, after=after)

        return await viewer.answer(found)

    return routes


async def _series(look: Look, place: Place, asked_ms: int, until_ms: int, by: str) -> Series:
    point = place.row.point
    from_ms = min(max(asked_ms, place.since_ms), until_ms)
    if by == "reading":
        if until_ms - from_ms > READINGS_MS:
            raise BadRequest("reading by reading half a day is shown: ask for minutes, or for less time")
        return Series(by, from_ms, until_ms, await metering.steps(look.connection, place.row.meter, from_ms, until_ms))
    if by == "auto":
        span = metering.span_for(from_ms, until_ms)
        found = await metering.series(look.connection, point, span, from_ms, until_ms)
        if not found and span is Span.MINUTE:
            span = Span.QUARTER
            found = await metering.series(look.connection, point, span, from_ms, until_ms)
        return Series(_NAMES[span], from_ms, until_ms, (*await _begun(look, place, span, asked_ms, until_ms), *found))
    span, length_ms = _SPANS[by]
    if (until_ms - from_ms) // length_ms > SERIES_LIMIT:
        raise BadRequest(f"a series has {SERIES_LIMIT:,} points at most: ask for longer spans, or for less time")
    found = await metering.series(look.connection, point, span, from_ms, until_ms)
    return Series(by, from_ms, until_ms, (*await _begun(look, place, span, asked_ms, until_ms), *found))


async def _begun(look: Look, place: Place, span: Span, asked_ms: int, until_ms: int) -> tuple[BucketRow, ...]:
    """The hour, day or month in which somebody moved in, as far as it is theirs: what its quarters say from then on."""
    since_ms, length_ms = place.since_ms, _SPANS[_NAMES[span]][1]
    if length_ms <= QUARTER_MS or not asked_ms < since_ms < until_ms:
        return ()
    zone = await zone_of(look, place.row.utility)
    begins_ms = bucket_ms(zone, span, since_ms)
    if begins_ms == since_ms or begins_ms < asked_ms:
        return ()
    ends_ms = bucket_ms(zone, span, begins_ms + length_ms * 3 // 2)
    quarters = await metering.series(look.connection, place.row.point, Span.QUARTER, since_ms, ends_ms)
    return (_joined(since_ms, quarters),) if quarters else ()


def _joined(from_ms: int, parts: Sequence[BucketRow]) -> BucketRow:
    """Parts of one span as one; it was changed last where one of them was."""
    height, position = max((part.height, part.position) for part in parts)
    return BucketRow(
        from_ms,
        sum(part.import_mwh for part in parts),
        sum(part.export_mwh for part in parts),
        sum(part.measured_ms for part in parts),
        sum(part.gateway_ms for part in parts),
        sum(part.estimated_ms for part in parts),
        height,
        position,
    )


async def _now(look: Look, place: Place) -> Now:
    """Nothing of before somebody moved in: the day and the month of it begin when they did."""
    connection, row = look.connection, place.row
    time_ms = await block_ms(look)
    head = await metering.head(connection, row.meter)
    reading = await metering.reading(connection, row.meter, head.last_ms) if head is not None else None
    if head is not None and head.last_ms < place.since_ms:
        head = reading = None
    zone = await zone_of(look, row.utility)
    sums: list[BucketRow | None] = []
    for span in (Span.DAY, Span.MONTH):
        begins_ms = bucket_ms(zone, span, time_ms)
        if begins_ms < place.since_ms:
            found = await _begun(look, place, span, begins_ms - 1, time_ms + 1)
        else:
            found = await metering.series(connection, row.point, span, begins_ms, begins_ms + 1)
        sums.append(found[0] if found else None)
    return Now(row.meter, time_ms, head, reading, *sums)
