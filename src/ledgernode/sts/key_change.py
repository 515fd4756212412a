"""Four tokens that give a meter another key, and with it another tariff index, supply group, revision or base date.

    subclass  twelve bits                                                          word of the new key
    3         expiry number, high 4 | revision 4 | roll-over 1 | 0 | key type 2    first
    4         expiry number, low 4 | tariff index 8                                last
    8         supply group, low 12                                                 second
    9         supply group, high 12                                                third

All four are minted under the old key and say nothing without it. They carry no identifier: entering them again changes
nothing. Roll-over says that the base date changes: the meter forgets the identifiers it has used, and keeps its credit.
Nothing ties the four together, so a vendor hands them out as one, and a meter drops those that stay alone.

Pending tokens of the old key are worthless afterwards: enter them first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from ledgernode.errors import BadTokenParameter, KeyChangeIncomplete
from ledgernode.sts.cipher import EA11, Cipher
from ledgernode.sts.keys import DecoderKey, KeyParameters, KeyType, Secret, derive, key_type_of, require_setting
from ledgernode.sts.tid import NEVER_EXPIRES, require_key_expiry
from ledgernode.sts.token import KEY_CHANGE, KeyChangeSection, Subclass, mint

_KEY_BYTES: Final = 16


class KeyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What the four tokens say together; refuses what the standard has no room for."""

    key: DecoderKey
    key_type: KeyType
    key_revision: int
    key_expiry: int
    tariff_index: str
    supply_group: str
    roll_over: bool

    def __post_init__(self) -> None:
        if len(self.key) != _KEY_BYTES:
            raise BadTokenParameter(f"four tokens carry a key of {_KEY_BYTES} bytes, not {len(self.key)}")
        require_key_expiry(self.key_expiry)
        require_setting(self.supply_group, self.tariff_index, self.key_revision)


def key_change(
    old: KeyParameters,
    new: KeyParameters,
    new_vending_key: bytes,
    *,
    key_expiry: int = NEVER_EXPIRES,
    cipher: Cipher = EA11,
) -> KeyChange:
    """What a meter must be told to go from what it is set to, to what it shall be.

    Refuses another meter, and an earlier base date: its identifiers were used before, and the meter would not know.
    """
    if old.pan != new.pan:
        raise BadTokenParameter(f"a key change is for one meter, not from {old.pan} to {new.pan}")
    if new.base.value < old.base.value:
        raise BadTokenParameter(f"a base date is followed by a later one: {new.base.value} is before {old.base.value}")
    return KeyChange(
        key=derive(new_vending_key, new, cipher),
        key_type=new.key_type,
        key_revision=new.key_revision,
        key_expiry=key_expiry,
        tariff_index=new.tariff_index,
        supply_group=new.supply_group,
        roll_over=old.base is not new.base,
    )


def mint_key_change(change: KeyChange, old_key: bytes, cipher: Cipher = EA11) -> tuple[str, ...]:
    """The four tokens, in the order in which they are printed."""
    return tuple(mint(section, old_key, cipher) for section in sections(change))


def sections(change: KeyChange) -> tuple[KeyChangeSection, ...]:
    first, second, third, last = (Secret(change.key[at : at + 4]) for at in range(0, _KEY_BYTES, 4))
    about = change.key_revision << 4 | change.roll_over << 3 | change.key_type
    group = int(change.supply_group)
    return (
        KeyChangeSection(Subclass.KEY_CHANGE_FIRST, change.key_expiry >> 4 << 8 | about, first),
        KeyChangeSection(Subclass.KEY_CHANGE_SECOND, (change.key_expiry & 0xF) << 8 | int(change.tariff_index), last),
        KeyChangeSection(Subclass.KEY_CHANGE_THIRD, group & 0xFFF, second),
        KeyChangeSection(Subclass.KEY_CHANGE_FOURTH, group >> 12, third),
    )


def assemble(arrived: Iterable[KeyChangeSection]) -> KeyChange:
    """What the sections say together, in whatever order; refuses a set with one missing, and impossible values."""
    by_subclass = {section.subclass: section for section in arrived}
    if missing := [KEY_CHANGE.index(subclass) + 1 for subclass in KEY_CHANGE if subclass not in by_subclass]:
        raise KeyChangeIncomplete(f"of the four key change tokens, {_listed(missing)} must still be entered")
    first, second, third, fourth = (by_subclass[subclass] for subclass in KEY_CHANGE)
    return KeyChange(
        key=DecoderKey(first.word + third.word + fourth.word + second.word),
        key_type=key_type_of(first.fields & 0b11),
        key_revision=first.fields >> 4 & 0xF,
        key_expiry=first.fields >> 8 << 4 | second.fields >> 8,
        tariff_index=f"{second.fields & 0xFF:02d}",
        supply_group=f"{fourth.fields << 12 | third.fields:06d}",
        roll_over=bool(first.fields & 0b1000),
    )


def _listed(numbers: list[int]) -> str:
    return " and ".join(f"number {number}" for number in numbers)
