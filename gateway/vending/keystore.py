"""Vending keys in a file: sealed with a passphrase, its owner's alone, and never shown.

    scrypt(passphrase, salt) ─▶ AES-256-GCM over each key, what stands beside it as associated data

A key has a label, `vending/<supply group>/<revision>`, under which a module finds it, and a check value: the first
three bytes of an HMAC under it, so that two people can compare keys without seeing them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledgernode.errors import BadRequest, KeyStoreInvalid
from ledgernode.identity.secret_file import create_secret, read_secret
from ledgernode.sts.keys import VENDING_KEY_BYTES, Secret, VendingKey, key_type_of, require_setting
from ledgernode.wire.unreadable import UNREADABLE

FORMAT: Final = 1
PASSPHRASE_CHARACTERS: Final = 12
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_COST: Final = 1 << 15
_LEAST_COST: Final = 1 << 14
_MOST_COST: Final = 1 << 20
_BLOCK: Final = 8
_KEYS: Final = 1_000


class KeyFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be known of a key."""

    supply_group: str
    key_type: int
    key_revision: int
    check: str

    @property
    def label(self) -> str:
        return label_of(self.supply_group, self.key_revision)


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    facts: KeyFacts
    nonce: str
    sealed: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    scrypt_n: int
    salt: str
    keys: tuple[_Sealed, ...]


class KeyStore:
    """Opened: the keys by label. Its printed form shows none."""

    def __init__(self, keys: dict[str, tuple[KeyFacts, VendingKey]]) -> None:
        self._keys = keys

    def __repr__(self) -> str:
        return f"KeyStore({len(self._keys)} keys)"

    def facts(self) -> list[KeyFacts]:
        return [facts for facts, _ in self._keys.values()]

    def find(self, label: str) -> VendingKey | None:
        found = self._keys.get(label)
        return None if found is None else found[1]


def label_of(supply_group: str, key_revision: int) -> str:
    return f"vending/{supply_group}/{key_revision}"


def add_key(
    path: Path,
    passphrase: Secret,
    *,
    supply_group: str,
    key_type: int,
    key_revision: int,
    key: VendingKey | None = None,
) -> KeyFacts:
    """Put a key into the file, which is made where it is not there; a new random one without `key`.

    Refuses a label that is taken, and another passphrase than the file's. What is there is replaced in one step.
    """
    require_setting(supply_group, "00", key_revision)
    key_type_of(key_type)
    if path.exists():
        kept = _read(path)
        keys = _opened(kept, passphrase)
    else:
        kept, keys = _File(FORMAT, _COST, secrets.token_hex(_SALT_BYTES), ()), {}
    added = key or VendingKey(secrets.token_bytes(VENDING_KEY_BYTES))
    facts = KeyFacts(supply_group, key_type, key_revision, _check_value(added))
    if facts.label in keys:
        raise BadRequest(f"{facts.label} is in the store already")
    if len(keys) >= _KEYS:
        raise BadRequest(f"a store has at most {_KEYS} keys")
    sealed = _seal(_sealing_key(kept, passphrase), facts, added)
    _replace(path, msgspec.structs.replace(kept, keys=(*kept.keys, sealed)))
    return facts


def change_passphrase(path: Path, passphrase: Secret, new: Secret) -> list[KeyFacts]:
    """Seal every key anew under another passphrase and another salt; the file is replaced in one step.

    Raises what `open_store` raises. A service that runs goes on with the keys it has.
    """
    opened = _opened(_read(path), passphrase)
    kept = _File(FORMAT, _COST, secrets.token_hex(_SALT_BYTES), ())
    sealing = _sealing_key(kept, new)
    _replace(path, msgspec.structs.replace(kept, keys=tuple(_seal(sealing, *one) for one in opened.values())))
    return [facts for facts, _ in opened.values()]


def read_facts(path: Path) -> list[KeyFacts]:
    """What may be known of the keys, without the passphrase; so nobody vouches for it."""
    return [one.facts for one in _read(path).keys]


def open_store(path: Path, passphrase: Secret) -> KeyStore:
    """Raises KeyStoreInvalid for another passphrase and a damaged file, KeyFileUnsafe for one that others can read."""
    return KeyStore(_opened(_read(path), passphrase))


def read_passphrase(path: Path) -> Secret:
    """From a file that is its owner's alone; the line's end does not count."""
    found = read_secret(path).rstrip(b"\r\n")
    if len(found) < PASSPHRASE_CHARACTERS:
        raise KeyStoreInvalid(f"a passphrase has at least {PASSPHRASE_CHARACTERS} characters")
    return Secret(found)


def _read(path: Path) -> _File:
    try:
        found = msgspec.json.decode(read_secret(path), type=_File)
        bytes.fromhex(found.salt)
    except (*UNREADABLE, ValueError) as error:
        raise KeyStoreInvalid(f"{path} is no key store") from error
    if found.format != FORMAT or not _LEAST_COST <= found.scrypt_n <= _MOST_COST or len(found.keys) > _KEYS:
        raise KeyStoreInvalid(f"{path} is a key store of another kind")
    return found


def _replace(path: Path, kept: _File) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    create_secret(beside, msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")
    beside.replace(path)


def _seal(sealing: bytes, facts: KeyFacts, key: VendingKey) -> _Sealed:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _Sealed(facts, nonce.hex(), AESGCM(sealing).encrypt(nonce, bytes(key), _associated(facts)).hex())


def _opened(found: _File, passphrase: Secret) -> dict[str, tuple[KeyFacts, VendingKey]]:
    cipher = AESGCM(_sealing_key(found, passphrase))
    keys: dict[str, tuple[KeyFacts, VendingKey]] = {}
    for one in found.keys:
        try:
            nonce, sealed = bytes.fromhex(one.nonce), bytes.fromhex(one.sealed)
            key = VendingKey(cipher.decrypt(nonce, sealed, _associated(one.facts)))
        except (InvalidTag, ValueError) as error:
            raise KeyStoreInvalid("the passphrase is another one, or the key store was altered") from error
        keys[one.facts.label] = (one.facts, key)
    return keys


def _sealing_key(found: _File, passphrase: Secret) -> bytes:
    n = found.scrypt_n
    return hashlib.scrypt(
        bytes(passphrase), salt=bytes.fromhex(found.salt), n=n, r=_BLOCK, p=1, dklen=32, maxmem=2 * 128 * _BLOCK * n
    )


def _associated(facts: KeyFacts) -> bytes:
    return b"ledgernode vending key\n" + msgspec.json.encode(facts, order="deterministic")


def _check_value(key: VendingKey) -> str:
    return hmac.digest(key, b"ledgernode vending key check", "sha256")[:3].hex()
