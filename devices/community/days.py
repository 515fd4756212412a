"""What people use and the sky above them, minute by minute, drawn from a seed: the same seed, the same day.

A house's day has a shape (when people cook, work, sleep), is scaled to what it uses in a day, and comes in lumps: each
minute's power wanders around the shape, and now and then a kettle or a pump is on.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from devices.community.scenario import House, Load, Panels, Scenario
from devices.house.weather import Air
from devices.physics.photovoltaic import skies

MINUTES: Final = 1_440
INTERVAL: Final = 15
# weights of the hours, from midnight
SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "home": (3, 2, 2, 2, 2, 3, 5, 7, 7, 6, 6, 7, 8, 7, 6, 6, 7, 9, 12, 13, 12, 10, 7, 4),
    "worker": (3, 2, 2, 2, 2, 4, 9, 9, 4, 2, 2, 2, 2, 2, 2, 3, 5, 9, 13, 14, 12, 10, 7, 4),
    "shop": (2, 2, 2, 2, 2, 2, 3, 6, 10, 12, 12, 12, 12, 12, 12, 12, 12, 11, 9, 6, 3, 2, 2, 2),
    "evening": (4, 2, 1, 1, 1, 1, 2, 3, 3, 2, 2, 3, 3, 3, 3, 3, 4, 7, 13, 17, 16, 13, 9, 6),
}
_WANDERING: Final = 0.25
_KETTLE_W: Final = 1_500.0
_KETTLES_A_DAY: Final = 8
_LARGE_WH: Final = 4_000
"""Only who uses so much in a day has a kettle."""


class Days:
    """What people use in every minute of a scenario, in W, and the air above all of them."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        sky = np.random.default_rng(scenario.seed)
        self._minutes = scenario.length_minutes + MINUTES
        clear = scenario.clear_percent / 100
        self._sky = np.repeat(skies(sky, self._minutes // 5 + 1, clear=clear), 5)
        self._load: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
        self._given: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
        for number, house in enumerate(scenario.houses):
            random = np.random.default_rng([scenario.seed, number])
            assert house.load is not None, "what was measured is written out when a scenario is read"
            self._load[house.name] = self._drawn(house.load, random)
            if house.panels is not None and house.panels.peak_w is None:
                self._given[house.name] = self._told(house.panels)

    def load_w(self, house: House, minute: float) -> float:
        """At a minute since the beginning."""
        return float(self._load[house.name][int(minute) % self._minutes])

    def given_w(self, house: House, minute: float) -> float | None:
        """What the scenario says its panels make; None where the sun decides, 0 where there are none."""
        if house.panels is None:
            return 0.0
        if house.name not in self._given:
            return None
        return float(self._given[house.name][int(minute) % self._minutes])

    def air(self, minute: float) -> Air:
        """The same over every house."""
        at = int(minute) % self._minutes + self._scenario.begins_minute
        day = (self._scenario.day_of_year - 1 + at // MINUTES) % 365 + 1
        sky = float(self._sky[int(minute) % self._minutes])
        return Air(day, at % MINUTES / 60, sky, float(self._scenario.ambient_c))

    def _drawn(self, load: Load, random: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        if load.constant_w is not None:
            return np.full(self._minutes, float(load.constant_w))
        if load.intervals_wh is not None:
            return self._quarters(load.intervals_wh)
        assert load.daily_wh is not None, "the scenario was checked"
        weights = np.array(SHAPES[load.shape], dtype=float)
        hours = (np.arange(self._minutes) + self._scenario.begins_minute) / 60.0 % 24
        shape = np.interp(hours, np.arange(25), np.append(weights, weights[0]))
        kettles = np.zeros(self._minutes)
        if load.daily_wh >= _LARGE_WH:
            for start in random.integers(0, self._minutes, _KETTLES_A_DAY * self._minutes // MINUTES):
                kettles[start : start + int(random.integers(2, 6))] = _KETTLE_W
        kettles *= shape > weights.mean() / 2  # nobody cooks at night
        wandering = 1.0 + _WANDERING * _wandered(random, self._minutes)
        smooth = shape * np.clip(wandering, 0.2, 2.0)
        rest_w = max(load.daily_wh / 24 - kettles.mean(), load.daily_wh / 48)
        drawn: np.ndarray[tuple[int], np.dtype[np.float64]] = smooth * rest_w / weights.mean() + kettles
        return np.round(drawn)

    def _quarters(self, intervals_wh: tuple[int, ...]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """The same power all through each interval; after the last one the first."""
        powers = np.array(intervals_wh, dtype=float) * (60 / INTERVAL)
        return np.resize(np.repeat(powers, INTERVAL), self._minutes)

    def _told(self, panels: Panels) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        if panels.constant_w is not None:
            return np.full(self._minutes, float(panels.constant_w))
        assert panels.intervals_wh is not None, "the scenario was checked"
        return self._quarters(panels.intervals_wh)


def _wandered(random: np.random.Generator, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Around zero, each value near the one before."""
    value, found = 0.0, np.empty(count)
    for at, drawn in enumerate(random.normal(0.0, 0.3, count)):
        value = 0.95 * value + float(drawn)
        found[at] = value
    return found
