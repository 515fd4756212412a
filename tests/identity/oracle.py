"""The second opinion on signatures: pure Python, written from the rules alone, with `ecdsa` for the curve."""

from __future__ import annotations

import hashlib

from ecdsa import NIST256p, VerifyingKey
from ecdsa.errors import MalformedPointError
from ecdsa.keys import BadSignatureError
from ecdsa.util import sigdecode_string

ORDER = int(NIST256p.order)


def oracle_verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """65-byte uncompressed key on the curve, 64-byte r||s, 0 < r < n, 0 < s <= n/2."""
    if len(signature) != 64 or len(public_key) != 65 or public_key[0] != 4:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not 1 <= r < ORDER or not 1 <= s <= ORDER // 2:
        return False
    try:
        key = VerifyingKey.from_string(public_key, curve=NIST256p, valid_encodings=("uncompressed",))
        return bool(key.verify(signature, message, hashfunc=hashlib.sha256, sigdecode=sigdecode_string))
    except (MalformedPointError, BadSignatureError):
        return False
