"""One window of codes in, what it says in codes out.

Sums of codes are exact integers: n, sum v, sum i, sum v², sum i², sum v·i. They lose no sample, so windows that follow
each other add up to the longer window. Means, squares and the product come from them.

Sensors delay, each by its own. So that this can be mended, each tone's complex power is taken out as well: the
voltage's frequency from its rising zeros, then the tones at its multiples. Calibration turns each back by its angle.

numpy earns its place here: a loop over 20,000 samples a window does the same, some fifty times slower. Matrices stay
small, so that BLAS starts no threads: those wait for each other where many meters share a machine.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from devices.metrology.sensors import HIGHEST_CODE, Codes
from devices.metrology.waveform import COLUMNS, Complex, turning

LONGEST_WINDOW: Final = 1_000_000
"""Samples: sums of products of 12-bit codes stay far within 64 bits."""
TONES: Final = 11
"""Orders whose power is taken out."""
_HYSTERESIS: Final = 0.3
_SHORTEST_SIGNAL: Final = 5.0
"""Codes (RMS) below which noise would be taken for zeros."""


class Window(msgspec.Struct, frozen=True, eq=False):
    """What the converter saw of one phase, both channels sample by sample."""

    voltage: Codes
    current: Codes
    rate_hz: int

    def __post_init__(self) -> None:
        assert 0 < len(self.voltage) == len(self.current) <= LONGEST_WINDOW
        assert self.rate_hz > 0

    @property
    def duration_us(self) -> int:
        return round(len(self.voltage) * 1_000_000 / self.rate_hz)


class Sums(msgspec.Struct, frozen=True):
    """Exact, in codes."""

    count: int
    voltage: int
    current: int
    voltage_square: int
    current_square: int
    product: int

    def __add__(self, other: Sums) -> Sums:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Sums(*(one + another for one, another in pairs))

    @property
    def voltage_mean(self) -> float:
        return self.voltage / self.count

    @property
    def current_mean(self) -> float:
        return self.current / self.count

    @property
    def voltage_variance(self) -> float:
        return (self.count * self.voltage_square - self.voltage**2) / self.count**2

    @property
    def current_variance(self) -> float:
        return (self.count * self.current_square - self.current**2) / self.count**2

    @property
    def covariance(self) -> float:
        """Mean product without the constant parts: active power, in codes squared."""
        return (self.count * self.product - self.voltage * self.current) / self.count**2


class Seen(msgspec.Struct, frozen=True):
    """One window of one phase, in codes. The frequency is 0 where there is none to be found."""

    sums: Sums
    duration_us: int
    frequency_hz: float
    powers: tuple[complex, ...]
    """Complex power of each order from 1 on."""
    is_clipped: bool


def seen(window: Window, *, alternating: bool = True) -> Seen:
    voltage, current = window.voltage, window.current
    sums = Sums(
        len(voltage),
        int(voltage.sum()),
        int(current.sum()),
        int(voltage @ voltage),
        int(current @ current),
        int(voltage @ current),
    )
    frequency_hz = _frequency_hz(window, sums) if alternating else 0.0
    ends = (voltage.min(), voltage.max(), current.min(), current.max())
    return Seen(
        sums=sums,
        duration_us=window.duration_us,
        frequency_hz=frequency_hz,
        powers=_powers(window, sums, frequency_hz),
        is_clipped=any(int(end) in {0, HIGHEST_CODE} for end in ends),
    )


def _frequency_hz(window: Window, sums: Sums) -> float:
    """From the first to the last rising zero of the voltage.

    A rise counts from clearly below to clearly above, so that noise and harmonics around a zero make one of it.
    """
    if sums.voltage_variance < _SHORTEST_SIGNAL**2:
        return 0.0
    level = _HYSTERESIS * math.sqrt(sums.voltage_variance)
    voltage = window.voltage - sums.voltage_mean
    clear = np.flatnonzero(np.abs(voltage) > level)
    risen = np.flatnonzero((voltage[clear[:-1]] < 0) & (voltage[clear[1:]] > 0))
    if len(risen) < 2:
        return 0.0
    ends = []
    for place in (risen[0], risen[-1]):
        below, above = clear[place], clear[place + 1]
        ends.append(below + (above - below) * voltage[below] / (voltage[below] - voltage[above]))
    return float((len(risen) - 1) * window.rate_hz / (ends[1] - ends[0]))


def _powers(window: Window, sums: Sums, frequency_hz: float) -> tuple[complex, ...]:
    count = min(TONES, int(window.rate_hz / 2 / frequency_hz)) if frequency_hz else 0
    step_rad = -2 * math.pi * frequency_hz / window.rate_hz
    coarse, fine = turning(range(1, count + 1), 0.0, step_rad, sums.count)
    voltage = _tones(window.voltage, sums.voltage_mean, coarse, fine)
    current = _tones(window.current, sums.current_mean, coarse, fine)
    # peaks are twice the mean, and power is half the product of peaks
    return tuple((2 * voltage * current.conj() / sums.count**2).tolist())


def _tones(codes: Codes, mean: float, coarse: Complex, fine: Complex) -> Complex:
    """Each tone's sum of codes, turned back."""
    padded = np.zeros(len(coarse) * COLUMNS)
    padded[: len(codes)] = codes - mean
    rows = padded.reshape(-1, COLUMNS)
    found: Complex = ((rows @ fine.real.T + 1j * (rows @ fine.imag.T)) * coarse).sum(axis=0)
    return found
