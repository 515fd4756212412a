"""What a kWh costs: price tables, each from a time on; the price that holds, and when another one comes.

A table is what the contract `commands` makes of a tariff (`chaincode.tables`): prices with fees, levies and tax on
them. A meter shows them and charges nothing by them: its balance is in kWh. How it comes by them: `tariffs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Final, NamedTuple

import msgspec

from devices.meter.calendar import DayKind, Season, Zone, changes_ms, date, kind_of, local, offset_minutes, season_of
from devices.meter.settings import DAY_MS, MINUTE_MS

STEPS: Final = "steps"
WEEKS_AHEAD: Final = 53
"""So far ahead a change is looked for. Where prices go by the hour or day, one is found in the first week."""
_WEEK: Final = 7
_MINUTES: Final = 1_440
_BANDS: Final = 48
_FEW: Final = 12
_HOLIDAYS: Final = 60
_Minute = Annotated[int, msgspec.Meta(ge=0, le=_MINUTES)]
_Text = Annotated[str, msgspec.Meta(max_length=60)]


class Band(msgspec.Struct, frozen=True, array_like=True):
    """A price for some minutes of some days; '' as season or kind of day: every one."""

    name: _Text
    price_micro: int
    season: _Text
    day_kind: _Text
    from_minute: _Minute
    until_minute: _Minute


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A price for what is taken in a month up to this much; 0: without end."""

    up_to_wh: int
    price_micro: int


class Table(msgspec.Struct, frozen=True):
    """Without bands and steps: no tariff holds."""

    kind: str
    zone: Zone = Zone()
    bands: Annotated[tuple[Band, ...], msgspec.Meta(max_length=_BANDS)] = ()
    steps: Annotated[tuple[Step, ...], msgspec.Meta(max_length=_FEW)] = ()
    seasons: Annotated[tuple[Season, ...], msgspec.Meta(max_length=_BANDS)] = ()
    day_types: Annotated[tuple[DayKind, ...], msgspec.Meta(max_length=_BANDS)] = ()
    holidays: Annotated[tuple[int, ...], msgspec.Meta(max_length=_HOLIDAYS)] = ()


class Tariff(msgspec.Struct, frozen=True):
    """A table, of which tariff it is, and from when it holds."""

    from_ms: int
    id: str
    table: Table


class Price(NamedTuple):
    name: str
    price_micro: int


# ---------------------------------------------------------------- what holds


def price_at(tariffs: Sequence[Tariff], time_ms: int) -> Price | None:
    """What a kWh costs at a time; by steps, in the first step. None where nobody has said it."""
    table = _table_at(tariffs, time_ms)
    if table is None:
        return None
    if table.kind == STEPS:
        return Price("STEP 1", table.steps[0].price_micro) if table.steps else None
    day, minute = local(table.zone, time_ms)
    season, kind = season_of(table.seasons, day), kind_of(table.day_types, table.holidays, day)
    for band in table.bands:
        if (
            band.season in ("", season)
            and band.day_kind in ("", kind)
            and band.from_minute <= minute < band.until_minute
        ):
            return Price(band.name, band.price_micro)
    return None


def steps_at(tariffs: Sequence[Tariff], time_ms: int) -> tuple[Step, ...]:
    """The steps that hold; none where the tariff goes by time."""
    table = _table_at(tariffs, time_ms)
    return table.steps if table is not None and table.kind == STEPS else ()


def next_change(tariffs: Sequence[Tariff], time_ms: int) -> tuple[int, Price | None] | None:
    """When another price or period comes, and which; None where none is known."""
    now = price_at(tariffs, time_ms)
    for week in range(WEEKS_AHEAD):
        begins_ms = time_ms + week * _WEEK * DAY_MS
        until_ms = begins_ms + _WEEK * DAY_MS
        for at_ms in sorted({edge for edge in _edges(tariffs, begins_ms) if begins_ms < edge <= until_ms}):
            if (then := price_at(tariffs, at_ms)) != now:
                return at_ms, then
    return None


def local_text(tariffs: Sequence[Tariff], time_ms: int) -> tuple[int, int, str]:
    """(local day, its weekday's place, how a clock on the wall shows it) of a time, by the table that holds then."""
    table = _table_at(tariffs, time_ms)
    day, minute = local(Zone() if table is None else table.zone, time_ms)
    return day, (day + 3) % 7, f"{minute // 60:02d}:{minute % 60:02d}"


def _table_at(tariffs: Sequence[Tariff], time_ms: int) -> Table | None:
    return next((one.table for one in reversed(tariffs) if one.from_ms <= time_ms), None)


def _edges(tariffs: Sequence[Tariff], time_ms: int) -> Iterator[int]:
    """Every instant of the coming week at which a price may change, and others: midnights, the minutes of bands, clocks
    that are changed, each table's first."""
    for one in tariffs:
        yield one.from_ms
        zone = one.table.zone
        first = (time_ms // MINUTE_MS + offset_minutes(zone, time_ms)) // _MINUTES
        minutes = {0, *(minute for band in one.table.bands for minute in (band.from_minute, band.until_minute))}
        for offset in {zone.standard_minutes, zone.summer_minutes}:
            for day in range(first, first + _WEEK + 1):
                yield from (day * DAY_MS + (minute - offset) * MINUTE_MS for minute in minutes)
        for year in {date(first).year, date(first + _WEEK).year}:
            yield from changes_ms(zone, year)
