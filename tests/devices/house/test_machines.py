"""What draws and gives power: each by its own rules."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.house.appliances import Loaded, Shiftable, Thermostatic, Warm, keep, loaded, work
from devices.house.catalogue import BOILER, CAR, DISHES, REFRIGERATOR, WASHING
from devices.house.occupants import Doing, Habits, live
from devices.house.standing import Moment
from devices.house.turbines import HydroTurbine, WindTurbine, hydro_w, wind_w
from devices.house.vehicle import Driven, Trip, is_home, step
from devices.house.weather import DAY_MS, HOUR_MS, Air, Place, moment, weather
from devices.physics.energy import NWH_PER_WH, energy_nwh

MINUTE_MS = 60_000
MONDAY_MS = 4 * DAY_MS
AIR = Air(172, 12.0)
LENDING = msgspec.structs.replace(CAR, lends=True)

# ---------------------------------------------------------------- wind and water


def test_a_turbine_follows_its_power_curve() -> None:
    """Nothing below cut-in, an eighth at half way by the cube, its rating, nothing in a storm."""
    turbine = WindTurbine(1_000, cut_in_m_s=3.0, rated_m_s=11.0, cut_out_m_s=25.0, hub_m=10.0)
    found = [wind_w(turbine, speed) for speed in (0.0, 2.9, 3.0, 7.0, 11.0, 20.0, 25.0, 40.0)]
    middle = 1_000 * (7.0**3 - 27) / (11.0**3 - 27)
    assert found == pytest.approx([0, 0, 0, middle, 1_000, 1_000, 0, 0])
    higher = msgspec.structs.replace(turbine, hub_m=20.0)
    assert wind_w(higher, 7.0) > wind_w(turbine, 7.0)


def test_water_that_falls_gives_its_weight() -> None:
    """20 l/s over 5 m at 70 %: 687 W; what must stay in the stream does not fall, the rating holds."""
    turbine = HydroTurbine(1_000, head_m=5.0, kept_l_s=4.0)
    assert hydro_w(turbine, 24.0) == pytest.approx(20 * 9.81 * 5 * 0.7)
    assert hydro_w(turbine, 3.0) == 0.0
    assert hydro_w(turbine, 500.0) == 1_000.0


# ---------------------------------------------------------------- weather and people


def test_weather_is_a_places_own() -> None:
    """A year: the means that the place has, seasons and days where they belong, within what can be."""
    place = Place(wind_m_s=5.0, water_l_s=10.0)
    airs = weather(np.random.default_rng(1), place, 0, 365 * 24, HOUR_MS)
    assert np.mean([air.wind_m_s for air in airs]) == pytest.approx(5.0, rel=0.08)
    assert np.mean([air.ambient_c for air in airs]) == pytest.approx(11.0, abs=1.5)
    assert np.mean([air.water_l_s for air in airs]) == pytest.approx(10.0, rel=0.02)
    july = np.mean([air.ambient_c for air in airs if 190 < air.day < 215])
    january = np.mean([air.ambient_c for air in airs if 10 < air.day < 35])
    assert july - january == pytest.approx(18.0, abs=4.0)
    south = weather(np.random.default_rng(1), Place(latitude_deg=-34.0), 0, 365 * 24, HOUR_MS)
    assert np.mean([air.ambient_c for air in south if 190 < air.day < 215]) < 8.0
    assert all(0.15 <= air.sky <= 1.0 and air.wind_m_s >= 0 for air in airs)


def test_wind_is_much_what_it_was_an_hour_ago() -> None:
    """And not at all what it was a week ago; whatever the length of a step."""
    for step_ms in (HOUR_MS, HOUR_MS // 4):
        count = 200 * DAY_MS // step_ms
        speeds = np.array([air.wind_m_s for air in weather(np.random.default_rng(2), Place(), 0, count, step_ms)])
        an_hour = HOUR_MS // step_ms
        assert np.corrcoef(speeds[an_hour:], speeds[:-an_hour])[0, 1] == pytest.approx(0.9, abs=0.05)
        assert abs(np.corrcoef(speeds[168 * an_hour :], speeds[: -168 * an_hour])[0, 1]) < 0.1


def test_hours_are_those_of_the_sun() -> None:
    """Noon in the Neelum valley comes five hours before that of Greenwich."""
    assert moment(Place(longitude_deg=75.0), 7 * HOUR_MS) == (1, 12.0)
    assert moment(Place(), 7 * HOUR_MS) == (1, 7.0)
    assert moment(Place(), 400 * DAY_MS)[0] == 35


def test_people_are_away_when_the_car_is() -> None:
    """Five trips in five working days; by day only what never sleeps draws; in the evening there is light."""
    habits = Habits()
    lived = live(np.random.default_rng(3), habits, MONDAY_MS, 5 * 96, 15 * MINUTE_MS)
    assert len(lived.trips) == 5
    at_noon = [lived.doings[day * 96 + 44].base_w for day in range(5)]
    at_night = [lived.doings[day * 96 + 80].base_w for day in range(5)]
    assert at_noon == [habits.always_w] * 5
    assert min(at_night) > habits.always_w + habits.light_w
    for trip in lived.trips:
        assert (trip.until_ms - trip.from_ms) / HOUR_MS == pytest.approx(9.0, abs=1.0)
    litres = sum(doing.water_l for doing in lived.doings)
    assert litres == pytest.approx(5 * 3 * 35, rel=0.05)
    uses = sum("plug" in doing.uses for doing in lived.doings)
    assert uses == 5 * 8


# ---------------------------------------------------------------- what keeps a temperature


@given(
    st.sampled_from([REFRIGERATOR, BOILER]),
    st.lists(st.tuples(st.floats(-10, 40), st.floats(0, 80), st.integers(1_000, HOUR_MS), st.booleans()), max_size=20),
)
def test_heat_is_neither_made_nor_lost(machine: Thermostatic, steps: list[tuple[float, float, int, bool]]) -> None:
    """To the nWh: what it holds is what it held, what was moved, what leaked and was drawn."""
    begun = state = Warm(machine.heat_nwh(machine.set_c))
    used_nwh = 0
    for around_c, water_l, duration_ms, held in steps:
        kept = keep(machine, state, around_c, water_l, duration_ms, held=held)
        assert 0 <= kept.used_nwh <= energy_nwh(machine.power_w, duration_ms)
        used_nwh, state = used_nwh + kept.used_nwh, kept.state
    sign = -1 if machine.cools else 1
    assert state.heat_nwh - begun.heat_nwh == sign * state.moved_nwh - state.leaked_nwh - state.drawn_nwh
    assert abs(state.moved_nwh * 1_000 - used_nwh * machine.performance_milli) <= 1_000 * len(steps)


def test_a_refrigerator_waits_but_does_not_spoil_the_milk() -> None:
    """Held for a day it stands still at first, then runs at the edge of its comfort."""
    state, used_nwh = Warm(REFRIGERATOR.heat_nwh(5.0)), []
    for _ in range(24 * 4):
        state, now_nwh = keep(REFRIGERATOR, state, 20.0, 0.0, 15 * MINUTE_MS, held=True)
        used_nwh.append(now_nwh)
    assert sum(used_nwh[:4]) == 0
    assert sum(used_nwh) > 0
    assert REFRIGERATOR.temperature_c(state.heat_nwh) < 5.0 + REFRIGERATOR.comfort_k + 0.5


# ---------------------------------------------------------------- what may wait


@given(st.lists(st.integers(1, 3 * HOUR_MS), min_size=1, max_size=40))
def test_a_programme_takes_the_same_however_time_is_cut(durations: list[int]) -> None:
    """Begun at once, it ends after its time with all of its energy."""
    state, used_nwh, at_ms = loaded(WASHING, Loaded(), 0), 0, 0
    for duration_ms in durations:
        state, now_nwh = work(WASHING, state, at_ms, duration_ms)
        used_nwh, at_ms = used_nwh + now_nwh, at_ms + duration_ms
    if at_ms >= WASHING.duration_ms:
        assert (used_nwh, state) == (WASHING.energy_nwh, Loaded(runs=1))
    else:
        assert used_nwh < WASHING.energy_nwh
        assert state.done_ms == at_ms


@pytest.mark.parametrize("machine", [WASHING, DISHES])
def test_a_machine_waits_until_its_patience_is_over(machine: Shiftable) -> None:
    """Held, it begins at the latest moment; filled twice, it runs once."""
    state = loaded(machine, loaded(machine, Loaded(), 0), HOUR_MS)
    assert state.latest_ms == machine.patience_ms
    begun_ms = None
    for at_ms in range(0, machine.patience_ms + HOUR_MS, HOUR_MS // 2):
        state, used_nwh = work(machine, state, at_ms, HOUR_MS // 2, held=True)
        if used_nwh and begun_ms is None:
            begun_ms = at_ms
    assert begun_ms == machine.patience_ms
    assert work(machine, Loaded(), 0, HOUR_MS).used_nwh == 0


# ---------------------------------------------------------------- the car


def span(at_ms: int, *trips: Trip, duration_ms: int = HOUR_MS) -> Moment:
    return Moment(at_ms, duration_ms, AIR, Doing(0.0), trips)


def test_a_car_is_charged_only_where_it_stands() -> None:
    """Away for half of the step: half of the energy; what the trip took is taken when it is back."""
    trip = Trip(HOUR_MS, 2 * HOUR_MS + HOUR_MS // 2, 7_000)
    begun = Driven(CAR.battery.at(300_000))
    away = step(CAR, begun, span(HOUR_MS, trip), 3_000.0)
    assert away.flow.taken_nwh == 0
    back = step(CAR, begun, span(2 * HOUR_MS, trip), 3_000.0)
    assert back.flow.taken_nwh == 1_500 * NWH_PER_WH
    assert back.state.driven_nwh == 7_000 * NWH_PER_WH
    assert is_home((trip,), 0)
    assert not is_home((trip,), HOUR_MS)


def test_a_car_charges_in_time_whatever_is_wanted() -> None:
    """Told to lend all night, it leaves with what it needs, and has charged as late as it could."""
    trip = Trip(10 * HOUR_MS, 18 * HOUR_MS, 7_000)
    state, taken = Driven(LENDING.battery.at(200_000)), []
    for hour in range(10):
        state, flow = step(LENDING, state, span(hour * HOUR_MS, trip), -3_000.0)
        taken.append(flow.taken_nwh)
    assert taken[:6] == [0] * 6
    assert state.stored_nwh >= LENDING.needed_nwh - NWH_PER_WH
    assert sum(taken) > 0


def test_a_car_lends_only_what_it_does_not_need() -> None:
    """Down to what it leaves with; one that was not built for it lends nothing."""
    trip = Trip(30 * HOUR_MS, 38 * HOUR_MS, 7_000)
    state = Driven(LENDING.battery.at(800_000))
    given_nwh = 0
    for hour in range(3):
        state, flow = step(LENDING, state, span(hour * HOUR_MS, trip), -4_000.0)
        given_nwh += flow.given_nwh
    assert given_nwh == pytest.approx(4_000 * 0.94 * NWH_PER_WH, rel=0.001)
    assert state.stored_nwh >= LENDING.needed_nwh
    assert step(CAR, state, span(0, trip), -4_000.0).flow.given_nwh == 0


def test_a_trip_beyond_the_battery_was_charged_elsewhere() -> None:
    """Counted, so that no energy is missing."""
    trip = Trip(0, HOUR_MS, 50_000)
    back = step(CAR, Driven(10_000 * NWH_PER_WH), span(HOUR_MS // 2, trip), 0.0)
    assert back.state == Driven(0, 50_000 * NWH_PER_WH, 40_000 * NWH_PER_WH)
