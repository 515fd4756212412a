"""`ledgernode forecast`: tomorrow's load and generation, how good that is, and meters that behave oddly.

Reads files or, by --point, the ledger; writes neither. What it says is no fact, so none of it goes on the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.measured import read, reading_options
from ledgernode.cli.output import json_option, show, table
from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from devices.history.reading import Options
    from devices.history.series import Series

DAY_MS: Final = 86_400_000
_KINDS: Final = ("load", "generation")
_FIRST_FORECAST_DAY: Final = 28


@click.group()
def forecast() -> None:
    """Load and generation of the next day, learnt from the days before; meters that behave oddly.

    FILES are CSV as for `ledgernode backtest`; --point reads a connection point's intervals from the ledger instead
    (what it draws counts as load, what it gives as generation). docs/forecast.md has the methods and how good they are.
    """


def _sources(command: Callable[..., Any]) -> Callable[..., Any]:
    """Files, or points of the ledger."""
    for option in reversed(
        (
            click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[FILE|FOLDER...]"),
            click.option("--point", "points", multiple=True, help="A connection point on the ledger; may be repeated."),
            click.option(
                "--days",
                type=click.IntRange(2, 800),
                default=120,
                show_default=True,
                help="With --point: so many days back.",
            ),
            reading_options,
            network_options,
            json_option,
        )
    ):
        command = option(command)
    return command


@forecast.command()
@_sources
def day(**given: Any) -> None:
    """The day after the last one that is wholly known, interval by interval.

    \b
    ledgernode forecast day HOUSES --panels-kw 4
    ledgernode forecast day --point north:house-1 --as west/house-1-wallet --json
    """
    from devices.history.days import days_of
    from gateway.insight.forecast import Forecaster

    houses = _houses(**given)
    document: dict[str, Any] = {"houses": []}
    rows: list[tuple[object, ...]] = []
    for house in houses:
        told: dict[str, Any] = {"name": house.name, "step_minutes": house.step_ms // 60_000}
        for kind in _KINDS:
            days, weekday = days_of(house, kind)
            whole = days[: len(days) - 1] if not _complete(days[-1]) else days
            forecaster = Forecaster(kind, weekday)
            forecaster.learn(whole)
            said = forecaster.ahead(whole)
            told["begin_ms"] = house.begin_ms // DAY_MS * DAY_MS + len(whole) * DAY_MS
            told[f"{kind}_wh"] = [_whole(value) for value in said.tolist()]
        document["houses"].append(told)
        at = datetime.fromtimestamp(told["begin_ms"] / 1_000, UTC).strftime("%Y-%m-%d")
        sums = [_sum(told[f"{kind}_wh"]) for kind in _KINDS]
        peak = max((value, place) for place, value in enumerate(_zeros(told["load_wh"])))
        rows.append(
            (house.name, at, *(_kwh(value) for value in sums), f"{_clock(peak[1], house.step_ms)} {_kwh(peak[0])}")
        )
    columns = ("house", "day (UTC)", "load kWh", "generation kWh", "highest interval")
    show(document, given["as_json"], table(columns, rows, numbers=columns[2:4]))


@forecast.command()
@click.option(
    "--from-day",
    type=click.IntRange(29),
    default=244,
    show_default=True,
    help="The first day that is held back, counted from the first known.",
)
@_sources
def score(*, from_day: int, **given: Any) -> None:
    """Forecast the held-back days, and compare with what anybody would have said: yesterday, last week, means.

    \b
    ledgernode forecast score tests/data/citylearn2022
    """
    from devices.history.days import days_of
    from gateway.insight.scoring import average, scores

    houses = _houses(**given)
    document: dict[str, Any] = {"from_day": from_day, "houses": [house.name for house in houses]}
    rows: list[tuple[object, ...]] = []
    for kind in _KINDS:
        found = []
        for house in houses:
            days, weekday = days_of(house, kind)
            if len(days) > from_day:
                found.append(scores(days, kind, weekday=weekday, first_day=from_day))
        if not found:
            raise BadRequest(f"no house is known for more than {from_day} days: nothing is held back (--from-day)")
        document[kind] = {name: msgspec.to_builtins(score) for name, score in average(found).items()}
        for name, one in average(found).items():
            rows.append((kind, name, _one(one.mean_error), _one(one.square_error)))
    columns = ("what", "said by", "mean error Wh", "root mean square Wh")
    show(document, given["as_json"], table(columns, rows, numbers=columns[2:]))


@forecast.command()
@_sources
def anomalies(**given: Any) -> None:
    """Meters that behave unlike themselves and their neighbours: stuck, bypassed, odd by night, spiking.

    \b
    ledgernode forecast anomalies HOUSES
    ledgernode forecast anomalies --point north:house-1 --point north:house-2 --point north:house-3 --as north/operator
    """
    from devices.history.days import days_of
    from gateway.insight.anomalies import Meter, alarms

    houses = _houses(**given)
    first_ms = min(house.begin_ms for house in houses) // DAY_MS * DAY_MS
    meters = [Meter(house.name, days_of(house, "load")[0]) for house in houses]
    longest = max(len(meter.energy) for meter in meters)
    if any(
        len(meter.energy) != longest or house.begin_ms // DAY_MS * DAY_MS != first_ms
        for meter, house in zip(meters, houses, strict=True)
    ):
        raise BadRequest("neighbours are compared over the same days: leave out meters that are known for fewer")
    found = alarms(meters)
    document = {
        "meters": len(meters),
        "days": longest,
        "alarms": [
            {
                "meter": alarm.meter,
                "kind": alarm.kind,
                "from_ms": first_ms + alarm.from_day * DAY_MS,
                "until_ms": first_ms + alarm.until_day * DAY_MS,
            }
            for alarm in found
        ],
    }
    rows = [
        (alarm.meter, alarm.kind, _date(first_ms, alarm.from_day), alarm.until_day - alarm.from_day) for alarm in found
    ]
    columns = ("meter", "suspicion", "since", "days")
    show(document, given["as_json"], table(columns, rows, numbers=("days",)) if rows else "nothing is suspicious")


# ---------------------------------------------------------------- for others


def expected_of(house: Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What a house would have believed each day before, in mWh: the forecast, and as yesterday while it learns."""
    import numpy as np

    from devices.backtest.plan import as_yesterday
    from devices.history.days import days_of
    from gateway.insight.scoring import held_back

    slot = house.begin_ms % DAY_MS // house.step_ms
    believed = []
    for kind, yesterday in zip(_KINDS, as_yesterday(house), strict=True):
        days, weekday = days_of(house, kind)
        said = held_back(days, kind, weekday=weekday, first_day=_FIRST_FORECAST_DAY).reshape(-1)
        said = said[slot : slot + len(house)]
        believed.append(np.where(np.isfinite(said), np.rint(np.nan_to_num(said) * 1e3), yesterday).astype(np.int64))
    return believed[0], believed[1]


# ---------------------------------------------------------------- parts


def _houses(
    *, files: tuple[Path, ...], points: tuple[str, ...], days: int, reading: Options, at: Connection, **_: object
) -> list[Series]:
    if bool(files) == bool(points):
        raise BadRequest("name files, or points of the ledger (--point)")
    if files:
        found: list[Series] = read(files, reading, 0)
        return found
    from devices.history.registers import measured_all

    with at.open() as ledger:
        return measured_all(ledger, at.signer(), points, days)


def _complete(row: NDArray[np.float64]) -> bool:
    import numpy as np

    return bool(np.isfinite(row).all())


def _whole(value: float) -> int | None:
    return None if math.isnan(value) else round(value)


def _zeros(values: Sequence[int | None]) -> list[int]:
    return [value or 0 for value in values]


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _kwh(value: int | None) -> str:
    return "-" if value is None else f"{value / 1e3:,.2f}"


def _one(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _clock(place: int, step_ms: int) -> str:
    minutes = place * step_ms // 60_000
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _date(first_ms: int, day: int) -> str:
    return datetime.fromtimestamp((first_ms + day * DAY_MS) / 1_000, UTC).strftime("%Y-%m-%d")
