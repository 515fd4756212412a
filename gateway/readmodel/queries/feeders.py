"""Feeders and their transformers: load, loss, alerts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.bounds import SERIES_LIMIT
from gateway.readmodel.queries.pages import DEFAULT_SIZE, Page, Placed, all_of, one_of, page_of, rows_of
from gateway.readmodel.tables.feeders import ALERT_LOG, ALERTS, FEEDERS, INTERVALS, SAMPLES
from gateway.readmodel.tables.registry import POINTS, TRANSFORMERS


class FeederRow(Placed, frozen=True):
    """With its transformer's rating, its last report and how many alerts are open."""

    feeder: str
    operator: str
    transformer: str
    area: str
    phases: int
    limit_w: int
    reverse_limit_w: int
    watched_ms: int
    rating_va: int
    last_interval_ms: int
    alerts: int


class TransformerRow(Placed, frozen=True):
    transformer: str
    operator: str
    rating_va: int
    low_mv: int
    high_mv: int
    concentrator: str


class IntervalRow(Placed, frozen=True):
    """A report. What is not known is null; of a report that its own call has not returned, the first six are known."""

    feeder: str
    interval_ms: int
    state: str
    renewed: bool
    generation_mwh: int | None
    consumption_mwh: int | None
    supply_mwh: int | None
    loss_mwh: int | None
    loading_micro: int | None
    import_mwh: int | None
    export_mwh: int | None
    self_mwh: int | None
    pool_mwh: int | None
    surplus_mwh: int | None
    deficit_mwh: int | None
    technical_mwh: int | None
    non_technical_mwh: int | None
    uncertainty_mwh: int | None
    load_factor_micro: int | None
    apparent_mva: int | None


class SampleRow(Placed, frozen=True):
    """A transformer at an instant, phase by phase; power above zero flows into the feeder."""

    feeder: str
    time_ms: int
    temperature_milli: int | None
    high_mv: int | None
    distortion_micro: int | None
    phases: int
    power_mw: int
    reactive_mvar: int
    voltage_mv_1: int | None
    current_ma_1: int | None
    power_mw_1: int | None
    reactive_mvar_1: int | None
    voltage_mv_2: int | None
    current_ma_2: int | None
    power_mw_2: int | None
    reactive_mvar_2: int | None
    voltage_mv_3: int | None
    current_ma_3: int | None
    power_mw_3: int | None
    reactive_mvar_3: int | None


class AlertRow(Placed, frozen=True):
    feeder: str
    kind: str
    open: bool
    value: int | None
    limit: int | None
    opened_ms: int
    changed_ms: int


class AlertEvent(Placed, frozen=True):
    feeder: str
    kind: str
    open: bool
    value: int | None
    limit: int | None
    time_ms: int


def _feeders() -> Any:
    last = select(func.max(INTERVALS.c.interval_ms)).where(INTERVALS.c.feeder == FEEDERS.c.feeder)
    rating = select(TRANSFORMERS.c.rating_va).where(TRANSFORMERS.c.transformer == FEEDERS.c.transformer)
    alerts = select(func.count()).where(ALERTS.c.feeder == FEEDERS.c.feeder, ALERTS.c.open == 1)
    return rows_of(
        FeederRow,
        FEEDERS,
        rating_va=func.coalesce(rating.scalar_subquery(), 0),
        last_interval_ms=func.coalesce(last.scalar_subquery(), 0),
        alerts=alerts.scalar_subquery(),
    )


async def feeders(
    connection: AsyncConnection,
    *,
    area: str = "",
    operator: str = "",
    size: int = DEFAULT_SIZE,
    after: str = "",
) -> Page[FeederRow]:
    """By id."""
    question = _feeders()
    if area:
        question = question.where(FEEDERS.c.area == area)
    if operator:
        question = question.where(FEEDERS.c.operator == operator)
    keys: list[ColumnElement[Any]] = [FEEDERS.c.feeder]
    return await page_of(connection, FeederRow, question, keys, size=size, after=after, newest_first=False)


async def feeder(connection: AsyncConnection, which: str) -> FeederRow | None:
    return await one_of(connection, FeederRow, _feeders().where(FEEDERS.c.feeder == which))


async def transformer(connection: AsyncConnection, which: str) -> TransformerRow | None:
    question = rows_of(TransformerRow, TRANSFORMERS).where(TRANSFORMERS.c.transformer == which)
    return await one_of(connection, TransformerRow, question)


async def transformers(
    connection: AsyncConnection, *, size: int = DEFAULT_SIZE, after: str = ""
) -> Page[TransformerRow]:
    keys: list[ColumnElement[Any]] = [TRANSFORMERS.c.transformer]
    question = rows_of(TransformerRow, TRANSFORMERS)
    return await page_of(connection, TransformerRow, question, keys, size=size, after=after, newest_first=False)


async def houses(connection: AsyncConnection, which: str) -> int:
    """How many points hang on a feeder."""
    return await connection.scalar(select(func.count()).where(POINTS.c.feeder == which)) or 0


async def intervals(connection: AsyncConnection, which: str, from_ms: int, until_ms: int) -> tuple[IntervalRow, ...]:
    """Reports of a stretch of time, oldest first: energy, loss and load of a feeder."""
    here = INTERVALS.c.feeder == which, INTERVALS.c.interval_ms >= from_ms, INTERVALS.c.interval_ms < until_ms
    question = rows_of(IntervalRow, INTERVALS).where(*here)
    return await all_of(connection, IntervalRow, question.order_by(INTERVALS.c.interval_ms).limit(SERIES_LIMIT))


async def interval(connection: AsyncConnection, which: str, interval_ms: int | None = None) -> IntervalRow | None:
    """One report; the last one when no interval is named."""
    question = rows_of(IntervalRow, INTERVALS).where(INTERVALS.c.feeder == which)
    if interval_ms is not None:
        question = question.where(INTERVALS.c.interval_ms == interval_ms)
    return await one_of(connection, IntervalRow, question.order_by(INTERVALS.c.interval_ms.desc()))


async def samples(connection: AsyncConnection, which: str, from_ms: int, until_ms: int) -> tuple[SampleRow, ...]:
    """Oldest first."""
    here = SAMPLES.c.feeder == which, SAMPLES.c.time_ms >= from_ms, SAMPLES.c.time_ms < until_ms
    question = rows_of(SampleRow, SAMPLES).where(*here)
    return await all_of(connection, SampleRow, question.order_by(SAMPLES.c.time_ms).limit(SERIES_LIMIT))


async def sample(connection: AsyncConnection, which: str) -> SampleRow | None:
    """The last one."""
    question = rows_of(SampleRow, SAMPLES).where(SAMPLES.c.feeder == which)
    return await one_of(connection, SampleRow, question.order_by(SAMPLES.c.time_ms.desc()))


async def alerts(
    connection: AsyncConnection,
    *,
    feeder: str = "",
    operator: str = "",
    open_only: bool = True,
    size: int = DEFAULT_SIZE,
    after: str = "",
) -> Page[AlertRow]:
    """What is alarming now, the last change first: of a feeder, or of those that an organisation runs."""
    question = rows_of(AlertRow, ALERTS)
    if feeder:
        question = question.where(ALERTS.c.feeder == feeder)
    if operator:
        question = question.where(ALERTS.c.feeder.in_(select(FEEDERS.c.feeder).where(FEEDERS.c.operator == operator)))
    if open_only:
        question = question.where(ALERTS.c.open == 1)
    keys: list[ColumnElement[Any]] = [ALERTS.c.changed_ms, ALERTS.c.feeder, ALERTS.c.kind]
    return await page_of(connection, AlertRow, question, keys, size=size, after=after)


async def alert_log(
    connection: AsyncConnection, *, feeder: str = "", size: int = DEFAULT_SIZE, after: str = ""
) -> Page[AlertEvent]:
    """Every alert as it opened and cleared, newest first."""
    question = rows_of(AlertEvent, ALERT_LOG)
    if feeder:
        question = question.where(ALERT_LOG.c.feeder == feeder)
    keys: list[ColumnElement[Any]] = [ALERT_LOG.c.at_height, ALERT_LOG.c.at_number]
    return await page_of(connection, AlertEvent, question, keys, size=size, after=after)
