"""What a sensor and a 12-bit converter make of a waveform.

A *design* is what the data sheet says, a *specimen* (`Sensor`) is one part from the box: its gain is off by up to 3 %,
its zero by some codes, and it delays. A delay is that of a filter and of a converter that looks at one channel after
the other; a corner is that of a transformer, which passes no direct current and lets low tones lead.

Noise is white and larger than half a code. Without it a current below one code would not be seen at all; with it the
mean over a window lies between the codes.
"""

from __future__ import annotations

import cmath
import math
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.metrology.waveform import Tone, Waveform, values

BITS: Final = 12
HIGHEST_CODE: Final = (1 << BITS) - 1
GAIN_ERROR: Final = 0.03
"""Before calibration, either way."""

Codes = NDArray[np.int64]


class Design(msgspec.Struct, frozen=True):
    """Nominal values, and how far a specimen may be from them."""

    codes_per_unit: float
    zero_code: float
    range_units: float
    noise_codes: float
    delay_s: float = 0.0
    corner_hz: float = 0.0
    zero_error_codes: float = 20.0
    phase_error: float = 0.2  # of delay and corner


class Sensor(msgspec.Struct, frozen=True):
    """One specimen, with the converter behind it."""

    codes_per_unit: float
    zero_code: float
    range_units: float
    noise_codes: float
    delay_s: float = 0.0
    corner_hz: float = 0.0


_CODES_PER_VOLT: Final = (HIGHEST_CODE + 1) / 5.0  # the converter's reference is the sensors' supply, 5 V
_MIDDLE: Final = (HIGHEST_CODE + 1) / 2

ACS712_30A: Final = Design(
    codes_per_unit=0.066 * _CODES_PER_VOLT,  # 66 mV an ampere
    zero_code=_MIDDLE,
    range_units=30.0,
    noise_codes=0.0012 * _CODES_PER_VOLT,  # 7 mV peak to peak behind a filter of 2 kHz
    delay_s=80e-6,  # that filter
)
"""Hall sensor for alternating current."""

ACS712_20A: Final = Design(
    codes_per_unit=0.1 * _CODES_PER_VOLT,
    zero_code=_MIDDLE,
    range_units=20.0,
    noise_codes=0.0018 * _CODES_PER_VOLT,  # 11 mV peak to peak
    delay_s=80e-6,
)
"""The same for the buses of 12 V."""

ZMPT101B: Final = Design(
    codes_per_unit=4.6,  # the module's potentiometer: +-440 V fill the converter
    zero_code=_MIDDLE,
    range_units=440.0,
    noise_codes=1.4,
    corner_hz=1.0,
)
"""Voltage transformer, 230 V."""

DIVIDER_24V: Final = Design(
    codes_per_unit=150.0,
    zero_code=200.0,  # lifted, so that noise around 0 V is not cut off
    range_units=24.0,
    noise_codes=0.8,
)
"""Resistors for the buses of 12 V."""


def specimen(design: Design, random: np.random.Generator) -> Sensor:
    """One part from the box."""

    def off(value: float, error: float) -> float:
        return value * (1 + random.uniform(-error, error))

    return Sensor(
        codes_per_unit=off(design.codes_per_unit, GAIN_ERROR),
        zero_code=design.zero_code + random.uniform(-design.zero_error_codes, design.zero_error_codes),
        range_units=design.range_units,
        noise_codes=off(design.noise_codes, 0.1),
        delay_s=off(design.delay_s, design.phase_error),
        corner_hz=off(design.corner_hz, design.phase_error),
    )


def sampled(
    sensor: Sensor, waveform: Waveform, random: np.random.Generator, *, start: int, count: int, rate_hz: float
) -> Codes:
    """Codes of `count` samples; what is beyond the sensor's or the converter's range is cut off."""
    seen = values(_passed(sensor, waveform), start, count, rate_hz)
    np.clip(seen, -sensor.range_units, sensor.range_units, out=seen)
    seen *= sensor.codes_per_unit
    seen += sensor.zero_code
    seen += random.standard_normal(count) * sensor.noise_codes
    np.rint(seen, out=seen)
    np.clip(seen, 0, HIGHEST_CODE, out=seen)
    return seen.astype(np.int64)


def _passed(sensor: Sensor, waveform: Waveform) -> Waveform:
    """The waveform behind the sensor: each tone with its own attenuation and angle."""
    tones = []
    for tone in waveform.tones:
        frequency_hz = tone.order * waveform.frequency_hz
        response = cmath.exp(-2j * math.pi * frequency_hz * sensor.delay_s) / (1 - 1j * sensor.corner_hz / frequency_hz)
        peak, phase_rad = cmath.polar(tone.phasor * response)
        tones.append(Tone(tone.order, peak, phase_rad))
    return Waveform(waveform.frequency_hz, tuple(tones), 0.0 if sensor.corner_hz else waveform.mean)
