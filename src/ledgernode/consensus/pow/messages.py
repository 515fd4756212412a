"""What miners tell each other, and what they write into their logs.

A block is told whole. All else is about finding out: who has which head, what a missing ancestor is, and, for
a miner that has lost its footing, what the others have delivered at a height.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ledgernode.config import MESSAGE_BYTES
from ledgernode.consensus.pow.header import Hash, Number, WorkBlock
from ledgernode.consensus.pow.retarget import Mark


class Ask(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Send me the block with this hash."""

    hash: Hash


class HeadAt(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """My heaviest branch ends here; where does yours end, if I ask?"""

    hash: Hash
    height: Number
    asks: bool = False


class Below(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A delivered block that a tree may stand on, and the marks that retargeting needs."""

    root: Hash
    height: Number
    time_ms: Number
    marks: tuple[Mark, ...]


class BelowAt(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """What have you delivered at this height?"""

    height: Number


Message = WorkBlock | Ask | HeadAt | Below | BelowAt
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    return _ENCODER.encode(message)


def decode(raw: bytes) -> Message | None:
    """The message or record, or None when the bytes are none, or too many."""
    if len(raw) > MESSAGE_BYTES:
        return None
    try:
        return _DECODER.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
