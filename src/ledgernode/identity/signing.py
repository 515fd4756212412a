"""What signs: a key in memory, or one that never leaves its token. Whoever signs asks for no more than this."""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec


class SigningKey(Protocol):
    """Of `identity.keys.PrivateKey` and `identity.hsm.HsmKey`."""

    @property
    def public_key(self) -> bytes:
        """65 bytes, uncompressed."""

    def sign(self, message: bytes) -> bytes:
        """64 bytes, r and s, s in the lower half."""

    def to_cryptography(self) -> ec.EllipticCurvePrivateKey:
        """What signs certificates and requests."""
