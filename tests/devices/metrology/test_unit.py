"""The measuring unit: phases summed with their signs, thresholds, reports, and windows that lose nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from devices.metrology import sensors
from devices.metrology.accuracy import (
    ALTERNATING,
    RATE_HZ,
    WINDOW_SAMPLES,
    Meter,
    alternating_meter,
    calibrated,
    direct_meter,
    looked_at,
    metered,
)
from devices.metrology.measuring import Window
from devices.metrology.registers import Registers
from devices.metrology.sensors import Sensor, sampled, specimen
from devices.metrology.unit import Rating, State, Unit, measure, step
from devices.metrology.waveform import Waveform, constant, sine

THIRD = 2 * math.pi / 3


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(21)


@pytest.fixture
def meter(random: np.random.Generator) -> Meter:
    return alternating_meter(random)


class ThreePhase:
    """Three pairs of sensors and the unit behind them."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        pairs = [(specimen(sensors.ZMPT101B, random), specimen(sensors.ACS712_30A, random)) for _ in range(3)]
        self.sensors: list[tuple[Sensor, Sensor]] = pairs
        self.unit = Unit(ALTERNATING, tuple(calibrated(*pair, random) for pair in pairs))

    def windows(self, currents_a: Sequence[float], angle_rad: float = 0.0) -> list[Window]:
        """Each phase a third of a turn behind the one before; a negative current is export."""
        return [
            looked_at(*pair, sine(50, 230, -n * THIRD), sine(50, 1, -n * THIRD - angle_rad).scaled(amps), self.random)
            for n, (pair, amps) in enumerate(zip(self.sensors, currents_a, strict=True))
        ]


@pytest.fixture
def three(random: np.random.Generator) -> ThreePhase:
    return ThreePhase(random)


def test_three_phases_are_summed_with_their_signs(three: ThreePhase) -> None:
    """Two kilowatts in on one phase, one out on another: one kilowatt in, and no export at all."""
    done = step(three.unit, State(), three.windows([2_000 / 230, -1_000 / 230, 0.0]))
    assert done.measured.power_w == pytest.approx(1_000, rel=3e-3)
    assert [phase.power_w for phase in done.measured.phases] == pytest.approx([2_000, -1_000, 0], abs=5)
    assert done.state.registers.import_nwh * 3.6e-6 == pytest.approx(5_000, rel=3e-3)
    assert done.state.registers.export_nwh == 0


def test_three_phases_that_give_more_than_they_take_export(three: ThreePhase) -> None:
    """One register moves, the other stands."""
    registers = step(three.unit, State(), three.windows([5.0, -4.0, -4.0])).state.registers
    assert registers.import_nwh == 0
    assert registers.export_nwh * 3.6e-6 == pytest.approx(3 * 230 * 5, rel=3e-3)


def test_reactive_energy_has_its_quadrant_and_is_not_netted_with_active(three: ThreePhase) -> None:
    """All phases lag by 60 degrees: q1, and import as if there were no vars."""
    registers = step(three.unit, State(), three.windows([4.0, 4.0, 4.0], math.pi / 3)).state.registers
    assert registers.import_nwh * 3.6e-6 == pytest.approx(3 * 460 * 5, rel=5e-3)
    assert registers.q1_nvarh * 3.6e-6 == pytest.approx(3 * 920 * math.sin(math.pi / 3) * 5, rel=5e-3)
    assert (registers.q2_nvarh, registers.q3_nvarh, registers.q4_nvarh) == (0, 0, 0)


def test_a_full_load_at_unity_power_factor_moves_no_reactive_register(
    meter: Meter, random: np.random.Generator
) -> None:
    """What is left of the sensors' angles is below what counts."""
    registers, _ = metered(meter, sine(50, 230), sine(50, 16), 2, random)
    assert (registers.q1_nvarh, registers.q4_nvarh) == (0, 0)


@pytest.mark.parametrize("share", [0.0, 0.8])
def test_below_the_starting_current_the_register_stands_still(
    meter: Meter, random: np.random.Generator, share: float
) -> None:
    """At 115 % of the voltage, for a minute."""
    amperes = share * ALTERNATING.starting_a
    registers, measured = metered(meter, sine(50, 1.15 * 230), sine(50, amperes), 12, random)
    assert registers == Registers()
    assert measured[0].phases[0].current_a == pytest.approx(amperes, abs=0.008)


def test_at_the_starting_current_it_moves(meter: Meter, random: np.random.Generator) -> None:
    """40 mA for a minute are 153 mWh."""
    registers, _ = metered(meter, sine(50, 230), sine(50, ALTERNATING.starting_a), 12, random)
    assert registers.import_mwh == pytest.approx(153, abs=3)


def test_a_bus_of_twelve_volts_is_metered_both_ways(random: np.random.Generator) -> None:
    """V·I; it has no reactive registers and reports none."""
    bus = direct_meter(random)
    taken, _ = metered(bus, constant(12.5), constant(4.0), 2, random)
    given, _ = metered(bus, constant(12.5), constant(-4.0), 2, random)
    assert taken.import_nwh * 3.6e-6 == pytest.approx(500, rel=3e-3)
    assert given.export_nwh * 3.6e-6 == pytest.approx(500, rel=3e-3)
    assert (taken.export_nwh, given.import_nwh) == (0, 0)
    assert taken.quadrants_mvarh == (0, 0, 0, 0)
    assert bus.unit.columns == ("voltage_mv", "current_ma", "power_mw")


def test_an_idle_bus_stands_still(random: np.random.Generator) -> None:
    """The zero that calibration found is good enough for the starting current."""
    bus = direct_meter(random)
    for amperes in (0.0, 0.8 * bus.unit.rating.starting_a, -0.8 * bus.unit.rating.starting_a):
        assert metered(bus, constant(14.0), constant(amperes), 12, random)[0] == Registers()


def test_a_report_comes_when_it_is_time(meter: Meter, random: np.random.Generator) -> None:
    """Every minute, twelve windows of five seconds; integers, in the columns that metering knows."""
    state, reports = State(), []
    window = looked_at(meter.voltage, meter.current, sine(50, 231), sine(50, 5, -math.pi / 3), random)
    for _ in range(24):
        state, _, report = step(meter.unit, state, [window])
        reports.append(report)
    assert [number for number, report in enumerate(reports, start=1) if report] == [12, 24]
    report = reports[-1]
    assert report is not None
    assert report.duration_us == 60_000_000
    assert all(type(value) is int for value in report.values)
    shown = dict(zip(meter.unit.columns, report.values, strict=True))
    assert shown["voltage_mv"] == pytest.approx(231_000, rel=1e-3)
    assert shown["current_ma"] == pytest.approx(5_000, rel=1e-3)
    assert shown["power_mw"] == pytest.approx(577_500, rel=3e-3)
    assert shown["reactive_mvar"] == pytest.approx(1_000_259, rel=3e-3)
    assert shown["power_factor_milli"] == pytest.approx(500, abs=2)
    assert shown["frequency_mhz"] == pytest.approx(50_000, abs=5)
    assert shown["q1_mvarh"] == state.registers.quadrants_mvarh[0] > 0
    assert report.import_mwh == state.registers.import_mwh
    assert report.row(7, 1_767_226_500_000, 16)[:5] == [7, 1_767_226_500_000, report.import_mwh, 0, 16]


def test_three_phases_report_each_and_fit_a_row(three: ThreePhase) -> None:
    """At most 32 columns, each name once."""
    columns = three.unit.columns
    assert {"voltage_mv_1", "power_mw_3", "q4_mvarh"} <= set(columns)
    assert len(set(columns)) == len(columns) <= 32
    short = Unit(three.unit.rating, three.unit.phases, report_us=5_000_000)
    report = step(short, State(), three.windows([1.0, 2.0, -3.0])).report
    assert report is not None
    shown = dict(zip(columns, report.values, strict=True))
    assert shown["power_mw_2"] == pytest.approx(460_000, rel=5e-3)
    assert shown["power_factor_milli_3"] == pytest.approx(-1_000, abs=2)


def test_how_a_day_is_cut_into_windows_does_not_matter(meter: Meter, random: np.random.Generator) -> None:
    """A load that comes and goes: 25 windows of 200 ms count what one of 5 s counts, and what is true."""
    on, off = sine(50, 8.0), constant(0.0)
    voltage = sampled(meter.voltage, sine(50, 230), random, start=0, count=WINDOW_SAMPLES, rate_hz=RATE_HZ)
    parts = [
        sampled(meter.current, wave, random, start=start, count=5_000, rate_hz=RATE_HZ)
        for start, wave in zip(range(0, WINDOW_SAMPLES, 5_000), (on, off, on, off), strict=True)
    ]
    current = np.concatenate(parts)
    whole = step(meter.unit, State(), [Window(voltage, current, RATE_HZ)]).state.registers
    cut = State()
    for start in range(0, WINDOW_SAMPLES, 800):
        piece = slice(start, start + 800)
        cut = step(meter.unit, cut, [Window(voltage[piece], current[piece], RATE_HZ)]).state
    assert whole.import_nwh * 3.6e-6 == pytest.approx(230 * 8 * 2.5, rel=3e-3)
    assert cut.registers.import_nwh - cut.registers.export_nwh == pytest.approx(whole.import_nwh, rel=2e-3)


def test_a_dead_phase_counts_nothing(meter: Meter, random: np.random.Generator) -> None:
    """No voltage, some induced current: no energy, no frequency, no fault."""
    window = looked_at(meter.voltage, meter.current, constant(0.0), sine(50, 1.0), random)
    found = measure(meter.unit, [window])
    assert found.power_w == pytest.approx(0, abs=0.1)
    assert found.phases[0].frequency_hz == 0


def test_what_is_not_looked_at_together_is_not_summed(three: ThreePhase) -> None:
    """Windows of unlike lengths, or too few, are a fault of ours."""
    windows = three.windows([1.0, 1.0, 1.0])
    short = Window(windows[0].voltage[:100], windows[0].current[:100], RATE_HZ)
    with pytest.raises(AssertionError):
        measure(three.unit, [short, *windows[1:]])
    with pytest.raises(AssertionError):
        measure(three.unit, windows[:2])


def test_the_starting_current_is_that_of_class_one() -> None:
    assert Rating(230.0, 10.0, 16.0).starting_a == pytest.approx(0.04)
    assert isinstance(constant(1.0), Waveform)
