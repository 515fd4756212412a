"""What miners hash and sign.

    work header  tag 24 | chain id 32 | epoch 8 | height 8 | parent 32 | batch digest 32 | time 8 | target 32
                 | miner 2 | nonce 8

Its hash is SHA-256 of SHA-256 of all of it, and must be at most the target. The miner signs the hash, so
that only members mine. The nonce stands last: a search hashes what is before it once.
"""

from __future__ import annotations

import struct
from typing import Annotated, Final

import msgspec

from ledgernode.wire.types import HASH_BYTES, ZERO_HASH, sha256

_TAG: Final = b"ledgernode/pow/header/1\x00"
_BATCH_TAG: Final = b"ledgernode/pow/batch/1\x00\x00"
_PREFIX: Final = struct.Struct(">24s32sQQ32s32sQ32sH")
_NONCE: Final = struct.Struct(">Q")
MAX_TARGET: Final = (1 << 256) - 1


Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Hash = Annotated[bytes, msgspec.Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]


class WorkHeader(msgspec.Struct, frozen=True, array_like=True):
    """Checked for range and length when read: what is hashed can be read in one way only."""

    chain_id: Hash
    epoch: Number
    height: Number
    parent: Hash
    batch: Hash
    time_ms: Number
    target: Hash
    miner: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
    nonce: Annotated[int, msgspec.Meta(ge=0)]

    @property
    def prefix(self) -> bytes:
        return _PREFIX.pack(
            _TAG,
            self.chain_id,
            self.epoch,
            self.height,
            self.parent,
            self.batch,
            self.time_ms,
            self.target,
            self.miner,
        )

    @property
    def hash(self) -> bytes:
        return work_hash(self.prefix, self.nonce)


class WorkBlock(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A header, the miner's signature on its hash, and the envelopes it orders."""

    header: WorkHeader
    signature: bytes
    envelopes: tuple[bytes, ...]


def work_hash(prefix: bytes, nonce: int) -> bytes:
    return sha256(sha256(prefix + _NONCE.pack(nonce)))


def meets(hashed: bytes, target: int) -> bool:
    return int.from_bytes(hashed, "big") <= target


def work_of(target: int) -> int:
    """How many hashes a block of this target stands for."""
    return (1 << 256) // (target + 1)


def batch_digest(envelopes: tuple[bytes, ...]) -> bytes:
    if not envelopes:
        return ZERO_HASH
    return sha256(_BATCH_TAG + b"".join(map(sha256, envelopes)))
