"""A meter's number: 18 digits, as printed on its face and on a payment card.

    600727 | decoder reference number 11 | check digit     manufacturer 2, serial 8, its own check digit
      0000 | decoder reference number 13 | check digit     manufacturer 4, serial 8, its own check digit

Both check digits are Luhn's. The last covers the whole number, so it is the one that is asked for everywhere; the
reference number's own is asked for where somebody types that number alone.
"""

from __future__ import annotations

from typing import Final, NewType

from ledgernode.errors import BadMeterNumber

Pan = NewType("Pan", str)

PAN_DIGITS: Final = 18
_ISSUERS: Final = {11: "600727", 13: "0000"}  # by the length of the reference number
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # twice a digit, its own digits added


def read_pan(text: str) -> Pan:
    """The number, blanks and hyphens left out; refuses another length and a wrong check digit."""
    digits = plain_digits(text)
    if len(digits) != PAN_DIGITS or not is_number(digits):
        raise BadMeterNumber(f"a meter number (PAN) has {PAN_DIGITS} digits, this one {len(digits)} characters")
    if check_digit(digits[:-1]) != digits[-1]:
        raise BadMeterNumber(f"the check digit of meter number {digits} is wrong: a digit was mistyped")
    return Pan(digits)


def pan_of(reference: str) -> Pan:
    """The meter number of a decoder reference number of 11 or 13 digits; refuses a wrong check digit of its own."""
    digits = plain_digits(reference)
    if len(digits) not in _ISSUERS or not is_number(digits):
        raise BadMeterNumber(f"a decoder reference number has 11 or 13 digits, this one {len(digits)} characters")
    if check_digit(digits[:-1]) != digits[-1]:
        raise BadMeterNumber(f"the check digit of reference number {digits} is wrong: a digit was mistyped")
    numbered = _ISSUERS[len(digits)] + digits
    return Pan(numbered + check_digit(numbered))


def reference_of(pan: Pan) -> str:
    """The decoder reference number: what people call the meter by."""
    return pan[4:-1] if pan.startswith(_ISSUERS[13]) else pan[6:-1]


def check_digit(digits: str) -> str:
    """Luhn: every second digit from the right is doubled, and the sum with the check digit ends in 0."""
    doubled = sum(_DOUBLED[int(digit)] for digit in digits[::-2])
    single = sum(int(digit) for digit in digits[-2::-2])
    return str(-(doubled + single) % 10)


def plain_digits(text: str) -> str:
    """As people write long numbers, without the blanks and hyphens."""
    return text.replace(" ", "").replace("-", "")


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
