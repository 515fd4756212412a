"""A transformer's figures, checked against the formulas in other arithmetic, and alerts against their own words."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.health import (
    COLDEST_MILLI,
    HOTTEST_MILLI,
    Standing,
    ageing_rate,
    apparent,
    apparent_at,
    deviation,
    excess_w,
    headroom_w,
    hot_spot,
    load_factor,
    loading,
    reverse_stress,
    root,
    step,
    stress,
)

MICRO = 1_000_000


@given(st.integers(-5, 10**40))
def test_the_root_is_that_of_the_library(square: int) -> None:
    """The largest integer whose square is not above; of nothing and less it is zero."""
    assert root(square) == math.isqrt(max(square, 0))


@given(st.integers(-(10**10), 10**10), st.integers(-(10**10), 10**10))
def test_apparent_power_does_not_know_directions(power: int, reactive: int) -> None:
    """|S| = sqrt(P² + Q²), whichever way they flow."""
    assert apparent(power, reactive) == apparent(-power, reactive) == apparent(power, -reactive)
    assert abs(apparent(power, reactive) - math.hypot(power, reactive)) <= 1 + abs(power + reactive) * 1e-9


def test_loading_is_apparent_power_over_rating() -> None:
    """8.5 kW at a power factor of 0.97 on 12.5 kVA are 70.1 %."""
    assert loading(apparent_at(8_500_000, 970), 12_500) == 701_031
    assert loading(apparent_at(-8_500_000, -970), 12_500) == 701_031
    assert loading(apparent_at(8_500_000, 0), 12_500) == 680_000


def test_load_factor_is_mean_over_peak() -> None:
    """It is not the loading: a feeder that runs evenly has 100 %, however little."""
    assert load_factor(3, 4) == 750_000
    assert load_factor(5, 5) == MICRO
    assert load_factor(0, 0) == 0


@given(st.integers(-COLDEST_MILLI * -1 - 50_000, HOTTEST_MILLI + 50_000))
def test_ageing_doubles_every_six_kelvin(hot_spot_milli: int) -> None:
    """2 to the ((hot spot - 98) / 6), within a tenth of a per mille, or the last micro."""
    bounded = min(max(hot_spot_milli, COLDEST_MILLI), HOTTEST_MILLI)
    exact = MICRO * 2 ** ((bounded - 98_000) / 6_000)
    assert abs(ageing_rate(hot_spot_milli) - exact) <= max(exact * 0.0005, 1)


def test_ageing_at_the_reference_is_normal() -> None:
    """98 °C: a day is a day; 104 °C: two; 92 °C: half of one."""
    assert [ageing_rate(milli) for milli in (92_000, 98_000, 104_000)] == [500_000, MICRO, 2 * MICRO]


@given(st.integers(0, 3 * MICRO))
def test_the_hot_spot_is_never_below_that_of_the_guides(share: int) -> None:
    """The rise is that of K to the 1.6th, or somewhat more; at full load exactly that."""
    assert hot_spot(60_000, 23_000, share) >= 60_000 + math.floor(23_000 * (share / MICRO) ** 1.6) - 1
    assert hot_spot(60_000, 23_000, MICRO) == 83_000


@given(st.integers(1, 10**6), st.integers(0, 2 * 10**6))
def test_deviation_is_a_share_of_the_nominal(nominal: int, value: int) -> None:
    """Above it positive, below it negative."""
    assert abs(deviation(value, nominal) - Fraction((value - nominal) * MICRO, nominal)) <= Fraction(1, 2)


# ---------------------------------------------------------------- limits


@given(st.integers(-(10**8), 10**8), st.integers(1, 10**5), st.integers(500_000, 1_500_000), st.integers(0, 10**5))
def test_stress_is_one_at_the_limit(power: int, rating: int, overload: int, limit: int) -> None:
    """Above its limit is what is loaded above the allowed share of the rating, or above the line's own limit."""
    found = stress(power, abs(power), rating, overload, limit)
    worst = Fraction(abs(power) * MICRO, rating * 1_000 * overload)
    if limit:
        worst = max(worst, Fraction(abs(power), limit * 1_000))
    assert abs(found - worst * MICRO) <= Fraction(1, 2)


@given(st.integers(-(10**8), 10**8), st.integers(0, 10**8), st.integers(1, 10**8))
def test_taking_the_excess_off_ends_the_stress(power: int, reactive: int, allowed: int) -> None:
    """What is to be curtailed is enough, and less than a watt too much."""
    flow = apparent(power, reactive) + 1
    off = excess_w(power, flow, allowed)
    exact = max(Fraction(abs(power) * (flow - allowed), flow * 1_000), Fraction(0))
    assert 0 <= off - exact < 1
    assert excess_w(power, abs(power), allowed) == -(-max(abs(power) - allowed, 0) // 1_000)


def test_without_a_limit_nothing_flows_back_too_much() -> None:
    """A limit of zero is none; power into the feeder is no reverse flow."""
    assert reverse_stress(-(10**9), 0) == 0
    assert reverse_stress(10**9, 1) == 0


def test_headroom_is_what_may_still_flow() -> None:
    """Rounded down; none above the limit; what flows the other way makes more room."""
    assert headroom_w(8_500_001, 12_500) == 3_999
    assert headroom_w(13_000_000, 12_500) == 0
    assert headroom_w(-1_000_000, 12_500) == 13_500


# ---------------------------------------------------------------- alerts


def plain_alert(values: list[int], limit: int, clear: int, persist: int) -> list[bool]:
    """In words: it opens when the last `persist` values all exceed the limit, and none of them counted before for
    another change; it clears likewise when all are at or below the clear level."""
    states: list[bool] = []
    open_, changed_at = False, 0
    for at in range(len(values)):
        window = values[max(changed_at, at + 1 - persist) : at + 1]
        if len(window) == persist and all(value <= clear if open_ else value > limit for value in window):
            open_, changed_at = not open_, at + 1
        states.append(open_)
    return states


@given(st.lists(st.integers(80, 120), max_size=30), st.integers(1, 4), st.sampled_from([0, 50_000, 100_000]))
def test_an_alert_opens_once_and_clears_once(values: list[int], persist: int, hysteresis: int) -> None:
    """After so many values above the limit in a row it opens; after so many good ones it clears; between, nothing."""
    standing, states = Standing(), []
    for value in values:
        standing = step(standing, value, 100, hysteresis, persist)
        states.append(standing.open)
    assert states == plain_alert(values, 100, 100 - hysteresis * 100 // MICRO, persist)


@pytest.mark.parametrize("between", [91, 95, 100])
def test_an_alert_does_not_flutter_at_its_limit(between: int) -> None:
    """Values between the clear level and the limit neither open nor clear it."""
    assert step(Standing(open=False), between, 100, 100_000, 1) == Standing(open=False)
    assert step(Standing(open=True), between, 100, 100_000, 1) == Standing(open=True)
    assert not step(Standing(open=True), 90, 100, 100_000, 1).open
    assert step(Standing(open=False), 101, 100, 100_000, 1).open
