"""The measuring unit of a meter: one window of all its phases in, registers and now and then a report out.

Rules it keeps (IEC 62053-21, class 1, and those of `docs/meter.md`):

* a phase below its starting current counts as nothing, so that noise at an idle meter never becomes energy;
* phases are summed with their signs at each instant, the window, and the sum goes to one register;
* reactive energy goes to the register of its quadrant, and stands still below half of what the starting current gives:
  what is left of the sensors' angles would creep at full load and unity power factor;
* direct current is V·I, and has no reactive registers.

A report holds the registers as they stand, and means over its time in integers. Losing power loses the means only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from devices.metrology.calibration import Calibration, Phase, alternating, direct
from devices.metrology.measuring import Window, seen
from devices.metrology.registers import Registers, posted

STARTING: Final = 0.004
"""Of the nominal current, IEC 62053-21 for class 1: from here on the register moves."""
STILL: Final = 0.95
"""Of the starting current: below this it stands still. Between the two either may be."""
REACTIVE_STILL: Final = 0.5
"""The same for reactive power, of the starting current at the nominal voltage."""
REPORT_US: Final = 60_000_000


class Rating(msgspec.Struct, frozen=True):
    """What is printed on the meter."""

    voltage_v: float
    current_a: float
    maximum_a: float
    is_alternating: bool = True

    @property
    def starting_a(self) -> float:
        return self.current_a * STARTING


class Unit(msgspec.Struct, frozen=True):
    """A meter's measuring part: its rating, a calibration for each phase, how often it reports."""

    rating: Rating
    phases: tuple[Calibration, ...]
    report_us: int = REPORT_US

    def __post_init__(self) -> None:
        assert len(self.phases) in {1, 3}
        assert self.rating.is_alternating or len(self.phases) == 1
        assert self.report_us > 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of a report's values, as the ledger's metering knows them."""
        marks = [""] if len(self.phases) == 1 else [f"_{number}" for number in range(1, len(self.phases) + 1)]
        names = _ALTERNATING if self.rating.is_alternating else _DIRECT
        each = tuple(f"{name}{mark}" for mark in marks for name in names)
        return (*each, *_QUADRANTS) if self.rating.is_alternating else each


_DIRECT: Final = ("voltage_mv", "current_ma", "power_mw")
_ALTERNATING: Final = (*_DIRECT, "reactive_mvar", "power_factor_milli", "frequency_mhz")
_QUADRANTS: Final = ("q1_mvarh", "q2_mvarh", "q3_mvarh", "q4_mvarh")


class Measured(msgspec.Struct, frozen=True):
    """One window: what each phase showed, and what counts towards energy."""

    phases: tuple[Phase, ...]
    power_w: float
    reactive_var: float
    duration_us: int


class Means(msgspec.Struct, frozen=True):
    """Of one phase, since the last report: sums over time in microseconds."""

    voltage_square: float = 0.0
    current_square: float = 0.0
    voltage: float = 0.0
    current: float = 0.0
    power: float = 0.0
    reactive: float = 0.0
    frequency: float = 0.0


class State(msgspec.Struct, frozen=True):
    """Registers are kept when power is lost, the rest is not."""

    registers: Registers = Registers()
    means: tuple[Means, ...] = ()
    since_us: int = 0


class Report(msgspec.Struct, frozen=True):
    """Registers and means in integers. `values` stand under the unit's `columns`."""

    import_mwh: int
    export_mwh: int
    values: tuple[int, ...]
    duration_us: int

    def row(self, sequence: int, time_ms: int, flags: int = 0) -> list[int]:
        """A row of `metering.record`."""
        return [sequence, time_ms, self.import_mwh, self.export_mwh, flags, *self.values]


class Stepped(NamedTuple):
    """What came of one window."""

    state: State
    measured: Measured
    report: Report | None


def step(unit: Unit, state: State, windows: Sequence[Window]) -> Stepped:
    """Measure one window of every phase, count its energy, and report when it is time."""
    measured = measure(unit, windows)
    registers = posted(state.registers, measured.power_w, measured.reactive_var, measured.duration_us)
    before = state.means or (Means(),) * len(unit.phases)
    means = tuple(
        _added(mean, phase, measured.duration_us) for mean, phase in zip(before, measured.phases, strict=True)
    )
    since_us = state.since_us + measured.duration_us
    if since_us < unit.report_us:
        return Stepped(State(registers, means, since_us), measured, None)
    return Stepped(State(registers), measured, _report(unit, registers, means, since_us))


def measure(unit: Unit, windows: Sequence[Window]) -> Measured:
    """What one window of every phase says, before it is counted."""
    assert len(windows) == len(unit.phases)
    assert len({window.duration_us for window in windows}) == 1, "phases are looked at together"
    rating = unit.rating
    values = alternating if rating.is_alternating else direct
    phases = tuple(
        values(seen(window, alternating=rating.is_alternating), calibration)
        for window, calibration in zip(windows, unit.phases, strict=True)
    )
    running = [phase for phase in phases if abs(phase.current_a) >= STILL * rating.starting_a]
    reactive_var = sum(phase.reactive_var for phase in running)
    least_var = REACTIVE_STILL * rating.starting_a * rating.voltage_v
    return Measured(
        phases=phases,
        power_w=sum(phase.power_w for phase in running),
        reactive_var=reactive_var if abs(reactive_var) >= least_var else 0.0,
        duration_us=windows[0].duration_us,
    )


def _added(means: Means, phase: Phase, duration_us: int) -> Means:
    return Means(
        voltage_square=means.voltage_square + phase.voltage_v**2 * duration_us,
        current_square=means.current_square + phase.current_a**2 * duration_us,
        voltage=means.voltage + phase.voltage_v * duration_us,
        current=means.current + phase.current_a * duration_us,
        power=means.power + phase.power_w * duration_us,
        reactive=means.reactive + phase.reactive_var * duration_us,
        frequency=means.frequency + phase.frequency_hz * duration_us,
    )


def _report(unit: Unit, registers: Registers, means: Sequence[Means], since_us: int) -> Report:
    values = [_milli(value) for mean in means for value in _shown(unit, mean, since_us)]
    quadrants = registers.quadrants_mvarh if unit.rating.is_alternating else ()
    return Report(registers.import_mwh, registers.export_mwh, (*values, *quadrants), since_us)


def _shown(unit: Unit, means: Means, since_us: int) -> tuple[float, ...]:
    if not unit.rating.is_alternating:
        return means.voltage / since_us, means.current / since_us, means.power / since_us
    voltage_v = math.sqrt(means.voltage_square / since_us)
    current_a = math.sqrt(means.current_square / since_us)
    power_w = means.power / since_us
    power_factor = max(-1.0, min(1.0, power_w / (voltage_v * current_a))) if voltage_v * current_a else 0.0
    return voltage_v, current_a, power_w, means.reactive / since_us, power_factor, means.frequency / since_us


def _milli(value: float) -> int:
    return round(value * 1_000)
