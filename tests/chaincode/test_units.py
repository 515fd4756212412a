"""Money and energy meet in one place, and nothing is lost there."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.units import (
    MWH_PER_KWH,
    NothingToShareBy,
    energy_for_money,
    half_even,
    largest_remainder,
    price_times_energy,
    rate_times_amount,
)

amounts = st.integers(-(10**15), 10**15)


@given(amounts, st.integers(1, 10**9))
def test_a_half_goes_to_the_even_neighbour(numerator: int, denominator: int) -> None:
    """The one rounding rule, below zero too."""
    exact = Fraction(numerator, denominator)
    assert half_even(numerator, denominator) == round(exact)


def test_known_halves() -> None:
    """As in banking."""
    assert [half_even(tenths, 10) for tenths in (5, 15, 25, -5, -15, 4, 6)] == [0, 2, 2, 0, -2, 0, 1]


@given(st.integers(-5_000_000, 5_000_000), st.integers(-(10**12), 10**12), st.integers(0, 6))
def test_amount_and_remainder_are_exactly_price_times_energy(price_micro: int, energy_mwh: int, digits: int) -> None:
    """What rounding takes from a line is kept beside it; it is half a minor unit at most. Prices may be negative."""
    amount_minor, remainder_pico = price_times_energy(price_micro, energy_mwh, digits)
    pico_per_minor = 10 ** (12 - digits)
    assert amount_minor * pico_per_minor + remainder_pico == price_micro * energy_mwh
    assert 2 * abs(remainder_pico) <= pico_per_minor
    major = Decimal(price_micro) / 10**6 * Decimal(energy_mwh) / MWH_PER_KWH
    assert amount_minor == int((major * 10**digits).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


@given(st.integers(0, 2_000_000), amounts, st.integers(0, 6))
def test_a_rate_of_an_amount_is_exact_with_its_remainder(rate_micro: int, amount_minor: int, digits: int) -> None:
    """Taxes are lines too."""
    tax_minor, remainder_pico = rate_times_amount(rate_micro, amount_minor, digits)
    pico_per_minor = 10 ** (12 - digits)
    exact_pico = Fraction(rate_micro, 10**6) * amount_minor * pico_per_minor
    assert tax_minor * pico_per_minor + remainder_pico == exact_pico


def test_nineteen_percent_of_ten_euros() -> None:
    """190,000 micro are 19 %."""
    assert rate_times_amount(190_000, 1_000, 2) == (190, 0)


@given(st.integers(0, 10**9), st.integers(1, 5_000_000), st.integers(0, 6))
def test_money_buys_no_more_energy_than_it_pays(amount_minor: int, price_micro: int, digits: int) -> None:
    """Rounded down; one mWh more would cost more."""
    energy_mwh = energy_for_money(amount_minor, price_micro, digits)
    paid_pico = amount_minor * 10 ** (12 - digits)
    assert price_micro * energy_mwh <= paid_pico < price_micro * (energy_mwh + 1)


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=30))
def test_shares_sum_to_the_whole(total: int, weights: list[int]) -> None:
    """Each is the exact share rounded down or up; no weight, no share."""
    if not sum(weights):
        weights[0] = 1
    shares = largest_remainder(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(total * weight, sum(weights))) < 1
        assert weight or not share


def test_of_equal_fractions_the_first_gets_the_unit() -> None:
    """So that every node shares alike."""
    assert largest_remainder(10, [1, 1, 1]) == [4, 3, 3]
    assert largest_remainder(2, [1, 1, 1, 1]) == [1, 1, 0, 0]
    assert largest_remainder(0, [0, 0]) == [0, 0]


def test_nothing_is_shared_among_nobody() -> None:
    """A total needs a weight."""
    with pytest.raises(NothingToShareBy):
        largest_remainder(1, [0, 0])
