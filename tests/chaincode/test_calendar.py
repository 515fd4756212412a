"""Local time is right on every day, those of 23 and 25 hours too; checked against the zone database."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.calendar import (
    CENTRAL_EUROPE,
    DAY_MS,
    FIXED_UTC,
    HOUR_MS,
    LAST,
    MINUTE_MS,
    Change,
    DayType,
    Season,
    Zone,
    civil,
    day_number,
    day_start_ms,
    day_type_of,
    days_in_month,
    is_leap,
    local,
    local_day,
    local_day_start_ms,
    month_span_ms,
    next_month,
    offset_minutes,
    season_of,
    weekday,
)

NEW_YORK = Zone(
    name="America/New_York",
    standard_minutes=-300,
    summer_minutes=-240,
    begins=Change(month=3, week=2, weekday=6, minute=120, utc=False),
    ends=Change(month=11, week=1, weekday=6, minute=120, utc=False),
)
SYDNEY = Zone(
    name="Australia/Sydney",
    standard_minutes=600,
    summer_minutes=660,
    begins=Change(month=10, week=1, weekday=6, minute=120, utc=False),
    ends=Change(month=4, week=1, weekday=6, minute=180, utc=False),
)
KOLKATA = Zone(name="Asia/Kolkata", standard_minutes=330)
# midnight itself is skipped where summer time begins
CAIRO = Zone(
    name="Africa/Cairo",
    standard_minutes=120,
    summer_minutes=180,
    begins=Change(month=4, week=LAST, weekday=4, minute=0, utc=False),
    ends=Change(month=10, week=LAST, weekday=3, minute=1_440, utc=False),
)
ZONES = (CENTRAL_EUROPE, NEW_YORK, SYDNEY, KOLKATA, FIXED_UTC)

EPOCH = date(1970, 1, 1)
instants = st.integers(1_577_836_800_000, 2_051_222_400_000)  # 2020 to 2034


@given(st.integers(-100_000, 200_000))
def test_day_numbers_and_dates_are_inverse(number: int) -> None:
    """As the Gregorian calendar counts them."""
    expected = EPOCH + timedelta(days=number)
    assert civil(number) == (expected.year, expected.month, expected.day)
    assert day_number(*civil(number)) == number
    assert weekday(number) == expected.weekday()


@pytest.mark.parametrize(("year", "leap"), [(2024, True), (2026, False), (2100, False), (2000, True)])
def test_leap_years(year: int, leap: bool) -> None:
    """Every fourth, not the hundredth, but the four-hundredth."""
    assert is_leap(year) is leap
    assert days_in_month(year, 2) == (29 if leap else 28)
    assert sum(days_in_month(year, month) for month in range(1, 13)) == (366 if leap else 365)
    assert next_month(year, 12) == (year + 1, 1)


@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.name)
@given(instants)
def test_the_local_clock_is_that_of_the_zone_database(zone: Zone, time_ms: int) -> None:
    """At any instant, in both hemispheres, with and without summer time."""
    expected = datetime.fromtimestamp(time_ms / 1_000, UTC).astimezone(ZoneInfo(zone.name))
    found = local(zone, time_ms)
    assert (found.year, found.month, found.day) == (expected.year, expected.month, expected.day)
    assert (found.weekday, found.minute) == (expected.weekday(), expected.hour * 60 + expected.minute)
    assert local_day(zone, time_ms) == day_number(found.year, found.month, found.day)


@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.name)
@given(st.integers(day_number(2020, 1, 1), day_number(2034, 1, 1)))
def test_a_day_starts_at_local_midnight(zone: Zone, number: int) -> None:
    """Its first instant belongs to it, the one before does not."""
    start_ms = local_day_start_ms(zone, number)
    assert local_day(zone, start_ms) == number
    assert local(zone, start_ms).minute == 0
    assert local_day(zone, start_ms - 1) == number - 1


def test_days_of_23_and_25_hours() -> None:
    """DST both ways: 29 March and 25 October 2026 in central Europe."""
    hours = {
        (month, day): (
            day_start_ms(CENTRAL_EUROPE, 2026, month, day + 1) - day_start_ms(CENTRAL_EUROPE, 2026, month, day)
        )
        // HOUR_MS
        for month, day in ((3, 28), (3, 29), (3, 30), (10, 24), (10, 25), (10, 26))
    }
    assert hours == {(3, 28): 24, (3, 29): 23, (3, 30): 24, (10, 24): 24, (10, 25): 25, (10, 26): 24}


def test_the_hour_that_comes_twice() -> None:
    """02:30 on 25 October 2026 is shown at 00:30 and at 01:30 UTC; 02:30 on 29 March never."""
    october = day_number(2026, 10, 25) * DAY_MS
    assert [local(CENTRAL_EUROPE, october + minutes * MINUTE_MS).minute for minutes in (29, 30, 60, 90)] == [
        149,
        150,
        120,
        150,
    ]
    march = day_number(2026, 3, 29) * DAY_MS
    shown = [local(CENTRAL_EUROPE, march + minute * MINUTE_MS).minute for minute in range(-60, 180)]
    assert not any(120 <= minute < 180 for minute in shown)


def test_a_midnight_that_is_skipped() -> None:
    """The day then starts with the change, at 01:00 on the wall."""
    skipped = day_number(2026, 4, 24)
    start_ms = local_day_start_ms(CAIRO, skipped)
    assert local(CAIRO, start_ms).minute == 60
    assert local_day(CAIRO, start_ms - 1) == skipped - 1
    assert offset_minutes(CAIRO, start_ms) == 180


def test_months_follow_one_another_without_a_gap() -> None:
    """Their spans sum to the years, leap or not, whatever the zone."""
    for zone in (*ZONES, CAIRO):
        spans = [month_span_ms(zone, year, month) for year in range(2023, 2029) for month in range(1, 13)]
        assert all(one[1] == other[0] for one, other in itertools.pairwise(spans))
        assert spans[-1][1] - spans[0][0] == (6 * 365 + 2) * DAY_MS


SEASONS = (Season(name="summer", from_mmdd=401, until_mmdd=930), Season(name="winter", from_mmdd=1_001, until_mmdd=331))


def test_a_season_may_span_new_year() -> None:
    """Both ends are in it."""
    dates = ((3, 31), (4, 1), (9, 30), (10, 1), (12, 31), (1, 1), (2, 29))
    assert [season_of(SEASONS, *when) for when in dates] == ["winter", "summer", "summer", *["winter"] * 4]
    assert season_of(SEASONS[:1], 1, 1) == ""


def test_a_holiday_is_of_its_own_day_type() -> None:
    """Where there is one; else it is a day of its weekday."""
    work, rest = DayType(name="work", weekdays=(0, 1, 2, 3, 4)), DayType(name="rest", weekdays=(5, 6), holidays=True)
    new_year = day_number(2026, 1, 1)
    assert weekday(new_year) == 3
    assert day_type_of((work, rest), (new_year,), new_year) == "rest"
    assert day_type_of((work,), (new_year,), new_year) == "work"
    assert [day_type_of((work, rest), (new_year,), new_year + days) for days in (1, 2, 3, 4)] == [
        "work",
        "rest",
        "rest",
        "work",
    ]
    assert day_type_of((rest,), (), new_year) == ""
