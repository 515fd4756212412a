"""Changes into tables, inside of one SQL transaction; and readings, with what stands beside them, into buckets."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import Insert, Table, and_, case, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.bounds import TAILS_KEPT
from gateway.readmodel.changes import Changes, Metered, Row
from gateway.readmodel.database import SQLITE
from gateway.readmodel.series import (
    BELIEVED,
    STANDARD_COLUMNS,
    Delta,
    Device,
    Ground,
    Reading,
    Series,
    corrected,
    touched,
)
from gateway.readmodel.tables.columns import MERGE
from gateway.readmodel.tables.metering import BUCKETS, READINGS
from gateway.readmodel.tables.registry import GROUND, METERS, UTILITIES
from gateway.readmodel.zones import QUARTER_MS, UTC, Span, Zone, read_zone

_PLACE: Final = ("height", "position")
_STORED: Final = ("time_ms", "sequence", "import_mwh", "export_mwh", "flags", "state", "origin", "item", *_PLACE)


class _Tail(msgspec.Struct, frozen=True):
    """Of a meter's readings the time of the newest, and the last one that is believed."""

    newest_ms: int
    last: Reading | None


class Writer:
    """Writes changes. It remembers where each meter's readings end, which spares a question for each batch."""

    def __init__(self) -> None:
        self._tails: OrderedDict[str, _Tail] = OrderedDict()
        self._zones: dict[str, Zone] = {}
        self._interval_ms = 0

    def forget(self) -> None:
        """After a transaction that did not come to its end, or when somebody else has written."""
        self._tails.clear()
        self._zones.clear()
        self._interval_ms = 0

    async def write(self, connection: AsyncConnection, changes: Changes) -> None:
        await _store(connection, changes)
        if GROUND in changes.put_rows or UTILITIES in changes.put_rows:
            self._zones.clear()
            self._interval_ms = 0
        if changes.metered or changes.corrections:
            await _store(connection, await self._metered(connection, changes))

    async def _metered(self, connection: AsyncConnection, changes: Changes) -> Changes:
        """Readings that are new or judged otherwise, and what the buckets gain."""
        gained = Changes()
        devices = await _devices(connection, changes.metered)
        for meter, told in changes.metered.items():
            series = Series(devices.get(meter), await self._around(connection, meter, told))
            for each in told:
                ground = await self._ground(connection, each.point)
                gained.at(each)
                _gain(gained, each.point, series.take(each, ground))
            for reading in series.changed.values():
                _row(gained, meter, reading)
            self._remember(meter, series)
        for correction in changes.corrections:
            ground = await self._ground(connection, correction.point)
            gained.at(correction)
            _gain(gained, correction.point, corrected(correction, ground.zone))
        return gained

    # ------------------------------------------------------------ what stands beside

    async def _around(self, connection: AsyncConnection, meter: str, told: list[Metered]) -> list[Reading]:
        """The readings in the time that is touched, and the next believed one on either side."""
        first, last = touched(told)
        tail = self._tails.get(meter)
        if tail is not None and tail.newest_ms < first:
            return [] if tail.last is None else [tail.last]
        own, time = READINGS.c.meter == meter, READINGS.c.time_ms
        believed = and_(own, READINGS.c.state.in_(tuple(BELIEVED)))
        stored = select(*(READINGS.c[name] for name in _STORED))
        questions = (
            stored.where(believed, time < first).order_by(time.desc()).limit(1),
            stored.where(own, time.between(first, last)).order_by(time),
            stored.where(believed, time > last).order_by(time).limit(1),
        )
        return [Reading(*row) for question in questions for row in await connection.execute(question)]

    def _remember(self, meter: str, series: Series) -> None:
        newest = max(series.readings, default=0)
        known = self._tails.pop(meter, None)
        if known is None or known.newest_ms <= newest:
            self._tails[meter] = _Tail(newest, series.last)
        if len(self._tails) > TAILS_KEPT:
            self._tails.popitem(last=False)

    async def _ground(self, connection: AsyncConnection, point: str) -> Ground:
        if not self._interval_ms:
            self._interval_ms = await connection.scalar(select(GROUND.c.interval_ms)) or QUARTER_MS
        utility = point.partition(":")[0]
        zone = self._zones.get(utility)
        if zone is None:
            text = await connection.scalar(select(UTILITIES.c.zone).where(UTILITIES.c.organisation == utility))
            zone = self._zones[utility] = read_zone(text) if text else UTC
        return Ground(zone, self._interval_ms)


async def _devices(connection: AsyncConnection, meters: Iterable[str]) -> dict[str, Device]:
    names = ("modulus_mwh", "installed_ms", "import_mwh", "export_mwh")
    final = ("removed_ms", "final_import_mwh", "final_export_mwh")
    ids = list(meters)
    found: dict[str, Device] = {}
    for at in range(0, len(ids), 500):
        question = select(METERS.c.meter, *(METERS.c[name] for name in (*names, *final)))
        rows = await connection.execute(question.where(METERS.c.meter.in_(ids[at : at + 500])))
        found |= {row[0]: Device(*row[1:]) for row in rows if row[1]}
    return found


def _gain(out: Changes, point: str, gained: dict[tuple[int, int], Delta]) -> None:
    for (span, from_ms), delta in gained.items():
        out.add(BUCKETS, point=point, span=int(Span(span)), from_ms=from_ms, **msgspec.structs.asdict(delta))


def _row(out: Changes, meter: str, reading: Reading) -> None:
    """A reading that is new has its columns; one that is judged otherwise keeps those it has."""
    out.height, out.position = reading.height, reading.position
    values = {name: getattr(reading, name) for name in _STORED if name not in _PLACE}
    names = STANDARD_COLUMNS if reading.columns is None else reading.columns
    measured = dict(zip(names, reading.values, strict=False))
    standard = {name: measured.pop(name) for name in STANDARD_COLUMNS if name in measured}
    others = {"others": msgspec.json.encode(measured).decode()} if measured else {}
    out.put(READINGS, meter=meter, **values, **standard, **others)


# ---------------------------------------------------------------- statements


async def _store(connection: AsyncConnection, changes: Changes) -> None:
    dialect = connection.dialect.name
    for table, rows in changes.appended.items():
        for columns, alike in _alike(rows).items():
            await _run(connection, _insert(dialect, table, columns), alike)
    _place_together(changes)
    for table, added in changes.added_rows.items():
        for columns, alike in _alike(added.values()).items():
            await _run(connection, _adding(dialect, table, columns), alike)
    for table, put in changes.put_rows.items():
        for columns, alike in _alike(put.values()).items():
            await _run(connection, _putting(dialect, table, columns), alike)


async def _run(connection: AsyncConnection, statement: Insert, rows: list[Row]) -> None:
    """One statement for many rows, handed to the driver as they are: every value is a number, a text or bytes."""
    sql, names = _compiled(statement, connection.dialect)
    await connection.exec_driver_sql(sql, [tuple(map(row.__getitem__, names)) for row in rows])


_COMPILED: Final[dict[tuple[Insert, str], tuple[str, tuple[str, ...]]]] = {}


def _compiled(statement: Insert, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
    """The SQL of a statement, and the order of its values."""
    key = statement, dialect.name
    found = _COMPILED.get(key)
    if found is None:
        compiled: Any = statement.compile(dialect=dialect)
        found = _COMPILED[key] = str(compiled), tuple(compiled.positiontup)
    return found


def _place_together(changes: Changes) -> None:
    """A row that is both added to and put names the later place."""
    for table, added in changes.added_rows.items():
        put = changes.put_rows.get(table, {})
        for key in added.keys() & put.keys():
            one, other = added[key], put[key]
            later = max((one["height"], one["position"]), (other["height"], other["position"]))
            one["height"], one["position"] = other["height"], other["position"] = later


def _alike(rows: Iterable[Row]) -> dict[tuple[str, ...], list[Row]]:
    """Rows by their columns: those of one statement."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(sorted(row)), []).append(row)
    return groups


@lru_cache(maxsize=2_000)
def _insert(dialect: str, table: Table, columns: tuple[str, ...]) -> Insert:
    made: Any = sqlite.insert(table) if dialect == SQLITE else postgresql.insert(table)
    statement: Insert = made.values(dict.fromkeys(columns))
    return statement


@lru_cache(maxsize=2_000)
def _putting(dialect: str, table: Table, columns: tuple[str, ...]) -> Insert:
    """Make a row, or set these columns of it."""
    made: Any = _insert(dialect, table, columns)
    keys = [column.name for column in table.primary_key.columns]
    values = {name: made.excluded[name] for name in columns if name not in keys}
    statement: Insert = made.on_conflict_do_update(index_elements=keys, set_=values)
    return statement


@lru_cache(maxsize=2_000)
def _adding(dialect: str, table: Table, columns: tuple[str, ...]) -> Insert:
    """Make a row, or add to these columns of it."""
    made: Any = _insert(dialect, table, columns)
    keys = [column.name for column in table.primary_key.columns]
    values = {name: _sum(table.c[name], made.excluded[name]) for name in columns if name not in keys}
    statement: Insert = made.on_conflict_do_update(index_elements=keys, set_=values)
    return statement


def _sum(column: Any, added: Any) -> Any:
    if column.name in _PLACE:
        return added
    match column.info.get(MERGE):
        case "least":
            return case((added < column, added), else_=column)
        case "most":
            return case((added > column, added), else_=column)
        case _:
            return column + added
