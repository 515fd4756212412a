"""The sun rises in the east, and no panel gives more than it can."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.physics.photovoltaic import Panels, irradiance_w_per_m2, power_w, skies, sun

ROOF = Panels(peak_w=5_000, inverter_w=4_600, latitude_deg=48.0)
DAYS, HOURS, SKIES = st.integers(1, 365), st.floats(0, 24), st.floats(0, 1)
JUNE, DECEMBER = 172, 355


def daily_wh(panels: Panels, day: int, sky: float = 1.0) -> float:
    return sum(power_w(panels, day, step / 12, sky=sky) for step in range(288)) / 12


@given(DAYS, HOURS, SKIES, st.floats(-60, 60), st.floats(0, 90), st.floats(0, 360))
def test_power_is_never_negative_nor_above_the_inverter(
    day: int, hour: float, sky: float, latitude: float, tilt: float, azimuth: float
) -> None:
    panels = Panels(5_000, 4_600, latitude, tilt, azimuth)
    assert 0.0 <= power_w(panels, day, hour, sky=sky) <= 4_600
    assert irradiance_w_per_m2(panels, day, hour, sky) < 1_400


@given(DAYS, HOURS, st.floats(-90, 90))
def test_the_suns_direction_has_length_one(day: int, hour: float, latitude: float) -> None:
    assert math.hypot(*sun(latitude, day, hour)) == pytest.approx(1)


def test_the_sun_stands_where_it_should() -> None:
    """Overhead on the tropic at midsummer noon, in the east in the morning, in the south at noon in Europe."""
    assert sun(23.45, JUNE, 12)[2] == pytest.approx(1, abs=1e-4)
    east, _, _ = sun(48, 80, 7)
    assert east > 0.9
    _, north, up = sun(48, DECEMBER, 12)
    assert north < 0
    assert math.degrees(math.asin(up)) == pytest.approx(90 - 48 - 23.45, abs=0.1)


def test_nights_are_dark_and_summers_bright() -> None:
    assert power_w(ROOF, JUNE, 0) == power_w(ROOF, DECEMBER, 7) == 0
    assert daily_wh(ROOF, JUNE) > 2 * daily_wh(ROOF, DECEMBER) > 0
    assert daily_wh(ROOF, JUNE) > 2 * daily_wh(ROOF, JUNE, sky=0.2)


def test_a_roof_that_looks_east_has_its_best_hour_in_the_morning() -> None:
    """South is best over the day, and the same before and after noon."""
    east = msgspec.structs.replace(ROOF, azimuth_deg=90.0)
    assert power_w(east, 100, 9) > power_w(east, 100, 15)
    assert power_w(ROOF, 100, 9) == pytest.approx(power_w(ROOF, 100, 15))
    assert daily_wh(ROOF, 100) > daily_wh(east, 100) > daily_wh(msgspec.structs.replace(ROOF, azimuth_deg=0.0), 100)


def test_the_southern_half_is_the_northern_one_half_a_year_later() -> None:
    """With the roof turned round."""
    south = msgspec.structs.replace(ROOF, latitude_deg=-48.0, azimuth_deg=0.0)
    assert daily_wh(south, DECEMBER) == pytest.approx(daily_wh(ROOF, JUNE), rel=0.01)


def test_heat_costs_and_a_small_inverter_cuts_off() -> None:
    big = msgspec.structs.replace(ROOF, inverter_w=9_000.0)
    assert power_w(big, JUNE, 12, ambient_c=0) > power_w(big, JUNE, 12, ambient_c=35)
    assert power_w(msgspec.structs.replace(ROOF, inverter_w=2_000.0), JUNE, 12) == 2_000


def test_a_year_without_clouds_is_plausible() -> None:
    """Some 1,700 to 2,300 kWh a kW at 48 degrees; weather takes almost half of it."""
    year_kwh = sum(daily_wh(ROOF, day) for day in range(1, 366, 5)) * 5 / 1_000
    assert 1_700 < year_kwh / 5 < 2_300


@given(st.integers(0, 1_000))
def test_clouds_come_and_go_by_their_seed(seed: int) -> None:
    found = skies(np.random.default_rng(seed), 500)
    assert found == skies(np.random.default_rng(seed), 500)
    assert all(0.15 <= sky <= 1 for sky in found)
    assert np.mean(np.abs(np.diff(found))) < 0.2
    assert np.std(found) > 0.05
