"""Amounts against the rule as it is written in the standard, with fractions and a loop."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledgernode.errors import BadTokenAmount
from ledgernode.sts.amounts import LARGEST, UNIT_MWH, Vendable, decode, encode, round_down, round_up, vendable

EDGES = (0, 1, 16_383, 16_384, 180_223, 180_224, 1_818_623, 1_818_624, LARGEST)


def as_written(units: int, whole: object = ceil) -> int:
    """While e < 3 and m >= 16384: m = (m - 16384) / 10, e += 1; then (e << 14) + the mantissa made whole."""
    mantissa, exponent = Fraction(units), 0
    while exponent < 3 and mantissa >= 16_384:
        mantissa, exponent = (mantissa - 16_384) / 10, exponent + 1
    return (exponent << 14) + whole(mantissa)  # type: ignore[operator, no-any-return]  # ceil or floor


@pytest.mark.parametrize(
    ("units", "value"),
    [
        (0, 0),
        (1, 1),
        (16_383, 0x3FFF),
        (16_384, 0x4000),
        (180_223, 0x8000),
        (180_224, 0x8000),
        (1_818_623, 0xC000),
        (1_818_624, 0xC000),
        (18_201_624, 0xFFFF),
    ],
)
def test_amounts_at_the_edges_of_the_exponents(units: int, value: int) -> None:
    """Rounded up; a full mantissa carries into the exponent by addition."""
    assert encode(round_up(units)) == value == as_written(units)


def test_every_value_stands_for_one_amount_and_they_rise() -> None:
    """All 65,536: what is decoded encodes to the same bits, and more bits are more energy."""
    carried = [decode(value) for value in range(1 << 16)]
    assert carried[0] == 0
    assert carried[-1] == LARGEST
    assert all(low < high for low, high in pairwise(carried))
    assert [encode(units) for units in carried] == list(range(1 << 16))


@given(st.integers(0, LARGEST))
@example(180_223)
@example(1_818_623)
@example(LARGEST - 1)
def test_rounding_is_to_the_nearest_amounts_around(units: int) -> None:
    """Down is never above, up never below; both are the standard's loop with its last step made whole."""
    low, high = round_down(units), round_up(units)
    assert low <= units <= high
    assert encode(low) == as_written(units, floor)
    assert encode(high) == as_written(units)
    assert (low == high) == (low == units)


@pytest.mark.parametrize("units", [edge + near for edge in EDGES for near in (-1, 0, 1) if edge + near >= 0])
def test_only_exact_amounts_are_encoded(units: int) -> None:
    """A vendor must say which way it rounds: the neighbours are named."""
    if units > LARGEST:
        with pytest.raises(BadTokenAmount, match=str(LARGEST)):
            encode(units)
    elif round_down(units) == units:
        assert decode(encode(units)) == units
    else:
        with pytest.raises(BadTokenAmount, match=f"{round_down(units)} or {round_up(units)}"):
            encode(units)


@given(st.integers(0, 2 * LARGEST * UNIT_MWH))
def test_what_is_vended_and_what_is_left_is_what_was_paid(energy_mwh: int) -> None:
    """Round down, the rest stays with whoever paid; steps of 0.1 kWh below 1,638.4 kWh."""
    units, rest_mwh = vendable(energy_mwh)
    assert units * UNIT_MWH + rest_mwh == energy_mwh
    assert rest_mwh >= 0
    assert units == 0 or round_up(units) == units
    if energy_mwh < 16_384 * UNIT_MWH:
        assert rest_mwh < UNIT_MWH


def test_energy_above_the_largest_token_is_left() -> None:
    """The largest token, and the rest stays; nothing is below zero."""
    assert vendable(LARGEST * UNIT_MWH + 5) == Vendable(LARGEST, 5)
    assert vendable(UNIT_MWH - 1) == Vendable(0, UNIT_MWH - 1)
    with pytest.raises(BadTokenAmount):
        vendable(-1)
