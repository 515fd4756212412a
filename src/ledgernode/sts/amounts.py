"""What sixteen bits of a token can carry: units of 0.1 kWh (0.1 m³ of water or gas, 1 W of power).

    value = exponent 2 | mantissa 14

    exponent   carries                         in steps of
    0          0 … 16,383                      1
    1          16,384 … 180,214                10
    2          180,224 … 1,818,524             100
    3          1,818,624 … 18,201,624          1,000

Each row begins where the one before would have put its next step, so rounding up out of a row is an addition of one
to the value. Vending rounds down, and the rest stays money; published vectors round up.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledgernode.errors import BadTokenAmount

UNIT_MWH: Final = 100_000
_MANTISSA_BITS: Final = 14
_MANTISSAS: Final = 1 << _MANTISSA_BITS
_STEPS: Final = (1, 10, 100, 1_000)
_STARTS: Final = tuple(_MANTISSAS * sum(_STEPS[:exponent]) for exponent in range(len(_STEPS)))
LARGEST: Final = _STARTS[3] + _STEPS[3] * (_MANTISSAS - 1)


class Vendable(NamedTuple):
    """What a token can carry of an amount of energy, and what stays behind."""

    units: int
    rest_mwh: int


def encode(units: int) -> int:
    """The sixteen bits of an amount; refuses one that they cannot carry exactly."""
    value = _floor(units)
    if (carried := decode(value)) != units:
        raise BadTokenAmount(f"a token cannot carry {units} units exactly, but {carried} or {decode(value + 1)}")
    return value


def decode(value: int) -> int:
    exponent, mantissa = value >> _MANTISSA_BITS, value & _MANTISSAS - 1
    return _STARTS[exponent] + mantissa * _STEPS[exponent]


def round_down(units: int) -> int:
    """The largest amount a token carries that is not above this one."""
    return decode(_floor(units))


def round_up(units: int) -> int:
    """The smallest amount a token carries that is not below this one, as published vectors have it."""
    value = _floor(units)
    return decode(value if decode(value) == units else value + 1)


def vendable(energy_mwh: int) -> Vendable:
    """How much of this energy a token can carry. Above the largest amount, the largest."""
    if energy_mwh < 0:
        raise BadTokenAmount("energy on a token is never negative")
    units = round_down(min(energy_mwh // UNIT_MWH, LARGEST))
    return Vendable(units, energy_mwh - units * UNIT_MWH)


def _floor(units: int) -> int:
    if not 0 <= units <= LARGEST:
        raise BadTokenAmount(f"a token carries 0 to {LARGEST} units, not {units}: split it over several tokens")
    exponent = max(row for row, start in enumerate(_STARTS) if start <= units)
    return (exponent << _MANTISSA_BITS) + (units - _STARTS[exponent]) // _STEPS[exponent]
