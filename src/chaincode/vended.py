"""Vended: what units are sold as. Lines of a bill or a vend, parts by step, and the amounts that a token carries.

A token counts in units of 0.1 kWh, exactly up to 16,383, then in steps of 10, 100 and 1,000 units.

Pure functions over integers; no state.
"""

from chaincode.api import Record
from chaincode.units import power_of_ten

MWH_PER_UNIT = 100_000
"""A token counts in units of 0.1 kWh."""
TOKEN_MANTISSA = 16_383
TOKEN_BASES = (0, 16_384, 180_224, 1_818_624)
LARGEST_UNITS = 18_201_624


class Line(Record):
    """One row of an invoice; `remainder_pico` is what rounding left over."""

    kind: str
    name: str
    quantity: int
    unit: str
    price_micro: int
    amount_minor: int
    remainder_pico: int = 0


class Part(Record):
    """What was vended within one step: a lot."""

    step: int
    price_micro: int
    energy_mwh: int
    net_minor: int
    tax_minor: int


class Vending(Record):
    """What an amount buys; lines and rest together are the amount."""

    units: int
    energy_mwh: int
    lines: list[Line]
    parts: list[Part]
    total_minor: int
    rest_minor: int


def encodable(units: int) -> int:
    """The largest number of units, up to this one, that a token carries exactly."""
    exponent = len(TOKEN_BASES) - 1
    while units < TOKEN_BASES[exponent]:
        exponent -= 1
    power = power_of_ten(exponent)
    return TOKEN_BASES[exponent] + power * min((units - TOKEN_BASES[exponent]) // power, TOKEN_MANTISSA)
