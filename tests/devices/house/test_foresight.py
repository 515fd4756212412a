"""What a house believes of its next delivery: the forecast of its meter's days."""

from __future__ import annotations

import numpy as np
import pytest

from devices.history.days import days_of
from devices.history.series import DAY_MS, HOUR_MS, Series
from devices.house.foresight import Foresight, behind_the_meter
from gateway.insight.forecast import GENERATION, LOAD, Forecaster

BEGIN_MS = 20_000 * DAY_MS
DAYS = 60


def family(days: int = DAYS, known: slice | None = None) -> Series:
    """Hourly: evenings, week-ends, sun; from a seed."""
    random = np.random.default_rng(1)
    hours = np.arange(24 * days)
    evening = np.where((hours % 24 >= 17) & (hours % 24 < 22), 900.0, 250.0)
    load = evening * np.where(hours // 24 % 7 >= 5, 1.4, 1.0) * random.uniform(0.8, 1.2, len(hours))
    sun = np.maximum(0.0, np.sin((hours % 24 - 6) * np.pi / 12)) * 2_000 * np.repeat(random.uniform(0.3, 1, days), 24)
    there = np.ones(len(hours), dtype=np.bool_)
    if known is not None:
        there[:] = False
        there[known] = True
    load_mwh, sun_mwh = (np.rint(1_000 * each).astype(np.int64) * there for each in (load, sun))
    return Series("north:h1", BEGIN_MS, HOUR_MS, load_mwh, sun_mwh, there)


def test_the_day_of_the_delivery_is_forecast_from_the_days_before() -> None:
    """By `gateway.insight` and nothing else; what the day itself has shown so far does not count."""
    measured = family()
    day = BEGIN_MS // DAY_MS + DAYS - 1
    said = Foresight(measured, day).of(day * DAY_MS + 18 * HOUR_MS, day * DAY_MS + 20 * HOUR_MS)
    for kind, found_wh in ((LOAD, said.load_wh), (GENERATION, said.generation_wh)):
        table, weekday = days_of(measured, kind)
        forecaster = Forecaster(kind, weekday)
        forecaster.learn(table[:-1])
        assert found_wh == round(float(forecaster.ahead(table[:-1])[18:20].sum()))
    assert said.load_wh > said.generation_wh
    noon = Foresight(measured, day).of(day * DAY_MS + 12 * HOUR_MS, day * DAY_MS + 13 * HOUR_MS)
    assert noon.generation_wh > noon.load_wh


def test_a_gap_before_the_day_is_no_end_of_it() -> None:
    """A meter that was silent for two days: the days before still say something."""
    day = BEGIN_MS // DAY_MS + DAYS
    measured = family(known=slice(0, 24 * (DAYS - 2)))
    said = Foresight(measured, day).of(day * DAY_MS + 18 * HOUR_MS, day * DAY_MS + 19 * HOUR_MS)
    assert 500 < said.load_wh < 1_500


def test_where_days_say_nothing_it_will_be_as_it_was_last() -> None:
    """A house that was connected this morning; and of one without any reading nothing is believed."""
    day = BEGIN_MS // DAY_MS
    measured = family(1, known=slice(10, 12))
    said = Foresight(measured, day).of(day * DAY_MS + 18 * HOUR_MS, day * DAY_MS + 20 * HOUR_MS)
    assert said.load_wh == round(2 * measured.load_mwh[11] / 1_000)
    assert said.generation_wh == pytest.approx(2 * measured.pv_mwh[11] / 1_000, abs=1)
    nothing = Foresight(None, day).of(day * DAY_MS, day * DAY_MS + HOUR_MS)
    assert (nothing.load_wh, nothing.generation_wh) == (0, 0)


def test_use_is_what_comes_and_is_made_less_what_leaves() -> None:
    """Where both meters are known, by time and not by place; quarters of one are hours of the other."""
    known = np.ones(4, dtype=np.bool_)
    connection = Series("c", 2 * HOUR_MS, HOUR_MS, np.array([100, 0, 50, 7]), np.array([0, 300, 0, 0]), known)
    quarters = np.repeat(np.array([0, 0, 100, 125]), 4)
    made = Series("g", 0, HOUR_MS // 4, np.zeros(16, dtype=np.int64), quarters, np.ones(16, dtype=np.bool_))
    found = behind_the_meter(connection, made)
    assert found.known.tolist() == [True, True, False, False]
    assert found.load_mwh.tolist() == [500, 200, 0, 0]
    assert found.pv_mwh.tolist() == [400, 500, 0, 0]
    assert behind_the_meter(connection, None) is connection
