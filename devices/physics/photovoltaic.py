"""Panels under the sun: power from place, day, hour and clouds.

The sun's place is by Cooper's declination and the hour angle, in solar time; a clear sky by Haurwitz' formula. Some of
the light comes from all of the sky. Panels lose with heat; the inverter cuts off what is above its rating.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

STANDARD_W_PER_M2: Final = 1_000.0
STANDARD_C: Final = 25.0
DIFFUSE: Final = 0.15
"""Of a clear sky's light; under clouds more, up to all of it."""
LOWEST_SUN: Final = 0.05
"""Sine of the elevation (3 degrees) below which horizon and haze take the direct light."""
_NOMINAL_CELL_C: Final = 45.0  # at 800 W/m2 and 20 degrees


class Panels(msgspec.Struct, frozen=True):
    """What is on a roof. The azimuth is from north over east: 180 looks south."""

    peak_w: float
    inverter_w: float
    latitude_deg: float
    tilt_deg: float = 30.0
    azimuth_deg: float = 180.0
    inverter_efficiency: float = 0.96
    loss_per_k: float = 0.004


def power_w(panels: Panels, day: int, hour: float, *, sky: float = 1.0, ambient_c: float = 20.0) -> float:
    """Alternating power on a day of the year (1 is 1 January) at an hour of solar time; `sky` is 1 without clouds."""
    light = irradiance_w_per_m2(panels, day, hour, sky)
    cell_c = ambient_c + (_NOMINAL_CELL_C - 20.0) / 800.0 * light
    direct_w = panels.peak_w * light / STANDARD_W_PER_M2 * (1.0 - panels.loss_per_k * (cell_c - STANDARD_C))
    return min(panels.inverter_w, max(0.0, direct_w) * panels.inverter_efficiency)


def irradiance_w_per_m2(panels: Panels, day: int, hour: float, sky: float = 1.0) -> float:
    """What falls on the panels' plane."""
    assert 0.0 <= sky <= 1.0
    east, north, up = sun(panels.latitude_deg, day, hour)
    if up <= 0.0:
        return 0.0
    level = sky * 1_098.0 * up * math.exp(-0.057 / up)
    diffuse = level * (1.0 - sky * (1.0 - DIFFUSE))
    tilt, azimuth = math.radians(panels.tilt_deg), math.radians(panels.azimuth_deg)
    facing = (
        east * math.sin(tilt) * math.sin(azimuth) + north * math.sin(tilt) * math.cos(azimuth) + up * math.cos(tilt)
    )
    direct = (level - diffuse) * max(0.0, facing) / max(up, LOWEST_SUN)
    return direct + diffuse * (1.0 + math.cos(tilt)) / 2.0


def sun(latitude_deg: float, day: int, hour: float) -> tuple[float, float, float]:
    """The direction of the sun: east, north, up; a unit vector."""
    declination = math.radians(23.45) * math.sin(2 * math.pi * (284 + day) / 365)
    angle = math.pi * (hour - 12.0) / 12.0
    latitude = math.radians(latitude_deg)
    east = -math.cos(declination) * math.sin(angle)
    north = math.cos(latitude) * math.sin(declination) - math.sin(latitude) * math.cos(declination) * math.cos(angle)
    up = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(angle)
    return east, north, up


def skies(random: np.random.Generator, count: int, *, clear: float = 0.6, persistence: float = 0.9) -> list[float]:
    """Clouds that come and go: `count` values from 0.15 to 1 around `clear`, each near the one before."""
    assert 0.0 <= persistence < 1.0
    value, found = clear, []
    for drawn in random.normal(0.0, 0.35 * math.sqrt(1.0 - persistence**2), count):
        value = clear + persistence * (value - clear) + float(drawn)
        found.append(min(1.0, max(0.15, value)))
    return found
