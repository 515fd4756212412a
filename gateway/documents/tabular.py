"""Rows as CSV and as Parquet, batch by batch: what is written so far can leave before the rest is read.

    out = csv_table(columns)                     # or parquet_table(columns, facts)
    yield out.begin()
    for rows in batches: yield out.add(rows)
    yield out.end()

Whole numbers stay whole: 64 bits in Parquet, digits in CSV. Nothing is a float. Nothing known is empty, or null.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import msgspec

from gateway.documents.table import safe

Kind = Literal["integer", "text"]
CSV_TYPE: Final = "text/csv; charset=utf-8"
PARQUET_TYPE: Final = "application/vnd.apache.parquet"


class Column(msgspec.Struct, frozen=True):
    name: str
    kind: Kind


class Written(Protocol):
    """Each answers the bytes that are to leave next."""

    def begin(self) -> bytes: ...

    def add(self, rows: Sequence[Sequence[Any]]) -> bytes: ...

    def end(self) -> bytes: ...


class CsvTable:
    """UTF-8, a head with the columns' names, lines by CRLF."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def begin(self) -> bytes:
        return _lines([[column.name for column in self._columns]])

    def add(self, rows: Sequence[Sequence[Any]]) -> bytes:
        return _lines([[_cell(value) for value in row] for row in rows])

    def end(self) -> bytes:
        return b""


class ParquetTable:
    """A row group for each batch; `facts` stand in the file's own description (which ledger, which block).

    The library is loaded with the first one: a gateway whose tables nobody takes away does without its memory.
    """

    def __init__(self, columns: Sequence[Column], facts: Mapping[str, str]) -> None:
        import pyarrow
        from pyarrow import parquet

        self._arrow, self._parquet = pyarrow, parquet
        self._sink = _Sink()
        types = {"integer": pyarrow.int64(), "text": pyarrow.string()}
        fields = [pyarrow.field(column.name, types[column.kind]) for column in columns]
        self._schema = pyarrow.schema(fields, metadata=dict(facts))
        self._writer: Any = None

    def begin(self) -> bytes:
        self._writer = self._parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        return self._sink.taken()

    def add(self, rows: Sequence[Sequence[Any]]) -> bytes:
        columns = [[row[at] for row in rows] for at in range(len(self._schema))]
        array = self._arrow.array
        made = [array(values, type=field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._writer.write_batch(self._arrow.RecordBatch.from_arrays(made, schema=self._schema))
        return self._sink.taken()

    def end(self) -> bytes:
        self._writer.close()
        return self._sink.taken()


class _Sink(io.RawIOBase):
    """What was written and has not left yet."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = bytearray()
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        self._waiting += memoryview(data)
        self._written += size
        return size

    def tell(self) -> int:
        return self._written

    def taken(self) -> bytes:
        made, self._waiting = bytes(self._waiting), bytearray()
        return made


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    return safe(value) if isinstance(value, str) else "" if value is None else value
