"""Two copies of what a device keeps through a loss of power: the older one is overwritten, the newer never.

Power may go at any byte of a write. What was being written is then torn and fails its check; the other copy stands.
Each copy is a slot of fixed length:

    magic 4 | generation 8 | length 4 | payload | SHA-256 of all before it | zeros

The generation counts writes and decides which copy is newer and which slot is next: even ones go to the first.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Final

import msgspec

SLOTS: Final = 2
SLOT_BYTES: Final = 4_096
_HEAD: Final = struct.Struct(">4sQI")
_MAGIC: Final = b"LDS1"
_CHECK_BYTES: Final = hashlib.sha256().digest_size


class Kept(msgspec.Struct, frozen=True):
    """One whole copy."""

    generation: int
    payload: bytes


def capacity(slot_bytes: int = SLOT_BYTES) -> int:
    """The longest payload of such a slot."""
    return slot_bytes - _HEAD.size - _CHECK_BYTES


def place(generation: int) -> int:
    """The slot that this generation is written to."""
    return generation % SLOTS


def encode(kept: Kept, slot_bytes: int = SLOT_BYTES) -> bytes:
    """The whole slot."""
    assert len(kept.payload) <= capacity(slot_bytes), "what a device keeps is bounded by its slot"
    checked = _HEAD.pack(_MAGIC, kept.generation, len(kept.payload)) + kept.payload
    return (checked + hashlib.sha256(checked).digest()).ljust(slot_bytes, b"\0")


def decode(slot: bytes) -> Kept | None:
    """What the slot holds; None where it is torn or was never written."""
    if len(slot) < _HEAD.size:
        return None
    magic, generation, length = _HEAD.unpack_from(slot)
    end = _HEAD.size + length
    if magic != _MAGIC or slot[end : end + _CHECK_BYTES] != hashlib.sha256(slot[:end]).digest():
        return None
    return Kept(generation, slot[_HEAD.size : end])


def newest(slots: Sequence[bytes]) -> Kept | None:
    """The newer of the copies that are whole and in their place."""
    whole = [
        kept
        for number, slot in enumerate(slots)
        if (kept := decode(slot)) is not None and place(kept.generation) == number
    ]
    return max(whole, key=lambda kept: kept.generation, default=None)
