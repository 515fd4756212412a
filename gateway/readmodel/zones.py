"""Local time of a utility's zone, as its data on the ledger says: offsets, and the two changes of a year.

A local day has 23 or 25 hours when the offset changes. All offsets are whole minutes, so a minute lies in one bucket
of every span. Pure integer arithmetic.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import Final

import msgspec

MINUTE_MS: Final = 60_000
QUARTER_MS: Final = 900_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
_LAST: Final = 5


class Span(IntEnum):
    """What a bucket covers; the number stands in the tables."""

    MINUTE = 1
    QUARTER = 2
    HOUR = 3
    DAY = 4
    MONTH = 5


class Change(msgspec.Struct, frozen=True):
    """The `week`-th (5: last) `weekday` (0: Monday) of a month; `minute` in UTC, or on the clock before the change."""

    month: int
    week: int
    weekday: int
    minute: int
    utc: bool


class Zone(msgspec.Struct, frozen=True):
    name: str = "UTC"
    standard_minutes: int = 0
    summer_minutes: int = 0
    begins: Change | None = None
    ends: Change | None = None


UTC: Final = Zone()


def read_zone(text: str) -> Zone:
    return msgspec.json.decode(text, type=Zone)


def day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01; years begin in March, so that a leap day is the last."""
    shifted = year - (month <= 2)
    era, of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + day_of_year - 719_468


def civil(number: int) -> tuple[int, int, int]:
    """(year, month, day): the inverse."""
    era, of_era = divmod(number + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    day_of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = (shifted + 2) % 12 + 1
    return era * 400 + year_of_era + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


@lru_cache(maxsize=1_000)
def _changes(zone: Zone, year: int) -> tuple[int, int]:
    """The instants at which a year's summer time begins and ends."""
    assert zone.begins is not None
    assert zone.ends is not None
    begins = _change_ms(zone.begins, year, zone.standard_minutes)
    return begins, _change_ms(zone.ends, year, zone.summer_minutes)


def _change_ms(change: Change, year: int, before_minutes: int) -> int:
    if change.week == _LAST:
        year_after, month_after = (year + 1, 1) if change.month == 12 else (year, change.month + 1)
        last = day_number(year_after, month_after, 1) - 1
        day = last - ((last + 3) % 7 - change.weekday) % 7
    else:
        first = day_number(year, change.month, 1)
        day = first + (change.weekday - (first + 3) % 7) % 7 + 7 * (change.week - 1)
    minutes = change.minute - (0 if change.utc else before_minutes)
    return day * DAY_MS + minutes * MINUTE_MS


def offset_ms(zone: Zone, time_ms: int) -> int:
    """How far local time is ahead of UTC."""
    if zone.begins is None or zone.ends is None:
        return zone.standard_minutes * MINUTE_MS
    year = civil((time_ms + zone.standard_minutes * MINUTE_MS) // DAY_MS)[0]
    begins, ends = _changes(zone, year)
    summer = begins <= time_ms < ends if begins < ends else not ends <= time_ms < begins
    return (zone.summer_minutes if summer else zone.standard_minutes) * MINUTE_MS


def day_start_ms(zone: Zone, number: int) -> int:
    """The first instant of a local day; where midnight is skipped, that of the change."""
    for minutes in (max(zone.summer_minutes, zone.standard_minutes), zone.standard_minutes):
        start = number * DAY_MS - minutes * MINUTE_MS
        if offset_ms(zone, start) == minutes * MINUTE_MS:
            return start
    return _changes(zone, civil(number)[0])[0]


@lru_cache(maxsize=20_000)
def _of_minute(zone: Zone, minute_ms: int) -> tuple[int, int, int]:
    """(offset, first instant of the local day, of the local month), of the minute that begins here."""
    offset = offset_ms(zone, minute_ms)
    number = (minute_ms + offset) // DAY_MS
    year, month, _ = civil(number)
    return offset, day_start_ms(zone, number), day_start_ms(zone, day_number(year, month, 1))


def bucket_ms(zone: Zone, span: Span, time_ms: int) -> int:
    """The first instant of the bucket that a time lies in."""
    if span is Span.MINUTE:
        return time_ms - time_ms % MINUTE_MS
    offset, day, month = _of_minute(zone, time_ms - time_ms % MINUTE_MS)
    match span:
        case Span.QUARTER:
            return time_ms - (time_ms + offset) % QUARTER_MS
        case Span.HOUR:
            return time_ms - (time_ms + offset) % HOUR_MS
        case Span.DAY:
            return day
        case _:
            return month
