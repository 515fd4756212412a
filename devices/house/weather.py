"""Light, wind, air and water of a place, step by step, from a generator that is passed in.

Not a forecast and no record: weather that could be. Clouds are those of `physics.photovoltaic`. The air is warmest in
the third week of July and at three in the afternoon (north of the equator), with days that are warmer or colder than
their neighbours by little. Wind is Rayleigh distributed (Weibull, shape 2), which is what wind turbines are rated with
(IEC 61400-1), and blows now much as it did an hour ago. A stream carries most in spring.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from devices.physics.photovoltaic import skies

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
YEAR_DAYS: Final = 365.2425
WARMEST_DAY: Final = 201
WARMEST_HOUR: Final = 15.0
WETTEST_DAY: Final = 120
AN_HOUR_LATER: Final = 0.9
"""How much of an hour's clouds and wind is still there an hour later, and of a day's warmth a day later."""


class Place(msgspec.Struct, frozen=True):
    """Where a street is."""

    latitude_deg: float = 48.0
    longitude_deg: float = 0.0
    mean_c: float = 11.0
    yearly_k: float = 9.0
    """From the mean to the warmest day."""
    daily_k: float = 4.0
    clear: float = 0.6
    wind_m_s: float = 4.0
    """Mean, 10 m above ground."""
    water_l_s: float = 0.0
    """Mean of a stream, if there is one."""


class Air(msgspec.Struct, frozen=True):
    """One step's weather. Hours are solar, days are of the year, from 1."""

    day: int
    hour: float
    sky: float = 1.0
    ambient_c: float = 20.0
    wind_m_s: float = 0.0
    water_l_s: float = 0.0


def weather(random: np.random.Generator, place: Place, from_ms: int, count: int, step_ms: int) -> list[Air]:
    """So many steps, each as it is in its middle."""
    kept = AN_HOUR_LATER ** (step_ms / HOUR_MS)
    clouds = skies(random, count, clear=place.clear, persistence=kept)
    gusts = _wandering(random, count, kept)
    warmth = _wandering(random, count, AN_HOUR_LATER ** (step_ms / DAY_MS))
    found = []
    for number in range(count):
        day, hour = moment(place, from_ms + number * step_ms + step_ms // 2)
        found.append(
            Air(
                day=day,
                hour=hour,
                sky=clouds[number],
                ambient_c=_ambient_c(place, day, hour) + 2.5 * within_two(warmth[number]),
                wind_m_s=_rayleigh(place.wind_m_s, gusts[number]),
                water_l_s=place.water_l_s * (1.0 + 0.5 * _yearly(place, day, WETTEST_DAY)),
            )
        )
    return found


def moment(place: Place, at_ms: int) -> tuple[int, float]:
    """(day of the year, solar hour): the day to within one, which the sun does not mind."""
    solar_ms = at_ms + round(place.longitude_deg * HOUR_MS / 15)
    days, within_ms = divmod(solar_ms, DAY_MS)
    return int(days % YEAR_DAYS) + 1, within_ms / HOUR_MS


def within_two(value: float) -> float:
    """Nothing further than two standard deviations: no seed makes a place of its own climate."""
    return max(-2.0, min(2.0, value))


def _ambient_c(place: Place, day: int, hour: float) -> float:
    daily = math.cos(2 * math.pi * (hour - WARMEST_HOUR) / 24)
    return place.mean_c + place.yearly_k * _yearly(place, day, WARMEST_DAY) + place.daily_k * daily


def _yearly(place: Place, day: int, greatest: int) -> float:
    wave = math.cos(2 * math.pi * (day - greatest) / YEAR_DAYS)
    return wave if place.latitude_deg >= 0 else -wave


def _wandering(random: np.random.Generator, count: int, kept: float) -> list[float]:
    """Standard normal values, each near the one before."""
    value, found = float(random.normal()), []
    for drawn in random.normal(0.0, math.sqrt(1.0 - kept**2), count):
        value = kept * value + float(drawn)
        found.append(value)
    return found


def _rayleigh(mean: float, normal: float) -> float:
    """The wind that is as rare as this normal value."""
    stronger = 0.5 * math.erfc(normal / math.sqrt(2))
    scale = mean * 2 / math.sqrt(math.pi)
    return scale * math.sqrt(-math.log(min(max(stronger, 1e-12), 1.0)))
