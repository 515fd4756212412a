"""Delays and counts add up, and are true to a few percent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.fleet.counts import Counts, Delays

LENGTHS = st.lists(st.integers(0, 10_000_000), min_size=1, max_size=200)


@given(LENGTHS, st.sampled_from([50, 95, 99, 100]))
def test_a_percentile_is_true_to_some_percent(lengths: list[int], percent: int) -> None:
    delays = Delays()
    for one in lengths:
        delays.add(one)
    exact = sorted(lengths)[-(-len(lengths) * percent // 100) - 1]
    found = delays.percentile_ms(percent)
    assert found is not None
    assert exact <= found <= exact * 1.04 + 1
    assert delays.longest_ms == max(lengths)


@given(LENGTHS, LENGTHS)
def test_two_processes_count_as_one(some: list[int], others: list[int]) -> None:
    apart, together, second = Delays(), Delays(), Delays()
    for one in some:
        apart.add(one)
        together.add(one)
    for one in others:
        second.add(one)
        together.add(one)
    apart.merge(second)
    assert apart == together


def test_counts_add_up_by_code() -> None:
    counts, more = Counts(safe=2, refused={"A": 1}), Counts(safe=3, refused={"A": 2, "B": 1})
    counts.merge(more)
    assert (counts.safe, counts.refused, counts.settled) == (5, {"A": 3, "B": 1}, 9)


def test_no_delays_are_no_number() -> None:
    assert Delays().document() == {"p50": None, "p95": None, "p99": None, "longest": None}
