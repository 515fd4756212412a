"""The forecast against what anybody would say, on months that were held back, over all ten measured houses."""

from __future__ import annotations

import numpy as np
import pytest

from devices.history.reading import read_houses
from gateway.insight.forecast import GENERATION, LOAD, Forecaster, as_days
from gateway.insight.scoring import FORECAST, YARDSTICKS, Score, average, scores
from tests.gateway.insight.injected import MEASURED

APRIL = 244
"""The first day that is held back; the last four months are."""
SUNDAY = 6
MARGINS = {
    LOAD: {"yesterday": 0.14, "last week": 0.22, "equal weekdays": 0.11, "last seven days": 0.04},
    GENERATION: {"yesterday": 0.08, "last week": 0.28, "equal weekdays": 0.10, "last seven days": 0.05},
}
"""By how much the forecast's errors are smaller at least, on average over the houses."""


@pytest.fixture(scope="module")
def found() -> dict[str, list[dict[str, Score]]]:
    houses = read_houses([MEASURED])
    tables = {LOAD: [house.load_mwh for house in houses], GENERATION: [house.pv_mwh for house in houses]}
    return {
        kind: [scores(as_days(energy / 1e3, 24, 23), kind, weekday=SUNDAY, first_day=APRIL) for energy in energies]
        for kind, energies in tables.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", [LOAD, GENERATION])
@pytest.mark.parametrize("measure", ["mean_error", "square_error"])
def test_it_beats_every_yardstick_by_a_margin(
    found: dict[str, list[dict[str, Score]]], kind: str, measure: str
) -> None:
    """001-8: on average over ten houses and four months, by either measure of error."""
    means = average(found[kind])
    for yardstick in YARDSTICKS:
        ratio = getattr(means[FORECAST], measure) / getattr(means[yardstick], measure)
        assert ratio < 1 - MARGINS[kind][yardstick], (yardstick, ratio)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [LOAD, GENERATION])
def test_it_beats_every_yardstick_at_every_house(found: dict[str, list[dict[str, Score]]], kind: str) -> None:
    """No house would be better served by any of them."""
    for number, house in enumerate(found[kind], 1):
        for yardstick in YARDSTICKS:
            for measure in ("mean_error", "square_error"):
                assert getattr(house[FORECAST], measure) < getattr(house[yardstick], measure), (number, yardstick)


def test_it_does_not_see_the_day_that_it_forecasts() -> None:
    """Whatever that day and later ones were, the same is said of it."""
    chance = np.random.default_rng(3)
    days = chance.uniform(100, 900, (80, 24))
    forecaster = Forecaster(LOAD)
    forecaster.learn(days[:60])
    said = forecaster.each(days)[70]
    spoiled = days.copy()
    spoiled[70:] = 1e6
    assert np.array_equal(forecaster.each(spoiled)[70], said)
    assert np.array_equal(forecaster.ahead(days[:70]), said)


def test_a_pattern_of_weekdays_is_learnt() -> None:
    """A house that is only at home at weekends; its mean of seven days is wrong every day."""
    days = np.where((np.arange(140) % 7 >= 5)[:, None], 1_000.0, 100.0) * np.ones((140, 24))
    days *= np.random.default_rng(1).uniform(0.9, 1.1, days.shape)
    found = scores(days, LOAD, weekday=0, first_day=84)
    forecast, week = found[FORECAST].mean_error, found["last seven days"].mean_error
    assert forecast is not None
    assert week is not None
    assert forecast < week / 4


@pytest.mark.parametrize("per_day", [24, 48, 96])
def test_gaps_and_short_histories_are_borne(per_day: int) -> None:
    """What is not known is not said; what is said is a number that is not below zero."""
    days = np.random.default_rng(2).uniform(0, 500, (90, per_day))
    days[10:12] = np.nan
    days[50, : per_day // 2] = np.nan
    for known in (1, 5, 30, 90):
        for kind in (LOAD, GENERATION):
            forecaster = Forecaster(kind)
            forecaster.learn(days[:known])
            said = forecaster.ahead(days[:known])
            assert np.isfinite(said).all()
            assert (said >= 0).all()
    assert np.isnan(Forecaster(LOAD).ahead(np.full((3, per_day), np.nan))).all()


def test_no_sun_is_forecast_for_the_night() -> None:
    """Hours without generation for two weeks have none tomorrow."""
    days = np.zeros((70, 24))
    days[:, 8:17] = np.random.default_rng(4).uniform(500, 3_000, (70, 9))
    forecaster = Forecaster(GENERATION)
    forecaster.learn(days)
    said = forecaster.ahead(days)
    assert not said[:8].any()
    assert not said[17:].any()
    assert said[12] > 500
