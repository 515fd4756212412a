"""The signer of the constrained-meter build: the same keys and signatures in pure Python.

A board without a compiled `cryptography` (no wheel, no Rust) signs a few readings a minute with this
and needs nothing but `ecdsa`. Its bytes equal those of `identity.keys`, by RFC 6979. It is some
fifty times slower and **not constant in time**: whoever can measure single signatures of a device may
learn its key (`docs/security.md`). Nothing else in the project may sign with it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ecdsa import NIST256p, SigningKey
from ecdsa.der import UnexpectedDER
from ecdsa.util import sigencode_string_canonize

from ledgernode.errors import KeyFileUnsafe
from ledgernode.identity.secret_file import create_secret, read_secret


class ConstrainedKey:
    """A signing key with the face of `identity.keys.PrivateKey`."""

    __slots__ = ("_key", "public_key")

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self.public_key: bytes = key.get_verifying_key().to_string("uncompressed")

    @staticmethod
    def generate() -> ConstrainedKey:
        return ConstrainedKey(SigningKey.generate(curve=NIST256p))

    @staticmethod
    def load(path: Path) -> ConstrainedKey:
        """Read a PEM key file; refuses one that is missing, damaged, not P-256, or open to others."""
        content = read_secret(path)
        try:
            key = SigningKey.from_pem(content.decode("ascii"))
        except (ValueError, UnexpectedDER) as error:
            raise KeyFileUnsafe(f"{path} holds no readable private key (PEM, no password)") from error
        if key.curve != NIST256p:
            raise KeyFileUnsafe(f"{path} holds a key of another kind: the ledger's keys are on curve P-256")
        return ConstrainedKey(key)

    def save(self, path: Path) -> None:
        """Write the key to a new file that only its owner reads; refuses to overwrite.

        The PEM is SEC 1: the PKCS 8 that `ecdsa` writes has a version number which OpenSSL refuses.
        """
        create_secret(path, self._key.to_pem(format="ssleay"))

    def sign(self, message: bytes) -> bytes:
        signature: bytes = self._key.sign_deterministic(
            message, hashfunc=hashlib.sha256, sigencode=sigencode_string_canonize
        )
        return signature

    def __repr__(self) -> str:
        return f"ConstrainedKey(public_key={self.public_key.hex()[:18]}…)"
