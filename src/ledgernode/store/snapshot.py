"""Snapshots: the state of one certified block as files, from which an empty node goes on.

    manifest.json   what the snapshot is (`store.manifest`); written last: without it there is no snapshot
    chunk-000000 …  one key range each: MessagePack array of [state key, stored record], in key order

Identities, code, timers, replay records and parameters are all state, so they are all in it. Two nodes that
write the same height write the same chunks: what one has begun to take from one peer it can go on with from
another. A restore checks the manifest before it reads a chunk, and each chunk before it writes it
(`store.restoring`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from ledgernode import config
from ledgernode.errors import SnapshotInvalid
from ledgernode.store.chain import ChainStore
from ledgernode.store.failpoint import reach
from ledgernode.store.files import disk_full_refused, write_durably
from ledgernode.store.kv import KeyValueStore
from ledgernode.store.lattice import EMPTY, Pair
from ledgernode.store.manifest import (
    FORMAT,
    CertificateCheck,
    Chunk,
    Manifest,
    SetChange,
    check_manifest,
    encode_manifest,
)
from ledgernode.store.restoring import Remembered, Restoration
from ledgernode.store.sealed import SealedBlock
from ledgernode.store.state import StateView
from ledgernode.wire.block import encode_header
from ledgernode.wire.types import Height
from ledgernode.wire.validators import encode_certificate, encode_set

MANIFEST_FILE: Final = "manifest.json"
_ENCODER: Final = msgspec.msgpack.Encoder()

Progress = Callable[[int, int], None]
"""(records done, records in all)"""


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
    with disk_full_refused(directory, "there is no snapshot"):
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
        write_durably(directory / MANIFEST_FILE, encode_manifest(manifest))
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
    chunk, raw = make_chunk(start, end, pairs)
    reach("snapshot.before_chunk")
    write_durably(chunk_file(directory, number), raw)
    return chunk


def make_chunk(start: bytes, end: bytes | None, pairs: list[Pair]) -> tuple[Chunk, bytes]:
    """What the manifest says of a key range, and the bytes of its file."""
    raw = _ENCODER.encode(pairs)
    chunk = Chunk(
        start=start,
        end=end,
        records=len(pairs),
        size_bytes=len(raw),
        sha256=hashlib.sha256(raw).digest(),
        lattice_sum=EMPTY.updated((), pairs).sum,
    )
    return chunk, raw


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


def chunk_file(directory: Path, number: int) -> Path:
    return directory / f"chunk-{number:06d}"


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
    raw = read_manifest(directory)
    checked = check_manifest(raw, genesis.header, genesis.next_set, check_certificate)
    restoration = Restoration(kv, genesis, checked)
    total = sum(chunk.records for chunk in checked.chunks)
    done = sum(chunk.records for chunk in checked.chunks[: restoration.done])
    while (chunk := restoration.next) is not None:
        number = restoration.done
        restoration.add(_read_file(chunk_file(directory, number), chunk.size_bytes, f"chunk {number}"))
        done += chunk.records
        progress(done, total)
    return restoration.complete(remembered)


def read_manifest(directory: Path) -> bytes:
    """Refuses one that cannot be read, or has more than a manifest may have (SnapshotInvalid)."""
    return _read_file(directory / MANIFEST_FILE, config.SNAPSHOT_MANIFEST_LIMIT_BYTES, "the manifest")


def _read_file(path: Path, limit_bytes: int, part: str) -> bytes:
    try:
        size_bytes = path.stat().st_size
        if size_bytes > limit_bytes:
            raise SnapshotInvalid(f"{part} has {size_bytes} bytes, more than {limit_bytes}")
        return path.read_bytes()
    except OSError as error:
        raise SnapshotInvalid(f"{part} cannot be read: {error.strerror}") from error
