"""What meters show and when: a function of seed, place and time, that never goes back."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from devices.fleet.houses import DAY_MS, HOUR_MS, Courses, SeededHouses
from devices.fleet.plan import Run, Schedule, offset_ms

HOUSES = SeededHouses(Random(3))
PLACES = st.integers(0, 100_000)


@given(PLACES, st.lists(st.integers(0, 3 * DAY_MS), min_size=2, max_size=6))
def test_registers_never_go_back(place: int, times: list[int]) -> None:
    shown = [HOUSES.shown(place, at) for at in sorted(times)]
    assert shown == sorted(shown, key=lambda one: one.import_mwh)
    assert shown == sorted(shown, key=lambda one: one.export_mwh)


@given(PLACES, st.integers(0, 23))
def test_an_hour_of_power_is_an_hour_of_energy(place: int, hour: int) -> None:
    begins, ends = HOUSES.shown(place, hour * HOUR_MS), HOUSES.shown(place, (hour + 1) * HOUR_MS)
    power_mw = HOUSES.shown(place, hour * HOUR_MS + 1).power_mw
    net_mwh = (ends.import_mwh - begins.import_mwh) - (ends.export_mwh - begins.export_mwh)
    assert abs(net_mwh - power_mw) <= 3  # mW for an hour are mWh; each register is rounded down


def test_houses_differ_and_some_have_panels() -> None:
    after_a_day = [HOUSES.shown(place, DAY_MS) for place in range(200)]
    assert len({one.import_mwh for one in after_a_day}) > 150
    assert 20 < sum(one.export_mwh > 0 for one in after_a_day) < 120
    assert all(2_000_000 < one.import_mwh < 40_000_000 for one in after_a_day)


def test_the_same_seed_makes_the_same_houses() -> None:
    again, other = SeededHouses(Random(3)), SeededHouses(Random(4))
    assert [again.shown(place, DAY_MS) for place in range(50)] == [HOUSES.shown(place, DAY_MS) for place in range(50)]
    assert [other.shown(place, DAY_MS) for place in range(50)] != [HOUSES.shown(place, DAY_MS) for place in range(50)]


def test_houses_stand_still_between_runs_and_a_fast_day_takes_no_more_energy_than_the_ledger_believes() -> None:
    runs = [Run(1, 60, 0, 60_000), Run(61, 60, 10 * HOUR_MS, 1_000, speed=60)]
    courses = Courses(HOUSES, runs)
    ended, begins = courses.shown(5, 60 * 60_000), courses.shown(5, 10 * HOUR_MS)
    assert (begins.import_mwh, begins.export_mwh) == (ended.import_mwh, ended.export_mwh)
    minute = courses.shown(5, 10 * HOUR_MS + 60_000)
    assert 0 <= minute.import_mwh - begins.import_mwh <= 24_000 * 1_000 // 60


def test_a_rounds_readings_come_spread_over_it() -> None:
    every_ms = 60_000
    offsets = [offset_ms(7, place, every_ms) for place in range(10_000)]
    seconds = [0] * 60
    for offset in offsets:
        assert 0 <= offset < every_ms
        seconds[offset // 1_000] += 1
    assert min(seconds) > 100
    assert max(seconds) < 250


def test_a_reading_has_its_time_from_its_run_and_its_meter() -> None:
    runs = [Run(1, 2, 1_000, 100), Run(3, 2, 90_000, 50)]
    schedule = Schedule(runs, 7, range(3))
    for sequence, begins_ms, every_ms in ((1, 1_000, 100), (2, 1_100, 100), (3, 90_000, 50), (4, 90_050, 50)):
        found = schedule.of_round(sequence)
        assert [one.time_ms for one in found] == sorted(one.time_ms for one in found)
        assert {(one.place, one.time_ms) for one in found} == {
            (place, begins_ms + offset_ms(7, place, every_ms)) for place in range(3)
        }
