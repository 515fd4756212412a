"""Tables leave batch by batch, and come back as they were."""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow
from pyarrow import parquet

from gateway.documents.tabular import Column, CsvTable, ParquetTable

COLUMNS = (Column("point", "text"), Column("from_ms", "integer"), Column("price_micro", "integer"))
LARGEST = (1 << 63) - 1
BATCHES: list[list[tuple[Any, ...]]] = [
    [("north:a", 0, None), ("north:ü", LARGEST, -LARGEST)],
    [],
    [(f"north:{number}", number, 0) for number in range(3_000)],
]


def test_parquet_has_whole_numbers_of_64_bits_and_what_is_not_known() -> None:
    out = ParquetTable(COLUMNS, {"ledger": "north", "height": "12"})
    made = out.begin() + b"".join(out.add(rows) for rows in BATCHES) + out.end()
    table = parquet.read_table(io.BytesIO(made))
    assert [field.type for field in table.schema] == [pyarrow.string(), pyarrow.int64(), pyarrow.int64()]
    rows = [tuple(row.values()) for row in table.to_pylist()]
    assert rows == [row for batch in BATCHES for row in batch]
    assert table.schema.metadata[b"height"] == b"12"


def test_a_batch_leaves_before_the_next_is_read() -> None:
    """What waits is never more than a batch."""
    out = ParquetTable(COLUMNS, {})
    out.begin()
    sizes = [len(out.add([("x" * 100, number, number)] * 1_000)) for number in range(5)]
    assert all(sizes)
    assert max(sizes) < 2 * min(sizes)


def test_csv_says_the_same() -> None:
    out = CsvTable(COLUMNS)
    made = out.begin() + b"".join(out.add(rows) for rows in BATCHES) + out.end()
    rows = list(csv.reader(io.StringIO(made.decode())))
    assert rows[0] == ["point", "from_ms", "price_micro"]
    assert rows[1:3] == [["north:a", "0", ""], ["north:ü", str(LARGEST), str(-LARGEST)]]
    assert len(rows) == 1 + 3_002


def test_no_cell_of_an_export_is_a_formula() -> None:
    assert CsvTable(COLUMNS).add([("=1+1", -1, 2)]) == b"'=1+1,-1,2\r\n"
