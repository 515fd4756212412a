"""Windows are minutes on the wall, also on the days when summer time begins and ends."""

from __future__ import annotations

from chaincode.calendar import CENTRAL_EUROPE, FIXED_UTC, day_number
from chaincode.windows import (
    DEFAULT_WINDOWS,
    Window,
    delivery_at,
    delivery_now,
    fault_of_windows,
    instant_ms,
    next_opening_ms,
)

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
QUARTER_MS = 15 * MINUTE_MS
SPRING = day_number(2026, 3, 29)
AUTUMN = day_number(2026, 10, 25)


def test_the_windows_of_the_source() -> None:
    """Bids 10:30-13:00 and 14:00-16:30, exchange 13:00-14:00 and 16:30-17:30, closed otherwise."""
    midnight = 20_500 * DAY_MS

    def now(minute: int) -> int | None:
        found = delivery_now(DEFAULT_WINDOWS, FIXED_UTC, QUARTER_MS, midnight + minute * MINUTE_MS)
        return None if found is None else (found.from_ms - midnight) // MINUTE_MS

    assert [now(minute) for minute in (629, 630, 779, 780, 839, 840, 989, 990)] == [
        None,
        780,
        780,
        None,
        None,
        990,
        990,
        None,
    ]
    assert fault_of_windows(DEFAULT_WINDOWS, FIXED_UTC, QUARTER_MS) == ""


def test_a_minute_is_what_the_clock_shows_when_summer_time_changes() -> None:
    """13:00 is 13:00 on days of 23 and 25 hours; what is skipped is put off, of what comes twice the first counts."""
    for day, offset_hours in ((SPRING - 1, 1), (SPRING, 2), (AUTUMN - 1, 2), (AUTUMN, 1)):
        assert instant_ms(CENTRAL_EUROPE, day, 780) == day * DAY_MS + (13 - offset_hours) * HOUR_MS
    assert instant_ms(CENTRAL_EUROPE, SPRING, 150) == SPRING * DAY_MS + 90 * MINUTE_MS
    assert instant_ms(CENTRAL_EUROPE, AUTUMN, 150) == AUTUMN * DAY_MS + 30 * MINUTE_MS


def test_bids_may_be_taken_on_the_day_before() -> None:
    """Minutes below zero; the delivery's day is what counts."""
    ahead = (Window(bids_from_minute=-720, bids_until_minute=-60, exchange_from_minute=0, exchange_until_minute=60),)
    found = delivery_now(ahead, FIXED_UTC, QUARTER_MS, 10 * DAY_MS + 13 * HOUR_MS)
    assert found is not None
    assert (found.from_ms, found.closes_ms) == (11 * DAY_MS, 11 * DAY_MS - HOUR_MS)
    assert delivery_at(ahead, FIXED_UTC, QUARTER_MS, 11 * DAY_MS, 0, free=False) == found
    assert next_opening_ms(ahead, FIXED_UTC, QUARTER_MS, 10 * DAY_MS + 13 * HOUR_MS) == 11 * DAY_MS + 12 * HOUR_MS


def test_without_windows_each_interval_is_a_delivery() -> None:
    """Bids until it begins; on a board any whole intervals, up to seven days of them."""
    now = 100 * DAY_MS + 1
    found = delivery_now((), FIXED_UTC, QUARTER_MS, now)
    assert found is not None
    assert (found.from_ms, found.until_ms, found.closes_ms) == (
        100 * DAY_MS + QUARTER_MS,
        100 * DAY_MS + 2 * QUARTER_MS,
        100 * DAY_MS + QUARTER_MS,
    )
    assert next_opening_ms((), FIXED_UTC, QUARTER_MS, now) == 100 * DAY_MS + QUARTER_MS
    week = (101 * DAY_MS, 108 * DAY_MS)
    assert delivery_at((), FIXED_UTC, QUARTER_MS, *week, free=False) is None
    assert delivery_at((), FIXED_UTC, QUARTER_MS, *week, free=True) is not None
    assert delivery_at((), FIXED_UTC, QUARTER_MS, week[0], week[1] + QUARTER_MS, free=True) is None
    assert delivery_at((), FIXED_UTC, QUARTER_MS, week[0] + 1, week[1] + 1, free=True) is None


def test_windows_that_contradict_themselves_are_faulty() -> None:
    """Deliveries one after the other, on boundaries, after their bids."""

    def fault(*windows: tuple[int, int, int, int], interval_ms: int = QUARTER_MS) -> str:
        named = [
            Window(bids_from_minute=a, bids_until_minute=b, exchange_from_minute=c, exchange_until_minute=d)
            for a, b, c, d in windows
        ]
        return fault_of_windows(named, CENTRAL_EUROPE, interval_ms)

    assert "one after the other" in fault((0, 60, 120, 180), (0, 60, 150, 200))
    assert "one after the other" in fault((0, 60, 120, 1_455))
    assert "before the delivery" in fault((0, 121, 120, 180))
    assert "before the delivery" in fault((60, 60, 120, 180))
    assert "before the delivery" in fault((-1_441, 60, 120, 180))
    assert "boundaries" in fault((0, 60, 121, 180))
    assert "at most" in fault(*[(0, 1, hour * 15 + 15, hour * 15 + 30) for hour in range(25)])
    assert fault((0, 60, 120, 180)) == ""
