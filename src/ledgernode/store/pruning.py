"""Forgetting old blocks. The base moves up in one write; what lies below it is removed afterwards, by bounded pieces.

What stays of a pruned chain is what a chain that began from a snapshot has, and one thing more:

* genesis, and of each block that hands over to another validator set its header, its certificate and the set: proofs
  and snapshots need them;
* the header and the certificate of the base, which everything above stands on;
* the state, and what the blocks above the base replaced;
* the index: so that what a pruned block holds is still known to be in the chain, and at which height.

While pieces are left, META has the next height to look at. A crash leaves it there, and removing goes on from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ledgernode.errors import DatabaseDamaged
from ledgernode.store.kv import Reader, Table, Write
from ledgernode.store.past import HEIGHT_BYTES, height_key
from ledgernode.store.sealed import META_BASE, META_SET_CHANGE
from ledgernode.wire.block import header_hash, parse_header
from ledgernode.wire.types import Height

META_PRUNING: Final = b"pruning"
_CONTENTS: Final = (Table.BATCHES, Table.RECEIPTS, Table.UNDO)


def next_to_remove(reader: Reader) -> Height | None:
    """Where removing goes on; None while nothing is to be removed."""
    raw = reader.get(Table.META, META_PRUNING)
    if raw is None:
        return None
    if len(raw) != HEIGHT_BYTES:
        raise DatabaseDamaged("the database's entry 'pruning' is damaged")
    return Height(int.from_bytes(raw, "big"))


def beginning(reader: Reader, old: Height, base: Height) -> list[Write]:
    """What moves the base from `old` up to `base`."""
    following = next_to_remove(reader)
    first = max(old, 1) if following is None else following
    return [(Table.META, META_BASE, height_key(base)), (Table.META, META_PRUNING, height_key(first))]


def removal(reader: Reader, first: Height, last: Height, base: Height) -> list[Write]:
    """What removes the heights from `first` to `last`, none of them above the base, and remembers where to go on."""
    assert 0 < first <= base, "genesis is never removed"
    assert last <= base, "nor what is kept"
    writes = [write for height in range(first, last + 1) for write in _removal_of(reader, height, base)]
    following = height_key(last + 1) if last < base else None
    return [*writes, (Table.META, META_PRUNING, following)]


def is_removed(reader: Reader, table: Table, height: int, base: Height) -> bool:
    """Is this part of a block gone, or about to go? What is being removed is answered as if it were gone."""
    if not 0 < height <= base:
        return False
    return table in _CONTENTS or (
        height < base and reader.get(Table.META, META_SET_CHANGE + height_key(height)) is None
    )


def _removal_of(reader: Reader, height: int, base: Height) -> Iterator[Write]:
    key = height_key(height)
    for table in _CONTENTS:
        yield table, key, None
    if height == base or reader.get(Table.META, META_SET_CHANGE + key) is not None:
        return
    raw = reader.get(Table.HEADERS, key)
    if raw is not None:
        yield Table.HASHES, header_hash(parse_header(raw)), None
    yield Table.HEADERS, key, None
    yield Table.CERTIFICATES, key, None
