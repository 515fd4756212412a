"""When the rows of a file were: UTC milliseconds at which each interval begins.

Time stamps may have a zone; those without one are of the zone that the caller names, UTC if he names none. The hour
that comes twice when summer time ends is told apart by its order in the file. Files with a calendar instead (month,
hour 1 to 24, type of day) begin where the caller says, or in the newest year up to `NEWEST` whose weekday fits; their
hours end at the number that they bear.
"""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from devices.history.series import DAY_MS, HOUR_MS, MINUTE_MS, Energies
from ledgernode.errors import HistoryInvalid

STEPS_MS: Final = tuple(minutes * MINUTE_MS for minutes in (1, 5, 10, 15, 30, 60))
NEWEST: Final = 2016
"""A calendar without years could be many; this is the last one of the data set whose format it is."""
_EPOCH_MS_FROM: Final = 100_000_000_000  # larger numbers are milliseconds since 1970, smaller ones seconds


def zone_named(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise HistoryInvalid(f"there is no time zone {name!r}; zones are called like Europe/Berlin") from error


def stamps(file: str, texts: Sequence[str], lines: Sequence[int], zone: ZoneInfo) -> Energies:
    """Each text as UTC milliseconds. Refuses what is no time, with its line."""
    found = np.empty(len(texts), dtype=np.int64)
    local: datetime | None = None
    for place, text in enumerate(texts):
        try:
            if text.isdigit():
                number = int(text)
                found[place] = number if number >= _EPOCH_MS_FROM else number * 1_000
                continue
            at = datetime.fromisoformat(text)
        except ValueError as error:
            raise HistoryInvalid(
                f"{file}, line {lines[place]}: {text!r} is no time; write 2024-03-31 14:30 or 2024-03-31T14:30:00Z",
                file=file,
                line=lines[place],
            ) from error
        if at.tzinfo is None:
            again = local is not None and at <= local
            if again and at.replace(fold=1, tzinfo=zone).utcoffset() != at.replace(tzinfo=zone).utcoffset():
                at = at.replace(fold=1)
            else:
                local = at
            at = at.replace(tzinfo=zone)
        found[place] = round(at.timestamp() * 1_000)
    return found


def by_calendar(
    file: str,
    months: Sequence[str],
    hours: Sequence[str],
    *,
    day_types: Sequence[str],
    begin: str,
    zone: ZoneInfo,
) -> Energies:
    """Hourly rows that follow each other from the first; refuses a row that does not follow the one before."""
    try:
        rows = [(int(month), int(hour)) for month, hour in zip(months, hours, strict=True)]
        weekday = int(day_types[0]) if day_types else 0
    except ValueError as error:
        raise HistoryInvalid(f"{file}: month, hour and day_type are whole numbers: {error}", file=file) from error
    first = begun(file, begin, zone) if begin else _first_hour(file, *rows[0], weekday, zone)
    for place in range(1, len(rows)):
        (month, hour), (month_before, hour_before) = rows[place], rows[place - 1]
        if hour != hour_before % 24 + 1 or (month != month_before and month != month_before % 12 + 1):
            raise HistoryInvalid(
                f"{file}, line {place + 2}: month {month}, hour {hour} does not follow month {month_before}, "
                f"hour {hour_before}",
                file=file,
                line=place + 2,
            )
    return first + HOUR_MS * np.arange(len(rows), dtype=np.int64)


def begun(file: str, begin: str, zone: ZoneInfo) -> int:
    """The time that the caller says a file begins at."""
    return int(stamps(f"--begin of {file}", [begin], [1], zone)[0])


def _first_hour(file: str, month: int, hour: int, weekday: int, zone: ZoneInfo) -> int:
    """The beginning of a calendar's first row: the first or the last day of its month, whose weekday fits."""
    if not (1 <= month <= 12 and 1 <= hour <= 24 and 0 <= weekday <= 8):
        raise HistoryInvalid(f"{file}, line 2: month {month}, hour {hour} is no time of a year", file=file, line=2)
    for year in range(NEWEST, NEWEST - 28, -1):
        day = calendar.monthrange(year, month)[1] if hour == 24 else 1
        at = datetime(year, month, day, tzinfo=zone)
        if weekday in (0, 8, at.isoweekday()):
            return round((at.astimezone(UTC) + timedelta(hours=hour - 1)).timestamp() * 1_000)
    raise HistoryInvalid(f"{file}: no year has such a calendar; say --begin", file=file)  # pragma: no cover


def step_of(file: str, times_ms: Energies) -> int:
    """The step of most rows. Refuses a file whose rows come at no step of ours."""
    differences: Counter[int] = Counter(np.diff(np.sort(times_ms)).tolist())
    differences.pop(0, None)
    if not differences:
        raise HistoryInvalid(f"{file}: a single row has no step; at least two are needed", file=file)
    step_ms = max(differences, key=lambda difference: (differences[difference], -difference))
    if step_ms not in STEPS_MS:
        known = ", ".join(str(known // MINUTE_MS) for known in STEPS_MS)
        raise HistoryInvalid(
            f"{file}: rows come every {step_ms / MINUTE_MS:g} minutes; known steps are {known}", file=file
        )
    return step_ms


def places(file: str, times_ms: Energies, step_ms: int, lines: Sequence[int], zone: ZoneInfo) -> Energies:
    """Each row's interval, counted from the first. Refuses a time that comes twice, and one between two intervals."""
    offsets = times_ms - times_ms.min()
    crooked = np.flatnonzero(offsets % step_ms)
    if len(crooked):
        line = lines[int(crooked[0])]
        raise HistoryInvalid(
            f"{file}, line {line}: {_said(int(times_ms[crooked[0]]))} does not lie on the file's grid of "
            f"{step_ms // MINUTE_MS} minutes",
            file=file,
            line=line,
        )
    found: Energies = offsets // step_ms
    order = np.argsort(found, kind="stable")
    twice = np.flatnonzero(np.diff(found[order]) == 0)
    if len(twice):
        line = lines[int(order[twice[0] + 1])]
        hint = "; where clocks were set back, say --zone Europe/Berlin (or where it was)" if zone.key == "UTC" else ""
        raise HistoryInvalid(
            f"{file}, line {line}: {_said(int(times_ms[order[twice[0]]]))} comes twice{hint}", file=file, line=line
        )
    if int(found.max()) > 40 * 366 * DAY_MS // step_ms:
        raise HistoryInvalid(f"{file}: its rows lie more than 40 years apart", file=file)
    return found


def _said(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
