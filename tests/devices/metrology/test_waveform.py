"""True values are what integrating the waveform gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.metrology.waveform import (
    Tone,
    Waveform,
    active_power_w,
    constant,
    distorted,
    reactive_power_var,
    rippled,
    sine,
    values,
)

PERIOD = 4_096
"""Samples of one period: integration over whole periods is exact for these tones."""


def integrated(waveform: Waveform) -> np.ndarray:
    """One period, computed tone by tone with cosines."""
    angle = 2 * math.pi * np.arange(PERIOD) / PERIOD
    total = np.full(PERIOD, waveform.mean)
    for tone in waveform.tones:
        total += tone.peak * np.cos(tone.order * angle + tone.phase_rad)
    return total


def random_pair(seed: int) -> tuple[Waveform, Waveform]:
    random = np.random.default_rng(seed)
    voltage = distorted(random, sine(50.0, 230.0, random.uniform(0, 6)), 0.3)
    current = distorted(random, sine(50.0, 7.0, random.uniform(0, 6)), 0.8)
    return voltage, Waveform(50.0, current.tones, random.uniform(-2, 2))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_rms_and_power_are_those_of_the_integral(seed: int) -> None:
    """Computed from tones, held against samples of one period."""
    voltage, current = random_pair(seed)
    v, i = integrated(voltage), integrated(current)
    assert voltage.rms == pytest.approx(math.sqrt(np.mean(v * v)), rel=1e-12)
    assert current.rms == pytest.approx(math.sqrt(np.mean(i * i)), rel=1e-12)
    assert active_power_w(voltage, current) == pytest.approx(np.mean(v * i), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 100_000), st.floats(45, 65))
def test_samples_are_those_of_cosines(seed: int, start: int, frequency_hz: float) -> None:
    """The quick way by small matrices gives what a cosine for each sample and tone gives."""
    voltage, _ = random_pair(seed)
    voltage = Waveform(frequency_hz, voltage.tones, 3.0)
    times_s = np.arange(start, start + 777) / 4_000
    slow = np.full(777, 3.0)
    for tone in voltage.tones:
        slow += tone.peak * np.cos(2 * math.pi * frequency_hz * tone.order * times_s + tone.phase_rad)
    assert values(voltage, start, 777, 4_000) == pytest.approx(slow, abs=1e-6)


def test_a_known_load_has_its_known_powers() -> None:
    """230 V and 10 A, the current an eighth of a turn late: cosine and sine of 45 degrees."""
    voltage, current = sine(50, 230), sine(50, 10, -math.pi / 4)
    assert active_power_w(voltage, current) == pytest.approx(2_300 / math.sqrt(2))
    assert reactive_power_var(voltage, current) == pytest.approx(2_300 / math.sqrt(2))
    assert reactive_power_var(voltage, sine(50, 10, math.pi / 4)) == pytest.approx(-2_300 / math.sqrt(2))
    assert active_power_w(voltage, current.scaled(-1)) == pytest.approx(-2_300 / math.sqrt(2))


def test_tones_of_other_orders_carry_no_power_together() -> None:
    """A harmonic current on a plain voltage heats the wire and moves no energy."""
    voltage, current = sine(50, 230), Waveform(50, (Tone(3, 10.0), Tone(5, 2.0)))
    assert active_power_w(voltage, current) == 0
    assert active_power_w(constant(12.0), constant(-5.0)) == -60


@given(st.integers(0, 10_000))
def test_harmonics_leave_the_rms_as_asked(seed: int) -> None:
    """And their peaks within what was allowed; ripple leaves the mean."""
    random = np.random.default_rng(seed)
    made = distorted(random, sine(60, 11.0), 0.4)
    assert made.rms == pytest.approx(11.0)
    fundamental, *others = made.tones
    assert sum(tone.peak for tone in others) <= 0.4 * fundamental.peak + 1e-9
    direct = rippled(random, -5.0, 0.3)
    assert direct.mean == -5.0
    assert sum(tone.peak for tone in direct.tones) <= 0.3 * 5.0 + 1e-9
    assert made == distorted(np.random.default_rng(seed), sine(60, 11.0), 0.4)
