"""A battery makes no energy and forgets none, whatever is asked of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.physics.battery import MICRO, Battery, step
from devices.physics.energy import NWH_PER_WH, energy_nwh, power_w

HOUSE = Battery(capacity_wh=5_000, charge_w=2_500.0, discharge_w=3_000.0)
HOUR_MS = 3_600_000
BATTERIES = st.builds(
    Battery,
    capacity_wh=st.integers(1, 100_000),
    charge_w=st.floats(0, 20_000),
    discharge_w=st.floats(0, 20_000),
    charge_efficiency_micro=st.integers(500_000, MICRO),
    discharge_efficiency_micro=st.integers(500_000, MICRO),
    reserve_micro=st.integers(0, 300_000),
    ceiling_micro=st.integers(300_000, MICRO),
    standing_w=st.floats(0, 50),
)


@given(
    BATTERIES,
    st.integers(0, MICRO),
    st.lists(st.tuples(st.floats(-30_000, 30_000), st.integers(1, 4 * HOUR_MS)), max_size=30),
)
def test_taken_less_given_less_lost_is_what_is_stored(
    battery: Battery, level_micro: int, wanted: list[tuple[float, int]]
) -> None:
    """To the last nWh, over any history; within its limits and its levels."""
    begun = stored = battery.at(level_micro)
    taken = given_ = lost = 0
    for power, duration_ms in wanted:
        flow = step(battery, stored, power, duration_ms)
        assert flow.stored_nwh - stored == flow.taken_nwh - flow.given_nwh - flow.lost_nwh
        assert min(flow.taken_nwh, flow.given_nwh, flow.lost_nwh) >= 0
        assert flow.taken_nwh == 0 or flow.given_nwh == 0
        assert flow.taken_nwh <= energy_nwh(min(max(power, 0), battery.charge_w), duration_ms)
        assert flow.given_nwh <= energy_nwh(min(max(-power, 0), battery.discharge_w), duration_ms)
        assert flow.stored_nwh <= max(stored, battery.ceiling_nwh)
        leaked = energy_nwh(battery.standing_w, duration_ms)
        assert flow.stored_nwh >= max(0, min(stored, battery.reserve_nwh) - leaked)
        stored, taken, given_, lost = (
            flow.stored_nwh,
            taken + flow.taken_nwh,
            given_ + flow.given_nwh,
            lost + flow.lost_nwh,
        )
    assert stored - begun == taken - given_ - lost


def test_a_kilowatt_hour_comes_back_less_both_efficiencies() -> None:
    """0.96 in and 0.96 out: 921.6 of 1,000 Wh."""
    low = HOUSE.reserve_nwh
    charged = step(HOUSE, low, 1_000.0, HOUR_MS)
    assert charged.taken_nwh == 1_000 * NWH_PER_WH
    given_nwh = 0
    stored = charged.stored_nwh
    for _ in range(2):
        flow = step(HOUSE, stored, -500.0, HOUR_MS)
        stored, given_nwh = flow.stored_nwh, given_nwh + flow.given_nwh
    assert given_nwh == pytest.approx(921.6 * NWH_PER_WH, rel=1e-9)
    assert stored == low


def test_it_stops_at_its_ceiling_and_its_reserve() -> None:
    """And takes no more from the bus than it can store."""
    full = step(HOUSE, HOUSE.at(950_000), 9_000.0, HOUR_MS)
    assert HOUSE.level_micro(full.stored_nwh) == MICRO
    assert full.taken_nwh == pytest.approx(250 / 0.96 * NWH_PER_WH, rel=1e-9)
    assert step(HOUSE, full.stored_nwh, 1_000.0, HOUR_MS).taken_nwh == 0
    empty = step(HOUSE, HOUSE.at(150_000), -9_000.0, HOUR_MS)
    assert HOUSE.level_micro(empty.stored_nwh) == 100_000
    assert step(HOUSE, empty.stored_nwh, -1_000.0, HOUR_MS).given_nwh == 0


def test_its_own_electronics_empty_it_in_time() -> None:
    """Below the reserve too, and never below nothing."""
    idle = Battery(1_000, 500.0, 500.0, standing_w=10.0)
    flow = step(idle, idle.at(50_000), 0.0, 10 * HOUR_MS)
    assert (flow.stored_nwh, flow.lost_nwh) == (0, 50 * NWH_PER_WH)


@given(st.floats(0, 1e6), st.integers(1, 10 * HOUR_MS))
def test_power_comes_back_from_its_energy(watts: float, duration_ms: int) -> None:
    assert power_w(energy_nwh(watts, duration_ms), duration_ms) == pytest.approx(watts, abs=0.002)
