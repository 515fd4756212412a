"""Local time for what a meter shows: days and weekdays, summer time, seasons and kinds of days, by integers.

The rules come with a price table, from the ledger's own calendar (`chaincode.calendar`, which no device has); a test
holds the two against each other. Days count from 1970-01-01, weekday 0 is Monday.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import msgspec

from devices.meter.settings import DAY_MS, MINUTE_MS

Minutes = Annotated[int, msgspec.Meta(ge=-1_440, le=1_440)]
Weekday = Annotated[int, msgspec.Meta(ge=0, le=6)]
WEEKDAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_LAST: Final = 5
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Change(msgspec.Struct, frozen=True):
    """When the offset changes each year: a minute of the `week`-th (5: last) weekday of a month, in UTC, or as clocks
    show it before the change."""

    month: Annotated[int, msgspec.Meta(ge=1, le=12)]
    week: Annotated[int, msgspec.Meta(ge=1, le=_LAST)]
    weekday: Weekday
    minute: Minutes
    utc: bool


class Zone(msgspec.Struct, frozen=True):
    standard_minutes: Minutes = 0
    summer_minutes: Minutes = 0
    begins: Change | None = None
    ends: Change | None = None


class Season(msgspec.Struct, frozen=True, array_like=True):
    """Days of the year from one to another, both included, as mmdd; may span new year."""

    name: str
    from_mmdd: int
    until_mmdd: int


class DayKind(msgspec.Struct, frozen=True, array_like=True):
    """These weekdays; or the listed holidays, whatever their weekday."""

    name: str
    weekdays: tuple[Weekday, ...]
    holidays: bool


class Date(NamedTuple):
    year: int
    month: int
    day: int


def date(day: int) -> Date:
    """Of a day's number."""
    year = 1970 + day // 365  # this one, or off by the leap days between
    while _first(year) > day:
        year -= 1
    while _first(year + 1) <= day:
        year += 1
    rest = day - _first(year)
    for month, days in enumerate(_months(year), 1):
        if rest < days:
            return Date(year, month, rest + 1)
        rest -= days
    raise AssertionError(day)


def offset_minutes(zone: Zone, time_ms: int) -> int:
    """How far local time is ahead of UTC."""
    if zone.begins is None or zone.ends is None:
        return zone.standard_minutes
    year = date((time_ms + zone.standard_minutes * MINUTE_MS) // DAY_MS).year
    begins_ms, ends_ms = changes_ms(zone, year)
    if begins_ms < ends_ms:
        return zone.summer_minutes if begins_ms <= time_ms < ends_ms else zone.standard_minutes
    return zone.standard_minutes if ends_ms <= time_ms < begins_ms else zone.summer_minutes


def changes_ms(zone: Zone, year: int) -> tuple[int, ...]:
    """When summer time begins and ends in a year; nothing where there is none."""
    if zone.begins is None or zone.ends is None:
        return ()
    return _change_ms(zone.begins, year, zone.standard_minutes), _change_ms(zone.ends, year, zone.summer_minutes)


def local(zone: Zone, time_ms: int) -> tuple[int, int]:
    """The local day's number and the minute of it."""
    return divmod(time_ms // MINUTE_MS + offset_minutes(zone, time_ms), 1_440)


def weekday(day: int) -> int:
    return (day + 3) % 7


def season_of(seasons: Sequence[Season], day: int) -> str:
    """The first one that a day lies in; '' for none."""
    found = date(day)
    mmdd = found.month * 100 + found.day
    for one in seasons:
        spans_new_year = one.from_mmdd > one.until_mmdd
        after, before = mmdd >= one.from_mmdd, mmdd <= one.until_mmdd
        if (after or before) if spans_new_year else (after and before):
            return one.name
    return ""


def kind_of(kinds: Sequence[DayKind], holidays: Sequence[int], day: int) -> str:
    """That of holidays where the day is one and one is for them, else of its weekday; '' for none."""
    of_holidays = [kind.name for kind in kinds if kind.holidays and day in holidays]
    of_weekday = [kind.name for kind in kinds if weekday(day) in kind.weekdays]
    return next(iter([*of_holidays, *of_weekday]), "")


def _change_ms(change: Change, year: int, before_minutes: int) -> int:
    days = _months(year)
    first = _first(year) + sum(days[: change.month - 1])
    if change.week == _LAST:
        last = first + days[change.month - 1] - 1
        day = last - (weekday(last) - change.weekday) % 7
    else:
        day = first + (change.weekday - weekday(first)) % 7 + 7 * (change.week - 1)
    return day * DAY_MS + (change.minute - (0 if change.utc else before_minutes)) * MINUTE_MS


def _first(year: int) -> int:
    """The number of a year's first day."""
    before = year - 1
    return before * 365 + before // 4 - before // 100 + before // 400 - 719_162


def _months(year: int) -> tuple[int, ...]:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (31, 29, *_MONTH_DAYS[2:]) if leap else _MONTH_DAYS
