"""Local time by integer arithmetic: days, months, the two changes of summer time, seasons and day types.

A zone is data: two offsets, and the rules by which they change. Days are counted from 1970-01-01 in the
proleptic Gregorian calendar. A local day has 23 or 25 hours when the offset changes; `day_start_ms` and
`month_span_ms` give its true bounds, so whoever bills by spans of time is right on those days too.

Pure functions over integers; no state.
"""

from collections.abc import Sequence

from chaincode.api import Record

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
LAST = 5

# ---------------------------------------------------------------- data


class Change(Record):
    """When the offset changes each year: the `week`-th (5: last) `weekday` (0: Monday) of a month.

    `minute` is of that day: in UTC, or (`utc` false) on the local clock as it shows before the change.
    """

    month: int
    week: int
    weekday: int
    minute: int
    utc: bool


class Zone(Record):
    """A zone; without changes its offset is the standard one all year."""

    name: str
    standard_minutes: int
    summer_minutes: int = 0
    begins: Change | None = None
    ends: Change | None = None


class Local(Record):
    """What a clock on the wall shows; weekday 0 is Monday, `minute` counts from 00:00."""

    year: int
    month: int
    day: int
    weekday: int
    minute: int


class Season(Record):
    """Days of the year from one to another, both included, each as a number mmdd; may span new year."""

    name: str
    from_mmdd: int
    until_mmdd: int


class DayType(Record):
    """Days that are alike: these weekdays; or (`holidays`) the listed holidays, whatever their weekday."""

    name: str
    weekdays: tuple[int, ...]
    holidays: bool = False


FIXED_UTC = Zone(name="UTC", standard_minutes=0)
CENTRAL_EUROPE = Zone(
    name="Europe/Berlin",
    standard_minutes=60,
    summer_minutes=120,
    begins=Change(month=3, week=LAST, weekday=6, minute=60, utc=True),
    ends=Change(month=10, week=LAST, weekday=6, minute=60, utc=True),
)

# ---------------------------------------------------------------- days


def day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01; years are counted from March, so that the leap day is the last."""
    shifted = year - (month <= 2)
    era, of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + day_of_year - 719_468


def civil(number: int) -> tuple[int, int, int]:
    """(year, month, day) of a day number: the inverse of `day_number`."""
    era, of_era = divmod(number + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    day_of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = (shifted + 2) % 12 + 1
    return era * 400 + year_of_era + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def weekday(number: int) -> int:
    """0 for Monday to 6 for Sunday."""
    return (number + 3) % 7


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year: int, month: int) -> int:
    following, of_following = next_month(year, month)
    return day_number(following, of_following, 1) - day_number(year, month, 1)


def next_month(year: int, month: int) -> tuple[int, int]:
    return (year + 1, 1) if month == 12 else (year, month + 1)


# ---------------------------------------------------------------- zones


def offset_minutes(zone: Zone, time_ms: int) -> int:
    """How far local time is ahead of UTC at this instant."""
    if zone.begins is None or zone.ends is None:
        return zone.standard_minutes
    year = civil((time_ms + zone.standard_minutes * MINUTE_MS) // DAY_MS)[0]
    begins_ms = change_ms(zone.begins, year, zone.standard_minutes)
    ends_ms = change_ms(zone.ends, year, zone.summer_minutes)
    if begins_ms < ends_ms:
        return zone.summer_minutes if begins_ms <= time_ms < ends_ms else zone.standard_minutes
    return zone.standard_minutes if ends_ms <= time_ms < begins_ms else zone.summer_minutes


def change_ms(change: Change, year: int, before_minutes: int) -> int:
    """The instant of a change in a year; `before_minutes` is the offset until then."""
    if change.week == LAST:
        last = day_number(year, change.month, days_in_month(year, change.month))
        day = last - (weekday(last) - change.weekday) % 7
    else:
        first = day_number(year, change.month, 1)
        day = first + (change.weekday - weekday(first)) % 7 + 7 * (change.week - 1)
    minutes = change.minute - (0 if change.utc else before_minutes)
    return day * DAY_MS + minutes * MINUTE_MS


def local(zone: Zone, time_ms: int) -> Local:
    """The local date and minute of an instant."""
    number, rest_ms = divmod(time_ms + offset_minutes(zone, time_ms) * MINUTE_MS, DAY_MS)
    year, month, day = civil(number)
    return Local(year=year, month=month, day=day, weekday=weekday(number), minute=rest_ms // MINUTE_MS)


def local_day(zone: Zone, time_ms: int) -> int:
    """The day number of the local date at this instant."""
    return (time_ms + offset_minutes(zone, time_ms) * MINUTE_MS) // DAY_MS


def local_day_start_ms(zone: Zone, number: int) -> int:
    """The first instant of a local day, by its day number; where midnight is skipped, that of the change."""
    for offset in (max(zone.summer_minutes, zone.standard_minutes), zone.standard_minutes):
        start_ms = number * DAY_MS - offset * MINUTE_MS
        if offset_minutes(zone, start_ms) == offset:
            return start_ms
    assert zone.begins is not None, "only a change can skip midnight"
    return change_ms(zone.begins, civil(number)[0], zone.standard_minutes)


def day_start_ms(zone: Zone, year: int, month: int, day: int) -> int:
    return local_day_start_ms(zone, day_number(year, month, day))


def month_span_ms(zone: Zone, year: int, month: int) -> tuple[int, int]:
    """The first instant of a local month, and that of the next."""
    following, of_following = next_month(year, month)
    return day_start_ms(zone, year, month, 1), day_start_ms(zone, following, of_following, 1)


# ---------------------------------------------------------------- seasons and day types


def season_of(seasons: Sequence[Season], month: int, day: int) -> str:
    """The first season that a date lies in, '' if none."""
    mmdd = month * 100 + day
    for season in seasons:
        if season.from_mmdd <= season.until_mmdd:
            inside = season.from_mmdd <= mmdd <= season.until_mmdd
        else:
            inside = mmdd >= season.from_mmdd or mmdd <= season.until_mmdd
        if inside:
            return season.name
    return ""


def day_type_of(day_types: Sequence[DayType], holidays: Sequence[int], number: int) -> str:
    """The day type of a local day (by its number): that of holidays if it is listed, else of its weekday; '' if none.

    Where no day type is for holidays, a holiday is a day of its weekday.
    """
    if number in holidays:
        for kind in day_types:
            if kind.holidays:
                return kind.name
    for kind in day_types:
        if weekday(number) in kind.weekdays:
            return kind.name
    return ""
