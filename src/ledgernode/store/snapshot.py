"""Snapshots: the state of one certified block as files, from which an empty node goes on.

    manifest.json   what the snapshot is (`store.manifest`); written last: without it there is no snapshot
    chunk-000000 …  one key range each: MessagePack array of [state key, stored record], in key order

Identities, code, timers, replay records and parameters are all state, so they are all in it. A restore
checks the manifest before it reads a chunk, and each chunk before it writes it. Until the last one is
written the store is marked as being restored and does not open; a restore that was cut short goes on
where it stopped when it is started again with the same snapshot.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from ledgernode import config
from ledgernode.errors import DatabaseForeign, DiskFull, SnapshotInvalid
from ledgernode.store.chain import ChainStore
from ledgernode.store.failpoint import reach
from ledgernode.store.index import index_write
from ledgernode.store.kv import KEY_BYTES, KeyValueStore, Table, Write
from ledgernode.store.lattice import EMPTY, Pair
from ledgernode.store.manifest import (
    FORMAT,
    CertificateCheck,
    CheckedManifest,
    Chunk,
    Manifest,
    SetChange,
    check_manifest,
    encode_manifest,
)
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
from ledgernode.wire.block import encode_header
from ledgernode.wire.types import Height
from ledgernode.wire.validators import encode_certificate, encode_set, set_hash

MANIFEST_FILE: Final = "manifest.json"
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]])
_NEXT_CHUNK_BYTES: Final = 4

Progress = Callable[[int, int], None]
"""(records done, records in all)"""

Remembered = Callable[[StateView], Iterable[tuple[bytes, Height, int]]]
"""The replay records of a state: (first 16 bytes of a transaction id, height, position) of each."""


def _silent(_done: int, _total: int) -> None:
    """Nobody watches."""


# ---------------------------------------------------------------- creating


def create_snapshot(
    chain: ChainStore, directory: Path, *, height: Height | None = None, progress: Progress = _silent
) -> Manifest:
    """Write the state of a certified block, the newest one unless `height` names another.

    Refuses a directory that holds a snapshot (SnapshotInvalid), a height that has no certificate
    (UnknownBlock) or is no longer readable (Pruned), and a full disk (DiskFull). A creation that was
    cut short leaves chunks without a manifest: start it again.
    """
    height = chain.certified_height if height is None else height
    header = chain.header(height)
    certificate = encode_certificate(chain.certificate(height)) if height else b""
    with _disk_full(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (directory / MANIFEST_FILE).exists():
            raise SnapshotInvalid(f"{directory} holds a snapshot already")
        chunks: list[Chunk] = []
        expected, done = chain.state_records(), 0
        with chain.state_at(height) as view:
            for start, end, pairs in _ranges(view):
                chunks.append(_write_chunk(directory, len(chunks), start, end, pairs))
                done += len(pairs)
                progress(done, max(done, expected))
        manifest = Manifest(
            format=FORMAT,
            chain_id=header.chain_id,
            height=height,
            header=encode_header(header),
            certificate=certificate,
            set_changes=_set_changes(chain, height),
            chunks=tuple(chunks),
        )
        reach("snapshot.before_manifest")
        _write_durably(directory / MANIFEST_FILE, encode_manifest(manifest))
    return manifest


def _ranges(view: StateView) -> Iterator[tuple[bytes, bytes | None, list[Pair]]]:
    """Cut the state into ranges of about `config.SNAPSHOT_CHUNK_BYTES`; one empty range of an empty state."""
    start, size_bytes, pairs = b"", 0, list[Pair]()
    for key, record in view.scan(b"", None):
        if pairs and size_bytes + len(key) + len(record) > config.SNAPSHOT_CHUNK_BYTES:
            yield start, key, pairs
            start, size_bytes, pairs = key, 0, []
        pairs.append((key, record))
        size_bytes += len(key) + len(record)
    yield start, None, pairs


def _write_chunk(directory: Path, number: int, start: bytes, end: bytes | None, pairs: list[Pair]) -> Chunk:
    raw = _ENCODER.encode(pairs)
    reach("snapshot.before_chunk")
    _write_durably(_chunk_file(directory, number), raw)
    return Chunk(
        start=start,
        end=end,
        records=len(pairs),
        size_bytes=len(raw),
        sha256=hashlib.sha256(raw).digest(),
        lattice_sum=EMPTY.updated((), pairs).sum,
    )


def _set_changes(chain: ChainStore, height: Height) -> tuple[SetChange, ...]:
    headers = [chain.header(changed) for changed in chain.set_changes() if changed <= height]
    return tuple(
        SetChange(
            header=encode_header(header),
            certificate=encode_certificate(chain.certificate(header.height)),
            next_set=encode_set(chain.validator_set(header.next_set)),
        )
        for header in headers
    )


def _chunk_file(directory: Path, number: int) -> Path:
    return directory / f"chunk-{number:06d}"


def _write_durably(path: Path, content: bytes) -> None:
    """Under another name first, so that a file of this name is always whole."""
    temporary = path.with_name(path.name + ".part")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def _disk_full(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise DiskFull(f"{directory}: {error.strerror}: there is no snapshot") from error


# ---------------------------------------------------------------- restoring


def restore_snapshot(
    directory: Path,
    kv: KeyValueStore,
    genesis: SealedBlock,
    *,
    check_certificate: CertificateCheck,
    remembered: Remembered,
    progress: Progress = _silent,
) -> ChainStore:
    """Fill an empty store, or finish a restore of this same snapshot, and open the chain in it.

    `genesis` is the block that the genesis file makes: nothing else is trusted. Refuses with
    SnapshotInvalid, naming the part that does not hold, and with DatabaseForeign where the store holds
    something else.
    """
    raw = _read_file(directory / MANIFEST_FILE, config.SNAPSHOT_MANIFEST_LIMIT_BYTES, "the manifest")
    checked = check_manifest(raw, genesis.header, genesis.next_set, check_certificate)
    digest = hashlib.sha256(raw).digest()
    first = _next_chunk(kv, digest)
    total = sum(chunk.records for chunk in checked.chunks)
    done = sum(chunk.records for chunk in checked.chunks[:first])
    for number in range(first, len(checked.chunks)):
        pairs = _read_chunk(directory, number, checked.chunks[number])
        reach("restore.before_chunk")
        marker = digest + (number + 1).to_bytes(_NEXT_CHUNK_BYTES, "big")
        kv.write([*((Table.STATE, key, record) for key, record in pairs), (Table.META, META_RESTORING, marker)])
        done += len(pairs)
        progress(done, total)
    _rebuild_index(kv, checked, remembered)
    reach("restore.before_completion")
    kv.write(_completion(genesis, checked))
    return ChainStore.open(kv, genesis.header.chain_id)


def _next_chunk(kv: KeyValueStore, digest: bytes) -> int:
    """Where to begin, or to go on. Refuses a store that holds anything else."""
    with kv.reader() as reader:
        marker = reader.get(Table.META, META_RESTORING)
        if marker is None:
            if reader.count(Table.META) or reader.count(Table.STATE):
                raise DatabaseForeign("a snapshot is restored into an empty database, this one holds a chain")
            return 0
    if marker[: len(digest)] != digest:
        raise DatabaseForeign("another snapshot's restore is unfinished here: begin with an empty database")
    return int.from_bytes(marker[len(digest) :], "big")


def _read_file(path: Path, limit_bytes: int, part: str) -> bytes:
    try:
        size_bytes = path.stat().st_size
        if size_bytes > limit_bytes:
            raise SnapshotInvalid(f"{part} has {size_bytes} bytes, more than {limit_bytes}")
        return path.read_bytes()
    except OSError as error:
        raise SnapshotInvalid(f"{part} cannot be read: {error.strerror}") from error


def _read_chunk(directory: Path, number: int, chunk: Chunk) -> list[Pair]:
    """The records of a chunk that is all its manifest says."""
    part = f"chunk {number}"
    raw = _read_file(_chunk_file(directory, number), chunk.size_bytes, part)
    if len(raw) != chunk.size_bytes or hashlib.sha256(raw).digest() != chunk.sha256:
        raise SnapshotInvalid(f"{part} has not the hash that its manifest names")
    try:
        pairs = _DECODER.decode(raw)
    except msgspec.MsgspecError as error:
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


def _rebuild_index(kv: KeyValueStore, checked: CheckedManifest, remembered: Remembered) -> None:
    """Enter the transactions that the replay records remember, under the day of the snapshot's block."""
    with kv.reader() as reader:
        entries = [(prefix, height, position) for prefix, height, position in remembered(CurrentState(reader))]
    time_ms = checked.header.time_ms
    for at in range(0, len(entries), config.RESTORE_INDEX_BATCH):
        kv.write([index_write(time_ms, *entry) for entry in entries[at : at + config.RESTORE_INDEX_BATCH]])


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
