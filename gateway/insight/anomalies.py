"""Meters that behave unlike themselves and unlike their neighbours, day by day. A suspicion, for somebody to look at.

    stuck        the same value again and again, or nothing at all, where the meter used to move
    bypass       for days less than the meter's own pattern leads to expect, while its neighbours are as ever
    night        for days more by night than ever, while its neighbours are as ever
    spike        an interval far above everything known of the meter
    phase        of a three-phase meter one phase shows next to nothing, which carried its part before

What a day leads to expect is learnt from the same meter's last four weeks that were not suspicious. The neighbours take
out what is common to all: weather, season, holidays. Their median does, so that one odd neighbour does not matter. How
large an oddity is, is counted in the meter's own usual scatter, so that a restless house is not suspected for being so.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.insight.forecast import Days

STUCK, BYPASS, NIGHT, SPIKE, PHASE = "stuck", "bypass", "night", "spike", "phase"
KINDS: Final = (STUCK, BYPASS, NIGHT, SPIKE, PHASE)
Flagged: TypeAlias = NDArray[np.bool_]
_HISTORY: Final = 28
_ENOUGH: Final = 14
_BECOMES_USUAL: Final = 21
"""Days after which what was suspected is how this meter is now: somebody has looked at it by then."""
_DAY_PARTS: Final = ((0.0, 1.0), (0.25, 0.75), (0.5, 1.0))
"""Whole day, daylight, afternoon to midnight: a bypass may be switched on for a part of the day alone."""
_NIGHT_PART: Final = (1 / 24, 5 / 24)


class Limits(msgspec.Struct, frozen=True):
    """How odd is too odd."""

    stuck_hours: float = 5.0
    silent_hours: float = 9.0
    run_days: int = 4
    """Of a bypass, before it is suspected."""
    least_drop: float = 0.3
    """A bypass hides at least this part of the consumption,"""
    least_base_drop: float = 0.1
    """and this part of what was the least on nearly every day."""
    night_rise: float = 0.6
    """In logarithms: in the quietest hour of the night at least 1.8 times of what is usual,"""
    night_margin: float = 0.7
    """and so much above nearly every night."""
    spike_factor: float = 2.0
    phase_part: float = 0.15
    """A phase that shows less than this part of its usual share."""


class Meter(msgspec.Struct, frozen=True, eq=False):
    """What one meter showed, by day and interval; of a three-phase meter also each phase."""

    name: str
    energy: Days
    phases: tuple[Days, ...] = ()


class Alarm(msgspec.Struct, frozen=True):
    """A run of suspicious days of one meter, counted from the first row; `until_day` is the day after."""

    meter: str
    kind: str
    from_day: int
    until_day: int


def alarms(meters: Sequence[Meter], limits: Limits = Limits()) -> list[Alarm]:  # noqa: B008  # frozen
    """Everything suspicious of meters that are each other's neighbours, by meter, kind and time."""
    return [
        Alarm(meter.name, kind, first, last)
        for meter, found in zip(meters, flagged(meters, limits), strict=True)
        for kind in KINDS
        for first, last in runs(found[kind])
    ]


def flagged(meters: Sequence[Meter], limits: Limits = Limits()) -> list[Mapping[str, Flagged]]:  # noqa: B008  # frozen
    """The suspicious days of each meter, by kind."""
    parts = [(measure, part) for part in _DAY_PARTS for measure in (_log_part, _log_quiet)] + [
        (_log_quiet, _NIGHT_PART)
    ]
    levels = [[measure(meter.energy, part) for meter in meters] for measure, part in parts]
    own = [[level - common for level in found] for found, common in ((one, _common(one)) for one in levels)]
    found: list[Mapping[str, Flagged]] = []
    for number, meter in enumerate(meters):
        stuck, spikes = _stuck(meter.energy, limits), _spikes(meter.energy, limits)
        short = np.zeros(len(meter.energy), dtype=np.bool_)
        for place in range(0, 2 * len(_DAY_PARTS), 2):
            short |= _fallen(own[place][number], own[place + 1][number], stuck, limits)
        night = _risen(own[-1][number], stuck, limits)
        found.append({STUCK: stuck, BYPASS: short & ~stuck, NIGHT: night, SPIKE: spikes, PHASE: _phase(meter, limits)})
    return found


def runs(days: Flagged, *, gap: int = 2) -> list[tuple[int, int]]:
    """(first, after the last) of each run of days; a gap of two days does not end one."""
    found: list[tuple[int, int]] = []
    for day in np.flatnonzero(days).tolist():
        if found and day - found[-1][1] <= gap:
            found[-1] = (found[-1][0], day + 1)
        else:
            found.append((day, day + 1))
    return found


# ---------------------------------------------------------------- one oddity each


def _stuck(energy: Days, limits: Limits) -> Flagged:
    """Days with a run of equal values, or of nothing, that is longer than the meter ever had before."""
    per_day = energy.shape[1]
    moving = _longest_equal(energy, zero=False) * 24 / per_day
    silent = _longest_equal(energy, zero=True) * 24 / per_day
    found: Flagged = ((moving >= limits.stuck_hours) & (moving > 2 * _usual_most(moving))) | (
        (silent >= limits.silent_hours) & (silent > 2 * _usual_most(silent))
    )
    return found


def _spikes(energy: Days, limits: Limits) -> Flagged:
    peaks = _quiet(np.nanmax, energy)
    return np.asarray(peaks > limits.spike_factor * np.fmax(_usual_most(peaks), 1.0), dtype=np.bool_)


def _fallen(level: NDArray[np.float64], quiet: NDArray[np.float64], aside: Flagged, limits: Limits) -> Flagged:
    """Days of a run in which a part of the day shrinks, and what never sleeps in it too.

    Who is away uses less; but a refrigerator does not know that. So both are asked: the energy of the part, against
    what was usual and what was just before, and its quietest hours, against what they were on nearly every day.
    """
    found = np.zeros(len(level), dtype=np.bool_)
    whole, base = _Usual(), _Usual()
    for day in np.flatnonzero(np.isfinite(level) & np.isfinite(quiet) & ~aside).tolist():
        run = slice(max(0, day - limits.run_days + 1), day + 1)
        whole_run = ~aside[run] & np.isfinite(level[run]) & np.isfinite(quiet[run])
        recent, still = level[run][whole_run], quiet[run][whole_run]
        if whole.enough and len(recent) == limits.run_days:
            usual = min(whole.middle, whole.middle_of_late)
            shrunk = _middle(recent.tolist()) < usual + np.log1p(-limits.least_drop)
            deeper = _middle(still.tolist()) < base.lowest + np.log1p(-limits.least_base_drop)
            if shrunk and deeper:
                found[run] = ~aside[run]
        whole.see(level[day], odd=bool(found[day]))
        base.see(quiet[day], odd=bool(found[day]))
    return found


def _risen(level: NDArray[np.float64], aside: Flagged, limits: Limits) -> Flagged:
    """Nights, three in a row, whose quietest hour is far above that of nearly every night before."""
    found = np.zeros(len(level), dtype=np.bool_)
    high = np.zeros(len(level), dtype=np.bool_)
    usual = _Usual()
    for day in np.flatnonzero(np.isfinite(level) & ~aside).tolist():
        above = max(usual.middle + limits.night_rise, usual.highest + limits.night_margin) if usual.enough else np.inf
        high[day] = level[day] > above
        if day >= 2 and high[day - 2 : day + 1].all():
            found[day - 2 : day + 1] = True
        usual.see(level[day], odd=bool(high[day]))
    return found


def _phase(meter: Meter, limits: Limits) -> Flagged:
    """Days on which a phase that used to carry its part shows next to nothing of the whole."""
    found = np.zeros(len(meter.energy), dtype=np.bool_)
    whole = _quiet(np.nansum, meter.energy)
    for phase in meter.phases:
        with np.errstate(divide="ignore", invalid="ignore"):
            share = _quiet(np.nansum, phase) / whole
        usual = _usual_middle(share)
        found |= (usual > 0.05) & (share < limits.phase_part * usual)
    return found


# ---------------------------------------------------------------- parts


class _Usual:
    """A meter's last unsuspicious days; asked nothing before there are enough. What stays odd becomes usual."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._odd: list[float] = []

    def see(self, value: float, *, odd: bool) -> None:
        self._odd = [*self._odd, value] if odd else []
        if not odd:
            self._values = [*self._values[-2 * _HISTORY + 1 :], value]
        elif len(self._odd) == _BECOMES_USUAL:
            self._values, self._odd = self._odd, []

    @property
    def enough(self) -> bool:
        return len(self._values) >= _ENOUGH

    @property
    def middle(self) -> float:
        return _middle(self._values[-_HISTORY:])

    @property
    def middle_of_late(self) -> float:
        return _middle(self._values[-_HISTORY // 4 :])

    @property
    def lowest(self) -> float:
        return sorted(self._values)[len(self._values) // 20]

    @property
    def highest(self) -> float:
        return sorted(self._values)[-1 - len(self._values) // 20]


def _log_quiet(energy: Days, part: tuple[float, float]) -> NDArray[np.float64]:
    """The logarithm of the quietest fifth of a part of the day."""
    per_day = energy.shape[1]
    hours = np.sort(energy[:, round(part[0] * per_day) : round(part[1] * per_day)], axis=1)
    sums = hours[:, : max(1, hours.shape[1] // 5)].mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums > 0, np.log(sums), np.nan)


def _log_part(energy: Days, part: tuple[float, float]) -> NDArray[np.float64]:
    """The logarithm of a part of each day's energy; NaN where it is not known, and of nothing."""
    per_day = energy.shape[1]
    first, last = round(part[0] * per_day), max(round(part[0] * per_day) + 1, round(part[1] * per_day))
    sums = energy[:, first:last].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums > 0, np.log(sums), np.nan)


def _common(levels: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """What all have in common on each day, against their own four weeks; 0 for fewer than three."""
    if len(levels) < 3:
        return np.zeros(len(levels[0]) if levels else 0)
    changes = [level - _usual_middle(level) for level in levels]
    return np.nan_to_num(_quiet(np.nanmedian, np.stack(changes).T))


def _longest_equal(energy: Days, *, zero: bool) -> NDArray[np.float64]:
    """The longest run of one and the same value (or of zeros) within each day."""
    found = np.zeros(len(energy))
    for day, row in enumerate(energy.tolist()):
        equal = (len(list(run)) for value, run in groupby(row) if value >= 0 and (value == 0) == zero)
        found[day] = max(equal, default=0)
    return found


def _usual_most(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The greatest of the eight weeks before, three days aside; infinite before enough is known."""
    found = np.full(len(values), np.inf)
    for day in range(_ENOUGH, len(values)):
        known = np.sort(values[max(0, day - 2 * _HISTORY) : day])
        known = known[np.isfinite(known)]
        if len(known) >= _ENOUGH:
            found[day] = known[-4]
    return found


def _usual_middle(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of the four weeks before each day; NaN where too little of them is known."""
    before = np.concatenate([np.full(_HISTORY, np.nan), np.where(np.isfinite(values), values, np.nan)])
    windows = np.lib.stride_tricks.sliding_window_view(before, _HISTORY)[: len(values)]
    return np.where(np.isfinite(windows).sum(axis=1) >= _ENOUGH, _quiet(np.nanmedian, windows), np.nan)


def _middle(values: Sequence[float]) -> float:
    ranked = sorted(values)
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2


def _quiet(function: object, table: NDArray[np.float64]) -> NDArray[np.float64]:
    """A function along rows; NaN of rows without any number, and no warning about it."""
    assert callable(function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found: NDArray[np.float64] = function(table, axis=1)
    return found
