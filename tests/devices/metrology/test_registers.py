"""Registers only grow, keep directions and quadrants apart, and lose nothing to rounding or to power."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.metrology.registers import Registers, decode, encode, posted, shown_growth
from ledgernode.errors import RegistersDamaged

POWERS = st.floats(-20_000, 20_000)
REGISTER = st.integers(0, 2**64 - 1)
HOUR_US = 3_600_000_000


def test_an_hour_at_a_kilowatt_is_a_kilowatt_hour() -> None:
    after = posted(Registers(), 1_000.0, 0.0, HOUR_US)
    assert (after.import_mwh, after.export_mwh) == (1_000_000, 0)


@pytest.mark.parametrize(
    ("power_w", "reactive_var", "growing"),
    [
        (10.0, 20.0, ("import_nwh", "q1_nvarh")),
        (-10.0, 20.0, ("export_nwh", "q2_nvarh")),
        (-10.0, -20.0, ("export_nwh", "q3_nvarh")),
        (10.0, -20.0, ("import_nwh", "q4_nvarh")),
    ],
)
def test_each_quadrant_has_its_own_register(power_w: float, reactive_var: float, growing: tuple[str, str]) -> None:
    """As IEC 62053-23 numbers them; nothing else moves."""
    active, reactive = growing
    wanted = Registers(**{active: 10_000_000_000, reactive: 20_000_000_000})
    assert posted(Registers(), power_w, reactive_var, HOUR_US) == wanted


def test_what_went_out_is_not_taken_off_what_came_in() -> None:
    """An hour in, an hour out: both stand. Reactive energy touches neither."""
    after = posted(posted(Registers(), 500.0, 0.0, HOUR_US), -500.0, 0.0, HOUR_US)
    assert (after.import_mwh, after.export_mwh) == (500_000, 500_000)
    wattless = posted(after, 0.0, 900.0, HOUR_US)
    assert (wattless.import_nwh, wattless.export_nwh) == (after.import_nwh, after.export_nwh)
    assert wattless.quadrants_mvarh == (900_000, 0, 0, 0)


@given(st.lists(st.tuples(POWERS, POWERS, st.integers(1, 60_000_000)), max_size=30))
def test_no_register_ever_falls_and_their_sum_is_what_flowed(windows: list[tuple[float, float, int]]) -> None:
    """Import less export is the integral of power, within half a nWh a window; so for reactive."""
    registers = Registers()
    for window in windows:
        before, registers = registers, posted(registers, *window)
        for name in Registers.__struct_fields__:
            assert getattr(registers, name) >= getattr(before, name)
    active = math.fsum(power * duration_us / 3.6 for power, _, duration_us in windows)
    reactive = math.fsum(var * duration_us / 3.6 for _, var, duration_us in windows)
    assert registers.import_nwh - registers.export_nwh == pytest.approx(active, abs=0.5 * len(windows) + 1e-3)
    lagging, leading = registers.q1_nvarh + registers.q2_nvarh, registers.q3_nvarh + registers.q4_nvarh
    assert lagging - leading == pytest.approx(reactive, abs=0.5 * len(windows) + 1e-3)


def test_a_load_too_small_for_one_mwh_a_window_is_counted_in_the_end() -> None:
    """2 W for 200 ms are a ninth of a mWh: nothing is shown after one, the whole after 900."""
    registers = Registers()
    for _ in range(900):
        registers = posted(registers, 2.0, 0.0, 200_000)
    assert posted(Registers(), 2.0, 0.0, 200_000).import_mwh == 0
    assert registers.import_mwh == pytest.approx(100, abs=1)


@given(st.lists(st.tuples(POWERS, st.integers(1, 5_000_000)), max_size=40))
def test_what_the_display_grew_by_sums_to_what_it_shows(windows: list[tuple[float, int]]) -> None:
    """However small the steps: no mWh is charged twice, none is forgotten."""
    registers, charged, earned = Registers(), 0, 0
    for power_w, duration_us in windows:
        before, registers = registers, posted(registers, power_w, 0.0, duration_us)
        imported, exported = shown_growth(before, registers)
        charged, earned = charged + imported, earned + exported
    assert (charged, earned) == (registers.import_mwh, registers.export_mwh)


@given(st.builds(Registers, REGISTER, REGISTER, REGISTER, REGISTER, REGISTER, REGISTER))
def test_they_come_back_from_their_bytes(registers: Registers) -> None:
    assert decode(encode(registers)) == registers


@pytest.mark.parametrize("content", [b"", encode(Registers())[:-1], b"\x02" + encode(Registers())[1:]])
def test_other_bytes_are_no_registers(content: bytes) -> None:
    """Never taken for zeros."""
    with pytest.raises(RegistersDamaged):
        decode(content)
