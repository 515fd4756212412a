"""Moments one after the other: a place's weather and a household's life, from generators that are passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from devices.house.occupants import Habits, live
from devices.house.standing import Moment
from devices.house.vehicle import Trip
from devices.house.weather import DAY_MS, Air, Place, weather


def days(
    random: np.random.Generator, place: Place, habits: Habits, from_ms: int, *, count: int, step_ms: int
) -> Iterator[Moment]:
    """So many steps of one house under a sky of its own."""
    return under(random, weather(random, place, from_ms, count, step_ms), habits, from_ms, step_ms)


def under(
    random: np.random.Generator, airs: Sequence[Air], habits: Habits, from_ms: int, step_ms: int
) -> Iterator[Moment]:
    """The same under a sky that its neighbours share."""
    lived = live(random, habits, from_ms, len(airs), step_ms)
    trips = deque(sorted(lived.trips, key=lambda trip: trip.from_ms))
    for number, (air, doing) in enumerate(zip(airs, lived.doings, strict=True)):
        at_ms = from_ms + number * step_ms
        while trips and trips[0].until_ms <= at_ms:
            trips.popleft()
        yield Moment(at_ms, step_ms, air, doing, _near(trips, at_ms))


def _near(trips: Iterable[Trip], at_ms: int) -> tuple[Trip, ...]:
    """Those of a day: what comes later decides nothing yet."""
    return tuple(trip for trip in islice(trips, 4) if trip.from_ms < at_ms + DAY_MS)
