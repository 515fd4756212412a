"""What stands in the log, and what the engine and the shell beside it say to each other.

A `Cut` is a batch as its author published it. The log gives it a sequence, and that is the height of its block: every
message makes one, an empty one where the message is worth nothing, so that heights and sequences never part.

    signed   tag 24 | chain id 32 | epoch 8 | stream 32 | author 8 | above 8 | time 8 | count 4 | envelope hashes

The log speaks from a place that no member has, `LOG`; what is sent there is for the shell.
"""

from __future__ import annotations

import struct
from typing import Annotated, Final

import msgspec

from ledgernode.config import MESSAGE_BYTES
from ledgernode.wire.types import HASH_BYTES, SIGNATURE_BYTES, ChainId, Epoch, sha256

LOG: Final = -1
"""Where the log sits among the members' positions: no peer speaks from there."""

_TAG: Final = b"ledgernode/log/cut/1\x00\x00\x00\x00"
_HEAD: Final = struct.Struct(">24s32sQ32sQQQI")

Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Hash = Annotated[bytes, msgspec.Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
Signature = Annotated[bytes, msgspec.Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]


class Cut(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A member's batch, for this very stream. `above` is what it had delivered: two alike cuts are one."""

    stream: Hash
    epoch: Number
    author: Number
    above: Number
    time_ms: Number
    envelopes: tuple[bytes, ...]
    signature: Signature


class Entry(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """What the log holds at a sequence, and when it took that."""

    sequence: Number
    time_ms: Number
    payload: bytes


class Opened(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The log is there: which stream it is, the first and last sequence it holds, how large a message may be.

    It is said before a reading `begins`, and now and then while it goes on.
    """

    stream: Hash
    first: Number
    last: Number
    payload_bytes: Number
    begins: bool


class Read(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """To the shell: say what the log is, then tell everything after this sequence, in order."""

    after: Number


class Publish(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """To the shell: put this into the log; the log takes one of several with the same id."""

    id: Hash
    payload: bytes


Message = Cut | Entry | Opened | Read | Publish
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)
ENVELOPE_OVERHEAD: Final = 5
"""Bytes that MessagePack adds to an envelope at most."""
CUT_OVERHEAD: Final = 256
"""Bytes of a cut beside its envelopes at most."""


def encode(message: Message) -> bytes:
    return _ENCODER.encode(message)


def decode(raw: bytes) -> Message | None:
    """The message, or None when the bytes are none, or too many."""
    if len(raw) > MESSAGE_BYTES:
        return None
    try:
        return _DECODER.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def signed_bytes(chain_id: ChainId, epoch: Epoch, cut: Cut) -> bytes:
    """What the author of a cut signs: all of it, for one chain and epoch."""
    numbers = (cut.author, cut.above, cut.time_ms, len(cut.envelopes))
    return _HEAD.pack(_TAG, chain_id, epoch, cut.stream, *numbers) + b"".join(map(sha256, cut.envelopes))
