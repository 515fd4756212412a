"""A chain that comes into being from a snapshot, chunk by chunk, wherever the chunks come from.

Each chunk is checked before it is written, and written with the mark of how far the restoration has come: one
that was cut short goes on there. Until the last write the store opens no chain. That write makes the state a
chain that begins at the snapshot's block, and takes the mark away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from ledgernode import config
from ledgernode.errors import DatabaseForeign, SnapshotInvalid
from ledgernode.store.chain import ChainStore
from ledgernode.store.failpoint import reach
from ledgernode.store.index import index_write
from ledgernode.store.kv import KEY_BYTES, KeyValueStore, Table, Write
from ledgernode.store.lattice import EMPTY, Pair
from ledgernode.store.manifest import CheckedManifest, Chunk
from ledgernode.store.past import CurrentState, height_key
from ledgernode.store.sealed import (
    META_HEAD,
    META_LATTICE,
    META_RESTORING,
    SealedBlock,
    beginning_writes,
    block_writes,
    header_writes,
    set_writes,
)
from ledgernode.store.state import VERSION_BYTES, StateView
from ledgernode.wire.types import Height
from ledgernode.wire.unreadable import UNREADABLE
from ledgernode.wire.validators import encode_certificate, encode_set, set_hash

_DECODER: Final = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]])
_NEXT_CHUNK_BYTES: Final = 4

Remembered = Callable[[StateView], Iterable[tuple[bytes, Height, int]]]
"""The replay records of a state: (first 16 bytes of a transaction id, height, position) of each."""


class Restoration:
    """Into an empty store, or one where this same snapshot's restoration was cut short.

    `genesis` is the block that the genesis file makes, by which the manifest was checked. Refuses a store that
    holds anything else (DatabaseForeign).
    """

    def __init__(self, kv: KeyValueStore, genesis: SealedBlock, checked: CheckedManifest) -> None:
        self._kv = kv
        self._genesis = genesis
        self._checked = checked
        self._done = chunks_there(kv, checked.id)

    @property
    def done(self) -> int:
        """How many chunks are written; the next one has this number."""
        return self._done

    @property
    def next(self) -> Chunk | None:
        """What is needed now; None when the whole state is there."""
        chunks = self._checked.chunks
        return chunks[self._done] if self._done < len(chunks) else None

    def add(self, raw: bytes) -> None:
        """Write the next chunk. Refuses (SnapshotInvalid), nothing written, what is not all the manifest says."""
        chunk = self.next
        assert chunk is not None, "a restoration takes as many chunks as its manifest has"
        pairs = check_chunk(raw, self._done, chunk)
        reach("restore.before_chunk")
        marker = mark(self._checked.id, self._done + 1)
        self._kv.write([*((Table.STATE, key, record) for key, record in pairs), marker])
        self._done += 1

    def complete(self, remembered: Remembered) -> ChainStore:
        """Make the state a chain, and open it."""
        assert self.next is None, "the whole state is there"
        self._rebuild_index(remembered)
        reach("restore.before_completion")
        self._kv.write(_completion(self._genesis, self._checked))
        return ChainStore.open(self._kv, self._genesis.header.chain_id)

    def _rebuild_index(self, remembered: Remembered) -> None:
        """Enter the transactions that the replay records remember, under the day of the snapshot's block."""
        with self._kv.reader() as reader:
            entries = [(prefix, height, position) for prefix, height, position in remembered(CurrentState(reader))]
        time_ms = self._checked.header.time_ms
        for at in range(0, len(entries), config.RESTORE_INDEX_BATCH):
            self._kv.write([index_write(time_ms, *entry) for entry in entries[at : at + config.RESTORE_INDEX_BATCH]])


def is_unfinished(kv: KeyValueStore) -> bool:
    """Is a restoration under way in this store, cut short or not?"""
    with kv.reader() as reader:
        return reader.get(Table.META, META_RESTORING) is not None


def mark(snapshot_id: bytes, chunks: int) -> Write:
    """How far the restoration has come; while it stands, the store opens no chain."""
    return Table.META, META_RESTORING, snapshot_id + chunks.to_bytes(_NEXT_CHUNK_BYTES, "big")


def chunks_there(kv: KeyValueStore, snapshot_id: bytes) -> int:
    """Where to begin, or to go on. Refuses a store that holds anything else."""
    with kv.reader() as reader:
        marker = reader.get(Table.META, META_RESTORING)
        if marker is None:
            if reader.count(Table.META) or reader.count(Table.STATE):
                raise DatabaseForeign("a snapshot is restored into an empty database, this one holds a chain")
            return 0
    if marker[: len(snapshot_id)] != snapshot_id:
        raise DatabaseForeign("another snapshot's restore is unfinished here: begin with an empty database")
    return int.from_bytes(marker[len(snapshot_id) :], "big")


def check_chunk(raw: bytes, number: int, chunk: Chunk) -> list[Pair]:
    """The records of a chunk that is all its manifest says. Refuses any other (SnapshotInvalid)."""
    part = f"chunk {number}"
    if len(raw) != chunk.size_bytes or hashlib.sha256(raw).digest() != chunk.sha256:
        raise SnapshotInvalid(f"{part} has not the hash that its manifest names")
    try:
        pairs = _DECODER.decode(raw)
    except UNREADABLE as error:
        raise SnapshotInvalid(f"{part} cannot be read: {error}") from error
    if len(pairs) != chunk.records:
        raise SnapshotInvalid(f"{part} has {len(pairs)} records, its manifest says {chunk.records}")
    previous: bytes | None = None
    for key, record in pairs:
        if previous is not None and key <= previous:
            raise SnapshotInvalid(f"{part} is not in key order")
        if not 0 < len(key) <= KEY_BYTES or len(record) <= VERSION_BYTES:
            raise SnapshotInvalid(f"{part} has a key or a record that no state holds")
        previous = key
    if pairs and (pairs[0][0] < chunk.start or (chunk.end is not None and pairs[-1][0] >= chunk.end)):
        raise SnapshotInvalid(f"{part} has keys outside its range")
    if EMPTY.updated((), pairs).sum != chunk.lattice_sum:
        raise SnapshotInvalid(f"{part} does not give the lattice sum of its key range")
    return pairs


def _completion(genesis: SealedBlock, checked: CheckedManifest) -> list[Write]:
    """What makes the restored state a chain: one write, which also takes the mark away."""
    header = checked.header
    writes: list[Write] = [
        *beginning_writes(header.chain_id, header.height, header.height),
        *block_writes(genesis),
        *set_writes(genesis),
        (Table.SETS, set_hash(checked.current_set), encode_set(checked.current_set)),
    ]
    for change in checked.set_changes:
        writes += header_writes(change.header)
        writes.append((Table.SETS, change.header.next_set, encode_set(change.next_set)))
        writes.append((Table.CERTIFICATES, height_key(change.header.height), encode_certificate(change.certificate)))
    writes += header_writes(header)
    if checked.certificate is not None:
        writes.append((Table.CERTIFICATES, height_key(header.height), encode_certificate(checked.certificate)))
    return [
        *writes,
        (Table.META, META_HEAD, height_key(header.height)),
        (Table.META, META_LATTICE, checked.lattice.sum),
        (Table.META, META_RESTORING, None),
    ]
