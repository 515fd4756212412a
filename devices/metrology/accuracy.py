"""How true meters count: energy in registers against energy computed from the waveform, over random waveforms.

Each run takes one calibrated meter of a batch, a current of one band, a power factor, a voltage of 80 to 115 %, a
frequency of 45 to 65 Hz, harmonics in both channels and a direction, and lets it measure. Its error is that of the
register, in percent of the true energy. The meters were calibrated on plain sines; no run has one.

Meters of three phases run under four loads: all phases alike at power factor 1 and 0.5, one phase alone, and one phase
giving while two take, where the error is that of the algebraic sum, a third of what flows.

All is drawn from one seed. Limits are those of class 1: 1 %, and 1.5 % below a tenth of the nominal current.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np

from devices.metrology import sensors
from devices.metrology.calibration import Calibration, Reference, calibrate_alternating, calibrate_direct
from devices.metrology.measuring import Window, seen
from devices.metrology.registers import Registers
from devices.metrology.sensors import Design, Sensor, sampled, specimen
from devices.metrology.unit import Measured, Rating, State, Unit, step
from devices.metrology.waveform import (
    Waveform,
    active_power_w,
    constant,
    distorted,
    reactive_power_var,
    rippled,
    sine,
)

RATE_HZ: Final = 4_000
WINDOW_SAMPLES: Final = 5 * RATE_HZ
METERS: Final = 25
CREEP_METERS: Final = 10
DIRECT_SHARE: Final = 5
"""One waveform of direct current to so many alternating ones."""
THREE_PHASE_SHARE: Final = 5
"""The same for three phases, and one for each place of its table at least."""
THREE_PHASE_METERS: Final = 5
FEWEST: Final = 35
"""Each place of both tables has one."""
ALTERNATING: Final = Rating(voltage_v=230.0, current_a=10.0, maximum_a=16.0)
DIRECT: Final = Rating(voltage_v=12.0, current_a=10.0, maximum_a=12.0, is_alternating=False)
"""Peaks of the largest current, with harmonics or ripple, stay within the sensors' range."""

CALIBRATED_HZ: Final = (47.0, 63.0)
VOLTAGE_DISTORTION: Final = 0.1
CURRENT_DISTORTION: Final = 0.4
RIPPLE: Final = 0.3
STILL_SHARE: Final = 0.8
"""Of the starting current: the creep test's largest."""
_NWH_PER_J: Final = 1_000_000_000 / 3_600
_LOW: Final = 0.1
_LONG: Final = 6


class Band(msgspec.Struct, frozen=True):
    """Currents in parts of the nominal one, and the windows of a run: small ones take longer to stand out of noise."""

    low: float
    high: float
    windows: int

    @property
    def limit_percent(self) -> float:
        return 1.5 if self.low < _LOW else 1.0


class Factor(msgspec.Struct, frozen=True):
    """A power factor (of the fundamental), and its angle."""

    name: str
    angle_rad: float


FACTORS: Final = (
    Factor("1", 0.0),
    Factor("0.5 lagging", math.pi / 3),
    Factor("0.5 leading", -math.pi / 3),
)


class Load(msgspec.Struct, frozen=True):
    """How three phases are loaded: the share of the band's current on each, negative where it gives; the angle, whose
    sign is drawn."""

    name: str
    shares: tuple[float, float, float]
    angle_rad: float = 0.0


LOADS: Final = (
    Load("three phases PF 1", (1.0, 1.0, 1.0)),
    Load("PF 0.5", (1.0, 1.0, 1.0), math.pi / 3),
    Load("one phase alone", (1.0, 0.0, 0.0)),
    Load("two take, one gives", (1.0, 1.0, -1.0)),
)


def bands(rating: Rating) -> tuple[Band, ...]:
    """From the starting current itself to the largest current itself."""
    starting, largest = rating.starting_a / rating.current_a, rating.maximum_a / rating.current_a
    return (
        Band(starting, starting, _LONG),
        Band(starting, 0.02, _LONG),
        Band(0.02, _LOW, 2),
        Band(_LOW, 0.5, 1),
        Band(0.5, 1.0, 1),
        Band(1.0, largest, 1),
        Band(largest, largest, 1),
    )


class Meter(msgspec.Struct, frozen=True):
    """One simulated meter: its sensors, as they are, and what it knows of them."""

    voltage: Sensor
    current: Sensor
    unit: Unit


class ThreePhase(msgspec.Struct, frozen=True):
    """One with a pair of sensors on each phase."""

    sensors: tuple[tuple[Sensor, Sensor], ...]
    unit: Unit


class Run(msgspec.Struct, frozen=True):
    """What one waveform showed, errors in percent. Reactive is None where the true one is small."""

    active: float
    reactive: float | None
    voltage: float
    current: float
    frequency_mhz: float


class Cell(msgspec.Struct, frozen=True):
    """All runs of one band and power factor."""

    band: Band
    factor: str
    runs: tuple[Run, ...]

    @property
    def mean(self) -> float:
        return sum(run.active for run in self.runs) / len(self.runs)

    @property
    def worst(self) -> float:
        return max(abs(run.active) for run in self.runs)

    @property
    def worst_reactive(self) -> float | None:
        return max((abs(run.reactive) for run in self.runs if run.reactive is not None), default=None)

    @property
    def within(self) -> bool:
        return self.worst <= self.band.limit_percent


class Creep(msgspec.Struct, frozen=True):
    """Meters at high voltage for 30 s: with no current and below the starting one, and at it."""

    meters: int
    moved: int
    started: int

    @property
    def within(self) -> bool:
        return self.moved == 0 and self.started == self.meters


class Accuracy(msgspec.Struct, frozen=True):
    """Everything that was found."""

    waveforms: int
    seed: int
    alternating: tuple[Cell, ...]
    direct: tuple[Cell, ...]
    three_phase: tuple[Cell, ...]
    creep: Creep
    direct_creep: Creep
    three_phase_creep: Creep

    @property
    def within(self) -> bool:
        still = self.creep.within and self.direct_creep.within and self.three_phase_creep.within
        return still and all(cell.within for cell in (*self.alternating, *self.direct, *self.three_phase))


def accuracy(
    waveforms: int, seed: int, *, meters: int = METERS, told: Callable[[int, int], None] | None = None
) -> Accuracy:
    """Try so many alternating waveforms, a fifth as many direct ones and as many on three phases; `told` hears how far
    it is."""
    random = np.random.default_rng(seed)
    assert waveforms >= FEWEST
    direct_runs = waveforms // DIRECT_SHARE
    loaded = [(band, load) for band in bands(ALTERNATING) for load in LOADS]
    three_runs = max(len(loaded), waveforms // THREE_PHASE_SHARE)
    all_runs = waveforms + direct_runs + three_runs

    alternating_meters = [alternating_meter(random) for _ in range(meters)]
    places = [(band, factor) for band in bands(ALTERNATING) for factor in FACTORS]
    found: list[list[Run]] = [[] for _ in places]
    for number in range(waveforms):
        band, factor = places[number % len(places)]
        found[number % len(places)].append(_alternating_run(alternating_meters[number % meters], band, factor, random))
        if told is not None:
            told(number + 1, all_runs)

    direct_meters = [direct_meter(random) for _ in range(meters)]
    direct_bands = bands(DIRECT)
    direct_found: list[list[Run]] = [[] for _ in direct_bands]
    for number in range(direct_runs):
        band = direct_bands[number % len(direct_bands)]
        direct_found[number % len(direct_bands)].append(_direct_run(direct_meters[number % meters], band, random))
        if told is not None:
            told(waveforms + number + 1, all_runs)

    creep = _creep(alternating_meters[:CREEP_METERS], random)
    three_meters = [three_phase_meter(random) for _ in range(min(meters, THREE_PHASE_METERS))]
    three_found: list[list[Run]] = [[] for _ in loaded]
    for number in range(three_runs):
        band, load = loaded[number % len(loaded)]
        meter = three_meters[number % len(three_meters)]
        three_found[number % len(loaded)].append(_three_phase_run(meter, band, load, random))
        if told is not None:
            told(waveforms + direct_runs + number + 1, all_runs)

    return Accuracy(
        waveforms=waveforms,
        seed=seed,
        alternating=tuple(
            Cell(band, factor.name, tuple(runs)) for (band, factor), runs in zip(places, found, strict=True)
        ),
        direct=tuple(Cell(band, "DC", tuple(runs)) for band, runs in zip(direct_bands, direct_found, strict=True)),
        three_phase=tuple(
            Cell(band, load.name, tuple(runs)) for (band, load), runs in zip(loaded, three_found, strict=True)
        ),
        creep=creep,
        direct_creep=_creep(direct_meters[:CREEP_METERS], random),
        three_phase_creep=_three_phase_creep(three_meters, random),
    )


def alternating_meter(random: np.random.Generator) -> Meter:
    """A meter for 230 V from the box, calibrated on plain sines."""
    voltage, current = specimen(sensors.ZMPT101B, random), specimen(sensors.ACS712_30A, random)
    return Meter(voltage, current, Unit(ALTERNATING, (calibrated(voltage, current, random),)))


def calibrated(voltage: Sensor, current: Sensor, random: np.random.Generator) -> Calibration:
    """What a bench finds of one phase of an alternating meter."""
    rating = ALTERNATING
    reference = Reference(rating.voltage_v, rating.current_a)
    nothing = looked_at(voltage, current, constant(0.0), constant(0.0), random)
    runs = [
        looked_at(voltage, current, sine(hertz, reference.voltage_v), sine(hertz, reference.current_a), random)
        for hertz in CALIBRATED_HZ
    ]
    low, high = ((seen(run), reference) for run in runs)
    return calibrate_alternating(seen(nothing), low, high)


def direct_meter(random: np.random.Generator) -> Meter:
    """A meter for a bus of 12 V from the box, calibrated at one point without ripple."""
    voltage, current = specimen(_plain(sensors.DIVIDER_24V), random), specimen(sensors.ACS712_20A, random)
    reference = Reference(DIRECT.voltage_v, DIRECT.current_a / 2)
    long = 4 * WINDOW_SAMPLES  # the zero found here is in every reading
    nothing = looked_at(voltage, current, constant(0.0), constant(0.0), random, count=long)
    shown = looked_at(
        voltage, current, constant(reference.voltage_v), constant(reference.current_a), random, count=long
    )
    found = calibrate_direct(seen(nothing, alternating=False), seen(shown, alternating=False), reference)
    return Meter(voltage, current, Unit(DIRECT, (found,)))


def three_phase_meter(random: np.random.Generator) -> ThreePhase:
    """Three pairs of sensors from the box, each phase calibrated by itself."""
    pairs = tuple((specimen(sensors.ZMPT101B, random), specimen(sensors.ACS712_30A, random)) for _ in range(3))
    return ThreePhase(pairs, Unit(ALTERNATING, tuple(calibrated(*pair, random) for pair in pairs)))


def _plain(design: Design) -> Design:
    assert not design.corner_hz, "a transformer passes no direct current"
    return design


def looked_at(
    voltage_sensor: Sensor,
    current_sensor: Sensor,
    voltage: Waveform,
    current: Waveform,
    random: np.random.Generator,
    *,
    start: int = 0,
    count: int = WINDOW_SAMPLES,
) -> Window:
    """One window of both channels."""
    return Window(
        sampled(voltage_sensor, voltage, random, start=start, count=count, rate_hz=RATE_HZ),
        sampled(current_sensor, current, random, start=start, count=count, rate_hz=RATE_HZ),
        RATE_HZ,
    )


def metered(
    meter: Meter, voltage: Waveform, current: Waveform, windows: int, random: np.random.Generator
) -> tuple[Registers, tuple[Measured, ...]]:
    """New registers after so many windows, one right behind the other, and what each showed."""
    state, measured = State(), []
    for number in range(windows):
        start = number * WINDOW_SAMPLES
        window = looked_at(meter.voltage, meter.current, voltage, current, random, start=start)
        state, now, _ = step(meter.unit, state, [window])
        measured.append(now)
    return state.registers, tuple(measured)


def metered_phases(
    meter: ThreePhase, waves: Sequence[tuple[Waveform, Waveform]], windows: int, random: np.random.Generator
) -> tuple[Registers, tuple[Measured, ...]]:
    """The same for three phases, looked at together."""
    state, measured = State(), []
    for number in range(windows):
        start = number * WINDOW_SAMPLES
        looks = [looked_at(*pair, *wave, random, start=start) for pair, wave in zip(meter.sensors, waves, strict=True)]
        state, now, _ = step(meter.unit, state, looks)
        measured.append(now)
    return state.registers, tuple(measured)


def _alternating_run(meter: Meter, band: Band, factor: Factor, random: np.random.Generator) -> Run:
    frequency_hz = random.uniform(45.0, 65.0)
    phase_rad = random.uniform(0.0, 2 * math.pi)
    turned_rad = math.pi if random.random() < 0.25 else 0.0  # export
    rating = meter.unit.rating
    voltage_v = rating.voltage_v * random.uniform(0.8, 1.15)
    voltage = distorted(random, sine(frequency_hz, voltage_v, phase_rad), VOLTAGE_DISTORTION)
    angle_rad = phase_rad - factor.angle_rad + turned_rad
    current_a = _current_a(rating, band, random)
    current = distorted(random, sine(frequency_hz, current_a, angle_rad), CURRENT_DISTORTION)
    return _run(meter, voltage, current, band.windows, random)


def _direct_run(meter: Meter, band: Band, random: np.random.Generator) -> Run:
    rating = meter.unit.rating
    sign = -1.0 if random.random() < 0.25 else 1.0  # export
    frequency_hz = random.uniform(90.0, 130.0)
    voltage = rippled(random, rating.voltage_v * random.uniform(0.85, 1.25), RIPPLE / 3, frequency_hz)
    current = rippled(random, sign * _current_a(rating, band, random), RIPPLE, frequency_hz)
    return _run(meter, voltage, current, band.windows, random)


def _three_phase_run(meter: ThreePhase, band: Band, load: Load, random: np.random.Generator) -> Run:
    """Phases a third of a turn apart, each with harmonics of its own; one load after the other phase by turns."""
    frequency_hz = random.uniform(45.0, 65.0)
    rating, first_rad = meter.unit.rating, random.uniform(0.0, 2 * math.pi)
    turned_rad = math.pi if random.random() < 0.25 else 0.0  # export
    angle_rad = load.angle_rad if random.random() < 0.5 else -load.angle_rad
    current_a, by_turns = _current_a(rating, band, random), int(random.integers(3))
    waves = []
    for phase in range(3):
        share = load.shares[(phase + by_turns) % 3]
        phase_rad = first_rad - phase * 2 * math.pi / 3
        voltage = sine(frequency_hz, rating.voltage_v * random.uniform(0.9, 1.1), phase_rad)
        flowing_rad = phase_rad - angle_rad + turned_rad + (math.pi if share < 0 else 0.0)
        current = sine(frequency_hz, current_a * abs(share), flowing_rad)
        waves.append(
            (
                distorted(random, voltage, VOLTAGE_DISTORTION),
                distorted(random, current, CURRENT_DISTORTION) if share else current,
            )
        )
    registers, measured = metered_phases(meter, waves, band.windows, random)
    duration_s = band.windows * WINDOW_SAMPLES / RATE_HZ
    power_w = sum(active_power_w(*wave) for wave in waves)
    reactive_var = sum(reactive_power_var(*wave) for wave in waves)
    shown = [(phase, wave) for phase, wave in zip(measured[0].phases, waves, strict=True) if wave[1].rms > 0]
    return Run(
        active=_percent(registers.import_nwh - registers.export_nwh, power_w * duration_s * _NWH_PER_J),
        reactive=_percent(_reactive_nvarh(registers), reactive_var * duration_s * _NWH_PER_J)
        if abs(reactive_var) > abs(power_w)
        else None,
        voltage=max((_percent(phase.voltage_v, wave[0].rms) for phase, wave in shown), key=abs),
        current=max((_percent(phase.current_a, wave[1].rms) for phase, wave in shown), key=abs),
        frequency_mhz=1_000 * (measured[0].phases[0].frequency_hz - frequency_hz),
    )


def _reactive_nvarh(registers: Registers) -> int:
    return registers.q1_nvarh + registers.q2_nvarh - registers.q3_nvarh - registers.q4_nvarh


def _run(meter: Meter, voltage: Waveform, current: Waveform, windows: int, random: np.random.Generator) -> Run:
    registers, measured = metered(meter, voltage, current, windows, random)
    duration_s = windows * WINDOW_SAMPLES / RATE_HZ
    power_w, reactive_var = active_power_w(voltage, current), reactive_power_var(voltage, current)
    alternating = meter.unit.rating.is_alternating
    counted_nwh = registers.import_nwh - registers.export_nwh
    counted_nvarh = _reactive_nvarh(registers)
    notable = alternating and abs(reactive_var) > abs(power_w)
    first = measured[0].phases[0]
    return Run(
        active=_percent(counted_nwh, power_w * duration_s * _NWH_PER_J),
        reactive=_percent(counted_nvarh, reactive_var * duration_s * _NWH_PER_J) if notable else None,
        voltage=_percent(first.voltage_v, voltage.rms if alternating else voltage.mean),
        current=_percent(first.current_a, current.rms if alternating else current.mean),
        frequency_mhz=1_000 * (first.frequency_hz - voltage.frequency_hz) if alternating else 0.0,
    )


def _current_a(rating: Rating, band: Band, random: np.random.Generator) -> float:
    """Within the band, as many small as large."""
    return rating.current_a * math.exp(random.uniform(math.log(band.low), math.log(band.high)))


def _creep(meters: Sequence[Meter], random: np.random.Generator) -> Creep:
    moved = started = 0
    for meter in meters:
        rating = meter.unit.rating
        frequency_hz = random.uniform(45.0, 65.0)
        voltage = _wave(rating, frequency_hz, 1.15 * rating.voltage_v)
        still = [
            metered(meter, voltage, _wave(rating, frequency_hz, share * rating.starting_a), _LONG, random)[0]
            for share in (0.0, STILL_SHARE)
        ]
        moved += any(registers != Registers() for registers in still)
        moving = metered(meter, voltage, _wave(rating, frequency_hz, rating.starting_a), _LONG, random)[0]
        started += moving.import_mwh > 0
    return Creep(len(meters), moved, started)


def _three_phase_creep(meters: Sequence[ThreePhase], random: np.random.Generator) -> Creep:
    """The same on all phases at once."""
    moved = started = 0
    for meter in meters:
        frequency_hz = random.uniform(45.0, 65.0)

        def counted(share: float, meter: ThreePhase = meter, hertz: float = frequency_hz) -> Registers:
            rating = meter.unit.rating
            angles = [-phase * 2 * math.pi / 3 for phase in range(3)]
            waves = [
                (sine(hertz, 1.15 * rating.voltage_v, angle), sine(hertz, share * rating.starting_a, angle))
                for angle in angles
            ]
            return metered_phases(meter, waves, _LONG, random)[0]

        moved += counted(0.0) != Registers() or counted(STILL_SHARE) != Registers()
        started += counted(1.0).import_mwh > 0
    return Creep(len(meters), moved, started)


def _wave(rating: Rating, frequency_hz: float, value: float) -> Waveform:
    return sine(frequency_hz, value) if rating.is_alternating else constant(value)


def _percent(found: float, true: float) -> float:
    return 100.0 * (found / true - 1.0)
