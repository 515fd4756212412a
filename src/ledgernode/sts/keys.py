"""Keys: a utility's vending key, and the key of one meter that is derived from it (DKGA04).

A decoder key is the head of an HMAC-SHA256, keyed with the 160-bit vending key, over everything the meter is set to:

    04 | "04" | base date | algorithm | tariff index | 00 04 | supply group | key type | revision | PAN | key bits 4

where each text stands behind a byte with its length. So another meter, tariff index, supply group, revision or base
date is another key, and a token for one says nothing to the others.

Keys are bytes that never show: printed, logged or in a traceback they are a length.
"""

from __future__ import annotations

import hmac
import re
from enum import IntEnum
from typing import Final, Self

import msgspec

from ledgernode.errors import BadTokenKey, BadTokenParameter
from ledgernode.sts.cipher import EA11, Cipher
from ledgernode.sts.pan import Pan, read_pan
from ledgernode.sts.tid import BaseDate

VENDING_KEY_BYTES: Final = 20
_SUPPLY_GROUP: Final = re.compile(r"[0-9]{6}")
_TARIFF_INDEX: Final = re.compile(r"[0-9]{2}")


class Secret(bytes):
    """Bytes whose printed form is their length."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} bytes)"

    __str__ = __repr__

    def __format__(self, _: str) -> str:
        return repr(self)


class VendingKey(Secret):
    """The key a utility derives its meters' keys from: 160 bits."""

    def __new__(cls, raw: bytes) -> Self:
        if len(raw) != VENDING_KEY_BYTES:
            raise BadTokenKey(f"a vending key has {VENDING_KEY_BYTES} bytes, this one {len(raw)}")
        return super().__new__(cls, raw)

    @classmethod
    def from_hex(cls, text: str) -> Self:
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raise BadTokenKey(f"a vending key is written as {2 * VENDING_KEY_BYTES} hexadecimal digits") from None
        return cls(raw)


class DecoderKey(Secret):
    """The key of one meter."""


class KeyType(IntEnum):
    """Whose meters share the vending key. Types 0 (a factory's) and 3 (common) derive otherwise and are not here."""

    DEFAULT = 1
    UNIQUE = 2


class KeyParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a meter's key depends on, the vending key apart; refuses what the standard has no room for."""

    pan: Pan
    supply_group: str
    tariff_index: str
    key_revision: int
    key_type: KeyType
    base: BaseDate

    def __post_init__(self) -> None:
        read_pan(self.pan)
        require_setting(self.supply_group, self.tariff_index, self.key_revision)


def require_setting(supply_group: str, tariff_index: str, key_revision: int) -> None:
    if not _SUPPLY_GROUP.fullmatch(supply_group):
        raise BadTokenParameter(f"a supply group code has 6 digits, this one is {supply_group!r}")
    if not _TARIFF_INDEX.fullmatch(tariff_index):
        raise BadTokenParameter(f"a tariff index lies between 00 and 99, this one is {tariff_index!r}")
    if not 1 <= key_revision <= 9:
        raise BadTokenParameter(f"a key revision lies between 1 and 9, this one is {key_revision}")


def key_type_of(number: int) -> KeyType:
    """Refuses the types whose keys are derived otherwise."""
    try:
        return KeyType(number)
    except ValueError:
        raise BadTokenParameter(f"a key type is 1 (default) or 2 (unique), this one is {number}") from None


def derive(vending_key: bytes, meter: KeyParameters, cipher: Cipher = EA11) -> DecoderKey:
    """The meter's key by DKGA04; refuses a vending key of another length."""
    return decoder_key(hmac.digest(VendingKey(vending_key), derivation(meter, cipher), "sha256"), cipher)


def decoder_key(derived: bytes, cipher: Cipher = EA11) -> DecoderKey:
    """The meter's key within what a vending key made of a derivation's message."""
    return DecoderKey(derived[: cipher.key_bytes])


def derivation(meter: KeyParameters, cipher: Cipher = EA11) -> bytes:
    """The message of which HMAC-SHA256 under the vending key makes the meter's key."""
    texts = (meter.base.code, cipher.code, meter.tariff_index)
    unit = (meter.supply_group, str(int(meter.key_type)), str(meter.key_revision), meter.pan)
    return b"\x04" + _counted("04", *texts) + b"\x00\x04" + _counted(*unit) + (8 * cipher.key_bytes).to_bytes(4, "big")


def _counted(*texts: str) -> bytes:
    return b"".join(bytes((len(text),)) + text.encode("ascii") for text in texts)
