"""A meter gets another key by four tokens."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import BadTokenParameter, KeyChangeIncomplete
from ledgernode.sts.key_change import KeyChange, assemble, key_change, mint_key_change, sections
from ledgernode.sts.keys import DecoderKey, KeyType, Secret, derive
from ledgernode.sts.tid import BaseDate
from ledgernode.sts.token import KeyChangeSection, Subclass
from tests.sts.published import METER, VENDING_KEY

changes = st.builds(
    KeyChange,
    key=st.binary(min_size=16, max_size=16).map(DecoderKey),
    key_type=st.sampled_from(KeyType),
    key_revision=st.integers(1, 9),
    key_expiry=st.integers(0, 255),
    tariff_index=st.from_regex(r"\A[0-9]{2}\Z"),
    supply_group=st.from_regex(r"\A[0-9]{6}\Z"),
    roll_over=st.booleans(),
)


def to(**settings: Any) -> KeyChange:
    return key_change(METER, msgspec.structs.replace(METER, **settings), VENDING_KEY)


@given(changes)
def test_the_sections_say_the_whole_change(change: KeyChange) -> None:
    """Every field, in whatever order the four are entered."""
    parts = sections(change)
    assert all(assemble(order) == change for order in permutations(parts))


def test_a_change_says_what_the_meter_will_be_set_to() -> None:
    """Another supply group, revision and type, each with the key that is derived from it."""
    new = msgspec.structs.replace(METER, supply_group="999999", key_revision=9, key_type=KeyType.DEFAULT)
    change = key_change(METER, new, bytes(20), key_expiry=101)
    assert change.key == derive(bytes(20), new)
    said = (change.supply_group, change.key_revision, change.key_type, change.tariff_index, change.key_expiry)
    assert said == ("999999", 9, KeyType.DEFAULT, "01", 101)


def test_roll_over_is_a_change_of_base_date() -> None:
    """Only then may the meter forget what it has used."""
    assert to(base=BaseDate.Y2014).roll_over
    assert not to(tariff_index="02").roll_over


def test_base_dates_go_forward_only() -> None:
    """The keys of an earlier one have used identifiers, which the meter would have forgotten."""
    modern = msgspec.structs.replace(METER, base=BaseDate.Y2035)
    with pytest.raises(BadTokenParameter, match="2014 is before 2035"):
        key_change(modern, msgspec.structs.replace(METER, base=BaseDate.Y2014), VENDING_KEY)


def test_a_key_change_is_for_one_meter() -> None:
    """A change never renames a meter."""
    with pytest.raises(BadTokenParameter, match="for one meter"):
        to(pan="000001000000000082")


def test_missing_sections_are_named() -> None:
    """By their place in the printed order."""
    parts = sections(to(tariff_index="02"))
    for some in range(4):
        for arrived in combinations(parts, some):
            with pytest.raises(KeyChangeIncomplete) as refused:
                assemble(arrived)
            missing = [number for number, part in enumerate(parts, 1) if part not in arrived]
            assert all(f"number {number}" in str(refused.value) for number in missing)
    with pytest.raises(KeyChangeIncomplete, match="number 2"):
        assemble((parts[0], parts[0], parts[2], parts[3]))


@pytest.mark.parametrize(
    ("place", "fields"),
    [(0, 0xF13), (0, 0xF10), (0, 0xF02), (0, 0xFA2), (1, 0xF64), (3, 0x0F5)],
    ids=[
        "common key type",
        "factory key type",
        "revision 0",
        "revision 10",
        "tariff index 100",
        "supply group 1004097",
    ],
)
def test_impossible_values_are_refused(place: int, fields: int) -> None:
    """The check held, so a vendor minted nonsense: the meter keeps its key."""
    parts = list(sections(to(tariff_index="02")))
    parts[place] = KeyChangeSection(parts[place].subclass, fields, parts[place].word)
    with pytest.raises(BadTokenParameter):
        assemble(parts)


def test_four_tokens_carry_128_bits() -> None:
    """A key of another length has no tokens here."""
    with pytest.raises(BadTokenParameter, match="16 bytes"):
        msgspec.structs.replace(to(tariff_index="02"), key=DecoderKey(bytes(8)))


def test_tokens_of_a_change_differ_in_all_four_sections() -> None:
    """Each has its subclass; none shows the new key."""
    change, old_key = to(tariff_index="02"), derive(VENDING_KEY, METER)
    assert [section.subclass for section in sections(change)] == [3, 4, 8, 9]
    assert len(set(mint_key_change(change, old_key))) == 4
    assert all(isinstance(section.word, Secret) for section in sections(change))
    assert sections(change)[0].subclass is Subclass.KEY_CHANGE_FIRST
