"""A house loses no nWh and finds none, whatever happens in it and whatever is wanted of it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.house.catalogue import (
    BOILER,
    CAR,
    HOME_BATTERY,
    LAMP_W,
    LEAD_ACID,
    NEELUM_VALLEY,
    family,
    off_grid,
    villagers,
)
from devices.house.days import days
from devices.house.house import Stepped, generation_w, step
from devices.house.occupants import Doing, Habits
from devices.house.standing import House, Moment, Standing, Wanted
from devices.house.turbines import HydroTurbine, WindTurbine
from devices.house.vehicle import Trip
from devices.house.weather import Air, Place
from devices.physics.energy import NWH_PER_WH

QUARTER_MS = 900_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
JUNE_MS = 1_781_913_600_000
NIGHT = Air(172, 1.0)
NOON = Air(172, 12.0)
LENDING = msgspec.structs.replace(CAR, lends=True)
HOUSES = (
    family("one", peak_w=3_000, battery=HOME_BATTERY),
    family("three", phases=3, peak_w=6_000, battery=HOME_BATTERY, vehicle=LENDING, boiler=True),
    msgspec.structs.replace(
        family("island", phases=3, peak_w=5_000, battery=HOME_BATTERY, vehicle=LENDING, boiler=True),
        islands=True,
        wind=WindTurbine(1_500),
        hydro=HydroTurbine(500, 8.0),
    ),
    off_grid("village"),
)
NAMES = ("refrigerator", "boiler", "washing", "dishes", "plug", "lamp 1", "lamp 2")

airs = st.builds(
    Air,
    day=st.integers(1, 365),
    hour=st.floats(0, 23.99),
    sky=st.floats(0.15, 1.0),
    ambient_c=st.floats(-15, 35),
    wind_m_s=st.floats(0, 30),
    water_l_s=st.floats(0, 40),
)
doings = st.builds(
    Doing,
    base_w=st.floats(0, 4_000),
    water_l=st.floats(0, 60),
    fills=st.sets(st.sampled_from(NAMES)).map(tuple),
    uses=st.sets(st.sampled_from(NAMES)).map(tuple),
)
wishes = st.builds(
    Wanted,
    battery_w=st.none() | st.floats(-4_000, 4_000),
    vehicle_w=st.none() | st.floats(-8_000, 8_000),
    held=st.frozensets(st.sampled_from(NAMES)),
    supply=st.booleans(),
    tie_w=st.sampled_from([0.0, 50.0, -50.0, 300.0, -300.0]),
    export_limit_w=st.none() | st.floats(0, 3_000),
)
steps = st.lists(st.tuples(airs, doings, wishes, st.integers(1_000, HOUR_MS)), min_size=1, max_size=12)


def moment(air: Air, base_w: float = 0.0, at_ms: int = JUNE_MS, duration_ms: int = HOUR_MS, **more: object) -> Moment:
    return Moment(at_ms, duration_ms, air, Doing(base_w), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("house", HOUSES, ids=lambda house: house.name)
@settings(deadline=None, max_examples=60)
@given(steps, st.integers(0, 1_000_000))
def test_what_comes_in_goes_out_or_is_kept(
    house: House, happening: list[tuple[Air, Doing, Wanted, int]], level_micro: int
) -> None:
    """Over any history, to the last nWh: at the connection, in the batteries, in the heat of water."""
    begun = state = Standing.begun(house, level_micro=level_micro)
    at_ms = JUNE_MS
    trips = (Trip(JUNE_MS + HOUR_MS, JUNE_MS + 3 * HOUR_MS, 5_000),)
    for air, doing, wanted, duration_ms in happening:
        before = state
        state, phases, flowed = step(house, state, Moment(at_ms, duration_ms, air, doing, trips), wanted)
        assert flowed.is_balanced
        assert min(msgspec.structs.astuple(flowed)) >= 0
        meter = state.meter.import_nwh - state.meter.export_nwh - before.meter.import_nwh + before.meter.export_nwh
        assert meter == flowed.import_nwh - flowed.export_nwh
        assert meter == 0 or (house.connected and wanted.supply)
        seen_w = sum(phase.power_mw for phase in phases) / 1_000
        crossed_nwh = meter if house.connected else flowed.tie_in_nwh - flowed.tie_out_nwh
        assert seen_w == pytest.approx(crossed_nwh * 3_600_000 / duration_ms / NWH_PER_WH, abs=0.003)
        at_ms += duration_ms
    total = state.flowed
    assert total.is_balanced
    assert state.stored_nwh - begun.stored_nwh == (
        total.battery_in_nwh - total.battery_out_nwh - total.battery_lost_nwh
    )
    if state.vehicle is not None and begun.vehicle is not None:
        kept_nwh = total.vehicle_in_nwh - total.vehicle_out_nwh - total.vehicle_lost_nwh
        driven_nwh = state.vehicle.driven_nwh - state.vehicle.elsewhere_nwh
        assert state.vehicle.stored_nwh - begun.vehicle.stored_nwh == kept_nwh - driven_nwh
    for machine, first, last in zip(house.thermostats, begun.warm, state.warm, strict=True):
        moved_nwh = -last.moved_nwh if machine.cools else last.moved_nwh
        assert last.heat_nwh - first.heat_nwh == moved_nwh - last.leaked_nwh - last.drawn_nwh


def test_phases_are_summed_with_their_signs() -> None:
    """3 kW of sun on one phase and 1 kW of light on each: 0 kW at the meter, 2 A and more on the phases."""
    house = House("three", phases=3, hydro=HydroTurbine(3_000, 50.0, 1.0), generation_phase=0, base_power_factor=1.0)
    air = Air(1, 0.0, water_l_s=100.0)
    state, phases, flowed = step(house, Standing.begun(house), moment(air, 3_000.0), Wanted())
    assert [phase.power_mw for phase in phases] == [-2_000_000, 1_000_000, 1_000_000]
    assert (flowed.import_nwh, flowed.export_nwh) == (0, 0)
    assert (state.meter.import_mwh, state.meter.export_mwh) == (0, 0)
    assert [phase.current_ma for phase in phases] == [8_696, 4_348, 4_348]


def test_reactive_energy_follows_the_appliances() -> None:
    """1 kW at a power factor of 0.8 takes 0.75 kvar; a bus of 12 V has none."""
    house = House("one", base_power_factor=0.8)
    state, (phase,), _ = step(house, Standing.begun(house), moment(NIGHT, 1_000.0), Wanted())
    assert phase.reactive_mvar == 750_000
    assert state.meter.quadrants_mvarh == (750_000, 0, 0, 0)
    bus = off_grid("village")
    assert step(bus, Standing.begun(bus), moment(NIGHT, 20.0), Wanted()).phases[0].reactive_mvar == 0


def test_the_battery_follows_the_house_if_nobody_says_otherwise() -> None:
    """It gives what lacks and takes what is too much, so that nothing crosses the meter."""
    house = family("one", peak_w=2_000, battery=HOME_BATTERY)
    for air in (NIGHT, NOON):
        flowed = step(house, Standing.begun(house), moment(air, 800.0), Wanted()).flowed
        assert (flowed.import_nwh, flowed.export_nwh) == (0, 0)
    asked = step(house, Standing.begun(house), moment(NIGHT, 800.0), Wanted(battery_w=1_000.0)).flowed
    assert asked.battery_in_nwh == 1_000 * NWH_PER_WH
    assert asked.import_nwh == asked.used_nwh + 1_000 * NWH_PER_WH


def test_export_is_limited_by_using_less_sun() -> None:
    """What is above the limit is curtailed, and counted."""
    house = family("one", peak_w=5_000)
    state = Standing.begun(house)
    free = step(house, state, moment(NOON), Wanted()).flowed
    limited = step(house, state, moment(NOON), Wanted(export_limit_w=1_000.0)).flowed
    assert limited.export_nwh == 1_000 * NWH_PER_WH
    assert limited.generated_nwh + limited.curtailed_nwh == free.generated_nwh


def dark(stepped: Stepped) -> bool:
    return stepped.flowed.used_nwh == 0 < stepped.flowed.unserved_nwh


def test_a_house_without_supply_is_dark_or_an_island() -> None:
    """The relay opens: only a house that was built to goes on, as long as its battery does."""
    plain = family("plain", peak_w=2_000, battery=HOME_BATTERY)
    island = msgspec.structs.replace(plain, islands=True)
    off = Wanted(supply=False)
    assert dark(step(plain, Standing.begun(plain), moment(NOON, 800.0), off))
    alone = step(island, Standing.begun(island), moment(NIGHT, 800.0), off)
    assert alone.flowed.used_nwh == alone.flowed.battery_out_nwh > 0
    assert alone.phases[0].power_mw == 0
    assert dark(step(island, Standing.begun(island, level_micro=100_000), moment(NIGHT, 800.0), off))
    outage = step(plain, Standing.begun(plain), moment(NIGHT, 800.0, voltages_v=(0.0,)), off)
    assert outage.phases[0].voltage_mv == 0


def test_a_car_lends_to_an_island_what_its_battery_lacks() -> None:
    """Vehicle to house: the house's own battery first."""
    house = msgspec.structs.replace(
        family("island", battery=HOME_BATTERY, vehicle=LENDING), islands=True, base_power_factor=1.0
    )
    state = Standing.begun(house)
    flowed = step(house, state, moment(NIGHT, 4_000.0), Wanted(supply=False, vehicle_w=0.0)).flowed
    assert flowed.used_nwh >= 4_000 * NWH_PER_WH
    assert flowed.battery_out_nwh > 1_900 * NWH_PER_WH
    assert flowed.vehicle_out_nwh == flowed.used_nwh - flowed.battery_out_nwh > 0


def test_an_off_grid_house_gives_over_its_tie_what_it_has_and_takes_what_it_has_room_for() -> None:
    """Its own lamps come first; a full battery takes nothing."""
    house = off_grid("village")
    lamps = Moment(JUNE_MS, HOUR_MS, NIGHT, Doing(1.0, uses=("lamp 1", "lamp 2")))
    gives = step(house, Standing.begun(house, level_micro=800_000), lamps, Wanted(tie_w=-40.0)).flowed
    assert gives.tie_out_nwh == 40 * NWH_PER_WH
    assert gives.used_nwh == (2 * 8.5 + 1) * NWH_PER_WH
    poor = step(house, Standing.begun(house, level_micro=450_000), lamps, Wanted(tie_w=-40.0)).flowed
    assert poor.used_nwh == gives.used_nwh
    assert 0 <= poor.tie_out_nwh < 40 * NWH_PER_WH
    full = step(house, Standing.begun(house, level_micro=1_000_000), moment(NIGHT), Wanted(tie_w=40.0)).flowed
    assert full.tie_in_nwh < NWH_PER_WH


def test_a_bus_shows_its_batterys_voltage() -> None:
    """11.6 V empty, 13 V full: what a controller in the village sees."""
    house = off_grid("village")
    shown = [
        step(house, Standing.begun(house, level_micro=level), moment(NIGHT), Wanted()).phases[0].voltage_mv
        for level in (0, 500_000, 1_000_000)
    ]
    assert shown[0] < shown[1] < shown[2]
    assert (shown[0], shown[2]) == (pytest.approx(11_640, abs=30), pytest.approx(12_960, abs=30))


def test_sun_wind_and_water_add_up() -> None:
    """Each by its own model, together what the house generates."""
    house = HOUSES[2]
    air = Air(172, 12.0, wind_m_s=9.0, water_l_s=5.0)
    only = [
        generation_w(msgspec.structs.replace(house, **dict.fromkeys(others)), air)
        for others in (("wind", "hydro"), ("panels", "hydro"), ("panels", "wind"))
    ]
    assert min(only) > 0
    assert generation_w(house, air) == pytest.approx(sum(only))


def a_year(house: House, habits: Habits, place: Place, seed: int, count: int = 96 * 60) -> Standing:
    """Sixty days of quarters, from June on."""
    state = Standing.begun(house)
    for now in days(np.random.default_rng(seed), place, habits, JUNE_MS, count=count, step_ms=QUARTER_MS):
        state = step(house, state, now, Wanted()).state
    return state


def test_a_family_uses_what_families_use() -> None:
    """Sixty summer days: 5 to 9 kWh a day without heating, car and boiler; machines ran, the refrigerator is cold."""
    house = family("one", peak_w=4_000, battery=HOME_BATTERY)
    state = a_year(house, Habits(), Place(), 1)
    used_wh = state.flowed.used_nwh // NWH_PER_WH
    assert 60 * 5_000 < used_wh < 60 * 9_000
    assert 60 * 10_000 < state.flowed.generated_nwh // NWH_PER_WH < 60 * 24_000
    assert state.flowed.import_nwh < state.flowed.used_nwh // 2
    assert all(load.runs > 15 for load in state.loads)
    assert 3.0 < house.thermostats[0].temperature_c(state.warm[0].heat_nwh) < 7.0


def test_a_car_leaves_with_what_it_needs() -> None:
    """Sixty days of trips, and nothing was charged elsewhere."""
    house = family("one", vehicle=CAR)
    state = a_year(house, Habits(), Place(), 2)
    assert state.vehicle is not None
    assert state.vehicle.driven_nwh > 50 * 7_000 * NWH_PER_WH
    assert state.vehicle.elsewhere_nwh == 0


def test_the_village_lives_on_sun_and_lead() -> None:
    """Lamps burn almost always; what is made and not used is mostly curtailed, as batteries are full by noon."""
    house = off_grid("village")
    flowed = a_year(house, villagers(), NEELUM_VALLEY, 3).flowed
    assert flowed.import_nwh == flowed.export_nwh == 0
    assert flowed.used_nwh > 60 * 8 * LAMP_W * NWH_PER_WH
    assert flowed.unserved_nwh < flowed.used_nwh // 20
    assert flowed.curtailed_nwh > 0
    assert LEAD_ACID.level_micro(house.battery.ceiling_nwh if house.battery else 0) == 1_000_000


def test_the_same_seed_is_the_same_house() -> None:
    """And another seed is another one."""
    house = HOUSES[1]
    one, again, other = (a_year(house, Habits(), Place(), seed, 96 * 3) for seed in (4, 4, 5))
    assert one == again != other


def test_a_boiler_gives_warm_water_and_keeps_it() -> None:
    """Within its band of 60 degrees after days of showers."""
    house = family("three", phases=3, boiler=True)
    state = a_year(house, Habits(), Place(), 6)
    assert 50 < BOILER.temperature_c(state.warm[1].heat_nwh) < 64
    assert state.warm[1].drawn_nwh > 60 * 3_000 * NWH_PER_WH
