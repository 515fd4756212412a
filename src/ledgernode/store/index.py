"""The transaction index: where in the chain a transaction stands.

    key    day of the block's time 4 | first 16 bytes of the transaction id
    value  height 8 | position among the block's receipts 4

Ids are random, so an index by id alone would touch the whole database with each block. By day, writes
stay among the newest entries; a look-up probes the days that have entries, the likely ones first.
Nobody can make two transactions whose ids share 16 bytes but by 2^64 work, and then only of his own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from ledgernode.store.kv import Reader, Table, Write
from ledgernode.wire.types import Height, TransactionId

PREFIX_BYTES: Final = 16
_DAY_MS: Final = 86_400_000
_DAY: Final = struct.Struct(">I")
_PLACE: Final = struct.Struct(">QI")

Place = tuple[Height, int]


def index_write(time_ms: int, prefix: bytes, height: int, position: int) -> Write:
    """The entry of one transaction, by its id or the id's first 16 bytes."""
    return Table.INDEX, _DAY.pack(time_ms // _DAY_MS) + prefix[:PREFIX_BYTES], _PLACE.pack(height, position)


def locate(reader: Reader, transaction_id: TransactionId, around_ms: int | None) -> Place | None:
    """Probe the hinted day and its neighbours, then every day that has entries, newest first."""
    prefix = transaction_id[:PREFIX_BYTES]
    hinted: tuple[int, ...] = ()
    if around_ms is not None:
        day = around_ms // _DAY_MS
        # a hint is often a valid-until: the block's day is that one or the day before
        hinted = tuple(probed for probed in (day, day - 1, day + 1) if probed >= 0)
    for day in (*hinted, *_days(reader)):
        place = _probe(reader, day, prefix)
        if place is not None:
            return place
    return None


def locate_since(reader: Reader, transaction_ids: Iterable[TransactionId], since_ms: int) -> dict[TransactionId, Place]:
    """Those of the ids that stand in blocks of this day or later."""
    first = since_ms // _DAY_MS
    days: list[int] = []
    for day in _days(reader):
        if day < first:
            break
        days.append(day)
    found: dict[TransactionId, Place] = {}
    for transaction_id in transaction_ids:
        prefix = transaction_id[:PREFIX_BYTES]
        for day in days:
            place = _probe(reader, day, prefix)
            if place is not None:
                found[transaction_id] = place
                break
    return found


def _probe(reader: Reader, day: int, prefix: bytes) -> Place | None:
    raw = reader.get(Table.INDEX, _DAY.pack(day) + prefix)
    if raw is None:
        return None
    height, position = _PLACE.unpack(raw)
    return Height(height), position


def _days(reader: Reader) -> Iterator[int]:
    """Days that have entries, newest first."""
    end: bytes | None = None
    while True:  # ends: each turn goes to an earlier day
        newest = next(reader.scan(Table.INDEX, end=end, reverse=True), None)
        if newest is None:
            return
        end = newest[0][: _DAY.size]
        yield _DAY.unpack(end)[0]
