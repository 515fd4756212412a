"""A calibrated meter knows what its codes mean; a bench that shows nonsense calibrates nothing."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from devices.metrology import sensors
from devices.metrology.accuracy import calibrated, looked_at
from devices.metrology.calibration import (
    Calibration,
    Phase,
    Reference,
    alternating,
    calibrate_alternating,
    calibrate_direct,
    direct,
)
from devices.metrology.measuring import Seen, seen
from devices.metrology.sensors import Sensor, specimen
from devices.metrology.waveform import Tone, Waveform, active_power_w, constant, sine
from ledgernode.errors import CalibrationRefused

REFERENCE = Reference(230.0, 10.0)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.fixture
def voltage(random: np.random.Generator) -> Sensor:
    return specimen(sensors.ZMPT101B, random)


@pytest.fixture
def current(random: np.random.Generator) -> Sensor:
    return specimen(sensors.ACS712_30A, random)


@pytest.fixture
def calibration(voltage: Sensor, current: Sensor, random: np.random.Generator) -> Calibration:
    return calibrated(voltage, current, random)


def test_it_finds_what_the_specimen_is(calibration: Calibration, voltage: Sensor, current: Sensor) -> None:
    """Gain, zero, noise, and the angle at a frequency that the bench never showed."""
    assert calibration.voltage_per_code * voltage.codes_per_unit == pytest.approx(1, abs=1e-3)
    assert calibration.current_per_code * current.codes_per_unit == pytest.approx(1, abs=1e-3)
    assert calibration.current_zero == pytest.approx(current.zero_code, abs=0.05)
    assert calibration.current_noise == pytest.approx(current.noise_codes**2 + 1 / 12, rel=0.05)
    lead_rad = math.atan(voltage.corner_hz / 55) + 2 * math.pi * 55 * (current.delay_s - voltage.delay_s)
    assert calibration.angle_rad(55) == pytest.approx(lead_rad, abs=5e-4)


def test_a_wattless_load_shows_what_the_angle_is_worth(
    calibration: Calibration, voltage: Sensor, current: Sensor, random: np.random.Generator
) -> None:
    """Half a degree left uncorrected would be some 1.5 % at power factor 0.5."""
    true = (sine(55, 230), sine(55, 10, -math.pi / 3))
    found = seen(looked_at(voltage, current, *true, random))
    without = msgspec.structs.replace(calibration, angle_per_hz=0.0, angle_hz=0.0)
    assert alternating(found, calibration).power_w == pytest.approx(1_150, rel=2e-3)
    assert abs(alternating(found, without).power_w / 1_150 - 1) > 0.015


def test_a_harmonics_power_is_turned_back_too(
    calibration: Calibration, voltage: Sensor, current: Sensor, random: np.random.Generator
) -> None:
    """The eleventh is delayed by eleven times the angle."""
    both = (Waveform(50, (Tone(1, 325.0), Tone(11, 60.0))), Waveform(50, (Tone(1, 1.0), Tone(11, 5.0, 1.3))))
    found = alternating(seen(looked_at(voltage, current, *both, random)), calibration)
    assert found.power_w == pytest.approx(active_power_w(*both), rel=4e-3)


def test_noise_is_no_current(
    calibration: Calibration, voltage: Sensor, current: Sensor, random: np.random.Generator
) -> None:
    """An idle meter shows next to nothing where its noise alone would show 19 mA."""
    found = seen(looked_at(voltage, current, sine(50, 230), constant(0.0), random))
    assert alternating(found, calibration).current_a < 0.005
    without = msgspec.structs.replace(calibration, current_noise=0.0)
    assert alternating(found, without).current_a > 0.015


def test_direct_current_has_its_zero_taken_off(random: np.random.Generator) -> None:
    """Both ways, and with the energy of a ripple in both channels."""
    volts, amperes = specimen(sensors.DIVIDER_24V, random), specimen(sensors.ACS712_20A, random)

    def look(v: Waveform, i: Waveform) -> Seen:
        return seen(looked_at(volts, amperes, v, i, random), alternating=False)

    found = calibrate_direct(look(constant(0), constant(0)), look(constant(12), constant(5)), Reference(12.0, 5.0))
    out = direct(look(constant(13), constant(-4)), found)
    assert out.power_w == pytest.approx(-52, rel=2e-3)
    assert out.current_a == pytest.approx(-4, rel=2e-3)
    assert out.power_factor == pytest.approx(-1)
    rippling = (Waveform(100, (Tone(1, 2.0),), 12.0), Waveform(100, (Tone(1, 3.0),), 5.0))
    assert direct(look(*rippling), found).power_w == pytest.approx(63, rel=2e-3)


def test_power_factor_is_of_all_tones_and_null_where_nothing_flows() -> None:
    assert Phase(230, 10, 1_150, 0, 50).power_factor == 0.5
    assert Phase(230, 10, -2_300.001, 0, 50).power_factor == -1
    assert Phase(0, 0, 0, 0, 0).power_factor == 0


def test_it_hands_on_whole_numbers() -> None:
    assert Phase(230.1234, 1.5, -345.0004, -2.0006, 50).milli == (230_123, 1_500, -345_000, -2_001)


def test_a_bench_that_shows_nonsense_is_refused(voltage: Sensor, current: Sensor, random: np.random.Generator) -> None:
    """Each refusal says what is wrong."""

    def look(v: Waveform, i: Waveform) -> Seen:
        return seen(looked_at(voltage, current, v, i, random))

    nothing = look(constant(0), constant(0))
    low, high = ((look(sine(hz, 230), sine(hz, 10)), REFERENCE) for hz in (47, 63))
    calibrate_alternating(nothing, low, high)

    near = (look(sine(48, 230), sine(48, 10)), REFERENCE)
    dead = (look(constant(0), sine(63, 10)), REFERENCE)
    turned = (look(sine(63, 230), sine(63, 10, math.pi)), REFERENCE)
    still = (look(sine(63, 230), constant(0)), REFERENCE)
    for second, why in ((near, "too close"), (dead, "no frequency"), (turned, "wire"), (still, "noise")):
        with pytest.raises(CalibrationRefused, match=why):
            calibrate_alternating(nothing, low, second)
    with pytest.raises(CalibrationRefused, match="not at zero"):
        calibrate_alternating(low[0], low, high)
