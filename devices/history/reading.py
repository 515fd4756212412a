"""Files into series. A file is CSV with a header, one row an interval; see `columns` and `stamps` for what it may hold.

one file a house     the file's name is the house's
many houses a file   a column says whose row it is
a folder             every .csv file in it that has a load; others (prices, weather) are passed over
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.history.columns import (
    DAY_TYPE,
    HOUR,
    HOUSE,
    LOAD,
    MONTH,
    PER_KW,
    PRICE,
    PV,
    TIME,
    Column,
    found_columns,
    unit_named,
)
from devices.history.series import HOUR_MS, MINUTE_MS, Energies, Flags, Series
from devices.history.stamps import STEPS_MS, begun, by_calendar, places, stamps, step_of, zone_named
from ledgernode.errors import HistoryInvalid

FILE_BYTES: Final = 512 * 1024 * 1024
LARGEST_W: Final = 100_000
"""A house does not draw or generate more on average over an interval."""
SMALLEST_MEAN_W: Final = 1
"""A house with any load at all draws more, over the time of a file."""
MWH_PER_WH: Final = 1_000
_NWH_PER_WH: Final = 1_000_000_000
_NWH_PER_MWH: Final = 1_000_000
_MICRO: Final = 1_000_000


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file does not say by itself."""

    columns: Mapping[str, str] = {}
    units: Mapping[str, str] = {}
    zone: str = "UTC"
    begin: str = ""
    step_minutes: int = 0
    """Of files without any time."""
    panels_w: Sequence[int] = (4_000,)
    """Installed power, house by house and then over again, where generation is W per installed kW."""
    negative_as_zero: bool = False


class _Table(msgspec.Struct, frozen=True):
    file: str
    headers: list[str]
    rows: list[list[str]]
    lines: list[int]
    decimal: str

    def texts(self, column: Column) -> list[str]:
        return [row[column.place].strip() for row in self.rows]


def read_houses(paths: Sequence[Path], options: Options = Options()) -> list[Series]:  # noqa: B008  # frozen
    """Every house of these files and folders, by name. Refuses a file that makes no sense."""
    options = msgspec.structs.replace(
        options, units={quantity: unit_named(quantity, unit) for quantity, unit in options.units.items()}
    )
    houses: list[Series] = []
    for path in paths:
        for file in _files(path):
            houses += _houses_of(file, options, first=len(houses), beside=path.is_dir())
    if not houses:
        raise HistoryInvalid(f"{', '.join(map(str, paths))}: no .csv file with a load is there")
    return houses


def read_prices(path: Path, options: Options = Options()) -> tuple[int, int, Energies]:  # noqa: B008  # frozen
    """(begin_ms, step_ms, micro per kWh) of a file of prices; begin_ms is -1 where rows have no time."""
    table = _table(path)
    columns = found_columns(table.file, table.headers, {}, options.units)
    if PRICE not in columns:
        raise HistoryInvalid(f"{table.file}: no column looks like a price; name one price", file=table.file)
    column = columns[PRICE]
    values = _numbers(table, column, table.texts(column))
    _require_all(table, column, ~np.isnan(values), "a price is missing")
    factor = _MICRO if column.unit == "per kWh" else _MICRO // 1_000
    prices = np.rint(values * factor).astype(np.int64)
    zone = zone_named(options.zone)
    if TIME not in columns:
        return -1, HOUR_MS, prices
    times_ms = stamps(table.file, table.texts(columns[TIME]), table.lines, zone)
    step_ms = step_of(table.file, times_ms)
    found = places(table.file, times_ms, step_ms, table.lines, zone)
    _require_all(table, column, np.diff(np.sort(found), prepend=-1) == 1, "the hour before it has no price")
    return int(times_ms.min()), step_ms, prices[np.argsort(found)]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(path.glob("*.csv"), key=lambda file: _naturally(file.stem))


def _naturally(text: str) -> list[tuple[int, str]]:
    """Building_2 before Building_10."""
    parts, digits = [(0, "")], ""
    for sign in text + "\0":
        if sign.isdigit():
            digits += sign
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((0, sign))
    return parts


def _houses_of(path: Path, options: Options, *, first: int, beside: bool) -> list[Series]:
    table = _table(path)
    columns = found_columns(table.file, table.headers, options.columns, options.units)
    if LOAD not in columns:
        if beside:
            return []
        raise HistoryInvalid(
            f"{table.file}: no column looks like a load; name one load_kwh, or say --column load=HEADER. There are "
            f"{', '.join(map(repr, table.headers[:20]))}",
            file=table.file,
        )
    if not table.rows:
        raise HistoryInvalid(f"{table.file}: there is a header and nothing under it", file=table.file)
    zone = zone_named(options.zone)
    if HOUSE not in columns:
        panels_w = options.panels_w[first % len(options.panels_w)]
        return [_series(path.stem, table, columns, options, zone=zone, panels_w=panels_w)]
    apart: dict[str, list[int]] = {}
    for number, name in enumerate(table.texts(columns[HOUSE])):
        apart.setdefault(name, []).append(number)
    found: list[Series] = []
    for name in sorted(apart, key=_naturally):
        rows = [table.rows[number] for number in apart[name]]
        lines = [table.lines[number] for number in apart[name]]
        own = msgspec.structs.replace(table, rows=rows, lines=lines)
        panels_w = options.panels_w[(first + len(found)) % len(options.panels_w)]
        found.append(_series(name, own, columns, options, zone=zone, panels_w=panels_w))
    return found


def _table(path: Path) -> _Table:
    file = path.name
    try:
        if path.stat().st_size > FILE_BYTES:
            raise HistoryInvalid(f"{file}: more than {FILE_BYTES // 2**20} MiB are not read", file=file)
        with path.open(encoding="utf-8-sig", newline="") as opened:
            start = opened.readline()
            separator = max((",", ";", "\t"), key=start.count)
            opened.seek(0)
            reader = csv.reader(opened, delimiter=separator)
            headers = [header.strip() for header in next(reader, [])]
            rows, lines = list[list[str]](), list[int]()
            for row in reader:
                if not row:
                    continue
                if len(row) != len(headers):
                    raise HistoryInvalid(
                        f"{file}, line {reader.line_num}: {len(row)} values under {len(headers)} headers",
                        file=file,
                        line=reader.line_num,
                    )
                rows.append(row)
                lines.append(reader.line_num)
    except UnicodeDecodeError as error:
        raise HistoryInvalid(f"{file}: it is no text in UTF-8", file=file) from error
    except csv.Error as error:
        raise HistoryInvalid(f"{file}: it is no CSV: {error}", file=file) from error
    except OSError as error:
        raise HistoryInvalid(f"{path}: {error.strerror}", file=file) from error
    return _Table(file, headers, rows, lines, "," if separator == ";" else ".")


def _series(
    name: str, table: _Table, columns: Mapping[str, Column], options: Options, *, zone: ZoneInfo, panels_w: int
) -> Series:
    times_ms = _times(table, columns, options, zone)
    step_ms = step_of(table.file, times_ms)
    at = places(table.file, times_ms, step_ms, table.lines, zone)
    count = int(at.max()) + 1
    known = np.zeros(count, dtype=np.bool_)
    energies: dict[str, NDArray[np.int64]] = {}
    present = np.ones(len(at), dtype=np.bool_)
    for quantity in (LOAD, PV):
        if quantity in columns:
            energies[quantity], said = _energies_nwh(
                name, table, columns[quantity], options, step_ms=step_ms, panels_w=panels_w
            )
            present &= said
    known[at[present]] = True
    placed = {quantity: np.zeros(count, dtype=np.int64) for quantity in (LOAD, PV)}
    for quantity, values in energies.items():
        placed[quantity][at[present]] = values[present]
    load_mwh, pv_mwh = (_rounded_on(placed[quantity], known) for quantity in (LOAD, PV))
    return Series(name, int(times_ms.min()), step_ms, load_mwh, pv_mwh, known)


def _times(table: _Table, columns: Mapping[str, Column], options: Options, zone: ZoneInfo) -> Energies:
    if TIME in columns:
        return stamps(table.file, table.texts(columns[TIME]), table.lines, zone)
    if MONTH in columns and HOUR in columns:
        day_types = table.texts(columns[DAY_TYPE])[:1] if DAY_TYPE in columns else []
        months, hours = (table.texts(columns[quantity]) for quantity in (MONTH, HOUR))
        return by_calendar(table.file, months, hours, day_types=day_types, begin=options.begin, zone=zone)
    if options.begin and options.step_minutes * MINUTE_MS in STEPS_MS:
        step_ms = options.step_minutes * MINUTE_MS
        return begun(table.file, options.begin, zone) + step_ms * np.arange(len(table.rows), dtype=np.int64)
    raise HistoryInvalid(
        f"{table.file}: no column says when its rows were; name one time, say --column time=HEADER, or say --begin and "
        "--step MINUTES",
        file=table.file,
    )


def _energies_nwh(
    name: str, table: _Table, column: Column, options: Options, *, step_ms: int, panels_w: int
) -> tuple[Energies, Flags]:
    """(nWh of each row, whether the row says any)."""
    values = _numbers(table, column, table.texts(column))
    said = ~np.isnan(values)
    values = np.where(said, values, 0.0)
    if options.negative_as_zero:
        values = np.maximum(values, 0.0)
    _require_all(
        table, column, values >= 0, "it is negative; if a meter at rest says so, say --negative-as-zero", values
    )
    hours = step_ms / HOUR_MS
    per_wh = {"Wh": 1.0, "kWh": 1e3, "W": hours, "kW": 1e3 * hours, PER_KW: hours * panels_w / 1e3}[column.unit]
    energies_wh = values * per_wh
    absurd = energies_wh <= LARGEST_W * hours
    _require_all(
        table,
        column,
        absurd,
        f"as {column.unit} that is more than {LARGEST_W // 1_000} kW for a house; is the unit another one (--unit)?",
        values,
    )
    mean_w = float(energies_wh[said].mean()) / hours if said.any() else 0.0
    if 0 < mean_w < SMALLEST_MEAN_W:
        raise HistoryInvalid(
            f"{table.file}: {name} would have {mean_w:.3g} W on average by column {column.header!r} in {column.unit}; "
            "is the unit another one (--unit)?",
            file=table.file,
            column=column.header,
        )
    return np.rint(energies_wh * _NWH_PER_WH).astype(np.int64), said


def _numbers(table: _Table, column: Column, texts: Sequence[str]) -> NDArray[np.float64]:
    """The column as numbers, NaN where it says nothing."""
    found = np.empty(len(texts))
    for place, text in enumerate(texts):
        try:
            found[place] = float(text.replace(",", ".") if table.decimal == "," else text) if text else np.nan
        except ValueError as error:
            raise HistoryInvalid(
                f"{table.file}, line {table.lines[place]}, column {column.header!r}: {text[:40]!r} is no number",
                file=table.file,
                line=table.lines[place],
                column=column.header,
            ) from error
    _require_all(table, column, ~np.isinf(found), "it is infinite", found)
    return found


def _require_all(
    table: _Table, column: Column, holds: Flags, otherwise: str, values: NDArray[np.float64] | None = None
) -> None:
    wrong = np.flatnonzero(~holds)
    if len(wrong):
        first = int(wrong[0])
        shown = f" {values[first]:g}:" if values is not None else ""
        more = f" ({len(wrong):,} rows in all)" if len(wrong) > 1 else ""
        raise HistoryInvalid(
            f"{table.file}, line {table.lines[first]}, column {column.header!r}:{shown} {otherwise}{more}",
            file=table.file,
            line=table.lines[first],
            column=column.header,
        )


def _rounded_on(energies_nwh: Energies, known: Flags) -> Energies:
    """mWh whose sums never leave those of the nWh by more than half a mWh; nothing where nothing is known."""
    reached = (np.cumsum(energies_nwh) + _NWH_PER_MWH // 2) // _NWH_PER_MWH
    found = np.diff(reached, prepend=0)
    assert not found[~known].any()
    return found
