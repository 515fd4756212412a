"""What is on the wire: voltages and currents as a constant and tones, so that their true values can be computed.

True values are sums over tones, never over samples: what a meter makes of samples can be held against them.

Reactive power is that of the fundamental (IEC 62053-24), positive where the current lags. Active power is that of
all tones and of the constant part. Nothing here draws by itself: generators are passed in.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from typing import Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

ORDERS: Final = (3, 5, 7, 9, 11)
"""Harmonics that random waveforms have."""
COLUMNS: Final = 128

Complex = NDArray[np.complex128]


class Tone(msgspec.Struct, frozen=True):
    """peak * cos(order * angle + phase)."""

    order: int
    peak: float
    phase_rad: float = 0.0

    @property
    def phasor(self) -> complex:
        return cmath.rect(self.peak, self.phase_rad)


class Waveform(msgspec.Struct, frozen=True):
    """A constant part and tones at whole multiples of one frequency, each order once."""

    frequency_hz: float
    tones: tuple[Tone, ...] = ()
    mean: float = 0.0

    def __post_init__(self) -> None:
        orders = [tone.order for tone in self.tones]
        assert len(set(orders)) == len(orders), "a waveform has each order once"
        assert all(order > 0 for order in orders), "the constant part is the mean"

    @property
    def rms(self) -> float:
        return math.sqrt(self.mean**2 + sum(tone.peak**2 for tone in self.tones) / 2)

    def scaled(self, factor: float) -> Self:
        tones = tuple(Tone(tone.order, tone.peak * factor, tone.phase_rad) for tone in self.tones)
        return type(self)(self.frequency_hz, tones, self.mean * factor)


def sine(frequency_hz: float, rms: float, phase_rad: float = 0.0) -> Waveform:
    return Waveform(frequency_hz, (Tone(1, rms * math.sqrt(2), phase_rad),))


def constant(mean: float) -> Waveform:
    """Direct current without ripple. The frequency is that of a ripple which is not there."""
    return Waveform(1.0, (), mean)


def active_power_w(voltage: Waveform, current: Waveform) -> float:
    """The mean of the product, over all time."""
    return voltage.mean * current.mean + sum(power.real for power in _powers(voltage, current).values())


def reactive_power_var(voltage: Waveform, current: Waveform) -> float:
    return _powers(voltage, current).get(1, 0j).imag


def _powers(voltage: Waveform, current: Waveform) -> dict[int, complex]:
    """Complex power of each order that both have."""
    together = voltage.frequency_hz == current.frequency_hz
    assert together or not voltage.tones or not current.tones, "tones of two frequencies are never in step"
    flowing = {tone.order: tone.phasor for tone in current.tones}
    return {
        tone.order: tone.phasor * flowing[tone.order].conjugate() / 2 for tone in voltage.tones if tone.order in flowing
    }


def distorted(random: np.random.Generator, whole: Waveform, distortion: float) -> Waveform:
    """The sine with random harmonics, and the same RMS. Peaks of the harmonics sum to at most `distortion` of it."""
    (fundamental,) = whole.tones
    chosen = [order for order in ORDERS if random.random() < 0.6]
    shares = random.random(len(chosen))
    total = random.uniform(0.0, distortion) / max(float(shares.sum()), 1e-9)
    harmonics = tuple(
        Tone(order, fundamental.peak * total * float(share), random.uniform(0.0, 2 * math.pi))
        for order, share in zip(chosen, shares, strict=True)
    )
    made = Waveform(whole.frequency_hz, (fundamental, *harmonics))
    return made.scaled(whole.rms / made.rms)


def rippled(random: np.random.Generator, mean: float, ripple: float, frequency_hz: float = 100.0) -> Waveform:
    """Direct current with the ripple of a charger: a few tones whose peaks sum to at most `ripple` of the mean."""
    shares = random.random(3)
    total = random.uniform(0.0, ripple) / float(shares.sum())
    tones = (
        Tone(order, abs(mean) * total * float(share), random.uniform(0.0, 2 * math.pi))
        for order, share in enumerate(shares, start=1)
    )
    return Waveform(frequency_hz, tuple(tones), mean)


def values(waveform: Waveform, start: int, count: int, rate_hz: float) -> NDArray[np.float64]:
    """The waveform at samples `start` to `start + count` of a clock that began at zero."""
    if not waveform.tones:
        return np.full(count, waveform.mean, dtype=np.float64)
    step_rad = 2 * math.pi * waveform.frequency_hz / rate_hz
    coarse, fine = turning([tone.order for tone in waveform.tones], start * step_rad, step_rad, count)
    coarse *= [tone.phasor for tone in waveform.tones]
    found = coarse.real @ fine.real - coarse.imag @ fine.imag
    return found.ravel()[:count] + waveform.mean


def turning(orders: Sequence[int], first_rad: float, step_rad: float, count: int) -> tuple[Complex, Complex]:
    """Two short tables for e^(j * order * (first + n * step)), n in range(count).

    Sample `row * COLUMNS + column` turns by `coarse[row, k] * fine[k, column]`, so that sums over tones and over
    samples are products of small matrices: a sine for each sample and tone costs fifty times as much.
    """
    rows = -(-count // COLUMNS)
    each = 1j * np.asarray(orders)
    coarse = np.exp(np.outer(first_rad + step_rad * COLUMNS * np.arange(rows), each))
    fine = np.exp(np.outer(each, step_rad * np.arange(COLUMNS)))
    return coarse, fine
