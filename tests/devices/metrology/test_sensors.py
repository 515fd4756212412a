"""What a sensor and a converter do to a waveform."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from devices.metrology.sensors import ACS712_30A, HIGHEST_CODE, ZMPT101B, Sensor, sampled, specimen
from devices.metrology.waveform import Waveform, constant, sine

IDEAL = Sensor(codes_per_unit=100.0, zero_code=2_048.0, range_units=30.0, noise_codes=0.0)
RATE_HZ = 4_000


def codes(sensor: Sensor, waveform: Waveform, *, seed: int = 1, count: int = 4_000) -> np.ndarray:
    return sampled(sensor, waveform, np.random.default_rng(seed), start=0, count=count, rate_hz=RATE_HZ)


def fundamental(found: np.ndarray, frequency_hz: float) -> complex:
    turning = np.exp(-2j * math.pi * frequency_hz * np.arange(len(found)) / RATE_HZ)
    return complex(2 * np.mean(found * turning))


def test_codes_are_whole_numbers_of_twelve_bits() -> None:
    """Gain and zero say which."""
    assert codes(IDEAL, constant(1.234), count=3).tolist() == [2_171, 2_171, 2_171]
    found = codes(IDEAL, sine(50, 14.0))
    assert found.dtype == np.int64
    assert found.min() == 2_048 - 1_980
    assert found.max() == 2_048 + 1_980


@pytest.mark.parametrize(("amperes", "code"), [(25.0, HIGHEST_CODE), (-25.0, 0)])
def test_what_is_beyond_the_converter_is_cut_off(amperes: float, code: int) -> None:
    assert codes(IDEAL, constant(amperes), count=2).tolist() == [code, code]


def test_what_is_beyond_the_sensor_is_cut_off() -> None:
    """A 30 A sensor shows 30 A for 40 A."""
    sensor = Sensor(50.0, 2_048.0, 30.0, 0.0)
    assert codes(sensor, constant(40.0), count=1).tolist() == [3_548]


def test_noise_lets_a_current_below_half_a_code_be_seen() -> None:
    """Rounded alone it would be nothing; with noise its mean lies between the codes."""
    small = constant(0.002)  # a fifth of a code
    assert np.mean(codes(IDEAL, small)) == 2_048
    noisy = Sensor(100.0, 2_048.0, 30.0, 1.0)
    assert np.mean(codes(noisy, small, count=400_000)) == pytest.approx(2_048.2, abs=0.02)


def test_a_transformer_blocks_direct_current_and_leads() -> None:
    """By the arc tangent of corner by frequency."""
    sensor = Sensor(100.0, 2_048.0, 30.0, 0.0, corner_hz=2.0)
    assert set(codes(sensor, constant(5.0)).tolist()) == {2_048}
    assert cmath.phase(fundamental(codes(sensor, sine(50, 10)), 50)) == pytest.approx(math.atan(2 / 50), abs=1e-4)


def test_a_delay_is_an_angle_that_grows_with_frequency() -> None:
    sensor = Sensor(100.0, 2_048.0, 30.0, 0.0, delay_s=100e-6)
    for hertz in (50, 500):
        angle = cmath.phase(fundamental(codes(sensor, sine(hertz, 10)), hertz))
        assert angle == pytest.approx(-2 * math.pi * hertz * 100e-6, abs=2e-4)


def test_specimens_differ_within_three_percent() -> None:
    """And use most of it: calibration has something to do."""
    random = np.random.default_rng(5)
    for design in (ACS712_30A, ZMPT101B):
        gains = [specimen(design, random).codes_per_unit / design.codes_per_unit - 1 for _ in range(200)]
        assert max(map(abs, gains)) <= 0.03
        assert max(gains) > 0.025
        assert min(gains) < -0.025
