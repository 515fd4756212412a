"""The health of a transformer and its feeder: load, voltage, temperature, ageing, and when somebody is told.

Loading is S / S_rated; the load factor is mean / peak: two figures, both shown. A bound is exceeded when its
value is above its limit, and over again at or below the limit less a hysteresis; between the two nothing changes.
An alert opens once, after so many exceeding values in a row, and clears once, after so many good ones.

Ageing is that of paper in oil (the doubling rule of the loading guides): at a hot spot of 98 °C a day ages it by a
day, 6 K more double that. The hot spot lies above the measured temperature by a rise that follows the load.

Pure functions over integers (mW, mVA, mV, thousandths of a degree, micro); no state.
"""

from chaincode.api import Record
from chaincode.units import MICRO, half_even

REFERENCE_MILLI = 98_000
DOUBLING_MILLI = 6_000
STEPS_A_DOUBLING = 12
TWELFTHS = (
    1_000_000,
    1_059_463,
    1_122_462,
    1_189_207,
    1_259_921,
    1_334_840,
    1_414_214,
    1_498_307,
    1_587_401,
    1_681_793,
    1_781_797,
    1_887_749,
    2_000_000,
)
"""2 to the k-th twelfth, in micro."""
COLDEST_MILLI = -22_000
HOTTEST_MILLI = 200_000
"""Outside of these the rate is that at the bound; both lie whole doublings from 98 °C."""


class Standing(Record):
    """Where an alert stands: open or not, and how many values in a row speak for a change."""

    open: bool = False
    run: int = 0


def root(square: int) -> int:
    """The largest integer whose square is not above this one (Newton's steps, from above)."""
    if square <= 0:
        return 0
    guess = 1 << ((square.bit_length() + 1) // 2)
    while True:
        better = (guess + square // guess) // 2
        if better >= guess:
            return guess
        guess = better


def apparent(power_mw: int, reactive_mvar: int) -> int:
    """|S| in mVA, rounded down."""
    return root(power_mw * power_mw + reactive_mvar * reactive_mvar)


def apparent_at(power_mw: int, power_factor_milli: int) -> int:
    """|S| in mVA of a power at a power factor; one of zero is not known, and taken for one."""
    return half_even(abs(power_mw) * 1_000, abs(power_factor_milli) or 1_000)


def loading(apparent_mva: int, rating_va: int) -> int:
    """S / S_rated, in micro."""
    return half_even(apparent_mva * MICRO, rating_va * 1_000)


def load_factor(mean: int, peak: int) -> int:
    """Mean / peak, in micro; of nothing at all it is zero."""
    return half_even(mean * MICRO, peak) if peak > 0 else 0


def deviation(value: int, nominal: int) -> int:
    """By how much of the nominal a value lies above it (below zero: below it), in micro."""
    return half_even((value - nominal) * MICRO, nominal)


def hot_spot(temperature_milli: int, rise_milli: int, loading_micro: int) -> int:
    """The hot spot: the measured temperature and a rise, that at full load times K, above full load times K².

    The guides have K to the 1.6th: this is never below it.
    """
    share_micro = max(loading_micro, loading_micro * loading_micro // MICRO)
    return temperature_milli + rise_milli * share_micro // MICRO


def ageing_rate(hot_spot_milli: int) -> int:
    """How fast the insulation ages, in micro of its normal pace: 2 to the ((hot spot - 98 °C) / 6 K)."""
    bounded = min(max(hot_spot_milli, COLDEST_MILLI), HOTTEST_MILLI)
    doublings, rest_milli = divmod(bounded - REFERENCE_MILLI, DOUBLING_MILLI)
    step_milli = DOUBLING_MILLI // STEPS_A_DOUBLING
    at, within_milli = divmod(rest_milli, step_milli)
    low = TWELFTHS[at]
    rate = low + (TWELFTHS[at + 1] - low) * within_milli // step_milli
    return rate << doublings if doublings >= 0 else rate >> -doublings


def step(standing: Standing, value: int, limit: int, hysteresis_micro: int, persist: int) -> Standing:
    """Where an alert stands after one value more: it opens above the limit, clears at or below the limit less the
    hysteresis, each after `persist` in a row; what speaks against a change begins the row anew."""
    speaks = value <= clear_level(limit, hysteresis_micro) if standing.open else value > limit
    if not speaks:
        return Standing(open=standing.open, run=0)
    if standing.run + 1 >= persist:
        return Standing(open=not standing.open, run=0)
    return Standing(open=standing.open, run=standing.run + 1)


def clear_level(limit: int, hysteresis_micro: int) -> int:
    """At or below this an alert clears; limits are not below zero."""
    return limit - limit * hysteresis_micro // MICRO


def stress(power_mw: int, apparent_mva: int, rating_va: int, overload_micro: int, limit_w: int) -> int:
    """How near its limit what flows is, in micro of the limit: of the loading that is allowed, or of the line's own."""
    of_rating = half_even(apparent_mva * MICRO * MICRO, rating_va * 1_000 * overload_micro)
    of_line = half_even(abs(power_mw) * MICRO, limit_w * 1_000) if limit_w else 0
    return max(of_rating, of_line)


def reverse_stress(power_mw: int, reverse_limit_w: int) -> int:
    """The same for power that flows back (below zero); no limit, no stress."""
    return half_even(max(-power_mw, 0) * MICRO, reverse_limit_w * 1_000) if reverse_limit_w else 0


def excess_w(power_mw: int, flow: int, allowed: int) -> int:
    """W of this power that must go for a flow (mW or mVA) to come down to what is allowed of it; rounded up.

    Power counts as its share of the flow: what is taken off takes its reactive part along.
    """
    if flow <= allowed:
        return 0
    return -(-abs(power_mw) * (flow - allowed) // (flow * 1_000))


def headroom_w(power_mw: int, stress_limit_w: int) -> int:
    """W more that may flow in the direction in which power counts above zero, rounded down."""
    return max(stress_limit_w - -(-power_mw // 1_000), 0)
