"""Tomorrow's load or generation, interval by interval, said at midnight from the days before.

For each interval of the day one ridge regression, learnt from that interval and its neighbours on all days before. It
learns by how much to leave the mean of the last seven days: towards yesterday, a week ago, equal weekdays, a longer
mean, the level of the last day and its last hours, the kind of day, the season. Little evidence leaves it at that
mean. For generation there are no weekdays, and instead the brightest of the last days at that time, which is the sky's
limit.

What is not known is NaN and takes no part; where too little is known to say anything, NaN is said.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Days: TypeAlias = NDArray[np.float64]
"""Energy by day and interval of the day."""
LOAD: Final = "load"
GENERATION: Final = "generation"
LEARNING_DAYS: Final = 42
"""Days of which enough must be known before anything is learnt; before that, it says the mean of the last seven."""
WEEK: Final = 7
_BACK: Final = 28
_NEIGHBOUR_MASS: Final = 0.4
_RIDGE: Final = {LOAD: 100.0, GENERATION: 30.0}
_NEIGHBOUR_HOURS: Final = {LOAD: 2.0, GENERATION: 1.0}
_WEEK_MEAN: Final = 4
"""The place of the last seven days' mean among the features."""


def as_days(energies: NDArray[np.float64], per_day: int, first_slot: int = 0) -> Days:
    """A series as whole days; what the first and the last day lack is NaN."""
    count = -(-(first_slot + len(energies)) // per_day)
    table = np.full(count * per_day, np.nan)
    table[first_slot : first_slot + len(energies)] = energies
    return table.reshape(count, per_day)


class Forecaster:
    """What was learnt from some days, to be asked about days that follow known ones.

    `weekday` is that of the first row, 0 is Monday; every table that it is given begins on that day.
    """

    def __init__(self, kind: str, weekday: int = 0) -> None:
        assert kind in {LOAD, GENERATION}
        self.kind = kind
        self.weekday = weekday
        self._centre: NDArray[np.float64] | None = None
        self._scale = self._weights = np.empty(0)

    def learn(self, days: Days) -> None:
        """From these days alone; from too few, nothing."""
        self._centre = None
        features = self._features(days)
        usable = np.isfinite(features).all(axis=2) & np.isfinite(days)
        count, per_day = days.shape
        if count < LEARNING_DAYS or usable.sum() < (LEARNING_DAYS - _BACK) * per_day // 2:
            return
        left = days - features[:, :, _WEEK_MEAN]
        centre, scale = features[usable].mean(axis=0), features[usable].std(axis=0)
        scale[scale == 0] = 1.0
        scaled = (features - centre) / scale
        reach = max(1, round(_NEIGHBOUR_HOURS[self.kind] * per_day / 24)) if per_day > 1 else 0
        # finer steps bring more rows of the same evidence: they are held back as much as hours are
        held_back = _RIDGE[self.kind] * (2 * reach + 1) / (2 * reach * 24 / per_day + 1)
        weights = np.empty((per_day, features.shape[2] + 1))
        for slot in range(per_day):
            near = [(slot + offset) % per_day for offset in range(-reach, reach + 1)]
            rows = np.concatenate([scaled[usable[:, place], place] for place in near])
            truth = np.concatenate([left[usable[:, place], place] for place in near])
            mass = np.concatenate([
                np.full(int(usable[:, place].sum()), 1.0 if place == slot else _NEIGHBOUR_MASS) for place in near
            ])  # fmt: skip
            weights[slot] = _ridge(rows, truth, mass, held_back)
        self._centre, self._scale, self._weights = centre, scale, weights

    def ahead(self, days: Days) -> NDArray[np.float64]:
        """The day after the last of these."""
        following = np.vstack([days, np.full((1, days.shape[1]), np.nan)])
        tomorrow: NDArray[np.float64] = self.each(following)[-1]
        return tomorrow

    def each(self, days: Days) -> Days:
        """What it says of each day, from the days before that one."""
        features = self._features(days)
        plain = features[:, :, _WEEK_MEAN]
        if self._centre is None:
            return plain
        scaled = (features - self._centre) / self._scale
        left = np.einsum("dsf,sf->ds", scaled, self._weights[:, 1:]) + self._weights[:, 0]
        said = plain + np.where(np.isnan(left), 0.0, left)
        if self.kind == GENERATION:
            said = np.where(features[:, :, -1] <= 0, 0.0, said)
        return np.maximum(said, 0.0)

    def _features(self, days: Days) -> NDArray[np.float64]:
        """Of each day and interval, from earlier days alone: (day, interval, feature)."""
        count, per_day = days.shape
        back = [shifted(days, lag) for lag in range(_BACK + 1)]
        equal, week, month = mean([back[lag] for lag in (7, 14, 21, 28)]), mean(back[1 : WEEK + 1]), mean(back[1:])
        beside = mean([np.roll(back[1], 1, axis=1), np.roll(back[1], -1, axis=1)])
        level = mean(list(back[1].T))
        late = mean(list(back[1][:, -max(1, per_day // 8) :].T))
        number = np.arange(count)
        season = 2 * np.pi * number / 365.25
        by_day = [level, late, np.sin(season), np.cos(season)]
        parts = [
            back[1],
            back[2],
            back[WEEK],
            equal if self.kind == LOAD else week,
            week,
            month,
            beside,
            mean(back[1:4]),
        ]
        if self.kind == LOAD:
            weekdays = (number + self.weekday) % WEEK
            by_day += [(weekdays == which).astype(np.float64) for which in (0, 4, 5, 6)]
        else:
            by_day.append(level - mean(list(week.T)))
        broad = np.ones((count, per_day))
        parts += [values[:, None] * broad for values in by_day]
        if self.kind == GENERATION:
            parts.append(np.fmax.reduce(back[1:15]))
        return np.stack(parts, axis=2)


def shifted(days: Days, lag: int) -> Days:
    """Each day's row is that of `lag` days before; NaN where there is none."""
    moved = np.full_like(days, np.nan)
    if lag < len(days):
        moved[lag:] = days[: len(days) - lag]
    return moved


def mean(tables: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Of what is known; NaN where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing is NaN, as wanted
        found: NDArray[np.float64] = np.nanmean(np.stack(tables), axis=0)
    return found


def _ridge(
    rows: NDArray[np.float64], truth: NDArray[np.float64], mass: NDArray[np.float64], strength: float
) -> NDArray[np.float64]:
    """Weights, the constant first, which alone is not held back."""
    table = np.hstack([np.ones((len(rows), 1)), rows])
    weighed = table * mass[:, None]
    held = strength * np.eye(table.shape[1])
    held[0, 0] = 1e-9
    return np.asarray(np.linalg.solve(weighed.T @ table + held, weighed.T @ truth), dtype=np.float64)
