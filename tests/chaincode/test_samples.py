"""A transformer's samples, checked against sums and square roots of the library."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.samples import (
    AGED_AT_ONCE_MS,
    LARGEST_SAMPLE,
    BatchSize,
    InFuture,
    Load,
    NotInOrder,
    RowInvalid,
    Window,
    apparent_of,
    load_of,
    require_samples,
    sampled,
    widened,
)

RATING_VA = 12_500
RISE_MILLI = 23_000
LATEST_MS = 10**12

powers = st.integers(-(10**7), 10**7)
phases = st.lists(st.tuples(powers, powers), min_size=1, max_size=3)


def row(time_ms: int, electric: list[tuple[int, int]], temperature: int | None = None) -> list[int | None]:
    made: list[int | None] = [time_ms, temperature, None, None]
    for power, reactive in electric:
        made += [230_000, 10_000, power, reactive]
    return made


@given(phases)
def test_apparent_power_is_each_phases_own(electric: list[tuple[int, int]]) -> None:
    """Power is the algebraic sum; apparent power is not: an uneven load spares no winding."""
    made = sampled(row(1, electric), None, RATING_VA, RISE_MILLI)
    assert (made.power_mw, made.reactive_mvar) == (sum(p for p, _ in electric), sum(q for _, q in electric))
    assert made.apparent_mva == sum(math.isqrt(p * p + q * q) for p, q in electric)
    assert made.apparent_mva + 2 >= math.isqrt(made.power_mw**2 + made.reactive_mvar**2) - 1
    assert abs(made.loading_micro - made.apparent_mva / (RATING_VA * 1_000) * 1_000_000) <= 0.5 + 1e-6


@given(st.lists(phases, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_a_window_is_the_same_in_any_order(many: list[list[tuple[int, int]]], random: object) -> None:
    """Sums, peak and root mean square are those of the set of samples."""
    made = [sampled(row(1, electric), None, RATING_VA, RISE_MILLI) for electric in many]
    windows = []
    for _ in range(2):
        window = Window()
        for sample in made:
            window = widened(window, sample)
        windows.append(window)
        random.shuffle(made)  # type: ignore[attr-defined]
    assert windows[0] == windows[1]
    load = load_of(windows[0])
    assert load.peak_mva == max(sample.apparent_mva for sample in made)
    squares = sum(sample.apparent_mva**2 for sample in made)
    assert load.root_mean_square_mva == math.isqrt(squares // len(made))
    assert load.reactive_mvar == sum(sample.reactive_mvar for sample in made) // len(made)


def test_ageing_counts_watched_time_only() -> None:
    """From sample to sample, at most a quarter of an hour at once; without a temperature nothing is known."""
    first = sampled(row(0, [(12_500_000, 0)], 75_000), None, RATING_VA, RISE_MILLI)
    assert (first.hot_spot_milli, first.aged_ms, first.watched_ms) == (98_000, 0, 0)
    second = sampled(row(60_000, [(12_500_000, 0)], 81_000), first, RATING_VA, RISE_MILLI)
    assert (second.aged_ms, second.watched_ms) == (120_000, 60_000)
    unknown = sampled(row(120_000, [(12_500_000, 0)]), second, RATING_VA, RISE_MILLI)
    assert (unknown.aged_ms, unknown.watched_ms, unknown.hot_spot_milli) == (120_000, 60_000, None)
    late = sampled(row(10**9, [(12_500_000, 0)], 75_000), unknown, RATING_VA, RISE_MILLI)
    assert late.watched_ms == 60_000 + AGED_AT_ONCE_MS


def test_apparent_power_of_an_interval_takes_what_is_known() -> None:
    """The mean reactive power of samples; else a power factor; else the power alone."""
    assert apparent_of(3_000, Load(reactive_mvar=4_000, power_factor_milli=100)) == 5_000
    assert apparent_of(3_000, Load(power_factor_milli=500)) == 6_000
    assert apparent_of(-3_000, Load()) == 3_000


GOOD = row(1_000, [(1, 2)])


@pytest.mark.parametrize(
    ("rows", "refusal"),
    [
        ([], BatchSize),
        ([row(at + 1, [(1, 2)]) for at in range(61)], BatchSize),
        ([GOOD[:4]], RowInvalid),
        ([GOOD[:7]], RowInvalid),
        ([row(1, [(1, 2)] * 4)], RowInvalid),
        ([[None, *GOOD[1:]]], RowInvalid),
        ([[*GOOD[:6], None, GOOD[7]]], RowInvalid),
        ([row(1, [(LARGEST_SAMPLE + 1, 0)])], RowInvalid),
        ([[*GOOD[:2], -1, *GOOD[3:]]], RowInvalid),
        ([[*GOOD[:5], -1, *GOOD[6:]]], RowInvalid),
        ([[*GOOD, -230_000, 0, 0, 0]], RowInvalid),
        ([GOOD, GOOD], NotInOrder),
        ([row(0, [(1, 2)])], NotInOrder),
        ([GOOD, row(LATEST_MS + 1, [(1, 2)])], InFuture),
    ],
)
def test_what_cannot_be_is_refused(rows: list[list[int | None]], refusal: type[Exception]) -> None:
    """Form, sign, size, order and time; one wrong sample refuses its batch."""
    with pytest.raises(refusal):
        require_samples(rows, LATEST_MS)


def test_what_can_be_is_taken() -> None:
    """One to three phases, powers of either sign, the latest time itself."""
    require_samples([row(at + 1, [(-1, -2)] * phases, -5_000) for at, phases in enumerate((1, 2, 3))], LATEST_MS)
    require_samples([row(LATEST_MS, [(1, 2)])], LATEST_MS)
