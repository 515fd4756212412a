"""How 50 bits of content become 20 digits, and back.

    content     class 2 | data 48
    check       CRC-16 over the content as 7 bytes (polynomial A001 reflected, from FFFF, its two bytes exchanged)
    block       data 48 | check 16, enciphered under the meter's key
    token       bits 28 and 27 of the cipher block make room for the class, in the clear, and go to bits 65 and 64
    digits      the 66 bits as a number of 20 digits

The check is all that tells a meter's own token from another's or a mistyped one: 1 in 65,536 wrong ones passes it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledgernode.errors import TokenCheckFailed, TokenClassUnknown, TokenMalformed
from ledgernode.sts.cipher import EA11, Cipher
from ledgernode.sts.pan import is_number, plain_digits

TOKEN_DIGITS: Final = 20
TOKEN_BITS: Final = 66
DATA_BITS: Final = 48
CREDIT: Final = 0
METER_SPECIFIC: Final = 2
_CLASS_AT: Final = 27
_CLASS_MASK: Final = 0b11 << _CLASS_AT
_BLOCK_MASK: Final = (1 << 64) - 1


class Content(NamedTuple):
    """A token's class and the 48 bits it says."""

    token_class: int
    data: int


def seal(content: Content, key: bytes, cipher: Cipher = EA11) -> str:
    """The 20 digits."""
    assert content.token_class in (CREDIT, METER_SPECIFIC)
    assert 0 <= content.data < 1 << DATA_BITS
    block = (content.data << 16 | check(content)).to_bytes(8, "big")
    enciphered = int.from_bytes(cipher.encrypt(block, key), "big")
    displaced = (enciphered & _CLASS_MASK) >> _CLASS_AT
    return f"{displaced << 64 | enciphered & ~_CLASS_MASK | content.token_class << _CLASS_AT:0{TOKEN_DIGITS}d}"


def unseal(digits: str, key: bytes, cipher: Cipher = EA11) -> Content:
    """What `seal` put in. Refuses what is no token, is of a class without a key, and what is not for this key."""
    number = _number(digits)
    token_class = (number & _CLASS_MASK) >> _CLASS_AT
    if token_class not in (CREDIT, METER_SPECIFIC):
        raise TokenClassUnknown(
            f"a token of class {token_class}: this meter takes classes {CREDIT} and {METER_SPECIFIC}"
        )
    enciphered = number & _BLOCK_MASK & ~_CLASS_MASK | number >> 64 << _CLASS_AT
    block = int.from_bytes(cipher.decrypt(enciphered.to_bytes(8, "big"), key), "big")
    content = Content(token_class, block >> 16)
    if check(content) != block & 0xFFFF:
        raise TokenCheckFailed(
            "the token's check does not hold under this key: a digit is wrong, or it was minted for another meter,"
            " supply group, tariff index, key revision or base date"
        )
    return content


def check(content: Content) -> int:
    """CRC-16 of class and data."""
    remainder = 0xFFFF
    for byte in (content.token_class << DATA_BITS | content.data).to_bytes(7, "big"):
        remainder = remainder >> 8 ^ _REMAINDERS[(remainder ^ byte) & 0xFF]
    return (remainder & 0xFF) << 8 | remainder >> 8


def _number(text: str) -> int:
    digits = plain_digits(text)
    if len(digits) != TOKEN_DIGITS or not is_number(digits):
        raise TokenMalformed(f"a token has {TOKEN_DIGITS} digits, this one {len(digits)} characters: enter it again")
    if (number := int(digits)) >> TOKEN_BITS:
        raise TokenMalformed(f"no token is above {(1 << TOKEN_BITS) - 1}: a digit is wrong, enter it again")
    return number


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
    return byte


_REMAINDERS: Final = tuple(_remainder(byte) for byte in range(256))
