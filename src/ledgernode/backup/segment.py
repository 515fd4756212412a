"""A piece of the chain as one file.

    tag 21 | MessagePack array of blocks; a block is [header, envelopes, receipts, certificate, next set]

Header, certificate and set are in their own encodings (`docs/formats.md`). The next set stands only in a block that
hands over to another; genesis is in no segment, because the genesis file makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from ledgernode.errors import BackupInvalid

TAG: Final = b"ledgernode/segment/1\x00"
_ENCODER: Final = msgspec.msgpack.Encoder()


class StoredBlock(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A block with all that was decided and signed about it. `certificate` is empty where it has none yet."""

    header: bytes
    envelopes: tuple[bytes, ...]
    receipts: tuple[bytes, ...]
    certificate: bytes
    next_set: bytes = b""

    @property
    def size_bytes(self) -> int:
        return sum(map(len, (self.header, self.certificate, self.next_set, *self.envelopes, *self.receipts)))


_DECODER: Final = msgspec.msgpack.Decoder(tuple[StoredBlock, ...])


def encode_segment(blocks: Sequence[StoredBlock]) -> bytes:
    return TAG + _ENCODER.encode(blocks)


def parse_segment(raw: bytes) -> tuple[StoredBlock, ...]:
    """Refuses (BackupInvalid) what is no segment."""
    if not raw.startswith(TAG):
        raise BackupInvalid("it does not begin with the tag of a segment")
    try:
        return _DECODER.decode(memoryview(raw)[len(TAG) :])
    except msgspec.MsgspecError as error:
        raise BackupInvalid(f"it cannot be read: {error}") from error
