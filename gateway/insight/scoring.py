"""Forecasts and their yardsticks on months that were held back.

    yesterday         the same time a day before
    last week         the same time a week before
    equal weekdays    the mean of the same time on the last four equal weekdays
    last seven days   the mean of the same time on the last seven days

A month is forecast day by day by what was learnt from all days before the month; each day's forecast sees the days
before that day. A time counts only where every one of the compared says something and the truth is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.insight.forecast import WEEK, Days, Forecaster, mean, shifted

FORECAST: Final = "forecast"
YARDSTICKS: Final = ("yesterday", "last week", "equal weekdays", "last seven days")
MONTH_DAYS: Final = 30


class Score(msgspec.Struct, frozen=True):
    """Mean and root mean square of errors, in the unit of the energies; None where nothing could be compared."""

    mean_error: float | None
    square_error: float | None


def yardsticks(days: Days) -> dict[str, Days]:
    """What each says of each day, from the days before it."""
    return {
        "yesterday": shifted(days, 1),
        "last week": shifted(days, WEEK),
        "equal weekdays": mean([shifted(days, lag) for lag in (7, 14, 21, 28)]),
        "last seven days": mean([shifted(days, lag) for lag in range(1, WEEK + 1)]),
    }


def held_back(days: Days, kind: str, *, weekday: int, first_day: int) -> Days:
    """What the forecaster says of each day from `first_day` on, learning again every month; NaN before."""
    said = np.full_like(days, np.nan)
    for begin in range(first_day, len(days), MONTH_DAYS):
        forecaster = Forecaster(kind, weekday)
        forecaster.learn(days[:begin])
        end = min(begin + MONTH_DAYS, len(days))
        said[begin:end] = forecaster.each(days[:end])[begin:end]
    return said


def scores(days: Days, kind: str, *, weekday: int, first_day: int) -> dict[str, Score]:
    """The forecast and each yardstick over the days from `first_day` on."""
    said = {FORECAST: held_back(days, kind, weekday=weekday, first_day=first_day), **yardsticks(days)}
    counted = np.isfinite(days) & np.logical_and.reduce([np.isfinite(one) for one in said.values()])
    counted[:first_day] = False
    return {name: _score((one - days)[counted]) for name, one in said.items()}


def average(found: Sequence[dict[str, Score]]) -> dict[str, Score]:
    """Each one's score over several houses: the mean of theirs."""
    names = found[0] if found else ()
    return {
        name: Score(
            _mean([score[name].mean_error for score in found]), _mean([score[name].square_error for score in found])
        )
        for name in names
    }


def _score(errors: NDArray[np.float64]) -> Score:
    if not len(errors):
        return Score(None, None)
    return Score(float(np.abs(errors).mean()), float(np.sqrt((errors**2).mean())))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
