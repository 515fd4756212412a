"""Meter numbers and their check digits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import BadMeterNumber
from ledgernode.sts.pan import check_digit, pan_of, read_pan, reference_of

numbers = st.text("0123456789", min_size=1, max_size=20)


@pytest.mark.parametrize("pan", ["600727000000000009", "000001000000000082"])
def test_published_meter_numbers_are_well_formed(pan: str) -> None:
    """With an eleven-digit reference number, and with one of thirteen."""
    assert read_pan(pan) == pan
    assert pan_of(reference_of(read_pan(pan))) == pan


def test_a_number_is_read_as_people_write_it() -> None:
    """Blanks and hyphens are no digits."""
    assert read_pan("6007 2700-0000 0000 09") == "600727000000000009"


@given(numbers, st.data())
def test_luhn_catches_every_single_mistyped_digit(number: str, data: st.DataObject) -> None:
    """Also in the check digit itself."""
    whole = number + check_digit(number)
    place = data.draw(st.integers(0, len(whole) - 1))
    wrong = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != whole[place]]))
    altered = whole[:place] + wrong + whole[place + 1 :]
    assert check_digit(altered[:-1]) != altered[-1]


@given(numbers)
def test_luhn_as_it_is_taught(number: str) -> None:
    """Double every second digit from the right, add the digits of the products, make the sum end in 0."""
    whole = [int(digit) for digit in number + check_digit(number)][::-1]
    assert sum(sum(divmod(digit * (1 + place % 2), 10)) for place, digit in enumerate(whole)) % 10 == 0


@pytest.mark.parametrize("text", ["", "60072700000000000", "6007270000000000099", "60072700000000000x", "\uff16" * 18])
def test_what_is_no_meter_number_is_refused(text: str) -> None:
    """Length and digits first."""
    with pytest.raises(BadMeterNumber, match="18 digits"):
        read_pan(text)


def test_wrong_check_digits_are_refused() -> None:
    """Of the meter number, and of a reference number typed alone."""
    with pytest.raises(BadMeterNumber, match="check digit"):
        read_pan("600727000000000008")
    with pytest.raises(BadMeterNumber, match="check digit"):
        pan_of("00000000001")
    with pytest.raises(BadMeterNumber, match="11 or 13 digits"):
        pan_of("123456789012")
