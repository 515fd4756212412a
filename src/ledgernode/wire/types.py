"""Numbers and hashes that must not be mixed."""

from __future__ import annotations

import hashlib
from typing import Final, NewType

Height = NewType("Height", int)
Epoch = NewType("Epoch", int)
TimeMs = NewType("TimeMs", int)
ChainId = NewType("ChainId", bytes)
IdentityId = NewType("IdentityId", bytes)
TransactionId = NewType("TransactionId", bytes)

HASH_BYTES: Final = 32
ZERO_HASH: Final = bytes(32)
PUBLIC_KEY_BYTES: Final = 65
SIGNATURE_BYTES: Final = 64

_IDENTITY_TAG: Final = b"ledgernode/identity/1\x00"


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def identity_id(first_public_key: bytes) -> IdentityId:
    """The permanent id of an identity: the tagged hash of the first key it registered."""
    return IdentityId(sha256(_IDENTITY_TAG + first_public_key))
