"""Sums are exact, and a frequency is found through harmonics and noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.metrology.accuracy import RATE_HZ, looked_at
from devices.metrology.measuring import Window, seen
from devices.metrology.sensors import HIGHEST_CODE, Sensor
from devices.metrology.waveform import constant, distorted, sine

VOLTS = Sensor(4.6, 2_040.0, 440.0, 1.4)
AMPERES = Sensor(54.0, 2_051.0, 30.0, 1.0)
CODES = st.lists(st.tuples(st.integers(0, HIGHEST_CODE), st.integers(0, HIGHEST_CODE)), min_size=1, max_size=300)


def window(pairs: list[tuple[int, int]]) -> Window:
    voltage, current = zip(*pairs, strict=True)
    return Window(np.array(voltage, dtype=np.int64), np.array(current, dtype=np.int64), RATE_HZ)


@given(CODES)
def test_sums_are_those_of_a_plain_loop(pairs: list[tuple[int, int]]) -> None:
    """What firmware would do, sample by sample."""
    n = v = i = vv = ii = vi = 0
    for voltage, current in pairs:
        n, v, i = n + 1, v + voltage, i + current
        vv, ii, vi = vv + voltage**2, ii + current**2, vi + voltage * current
    found = seen(window(pairs), alternating=False).sums
    assert (n, v, i) == (found.count, found.voltage, found.current)
    assert (vv, ii, vi) == (found.voltage_square, found.current_square, found.product)


@given(CODES, CODES)
def test_windows_lose_no_sample_between_them(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    """Two that follow each other add up to the one that covers both."""
    parts = [seen(window(pairs), alternating=False).sums for pairs in (first, second)]
    assert parts[0] + parts[1] == seen(window(first + second), alternating=False).sums


def test_the_longest_window_does_not_overflow() -> None:
    """Every sample at its highest."""
    top = np.full(1_000_000, HIGHEST_CODE, dtype=np.int64)
    assert seen(Window(top, top, RATE_HZ), alternating=False).sums.product == HIGHEST_CODE**2 * 1_000_000


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(45, 65))
def test_frequency_is_found_through_harmonics_and_noise(seed: int, frequency_hz: float) -> None:
    """Within 5 mHz from 45 to 65 Hz."""
    random = np.random.default_rng(seed)
    voltage = distorted(random, sine(frequency_hz, 230, random.uniform(0, 6)), 0.1)
    found = seen(looked_at(VOLTS, AMPERES, voltage, constant(0.0), random))
    assert found.frequency_hz == pytest.approx(frequency_hz, abs=0.005)


def test_noise_around_a_zero_makes_one_rise_of_it() -> None:
    """A brown-out to 6 V: around its zeros noise crosses back and forth."""
    random = np.random.default_rng(6)
    found = seen(looked_at(VOLTS, AMPERES, sine(50, 6.0), constant(0.0), random))
    assert found.frequency_hz == pytest.approx(50, abs=0.02)


def test_noise_has_no_frequency() -> None:
    """A dead phase shows none, and no tones."""
    found = seen(looked_at(VOLTS, AMPERES, constant(0.0), constant(0.0), np.random.default_rng(1)))
    assert found.frequency_hz == 0
    assert found.powers == ()


def test_each_tone_has_its_own_power() -> None:
    """The fundamental's angle and the third's do not mix."""
    random = np.random.default_rng(2)
    found = seen(looked_at(VOLTS, AMPERES, sine(52, 230), sine(52, 10, -math.pi / 3), random))
    per_code = 4.6 * 54.0
    assert found.powers[0].real == pytest.approx(1_150 * per_code, rel=2e-3)
    assert found.powers[0].imag == pytest.approx(2_300 * math.sin(math.pi / 3) * per_code, rel=2e-3)
    assert abs(found.powers[2]) < 1e-3 * abs(found.powers[0])


def test_a_signal_at_the_end_of_the_range_is_noticed() -> None:
    random = np.random.default_rng(3)
    assert not seen(looked_at(VOLTS, AMPERES, sine(50, 230), sine(50, 16), random)).is_clipped
    assert seen(looked_at(Sensor(9.0, 2_048.0, 440.0, 1.0), AMPERES, sine(50, 230), sine(50, 16), random)).is_clipped
