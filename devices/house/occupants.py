"""Who is at home, and what they do there: step by step, from a generator that is passed in.

People wake, leave, come back and sleep at hours of their own, on weekdays and on Saturday and Sunday. At home and awake
they draw more than what always runs, light when it is dark, cook, take warm water, fill machines and use what hangs on
plugs. None of it is measured; the sums are those of a household in Europe (some 2,500 kWh a year for three without
heating and car).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from devices.house.vehicle import Trip
from devices.house.weather import DAY_MS, HOUR_MS

_MONDAY_OFFSET: Final = 3  # 1 January 1970 was a Thursday
_COOKING: Final = ((7.2, 0.25, 0.5), (12.5, 0.4, 0.5), (18.8, 0.5, 0.9))  # hour, hours, chance


class Habits(msgspec.Struct, frozen=True):
    """Of one household; hours are local, which is solar here."""

    people: int = 3
    always_w: float = 60.0
    """What never sleeps: router, clocks, standby."""
    awake_w: float = 55.0
    """Each person who is at home and awake."""
    light_w: float = 120.0
    cooking_w: float = 1_100.0
    water_l: float = 35.0
    """Warm, a person and day."""
    wakes_h: float = 6.7
    sleeps_h: float = 22.7
    leaves_h: float = 8.0
    returns_h: float = 17.0
    trip_wh: int = 7_000
    """Of the car, on a working day."""
    fills: tuple[tuple[str, float], ...] = (("washing", 0.5), ("dishes", 0.8))
    """Machines, and the chance of a day that they are filled."""
    uses: tuple[tuple[str, float, float], ...] = (("plug", 19.0, 2.0),)
    """What hangs on a plug: its name, from which hour, for how many."""


class Doing(msgspec.Struct, frozen=True):
    """One step."""

    base_w: float
    water_l: float = 0.0
    fills: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()


class Lived(msgspec.Struct, frozen=True):
    """So many steps, and when the car is away meanwhile."""

    doings: tuple[Doing, ...]
    trips: tuple[Trip, ...]


class _Day(msgspec.Struct, frozen=True):
    wakes_h: float
    leaves_h: float
    returns_h: float
    sleeps_h: float
    cooks: tuple[tuple[float, float], ...]
    fills: tuple[tuple[str, float], ...]

    def is_home(self, hour: float) -> bool:
        return not self.leaves_h <= hour < self.returns_h

    def is_awake(self, hour: float) -> bool:
        return self.wakes_h <= hour < self.sleeps_h


def live(random: np.random.Generator, habits: Habits, from_ms: int, count: int, step_ms: int) -> Lived:
    """What a household does in so many steps."""
    first, last = from_ms // DAY_MS, (from_ms + count * step_ms - 1) // DAY_MS
    days = {day: _day(random, habits, day) for day in range(first, last + 1)}
    trips = tuple(
        Trip(day * DAY_MS + _ms(drawn.leaves_h), day * DAY_MS + _ms(drawn.returns_h), habits.trip_wh)
        for day, drawn in days.items()
        if drawn.leaves_h < drawn.returns_h
    )
    restless = random.lognormal(-0.08, 0.4, count)
    doings = tuple(
        _doing(habits, days, from_ms + number * step_ms, step_ms, float(restless[number])) for number in range(count)
    )
    return Lived(doings, trips)


def _day(random: np.random.Generator, habits: Habits, day: int) -> _Day:
    weekday = (day + _MONDAY_OFFSET) % 7
    wakes, leaves, returns, sleeps, cooking, *filling = random.random(5 + len(habits.fills)).tolist()
    is_free = weekday >= 5
    leaves_h = habits.leaves_h + (2.5 if is_free else 0.0) + 0.6 * (leaves - 0.5)
    away_h = (habits.returns_h - habits.leaves_h) * (0.35 * returns if is_free else 0.9 + 0.2 * returns)
    wakes_h = habits.wakes_h + (1.3 if is_free else 0.0) + 0.5 * (wakes - 0.5)
    sleeps_h = habits.sleeps_h + 0.8 * (sleeps - 0.5)
    cooks = tuple((at_h, at_h + for_h) for at_h, for_h, chance in _COOKING if (cooking * 997 * at_h) % 1.0 < chance)
    fills = tuple(
        (name, 8.0 + 11.0 * drawn / chance)
        for (name, chance), drawn in zip(habits.fills, filling, strict=True)
        if drawn < chance
    )
    return _Day(wakes_h, leaves_h, leaves_h + away_h, sleeps_h, cooks, fills)


def _doing(habits: Habits, days: dict[int, _Day], at_ms: int, step_ms: int, restless: float) -> Doing:
    day, within_ms = divmod(at_ms, DAY_MS)
    hour, hours = within_ms / HOUR_MS, step_ms / HOUR_MS
    drawn = days[day]
    around = drawn.is_home(hour) and drawn.is_awake(hour)
    base_w = habits.always_w
    if around:
        base_w += habits.people * habits.awake_w * restless
        base_w += habits.light_w * (hour < 7.5 or hour > 17.5)
        base_w += habits.cooking_w * _share(hour, hours, drawn.cooks)
    showers = (drawn.wakes_h, drawn.wakes_h + 0.75), (drawn.sleeps_h - 1.5, drawn.sleeps_h - 1.0)
    parts = (0.6, 0.4)
    water_l = sum(
        part * habits.people * habits.water_l * _share(hour, hours, (span,)) * hours / (span[1] - span[0])
        for part, span in zip(parts, showers, strict=True)
    )
    fills = tuple(name for name, at_h in drawn.fills if hour <= at_h < hour + hours)
    uses = tuple(name for name, at_h, for_h in habits.uses if at_h <= hour < at_h + for_h)
    return Doing(base_w, water_l, fills, uses)


def _share(hour: float, hours: float, spans: Sequence[tuple[float, float]]) -> float:
    """How much of a step lies within spans."""
    return sum(max(0.0, min(hour + hours, until_h) - max(hour, from_h)) for from_h, until_h in spans) / hours


def _ms(hour: float) -> int:
    return math.floor(hour * HOUR_MS)
