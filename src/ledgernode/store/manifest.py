"""What a snapshot consists of, and what makes it true before a single chunk is read.

The manifest is JSON (bytes in base64). It names a certified block and cuts its state into key ranges,
each with its number of records, its lattice sum and the hash of its chunk. Whoever holds the genesis file
checks it alone: every hand-over of the validator set since genesis is in it, certified by the set before;
the last set certifies the block; and the sums of the ranges add up to the commitment in its header.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Final

import msgspec

from ledgernode import config
from ledgernode.errors import LedgerError, SnapshotInvalid
from ledgernode.store.lattice import EMPTY, SUM_BYTES, Lattice
from ledgernode.wire.block import Header, parse_header
from ledgernode.wire.types import Height
from ledgernode.wire.unreadable import UNREADABLE
from ledgernode.wire.validators import Certificate, ValidatorSet, parse_certificate, parse_set, set_hash

FORMAT: Final = "ledgernode/snapshot/1"
_ID_TAG: Final = b"ledgernode/snapshot-id/1\x00"
_ID_ENCODER: Final = msgspec.msgpack.Encoder()

Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]

CertificateCheck = Callable[[Header, Certificate, ValidatorSet], None]
"""Raises where the certificate is not enough valid signatures of the set on the header."""


class Chunk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The records with start <= key < end (None: to the end)."""

    start: bytes
    end: bytes | None
    records: Count
    size_bytes: Count
    sha256: bytes
    lattice_sum: bytes


class SetChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A block that handed over to another validator set: encoded header, certificate, and the new set."""

    header: bytes
    certificate: bytes
    next_set: bytes


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`certificate` is empty for the genesis block alone."""

    format: str
    chain_id: bytes
    height: Annotated[Height, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    header: bytes
    certificate: bytes
    set_changes: tuple[SetChange, ...]
    chunks: tuple[Chunk, ...]


class CheckedChange(msgspec.Struct, frozen=True):
    header: Header
    certificate: Certificate
    next_set: ValidatorSet


class CheckedManifest(msgspec.Struct, frozen=True):
    """A manifest that holds, read."""

    id: bytes
    header: Header
    certificate: Certificate | None
    current_set: ValidatorSet
    set_changes: tuple[CheckedChange, ...]
    lattice: Lattice
    chunks: tuple[Chunk, ...]


def encode_manifest(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def snapshot_id(manifest: Manifest) -> bytes:
    """Names the block and its chunks: alike on all nodes that cut the same state, whoever signed the certificate."""
    chunks = [msgspec.structs.astuple(chunk) for chunk in manifest.chunks]
    return hashlib.sha256(_ID_TAG + _ID_ENCODER.encode((manifest.header, chunks))).digest()


def check_manifest(
    raw: bytes, genesis: Header, genesis_set: ValidatorSet, check_certificate: CertificateCheck
) -> CheckedManifest:
    """Refuses with SnapshotInvalid, naming the part that does not hold."""
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
        header = parse_header(manifest.header)
    except (LedgerError, *UNREADABLE) as error:
        raise SnapshotInvalid(f"the manifest cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise SnapshotInvalid(f"the manifest is of format {manifest.format!r}, this software reads {FORMAT!r}")
    if not manifest.chain_id == header.chain_id == genesis.chain_id:
        raise SnapshotInvalid("the manifest is of another ledger than the genesis file")
    if header.height != manifest.height:
        raise SnapshotInvalid(f"the manifest names block {manifest.height} and carries block {header.height}")
    changes, current_set = _check_set_changes(manifest, header, genesis_set, check_certificate)
    certificate = _check_header(manifest, header, genesis, current_set, check_certificate)
    lattice = _check_ranges(manifest.chunks)
    if lattice.commitment() != header.state_commitment:
        raise SnapshotInvalid("the lattice sums of the key ranges do not add up to the certified commitment")
    return CheckedManifest(snapshot_id(manifest), header, certificate, current_set, changes, lattice, manifest.chunks)


def _check_set_changes(
    manifest: Manifest, head: Header, genesis_set: ValidatorSet, check_certificate: CertificateCheck
) -> tuple[tuple[CheckedChange, ...], ValidatorSet]:
    """Follow the hand-overs from the genesis set; answers also with the set that signed the head."""
    following, signing, previous = genesis_set, genesis_set, 0
    checked: list[CheckedChange] = []
    for number, change in enumerate(manifest.set_changes, 1):
        part = f"validator-set change {number}"
        try:
            header, next_set = parse_header(change.header), parse_set(change.next_set)
            certificate = parse_certificate(change.certificate)
            check_certificate(header, certificate, following)
        except LedgerError as error:
            raise SnapshotInvalid(f"{part}: {error}") from error
        if header.chain_id != head.chain_id or not previous < header.height <= head.height:
            raise SnapshotInvalid(f"{part} is of block {header.height}, out of order or of another ledger")
        if header.current_set != set_hash(following) or header.next_set != set_hash(next_set):
            raise SnapshotInvalid(f"{part} does not lead from the set before to the set it carries")
        if next_set.epoch != following.epoch + 1:
            raise SnapshotInvalid(f"{part} leads from epoch {following.epoch} to epoch {next_set.epoch}")
        checked.append(CheckedChange(header, certificate, next_set))
        # a block that hands over is itself still signed by the set before
        signing = next_set if header.height < head.height else following
        following, previous = next_set, header.height
    if head.next_set != set_hash(following):
        raise SnapshotInvalid("the manifest leaves out a change of the validator set")
    return tuple(checked), signing


def _check_header(
    manifest: Manifest,
    header: Header,
    genesis: Header,
    signing: ValidatorSet,
    check_certificate: CertificateCheck,
) -> Certificate | None:
    if header.height == 0:
        if header != genesis:
            raise SnapshotInvalid("the manifest's block 0 is not the one the genesis file makes")
        return None
    if header.current_set != set_hash(signing):
        raise SnapshotInvalid("the manifest's block is not of the validator set that the changes lead to")
    try:
        certificate = parse_certificate(manifest.certificate)
        check_certificate(header, certificate, signing)
    except LedgerError as error:
        raise SnapshotInvalid(f"the certificate of block {header.height}: {error}") from error
    return certificate


def _check_ranges(chunks: tuple[Chunk, ...]) -> Lattice:
    """Ranges follow one another over all keys; answers with the sum of their sums."""
    if not chunks or chunks[0].start != b"" or chunks[-1].end is not None:
        raise SnapshotInvalid("the key ranges do not cover the state from its beginning to its end")
    for number, (before, after) in enumerate(pairwise(chunks), 1):
        if before.end is None or before.end != after.start or before.start >= before.end:
            raise SnapshotInvalid(f"key range {number} does not begin where the one before it ends")
    total = EMPTY
    for number, chunk in enumerate(chunks):
        if len(chunk.lattice_sum) != SUM_BYTES:
            raise SnapshotInvalid(f"the lattice sum of key range {number} has not {SUM_BYTES} bytes")
        if not 0 <= chunk.size_bytes <= config.SNAPSHOT_CHUNK_LIMIT_BYTES:
            raise SnapshotInvalid(f"chunk {number} claims {chunk.size_bytes} bytes, more than a chunk may have")
        total += Lattice(chunk.lattice_sum)
    return total
