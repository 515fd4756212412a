"""What blocks change in the tables, folded: so many blocks at once as one likes, the rows come out the same.

    append   a row of its own, whose key is a place on the ledger
    put      columns of a row, which is made if it is not there; the last one said holds
    add      to numbers of a row, which is made if it is not there; a column may keep the least or most instead

Columns that are put are never added to, so their order among each other does not matter. What meters have told is
kept aside, in order: their rows and roll-ups depend on readings that stand in the database (`series`).
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Table

from gateway.readmodel.decoded import Call
from gateway.readmodel.tables.columns import MERGE

Key = tuple[Any, ...]
Row = dict[str, Any]


class Batch(msgspec.Struct, frozen=True):
    """Rows that a meter, or a gateway for it, has signed, and what the ledger made of them."""

    meter: str
    point: str
    rows: list[list[int]]
    columns: tuple[str, ...] | None
    origin: str
    height: int
    position: int
    held: int
    ignored: int
    last_ms: int
    conflicts: tuple[int, ...] = ()
    resets: tuple[int, ...] = ()
    rollovers: tuple[int, ...] = ()


class Decision(msgspec.Struct, frozen=True):
    """What two of the staff said of a reading: accept, reject or reset; that the ledger believes it now (believed); or
    that a meter ended at this time (final).
    """

    meter: str
    point: str
    time_ms: int
    decision: str
    height: int
    position: int


class Correction(msgspec.Struct, frozen=True):
    """Energy that two of the staff added to an interval."""

    point: str
    time_ms: int
    import_mwh: int
    export_mwh: int
    height: int
    position: int


Metered = Batch | Decision


class Changes:
    """Of some blocks in a row."""

    def __init__(self) -> None:
        self.appended: dict[Table, list[Row]] = {}
        self.put_rows: dict[Table, dict[Key, Row]] = {}
        self.added_rows: dict[Table, dict[Key, Row]] = {}
        self.metered: dict[str, list[Metered]] = {}
        self.corrections: list[Correction] = []
        self.height = 0
        self.position = 0

    def at(self, call: Call | Metered | Correction) -> None:
        """What follows comes from this call."""
        self.height, self.position = call.height, call.position

    def append(self, table: Table, **values: Any) -> None:
        if "height" not in values:
            values["height"], values["position"] = self.height, self.position
        self.appended.setdefault(table, []).append(values)

    def put(self, table: Table, **values: Any) -> None:
        row = self.put_rows.setdefault(table, {}).setdefault(_key(table, values), {})
        row.update(values)
        self._placed(row)

    def add(self, table: Table, **values: Any) -> None:
        row = self.added_rows.setdefault(table, {}).setdefault(_key(table, values), {})
        for name, value in values.items():
            column = table.c[name]
            row[name] = value if column.primary_key or name not in row else joined(column, row[name], value)
        self._placed(row)

    def _placed(self, row: Row) -> None:
        """The last place that changed it."""
        if "height" not in row or (row["height"], row["position"]) < (self.height, self.position):
            row["height"], row["position"] = self.height, self.position

    def meter(self, told: Metered) -> None:
        self.metered.setdefault(told.meter, []).append(told)


def joined(column: Any, one: int, other: int) -> int:
    """Two numbers of a column that is added to, as one."""
    match column.info.get(MERGE):
        case "least":
            return min(one, other)
        case "most":
            return max(one, other)
        case _:
            return one + other


def _key(table: Table, values: Row) -> Key:
    return tuple(values[column.name] for column in table.primary_key.columns)
