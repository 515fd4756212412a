"""What the codes of one specimen mean: gain, zero, noise and angle, found on a bench once.

A bench shows the meter known quantities: nothing at all (both inputs at zero: noise and zero), then, for alternating
current, unity power factor at two frequencies. One frequency could not tell a delay (an angle that grows with it) from
a transformer's lead (one that falls); the meter has to hold from 45 to 65 Hz. Direct current needs one known point.

The noise is taken off again from mean squares, so that a small current is not shown too large. In the mean product it
falls out by itself: the two channels' noises have nothing to do with each other.
"""

from __future__ import annotations

import cmath
import math
from typing import Final

import msgspec

from devices.metrology.measuring import Seen, Sums
from ledgernode.errors import CalibrationRefused

_APART: Final = 1.1
"""Least ratio of the two frequencies: nearer ones say too little about a third."""
_NOISE: Final = 1_000.0
"""Codes squared: more at an input of zero is no noise."""


class Calibration(msgspec.Struct, frozen=True):
    """Of one phase. `per_code` in volts and amperes, zeros in codes, noises in codes squared."""

    voltage_per_code: float
    voltage_zero: float
    voltage_noise: float
    current_per_code: float
    current_zero: float
    current_noise: float
    angle_per_hz: float = 0.0
    angle_hz: float = 0.0

    def angle_rad(self, frequency_hz: float) -> float:
        """How much the voltage seems to lead at a frequency."""
        return self.angle_per_hz * frequency_hz + self.angle_hz / frequency_hz


class Reference(msgspec.Struct, frozen=True):
    """What the bench showed: RMS values at unity power factor, or direct current."""

    voltage_v: float
    current_a: float


class Phase(msgspec.Struct, frozen=True):
    """What was measured of one phase over one window."""

    voltage_v: float
    current_a: float
    power_w: float
    reactive_var: float
    frequency_hz: float
    is_clipped: bool = False

    @property
    def apparent_va(self) -> float:
        return abs(self.voltage_v * self.current_a)

    @property
    def power_factor(self) -> float:
        """Active by apparent power, harmonics included; negative in export, 0 where nothing flows."""
        return max(-1.0, min(1.0, self.power_w / self.apparent_va)) if self.apparent_va else 0.0

    @property
    def milli(self) -> tuple[int, int, int, int]:
        """mV, mA, mW, mvar: as a meter hands them on."""
        volts, amperes, watts, vars_ = self.voltage_v, self.current_a, self.power_w, self.reactive_var
        return round(volts * 1_000), round(amperes * 1_000), round(watts * 1_000), round(vars_ * 1_000)


def alternating(seen: Seen, calibration: Calibration) -> Phase:
    """Volts, amperes, watts and vars; each tone's power turned back by the sensors' angle at its frequency."""
    unit = calibration.voltage_per_code * calibration.current_per_code
    turned = [
        power * cmath.exp(-1j * calibration.angle_rad(order * seen.frequency_hz))
        for order, power in enumerate(seen.powers, start=1)
    ]
    mended = sum(after.real - before.real for after, before in zip(turned, seen.powers, strict=True))
    return Phase(
        voltage_v=calibration.voltage_per_code * _root(seen.sums.voltage_variance - calibration.voltage_noise),
        current_a=calibration.current_per_code * _root(seen.sums.current_variance - calibration.current_noise),
        power_w=unit * (seen.sums.covariance + mended),
        reactive_var=unit * turned[0].imag if turned else 0.0,
        frequency_hz=seen.frequency_hz,
        is_clipped=seen.is_clipped,
    )


def direct(seen: Seen, calibration: Calibration) -> Phase:
    """Means, and the mean of the product V·I, so that ripple counts with the energy that it carries."""
    sums = seen.sums
    voltage = sums.voltage_mean - calibration.voltage_zero
    current = sums.current_mean - calibration.current_zero
    return Phase(
        voltage_v=calibration.voltage_per_code * voltage,
        current_a=calibration.current_per_code * current,
        power_w=calibration.voltage_per_code * calibration.current_per_code * (sums.covariance + voltage * current),
        reactive_var=0.0,
        frequency_hz=0.0,
        is_clipped=seen.is_clipped,
    )


def calibrate_alternating(nothing: Seen, low: tuple[Seen, Reference], high: tuple[Seen, Reference]) -> Calibration:
    """From unity power factor at a low and a high frequency; refuses a bench that cannot have shown that."""
    quiet = _quiet(nothing)
    shown = (low, high)
    for run, _ in shown:
        _require(not run.is_clipped, "the bench's signal is beyond the converter's range")
        _require(bool(run.powers), "the bench's voltage has no frequency")
    frequencies = (low[0].frequency_hz, high[0].frequency_hz)
    _require(frequencies[1] >= frequencies[0] * _APART, "the bench's two frequencies are too close")
    voltage_gains = [
        reference.voltage_v / _positive(_root(run.sums.voltage_variance - quiet.voltage_variance))
        for run, reference in shown
    ]
    current_gains = [
        reference.current_a / _positive(_root(run.sums.current_variance - quiet.current_variance))
        for run, reference in shown
    ]
    angles = [cmath.phase(run.powers[0]) for run, _ in shown]
    _require(
        all(abs(angle) < math.pi / 4 for angle in angles), "the bench's power factor is not 1, or a wire is turned"
    )
    # angle = a*f + b/f at both frequencies
    (f1, f2), (angle1, angle2) = frequencies, angles
    per_hz = (angle2 * f2 - angle1 * f1) / (f2**2 - f1**2)
    return Calibration(
        voltage_per_code=sum(voltage_gains) / 2,
        voltage_zero=quiet.voltage_mean,
        voltage_noise=quiet.voltage_variance,
        current_per_code=sum(current_gains) / 2,
        current_zero=quiet.current_mean,
        current_noise=quiet.current_variance,
        angle_per_hz=per_hz,
        angle_hz=(angle1 - per_hz * f1) * f1,
    )


def calibrate_direct(nothing: Seen, shown: Seen, reference: Reference) -> Calibration:
    """From zero and one known point."""
    quiet = _quiet(nothing)
    _require(not shown.is_clipped, "the bench's signal is beyond the converter's range")
    return Calibration(
        voltage_per_code=reference.voltage_v / _positive(shown.sums.voltage_mean - quiet.voltage_mean),
        voltage_zero=quiet.voltage_mean,
        voltage_noise=quiet.voltage_variance,
        current_per_code=reference.current_a / _positive(shown.sums.current_mean - quiet.current_mean),
        current_zero=quiet.current_mean,
        current_noise=quiet.current_variance,
    )


def _quiet(nothing: Seen) -> Sums:
    _require(not nothing.is_clipped, "the zero of a channel is beyond the converter's range")
    noisy = max(nothing.sums.voltage_variance, nothing.sums.current_variance)
    _require(noisy < _NOISE, "the inputs were not at zero")
    return nothing.sums


def _positive(codes: float) -> float:
    _require(codes > 1.0, "the bench's signal does not rise above noise, or a wire is turned")
    return codes


def _root(square: float) -> float:
    return math.sqrt(max(0.0, square))


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise CalibrationRefused(why)
