"""A private key encrypted by a passphrase: PKCS #8, PBES2 with scrypt and AES-256-CBC (RFC 8018, RFC 7914).

    -----BEGIN PUBLIC KEY-----               so that a certificate finds its key without the passphrase
    -----BEGIN ENCRYPTED PRIVATE KEY-----

`openssl pkey` and every other reader of PKCS #8 opens it. What `cryptography` writes by itself derives the key by 2,048
rounds of PBKDF2, which a graphics card tries by the hundred thousand a second; so the 50 bytes around the cipher are
written here, and reading is left to it. scrypt with N = 2^14, r = 8, p = 5 takes a tenth of a second and 16 MiB a try:
more memory is more than OpenSSL grants to a file of this kind.
"""

from __future__ import annotations

import base64
import os
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives import padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

COST: Final = 1 << 14
BLOCK: Final = 8
PARALLEL: Final = 5
_KEY_BYTES: Final = 32
_SALT_BYTES: Final = 16
_BLOCK_BITS: Final = 128

_BEGIN: Final = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
_BEGIN_PUBLIC: Final = b"-----BEGIN PUBLIC KEY-----"
_LINE: Final = 64

# object identifiers, as DER has them
_PBES2: Final = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT: Final = bytes.fromhex("06092b06010401da47040b")
_AES_256_CBC: Final = bytes.fromhex("060960864801650304012a")
_SEQUENCE: Final = 0x30
_OCTETS: Final = 0x04
_INTEGER: Final = 0x02


def is_encrypted(content: bytes) -> bool:
    return _BEGIN in content


def encrypt(key: ec.EllipticCurvePrivateKey, passphrase: bytes) -> bytes:
    """The whole file: public half, and the key under a salt of its own."""
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return public + _pem(_encrypted_info(plain, passphrase, os.urandom(_SALT_BYTES), os.urandom(_BLOCK_BITS // 8)))


@lru_cache(maxsize=32)
def decrypt(content: bytes, passphrase: bytes) -> bytes:
    """The same key as PEM without a passphrase, for memory alone; ValueError where the passphrase is another.

    A fact of bytes that takes a tenth of a second: files that are looked at again and again are opened once.
    """
    key = serialization.load_pem_private_key(content, passphrase)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_half(content: bytes) -> ec.EllipticCurvePublicKey | None:
    """What the file says of the key, which nobody vouches for until it is opened; None where it says nothing."""
    if _BEGIN_PUBLIC not in content:
        return None
    key = serialization.load_pem_public_key(content)
    return key if isinstance(key, ec.EllipticCurvePublicKey) else None


def _encrypted_info(plain: bytes, passphrase: bytes, salt: bytes, vector: bytes) -> bytes:
    derived = Scrypt(salt, _KEY_BYTES, COST, BLOCK, PARALLEL).derive(passphrase)
    pad = padding.PKCS7(_BLOCK_BITS).padder()
    cipher = Cipher(AES256(derived), CBC(vector)).encryptor()
    sealed = cipher.update(pad.update(plain) + pad.finalize()) + cipher.finalize()
    numbers = b"".join(_integer(number) for number in (COST, BLOCK, PARALLEL, _KEY_BYTES))
    derivation = _der(_SEQUENCE, _SCRYPT + _der(_SEQUENCE, _der(_OCTETS, salt) + numbers))
    scheme = _der(_SEQUENCE, _AES_256_CBC + _der(_OCTETS, vector))
    algorithm = _der(_SEQUENCE, _PBES2 + _der(_SEQUENCE, derivation + scheme))
    return _der(_SEQUENCE, algorithm + _der(_OCTETS, sealed))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def _integer(number: int) -> bytes:
    return _der(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _pem(der: bytes) -> bytes:
    text = base64.b64encode(der)
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return b"\n".join((_BEGIN, *lines, _BEGIN.replace(b"BEGIN", b"END"))) + b"\n"
