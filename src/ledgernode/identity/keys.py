"""P-256 keys: signing, checking, and the file a private key lives in.

    public key  65 bytes: 0x04 | x 32 | y 32            (SEC 1, uncompressed only)
    signature   64 bytes: r 32 | s 32                   (ECDSA with SHA-256, s in the lower half)

Exactly one encoding of a key and of a signature is valid, so that any two verifiers agree on every
input: r and s lie in 1 … n-1, s is at most n/2, the key lies on the curve. Signing is deterministic
(RFC 6979): the same key and message give the same 64 bytes on every implementation.

Checking is the ledger's largest cost: parsed keys are kept, and nothing else is done per call.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature

from ledgernode import config
from ledgernode.errors import KeyFileUnsafe
from ledgernode.identity.secret_file import create_secret, read_secret
from ledgernode.wire.types import HASH_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, sha256

ORDER: Final = 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551
HALF_ORDER: Final = ORDER // 2

_CURVE: Final = ec.SECP256R1()
_SIGNING: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_CHECKING_DIGEST: Final = ec.ECDSA(Prehashed(hashes.SHA256()))

# of equal length, big-endian numbers compare as their bytes do
_ZERO_BYTES: Final = bytes(32)
_ORDER_BYTES: Final = ORDER.to_bytes(32, "big")
_HALF_BYTES: Final = HALF_ORDER.to_bytes(32, "big")


class PrivateKey:
    """A signing key. Its printed form shows the public half only."""

    __slots__ = ("_key", "public_key")

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        if not isinstance(key.curve, ec.SECP256R1):
            raise KeyFileUnsafe(f"the ledger's keys are on curve P-256, this one is on {key.curve.name}")
        self._key = key
        self.public_key = encode_public_key(key.public_key())

    @staticmethod
    def generate() -> PrivateKey:
        return PrivateKey(ec.generate_private_key(_CURVE))

    @staticmethod
    def load(path: Path) -> PrivateKey:
        """Read a plain PEM key file; refuses one that is missing, damaged, not P-256, or open to others.

        Where a file may also be encrypted or name a key in a token, `identity.key_file` reads it.
        """
        return PrivateKey.from_pem(read_secret(path), path)

    @staticmethod
    def from_pem(content: bytes, path: Path) -> PrivateKey:
        """The key that was read there."""
        try:
            key = serialization.load_pem_private_key(content, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyFileUnsafe(f"{path} holds no readable private key (PEM, no password)") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise KeyFileUnsafe(f"{path} holds a key of another kind: the ledger's keys are on curve P-256")
        return PrivateKey(key)

    def save(self, path: Path) -> None:
        """Write the key to a new file that only its owner reads; refuses to overwrite."""
        create_secret(
            path,
            self._key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(message, _SIGNING))
        return r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")

    def to_cryptography(self) -> ec.EllipticCurvePrivateKey:
        return self._key

    def __repr__(self) -> str:
        return f"PrivateKey(public_key={self.public_key.hex()[:18]}…)"


def encode_public_key(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Does the signature hold? Whatever is malformed does not; nothing is raised."""
    return verify_digest(public_key, sha256(message), signature)


def verify_digest(public_key: bytes, digest: bytes, signature: bytes) -> bool:
    """`verify` for a message of which the SHA-256 is known (a transaction's id is its body's)."""
    r, s = signature[:32], signature[32:]
    if (
        len(signature) != SIGNATURE_BYTES
        or len(digest) != HASH_BYTES
        or not _ZERO_BYTES < r < _ORDER_BYTES
        or not _ZERO_BYTES < s <= _HALF_BYTES
    ):
        return False
    try:
        _parsed(public_key).verify(
            encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big")), digest, _CHECKING_DIGEST
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def is_public_key(raw: bytes) -> bool:
    """Is this an uncompressed point of the curve?"""
    try:
        _parsed(raw)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=config.KEY_CACHE)
def _parsed(public_key: bytes) -> ec.EllipticCurvePublicKey:
    """Raises ValueError on anything but a point of the curve; what raises is not kept."""
    if len(public_key) != PUBLIC_KEY_BYTES or public_key[0] != 4:
        raise ValueError("a public key has 65 bytes, the first 0x04")
    return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, public_key)
