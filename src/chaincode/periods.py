"""Periods: who had a point when, under which version of which tariff, and what flowed meanwhile.

    stay      one customer under one version of a tariff: from one interval boundary to another, within one local month
    columns   a point's eight columns of a UTC day, as settlement keeps them; one without energy may be empty
    late      what came after a day was settled: an interval, and the change of its columns

A tariff that changes inside an interval holds from the next boundary on. A local day belongs to whoever has the
point at its end: the day of a move counts for who comes, and the days of all stays sum to those of the month.
Peaks are those of grid import: energy bought from others is not charged again.

Pure functions over integers; no state.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chaincode.api import Record
from chaincode.calendar import (
    DAY_MS,
    MINUTE_MS,
    Change,
    DayType,
    Season,
    Zone,
    civil,
    day_type_of,
    days_in_month,
    local,
    local_day,
    offset_minutes,
    season_of,
)
from chaincode.pricing import STEPS, Band, Levy, Step, Tariff, Use, bands_of_day, export_bands

COLUMNS = 8
TRADE_IMPORT = 2
POOL_IMPORT = 3
GRID_IMPORT = 4
TRADE_EXPORT = 5
POOL_EXPORT = 6
GRID_EXPORT = 7
MINUTES_A_DAY = 1_440
MS_PER_HOUR_PER_WH = 3_600
"""Watts of an interval are its mWh times 3,600, by its milliseconds."""

Days = dict[int, list[list[int]]]
"""The columns of each UTC day."""
Piece = tuple[int, int, int]
"""A band, and from where to where it holds."""
Known = dict[str, list[Piece]]
"""What was found out about days under a tariff, for the next point."""
Version = tuple[int, Tariff]
"""From when it was decided to hold, and what."""


class Ground(Record):
    """What all invoices of a utility share."""

    zone: Zone
    interval_ms: int
    digits: int


class Stay(Record):
    """One customer, one version of a tariff; `version_ms` says which."""

    from_ms: int
    until_ms: int
    customer: str
    prepaid: bool
    version_ms: int
    tariff: Tariff


class Late(Record):
    """An adjustment, as settlement has numbered it: eight changes, and what is owed for trades and pool."""

    number: int
    interval_ms: int
    columns_mwh: list[int]
    amount_minor: int
    fee_minor: int
    levy_minor: int
    tax_minor: int


class Flow(Record):
    """What flowed in a stay: what is priced, and what is only listed."""

    use: Use
    trade_import_mwh: int
    pool_import_mwh: int
    trade_export_mwh: int
    pool_export_mwh: int


# ---------------------------------------------------------------- who, under what


def stays(
    spans: Sequence[Any], versions: Mapping[str, Sequence[Version]], start_ms: int, end_ms: int, interval_ms: int
) -> list[Stay]:
    """The stays between two times, oldest first, by the registry's spans; nobody's time has none."""
    found: list[Stay] = []
    for span in spans:
        from_ms, until_ms = cut(span, start_ms, end_ms)
        if span["customer"] and from_ms < until_ms:
            for held_ms, ends_ms, version in holding(versions.get(span["tariff"], ()), from_ms, until_ms, interval_ms):
                stay = Stay(
                    from_ms=held_ms,
                    until_ms=ends_ms,
                    customer=span["customer"],
                    prepaid=span["prepaid"],
                    version_ms=version[0],
                    tariff=version[1],
                )
                if found and goes_on(found[-1], stay):
                    stay = found.pop().replace(until_ms=ends_ms)
                found.append(stay)
    return found


def cut(span: Any, start_ms: int, end_ms: int) -> tuple[int, int]:
    """The part of a span that lies between two times."""
    return max(span["from_ms"], start_ms), min(span["until_ms"] or end_ms, end_ms)


def holding(
    versions: Sequence[Version], from_ms: int, until_ms: int, interval_ms: int
) -> list[tuple[int, int, Version]]:
    """Which version holds from when to when, on interval boundaries."""
    held: list[tuple[int, int, Version]] = []
    for number, version in enumerate(versions):
        ends_ms = until_ms
        if number + 1 < len(versions):
            ends_ms = min(until_ms, boundary_ms(versions[number + 1][0], interval_ms))
        begins_ms = max(from_ms, boundary_ms(version[0], interval_ms))
        if begins_ms < ends_ms:
            held.append((begins_ms, ends_ms, version))
    return held


def goes_on(before: Stay, stay: Stay) -> bool:
    """Whether only what does not concern the bill has changed, such as the feeder."""
    alike = (before.customer, before.prepaid, before.version_ms) == (stay.customer, stay.prepaid, stay.version_ms)
    return alike and before.until_ms == stay.from_ms and before.tariff.id == stay.tariff.id


def boundary_ms(time_ms: int, interval_ms: int) -> int:
    """The first interval boundary at or after a time."""
    return -(-time_ms // interval_ms) * interval_ms


def lived_in_ms(spans: Sequence[Any], start_ms: int, end_ms: int) -> int:
    """How long somebody had the point; where stays sum to less, a tariff is missing."""
    lengths = [cut(span, start_ms, end_ms) for span in spans if span["customer"]]
    return sum(until_ms - from_ms for from_ms, until_ms in lengths if from_ms < until_ms)


# ---------------------------------------------------------------- what flowed


def adjusted(days: Days, late: Sequence[Late], interval_ms: int) -> Days:
    """The days with what came late; those given stay as they are."""
    changed: Days = dict(days)
    fresh: dict[int, bool] = {}
    for one in late:
        day, place = one.interval_ms // DAY_MS, one.interval_ms % DAY_MS // interval_ms
        if day not in fresh:
            fresh[day] = True
            changed[day] = [list(column) for column in changed.get(day, [[] for _ in range(COLUMNS)])]
        for kind, more_mwh in enumerate(one.columns_mwh):
            if more_mwh:
                column = changed[day][kind] or [0 for _ in range(DAY_MS // interval_ms)]
                column[place] += more_mwh
                changed[day][kind] = column
    return changed


def flow_of(stay: Stay, days: Days, before_mwh: int, ground: Ground, known: Known) -> Flow:
    """Sum up a stay. `known` keeps which bands a day has, for the next point under the same tariff."""
    tariff = stay.tariff
    given_by = export_bands(tariff)
    taken = [0 for _ in tariff.bands] if tariff.kind != STEPS else [0]
    given = [0 for _ in given_by]
    sums = [0 for _ in range(COLUMNS)]
    peak_mwh = 0
    offset: int | None = offset_minutes(tariff.zone, stay.from_ms)
    changes = offset != offset_minutes(tariff.zone, stay.until_ms - 1)
    for day in range(stay.from_ms // DAY_MS, (stay.until_ms - 1) // DAY_MS + 1):
        columns = days.get(day)
        if columns is not None:
            if changes:
                offset = steady_offset(tariff.zone, day)
            first = max(stay.from_ms - day * DAY_MS, 0) // ground.interval_ms
            last = min(stay.until_ms - day * DAY_MS, DAY_MS) // ground.interval_ms
            for kind in (TRADE_IMPORT, POOL_IMPORT, TRADE_EXPORT, POOL_EXPORT):
                if columns[kind]:
                    sums[kind] += sum(columns[kind][first:last])
            if columns[GRID_IMPORT]:
                if tariff.capacity_minor:
                    day_peak_mwh = max(columns[GRID_IMPORT][first:last])
                    peak_mwh = max(peak_mwh, day_peak_mwh)
                parts = pieces(stay, tariff.bands, "import", day, offset, ground, known)
                add(taken, columns[GRID_IMPORT], first, last, parts)
            if columns[GRID_EXPORT]:
                parts = pieces(stay, given_by, "export", day, offset, ground, known)
                add(given, columns[GRID_EXPORT], first, last, parts)
    at = local(ground.zone, stay.from_ms)
    use = Use(
        import_mwh=taken,
        export_mwh=given,
        days=local_day(ground.zone, stay.until_ms) - local_day(ground.zone, stay.from_ms),
        days_in_month=days_in_month(at.year, at.month),
        peak_w=peak_mwh * MS_PER_HOUR_PER_WH // ground.interval_ms,
        other_mwh=sums[TRADE_IMPORT] + sums[POOL_IMPORT],
        before_mwh=before_mwh,
    )
    return Flow(
        use=use,
        trade_import_mwh=sums[TRADE_IMPORT],
        pool_import_mwh=sums[POOL_IMPORT],
        trade_export_mwh=sums[TRADE_EXPORT],
        pool_export_mwh=sums[POOL_EXPORT],
    )


def steady_offset(zone: Zone, day: int) -> int | None:
    """The offset of a UTC day, None where it changes on it."""
    offset = offset_minutes(zone, day * DAY_MS)
    return offset if offset == offset_minutes(zone, (day + 1) * DAY_MS - 1) else None


def add(sums: list[int], column: list[int], first: int, last: int, parts: Sequence[Piece]) -> None:
    """Add a column's intervals from `first` to `last` to the sum of each one's band."""
    for band, begins, ends in parts:
        if begins < last and ends > first:
            sums[band] += sum(column[max(begins, first) : min(ends, last)])


def pieces(
    stay: Stay, bands: Sequence[Band], side: str, day: int, offset: int | None, ground: Ground, known: Known
) -> list[Piece]:
    """(band, first interval, the one after the last) for a UTC day, in order: by the local clock at each start.

    Where the clock changes on it (no offset), interval by interval, else by the minutes of its local days.
    """
    count = DAY_MS // ground.interval_ms
    if len(bands) <= 1:
        return [(0, 0, count)]
    named = f"{stay.tariff.id}/{stay.version_ms}/{side}/"
    key = f"{named}{day}/{'' if offset is None else offset}"
    if key in known:
        return known[key]
    found: list[Piece] = []
    if offset is None:
        begins = 0
        places = bands_of_day(stay.tariff, bands, day, ground.interval_ms)
        for at in range(1, count + 1):
            if at == count or places[at] != places[begins]:
                found.append((places[begins], begins, at))
                begins = at
    else:
        local_number, skipped = divmod(day * MINUTES_A_DAY + offset, MINUTES_A_DAY)
        length = ground.interval_ms // MINUTE_MS
        for number, shift in ((local_number, -skipped), (local_number + 1, MINUTES_A_DAY - skipped)):
            for place, begins, ends in minutes_of(stay.tariff, bands, number, named, known):
                first = max(-(-(begins + shift) // length), 0)
                last = min(-(-(ends + shift) // length), count)
                if first < last:
                    found.append((place, first, last))
    known[key] = found
    return found


def minutes_of(tariff: Tariff, bands: Sequence[Band], number: int, named: str, known: Known) -> list[Piece]:
    """(band, from minute, until minute) of a local day, in order; days of one season and type are alike."""
    of_day = f"{named}local/{number}"
    if of_day not in known:
        _, month, day = civil(number)
        season = season_of(tariff.seasons, month, day)
        kind = day_type_of(tariff.day_types, tariff.holidays, number)
        alike = f"{named}{season}/{kind}"
        if alike not in known:
            known[alike] = minutes_alike(bands, season, kind)
        known[of_day] = known[alike]
    return known[of_day]


def minutes_alike(bands: Sequence[Band], season: str, kind: str) -> list[Piece]:
    """The same for any day of this season and type: of each minute the first band that holds."""
    held = [
        (place, band.from_minute, band.until_minute)
        for place, band in enumerate(bands)
        if band.season in ("", season) and band.day_type in ("", kind)
    ]
    cuts = sorted({minute: True for _, begins, ends in held for minute in (begins, ends)})
    return [
        (next(place for place, begins, ends in held if begins <= cut < ends), cut, cuts[at + 1])
        for at, cut in enumerate(cuts[:-1])
    ]


# ---------------------------------------------------------------- records out of answers


def tariff_from(plain: Any) -> Tariff:
    """A tariff as the contract `tariff` has answered it."""
    told = dict(plain)
    told["zone"] = zone_from(plain["zone"])
    told["bands"] = tuple(Band(**each) for each in plain["bands"])
    told["feed_in"] = tuple(Band(**each) for each in plain["feed_in"])
    told["steps"] = tuple(Step(**each) for each in plain["steps"])
    told["levies"] = tuple(Levy(**each) for each in plain["levies"])
    told["seasons"] = tuple(Season(**each) for each in plain["seasons"])
    told["day_types"] = tuple(DayType(**(each | {"weekdays": tuple(each["weekdays"])})) for each in plain["day_types"])
    told["holidays"] = tuple(plain["holidays"])
    told["reactive_quadrants"] = tuple(plain["reactive_quadrants"])
    return Tariff(**told)


def zone_from(plain: Any) -> Zone:
    """A zone as the registry has answered it."""
    told = dict(plain)
    for change in ("begins", "ends"):
        if plain[change] is not None:
            told[change] = Change(**plain[change])
    return Zone(**told)


def late_from(plain: Any) -> Late:
    """An adjustment as settlement has answered it."""
    told = dict(plain)
    told.pop("posted_ms")
    return Late(**told)
