"""What a `key.pem` may be: a key as it stands, a key under a passphrase, or the name of a key in a token.

    -----BEGIN PRIVATE KEY-----              whoever reads the file has the key
    -----BEGIN ENCRYPTED PRIVATE KEY-----    whoever reads it must have the passphrase too (`encrypted_key`)
    pkcs11:token=…;object=…?module-path=…    the key is in the token and stays there (`pkcs11_uri`, `hsm`)

This is the one door: whoever needs a signing key asks here, and does not learn which it was. All three are secrets by
their modes: the third names a library that is loaded into the process.
"""

from __future__ import annotations

import os
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from ledgernode.errors import BadRequest, KeyFileUnsafe, PassphraseWrong
from ledgernode.identity import encrypted_key
from ledgernode.identity.keys import PrivateKey, encode_public_key
from ledgernode.identity.passphrase import Unlock, none_given, require_long
from ledgernode.identity.pkcs11_uri import SCHEME, parse_uri
from ledgernode.identity.secret_file import create_secret, read_secret
from ledgernode.identity.signing import SigningKey
from ledgernode.sts.keys import Secret


class Kind(StrEnum):
    PLAIN = "not encrypted"
    ENCRYPTED = "encrypted"
    NAMED = "in a token"


def load_key(path: Path, unlock: Unlock = none_given) -> SigningKey:
    """The signing key that a file holds or names.

    Refuses a file that is missing, damaged, not P-256, or open to others; an encrypted one without its passphrase; and
    a name that leads to no key, or to two.
    """
    content = read_secret(path)
    if kind_of(content) is Kind.NAMED:
        from ledgernode.identity.hsm import find_key  # only who has a token needs the package

        return find_key(parse_uri(content.decode("ascii", "replace").strip()))
    return _opened(path, content, unlock)


def tls_key(path: Path, unlock: Unlock = none_given) -> bytes:
    """A TLS key as PEM, for memory alone. Refuses what `load_key` refuses, and a key in a token: TLS wants it here."""
    content = read_secret(path)
    if kind_of(content) is Kind.NAMED:
        raise KeyFileUnsafe(f"{path} names a key in a token: keys that open connections are files")
    return opened_pem(path, content, unlock)


def opened_pem(path: Path, content: bytes, unlock: Unlock) -> bytes:
    """The PEM of what was read there, without a passphrase."""
    if not encrypted_key.is_encrypted(content):
        return content
    passphrase = unlock(path)
    try:
        return encrypted_key.decrypt(content, passphrase)
    except (ValueError, TypeError) as error:
        raise PassphraseWrong(f"{path} is not opened by this passphrase, or was altered") from error


def public_key_of(path: Path, unlock: Unlock = none_given) -> bytes:
    """Whose key it is. An encrypted file says so itself where it can, so that no passphrase is asked for."""
    content = read_secret(path)
    if encrypted_key.is_encrypted(content) and (told := encrypted_key.public_half(content)) is not None:
        return encode_public_key(told)
    return load_key(path, unlock).public_key


def kind_of(content: bytes) -> Kind:
    if content.lstrip().startswith(SCHEME.encode()):
        return Kind.NAMED
    return Kind.ENCRYPTED if encrypted_key.is_encrypted(content) else Kind.PLAIN


class Keeping(NamedTuple):
    """How a new key is kept: as it stands, under a passphrase, or in a token."""

    passphrase: Secret | None = None
    uri: str = ""

    def make(self) -> SigningKey:
        """A new key; of a token the one of this name, if the operator has made it there already."""
        if not self.uri:
            return PrivateKey.generate()
        from ledgernode.identity.hsm import find_or_make_key

        return find_or_make_key(parse_uri(self.uri))

    def write(self, path: Path, key: SigningKey) -> None:
        """A file that only its owner reads, on the disk when this returns. Never overwrites."""
        if self.uri:
            create_secret(path, f"{self.uri}\n".encode())
        elif self.passphrase is not None:
            create_secret(path, encrypted_key.encrypt(key.to_cryptography(), require_long(self.passphrase)))
        else:
            assert isinstance(key, PrivateKey)
            key.save(path)


PLAIN: Final = Keeping()


def kept_as(path: Path, unlock: Unlock = none_given) -> Keeping:
    """As this key is kept: so its successor is. Refuses one in a token, whose successor wants a name of its own."""
    match kind_of(read_secret(path)):
        case Kind.NAMED:
            raise BadRequest(f"{path} names a key in a token: name the next one too (--key)")
        case Kind.ENCRYPTED:
            return Keeping(unlock(path))
        case Kind.PLAIN:
            return PLAIN


def require_protectable(path: Path, unlock: Unlock) -> PrivateKey:
    """The key that is to get another passphrase. Refuses what `load_key` refuses, and the name of a key in a token."""
    content = read_secret(path)
    if kind_of(content) is Kind.NAMED:
        raise BadRequest(f"{path} names a key in a token, which its PIN protects")
    return _opened(path, content, unlock)


def protect(path: Path, unlock: Unlock, passphrase: Secret | None) -> None:
    """Put a key under another passphrase, or under none; the file is replaced in one step.

    Of a plain key the disk may keep what stood there.
    """
    key = require_protectable(path, unlock)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        Keeping(passphrase).write(beside, key)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _make_durable(path.parent)


def _opened(path: Path, content: bytes, unlock: Unlock) -> PrivateKey:
    """Refuses a file whose public half is of another key."""
    key = PrivateKey.from_pem(opened_pem(path, content, unlock), path)
    told = encrypted_key.public_half(content) if encrypted_key.is_encrypted(content) else None
    if told is not None and encode_public_key(told) != key.public_key:
        raise KeyFileUnsafe(f"{path} was altered: its public half is of another key")
    return key


def _make_durable(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
