"""What the outbox keeps: signed transactions, each in its device's lane at the place of its number.

    key    account 16 | creator 32 | sequence 8      so that a lane lies together, in order of its numbers
    value  transaction id 32 | taken at (ms) 8 | envelope

The account is who handed it in, by certificate. It is part of the key, so that nobody can take a place in another's
lane: a lane holds what one sender brought of one device. What is signed under a device's name with another key than its
first has a lane of its own, in which the creator's place has a hash of both: it may be the key the device has rotated
to, or somebody who has no right to its name, and only the ledger can tell. So it is in nobody's way until then.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final, NamedTuple

from ledgernode.wire.types import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, identity_id, sha256

ACCOUNT_BYTES: Final = 16
LANE_BYTES: Final = ACCOUNT_BYTES + 32
_CREATOR: Final = slice(PUBLIC_KEY_BYTES + SIGNATURE_BYTES + 48, PUBLIC_KEY_BYTES + SIGNATURE_BYTES + 80)
"""In an envelope: the body's, behind its tag and chain id."""
_KEY: Final = struct.Struct(f">{LANE_BYTES}sQ")
_HEAD: Final = struct.Struct(">32sQ")


class Sender(NamedTuple):
    """Who hands something in: an organisation's meter, or a gateway that carries for many."""

    organisation: str
    role: str
    name: str

    @property
    def account(self) -> bytes:
        """Under which it is counted. The parts of a certificate's name hold no NUL."""
        return hashlib.sha256("\x00".join(self).encode()).digest()[:ACCOUNT_BYTES]

    @property
    def carries(self) -> bool:
        """Does it carry what others have signed?"""
        return self.role == "gateway"


class Entry(NamedTuple):
    """One signed transaction on its way."""

    lane: bytes
    sequence: int
    id: bytes
    taken_ms: int
    envelope: bytes

    @property
    def key(self) -> bytes:
        return _KEY.pack(self.lane, self.sequence)

    @property
    def value(self) -> bytes:
        return _HEAD.pack(self.id, self.taken_ms) + self.envelope

    @property
    def creator(self) -> bytes:
        """Under whose name it is signed."""
        return self.envelope[_CREATOR]

    @property
    def size(self) -> int:
        """Bytes it is counted as."""
        return _KEY.size + _HEAD.size + len(self.envelope)


def lane_of(account: bytes, creator: bytes, public_key: bytes = b"") -> bytes:
    """Of a device whose first key this is, or is left out; else of this key under its name."""
    own = not public_key or identity_id(public_key) == creator
    return account + (creator if own else sha256(creator + public_key))


def read_entry(key: bytes, value: bytes) -> Entry:
    lane, sequence = _KEY.unpack(key)
    named, taken_ms = _HEAD.unpack_from(value)
    return Entry(lane, sequence, named, taken_ms, value[_HEAD.size :])


def read_key(key: bytes) -> tuple[bytes, int]:
    """Lane and number."""
    lane, sequence = _KEY.unpack(key)
    return lane, sequence


def id_in(value: bytes) -> bytes:
    """The transaction id, without reading the rest."""
    return value[:32]
