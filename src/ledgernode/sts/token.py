"""What a token says: minting one, and reading it again.

    class 0, credit           subclass 4 | random 4 | identifier 24 | amount 16
    class 2, one meter's      the same, the amount read by subclass; or a section of a key change:
                              subclass 4 | fields 12 | word of the new key 32

    class  subclass  says
    0      0, 1, 2   credit of electricity, water, gas
    2      0         the most power the load may draw, in W
    2      1         clear the credit (FFFF: all of it)
    2      2         a tariff rate, sixteen bits that the utility and the meter agree on
    2      3, 4, 8, 9  a section of a key change (`ledgernode.sts.key_change`)
    2      5         clear the tamper state
    2      6         the most that phases may differ, in W

A token's values are checked when it is made, so what exists can be minted. The amounts are carried exactly or refused:
who rounds, and which way, is the caller's (`ledgernode.sts.amounts`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from ledgernode.errors import BadTokenAmount, BadTokenParameter, TokenClassUnknown
from ledgernode.sts import amounts
from ledgernode.sts.block import CREDIT, METER_SPECIFIC, Content, seal, unseal
from ledgernode.sts.cipher import EA11, Cipher
from ledgernode.sts.keys import Secret
from ledgernode.sts.tid import TIDS, Tid

ALL_CREDIT: Final = 0xFFFF
_NO_VALUE: Final = 0


class Service(IntEnum):
    """What a credit is for: the subclass of class 0."""

    ELECTRICITY = 0
    WATER = 1
    GAS = 2


class Subclass(IntEnum):
    """Of class 2."""

    MAXIMUM_POWER = 0
    CLEAR_CREDIT = 1
    TARIFF_RATE = 2
    KEY_CHANGE_FIRST = 3
    KEY_CHANGE_SECOND = 4
    CLEAR_TAMPER = 5
    PHASE_UNBALANCE = 6
    KEY_CHANGE_THIRD = 8
    KEY_CHANGE_FOURTH = 9


KEY_CHANGE: Final = (
    Subclass.KEY_CHANGE_FIRST,
    Subclass.KEY_CHANGE_SECOND,
    Subclass.KEY_CHANGE_THIRD,
    Subclass.KEY_CHANGE_FOURTH,
)


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """What all tokens but key changes begin with: random bits, and an identifier that a meter accepts once."""

    tid: Tid
    random: int

    def __post_init__(self) -> None:
        _require("identifier", self.tid, TIDS - 1)
        _require("random field", self.random, 0xF)


class Credit(Issued, frozen=True, kw_only=True):
    """Units of 0.1 kWh or 0.1 m³."""

    units: int
    service: Service = Service.ELECTRICITY

    def __post_init__(self) -> None:
        super().__post_init__()
        amounts.encode(self.units)
        if self.units == 0:
            raise BadTokenAmount("a credit token carries at least one unit: 0.1 kWh")


class MaximumPower(Issued, frozen=True, kw_only=True):
    limit_w: int

    def __post_init__(self) -> None:
        super().__post_init__()
        amounts.encode(self.limit_w)


class ClearCredit(Issued, frozen=True, kw_only=True):
    register: int = ALL_CREDIT

    def __post_init__(self) -> None:
        super().__post_init__()
        _require("credit register", self.register, 0xFFFF)


class TariffRate(Issued, frozen=True, kw_only=True):
    rate: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _require("tariff rate", self.rate, 0xFFFF)


class ClearTamper(Issued, frozen=True, kw_only=True):
    pass


class PhaseUnbalance(Issued, frozen=True, kw_only=True):
    limit_w: int

    def __post_init__(self) -> None:
        super().__post_init__()
        amounts.encode(self.limit_w)


class KeyChangeSection(msgspec.Struct, frozen=True):
    """One of the four tokens of a key change: twelve bits of what it says, and a word of the new key."""

    subclass: Subclass
    fields: int
    word: Secret


Token = Credit | MaximumPower | ClearCredit | TariffRate | ClearTamper | PhaseUnbalance | KeyChangeSection


def mint(token: Token, key: bytes, cipher: Cipher = EA11) -> str:
    """The 20 digits that say this to the meter with this key, and nothing to any other."""
    return seal(_content(token), key, cipher)


def read(digits: str, key: bytes, cipher: Cipher = EA11) -> Token:
    """What a token says to the meter with this key; blanks and hyphens between the digits do not matter.

    Refuses what is no token, what is not for this key, and what this package does not know. Whether the identifier is
    used or beyond the key's expiry is the meter's question: `ledgernode.sts.decoder`.
    """
    return _token(unseal(digits, key, cipher))


def class_of(token: Token) -> tuple[int, int]:
    """(class, subclass)."""
    content = _content(token)
    return content.token_class, content.data >> 44


def _content(token: Token) -> Content:
    match token:
        case KeyChangeSection(subclass, fields, word):
            return Content(METER_SPECIFIC, subclass << 44 | fields << 32 | int.from_bytes(word, "big"))
        case Credit():
            return _issued(token, CREDIT, token.service, amounts.encode(token.units))
        case MaximumPower():
            return _issued(token, METER_SPECIFIC, Subclass.MAXIMUM_POWER, amounts.encode(token.limit_w))
        case ClearCredit():
            return _issued(token, METER_SPECIFIC, Subclass.CLEAR_CREDIT, token.register)
        case TariffRate():
            return _issued(token, METER_SPECIFIC, Subclass.TARIFF_RATE, token.rate)
        case ClearTamper():
            return _issued(token, METER_SPECIFIC, Subclass.CLEAR_TAMPER, _NO_VALUE)
        case PhaseUnbalance():
            return _issued(token, METER_SPECIFIC, Subclass.PHASE_UNBALANCE, amounts.encode(token.limit_w))


def _issued(token: Issued, token_class: int, subclass: int, value: int) -> Content:
    return Content(token_class, subclass << 44 | token.random << 40 | token.tid << 16 | value)


def _token(content: Content) -> Token:
    data = content.data
    subclass, random, tid, value = data >> 44, data >> 40 & 0xF, Tid(data >> 16 & 0xFFFFFF), data & 0xFFFF
    match content.token_class, subclass:
        case 0, Service.ELECTRICITY | Service.WATER | Service.GAS:
            return Credit(tid=tid, random=random, units=amounts.decode(value), service=Service(subclass))
        case 2, Subclass.MAXIMUM_POWER:
            return MaximumPower(tid=tid, random=random, limit_w=amounts.decode(value))
        case 2, Subclass.CLEAR_CREDIT:
            return ClearCredit(tid=tid, random=random, register=value)
        case 2, Subclass.TARIFF_RATE:
            return TariffRate(tid=tid, random=random, rate=value)
        case 2, Subclass.CLEAR_TAMPER:
            return ClearTamper(tid=tid, random=random)  # its sixteen bits are padding
        case 2, Subclass.PHASE_UNBALANCE:
            return PhaseUnbalance(tid=tid, random=random, limit_w=amounts.decode(value))
        case 2, section if section in KEY_CHANGE:
            word = Secret((data & 0xFFFF_FFFF).to_bytes(4, "big"))
            return KeyChangeSection(Subclass(section), data >> 32 & 0xFFF, word)
    raise TokenClassUnknown(
        f"a token of class {content.token_class}, subclass {subclass}: this meter has no use for it"
    )


def _require(name: str, number: int, largest: int) -> None:
    if not 0 <= number <= largest:
        raise BadTokenParameter(f"a token's {name} lies between 0 and {largest}, this one is {number}")
