"""Consumption and generation over time, readings one by one, tampering."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.bounds import SERIES_LIMIT
from gateway.readmodel.queries.pages import DEFAULT_SIZE, Page, Placed, all_of, one_of, page_of, read_bookmark, rows_of
from gateway.readmodel.tables.metering import BUCKETS, CORRECTIONS, HEADS, HELD, READINGS, TAMPERS
from gateway.readmodel.zones import DAY_MS, Span


class BucketRow(msgspec.Struct, frozen=True, gc=False):
    """Energy of a span of time that begins at `from_ms`; how much of that time is known by whom. `height` and
    `position` name the transaction that changed it last.
    """

    from_ms: int
    import_mwh: int
    export_mwh: int
    measured_ms: int
    gateway_ms: int
    estimated_ms: int
    height: int
    position: int


class SumRow(msgspec.Struct, frozen=True, gc=False):
    """Of several points together."""

    from_ms: int
    import_mwh: int
    export_mwh: int
    points: int


class ReadingRow(Placed, frozen=True):
    """`item` is its place in the signed batch (-1: a register at removal), by which it is proven alone."""

    meter: str
    time_ms: int
    sequence: int
    import_mwh: int
    export_mwh: int
    flags: int
    state: str
    origin: str
    item: int
    voltage_mv: int | None
    current_ma: int | None
    power_mw: int | None
    reactive_mvar: int | None
    power_factor_milli: int | None
    others: msgspec.Raw


class HeadRow(Placed, frozen=True):
    meter: str
    point: str
    last_ms: int
    last_import_mwh: int
    last_export_mwh: int
    accepted: int
    held: int
    heard_ms: int


class TamperRow(Placed, frozen=True):
    meter: str
    point: str
    time_ms: int
    kind: str
    detail: str


class CorrectionRow(Placed, frozen=True):
    point: str
    interval_ms: int
    import_mwh: int
    export_mwh: int


def span_for(from_ms: int, until_ms: int) -> Span:
    """The span whose buckets draw a stretch of time at once: 1,500 of them or fewer, up to five years."""
    length_ms = until_ms - from_ms
    if length_ms <= DAY_MS:
        return Span.MINUTE
    if length_ms <= 15 * DAY_MS:
        return Span.QUARTER
    if length_ms <= 62 * DAY_MS:
        return Span.HOUR
    return Span.DAY if length_ms <= 1_500 * DAY_MS else Span.MONTH


async def series(
    connection: AsyncConnection, point: str, span: Span, from_ms: int, until_ms: int
) -> tuple[BucketRow, ...]:
    """Buckets that begin in a stretch of time, oldest first; at most 10,000. Where none is, nothing was read."""
    here = BUCKETS.c.point == point, BUCKETS.c.span == int(span), BUCKETS.c.from_ms >= from_ms
    question = rows_of(BucketRow, BUCKETS).where(*here, BUCKETS.c.from_ms < until_ms)
    return await all_of(connection, BucketRow, question.order_by(BUCKETS.c.from_ms).limit(SERIES_LIMIT))


async def finest(connection: AsyncConnection, point: str, from_ms: int, until_ms: int) -> tuple[BucketRow, ...]:
    """A stretch of time, drawn at once: by minutes where it is short and readings are close, else by `span_for`."""
    span = span_for(from_ms, until_ms)
    found = await series(connection, point, span, from_ms, until_ms)
    if not found and span is Span.MINUTE:
        return await series(connection, point, Span.QUARTER, from_ms, until_ms)
    return found


async def steps(connection: AsyncConnection, meter: str, from_ms: int, until_ms: int) -> tuple[BucketRow, ...]:
    """From one believed reading to the next, as fine as they are; nothing across a register that began anew."""
    names = ("time_ms", "import_mwh", "export_mwh", "state", "origin", "height", "position")
    here = READINGS.c.meter == meter, READINGS.c.time_ms >= from_ms, READINGS.c.time_ms < until_ms
    question = select(*(READINGS.c[name] for name in names)).where(*here, READINGS.c.state.in_(("a", "o", "z")))
    rows = (await connection.execute(question.order_by(READINGS.c.time_ms).limit(SERIES_LIMIT))).all()
    found = []
    for one, other in pairwise(map(tuple, rows)):  # thousands of them: by place, not by name
        from_ms, imported, exported, *_ = one
        until_ms, taken, given, state, origin, height, position = other
        if state == "a":
            length_ms = until_ms - from_ms
            by_device = length_ms if origin == "d" else 0
            known = by_device, length_ms - by_device, 0
            found.append(BucketRow(from_ms, taken - imported, given - exported, *known, height, position))
    return tuple(found)


async def series_of_points(
    connection: AsyncConnection, points: list[str], span: Span, from_ms: int, until_ms: int
) -> tuple[SumRow, ...]:
    """The same of up to 500 points together."""
    here = BUCKETS.c.point.in_(points[:500]), BUCKETS.c.span == int(span), BUCKETS.c.from_ms >= from_ms
    sums = func.sum(BUCKETS.c.import_mwh), func.sum(BUCKETS.c.export_mwh), func.count()
    question = select(BUCKETS.c.from_ms, *sums).where(*here, BUCKETS.c.from_ms < until_ms)
    question = question.group_by(BUCKETS.c.from_ms).order_by(BUCKETS.c.from_ms).limit(SERIES_LIMIT)
    rows = await connection.execute(question)
    return tuple(SumRow(row[0], int(row[1]), int(row[2]), row[3]) for row in rows)


async def readings(
    connection: AsyncConnection,
    meter: str,
    *,
    from_ms: int = 0,
    until_ms: int = 1 << 60,
    held_only: bool = False,
    size: int = DEFAULT_SIZE,
    after: str = "",
    newest_first: bool = True,
) -> Page[ReadingRow]:
    """A meter's readings as they were signed."""
    time = READINGS.c.time_ms
    keys: list[ColumnElement[Any]] = [time]
    if after:  # one bound on either side: an index is searched by one only
        (came_to,) = read_bookmark(after, keys)
        from_ms, until_ms = (from_ms, min(until_ms, came_to)) if newest_first else (max(from_ms, came_to + 1), until_ms)
    question = rows_of(ReadingRow, READINGS).where(READINGS.c.meter == meter, time >= from_ms, time < until_ms)
    if held_only:
        question = question.where(HELD)
    return await page_of(connection, ReadingRow, question, keys, size=size, newest_first=newest_first)


async def reading(connection: AsyncConnection, meter: str, time_ms: int) -> ReadingRow | None:
    here = READINGS.c.meter == meter, READINGS.c.time_ms == time_ms
    return await one_of(connection, ReadingRow, rows_of(ReadingRow, READINGS).where(*here))


async def head(connection: AsyncConnection, meter: str) -> HeadRow | None:
    """The last reading that the ledger believes."""
    return await one_of(connection, HeadRow, rows_of(HeadRow, HEADS).where(HEADS.c.meter == meter))


async def tampers(
    connection: AsyncConnection, *, point: str = "", since_ms: int = 0, size: int = DEFAULT_SIZE, after: str = ""
) -> Page[TamperRow]:
    """What meters have noticed, the last told first."""
    question = rows_of(TamperRow, TAMPERS).where(TAMPERS.c.time_ms >= since_ms)
    if point:
        question = question.where(TAMPERS.c.point == point)
    keys: list[ColumnElement[Any]] = [TAMPERS.c.at_height, TAMPERS.c.at_number]
    return await page_of(connection, TamperRow, question, keys, size=size, after=after)


async def corrections(connection: AsyncConnection, point: str) -> tuple[CorrectionRow, ...]:
    """What staff have added by hand, the latest interval first."""
    question = rows_of(CorrectionRow, CORRECTIONS).where(CORRECTIONS.c.point == point)
    return await all_of(connection, CorrectionRow, question.order_by(CORRECTIONS.c.interval_ms.desc()))
