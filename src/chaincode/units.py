"""Units: energy in mWh, money in minor units, prices in micro major units per kWh, and how they meet.

A price times an energy is a whole number of pico major units (10^-6 per 10^6 mWh), so nothing is lost until
it is rounded to the currency's minor unit. That happens in `half_even` alone, once per line; what rounding
gave (below zero) or took (above) comes back in pico, so that amounts and remainders always sum to the truth.

Pure functions over integers; no state.
"""

from collections.abc import Sequence

from chaincode.api import Refusal

MWH_PER_WH = 1_000
MWH_PER_KWH = 1_000_000
MICRO = 1_000_000
PICO_DIGITS = 12
POWERS_OF_TEN: tuple[int, ...] = tuple(10**exponent for exponent in range(PICO_DIGITS + 1))
LARGEST = 9_007_199_254_740_991
"""2^53-1: what every reader's integers hold."""


class NothingToShareBy(Refusal):
    """Something is to be shared, and no weight is above zero."""

    code = "NOTHING_TO_SHARE_BY"


def half_even(numerator: int, denominator: int) -> int:
    """The nearest integer to a fraction; a half goes to the even one. The denominator is positive."""
    whole, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1):
        return whole + 1
    return whole


def price_times_energy(price_micro: int, energy_mwh: int, digits: int) -> tuple[int, int]:
    """(minor units, pico that rounding left over): minor units in pico, and the rest, are price times energy."""
    return rounded(price_micro * energy_mwh, digits)


def rate_times_amount(rate_micro: int, amount_minor: int, digits: int) -> tuple[int, int]:
    """(a rate of an amount in minor units, pico that rounding left over); 190,000 micro are 19 %."""
    return rounded(rate_micro * amount_minor * power_of_ten(PICO_DIGITS - digits - 6), digits)


def rounded(amount_pico: int, digits: int) -> tuple[int, int]:
    """(minor units, pico left over) of an exact amount: the one place where money is rounded."""
    pico_per_minor = power_of_ten(PICO_DIGITS - digits)
    amount_minor = half_even(amount_pico, pico_per_minor)
    return amount_minor, amount_pico - amount_minor * pico_per_minor


def power_of_ten(exponent: int) -> int:
    return POWERS_OF_TEN[exponent]


def energy_for_money(amount_minor: int, price_micro: int, digits: int) -> int:
    """The most mWh that this money pays exactly; rounded down, the price is positive."""
    return amount_minor * power_of_ten(PICO_DIGITS - digits) // price_micro


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Whole shares of a total in proportion to weights, which sum to it exactly.

    Each share is the exact one rounded down or up; those with the largest fractions are rounded up, of
    equal ones the first. Refuses a positive total without a positive weight.
    """
    whole = sum(weights)
    if total == 0:
        return [0 for _ in weights]
    if whole <= 0:
        raise NothingToShareBy(f"{total} is to be shared, and no weight is above zero")
    shares = [total * weight // whole for weight in weights]
    left = total - sum(shares)
    if left:
        fractions = sorted((-(total * weight % whole), index) for index, weight in enumerate(weights))
        for _, index in fractions[:left]:
            shares[index] += 1
    return shares
