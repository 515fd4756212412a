"""Longer and shorter intervals, and several houses on one grid: no mWh is lost or made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.history.series import HOUR_MS, MINUTE_MS, Series, aligned, resampled, whole_wh
from ledgernode.errors import HistoryInvalid


def house(
    loads: list[int], *, name: str = "a", begin_ms: int = 0, minutes: int = 60, gaps: tuple[int, ...] = ()
) -> Series:
    load = np.array(loads, dtype=np.int64)
    known = np.ones(len(loads), dtype=np.bool_)
    known[list(gaps)] = False
    load[~known] = 0
    return Series(name, begin_ms, minutes * MINUTE_MS, load, load // 2, known)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50), st.sampled_from([1, 5, 10, 15, 30]))
def test_splitting_and_joining_comes_back_to_the_same(loads: list[int], minutes: int) -> None:
    """Parts differ by a mWh at most, and sum to the whole."""
    whole = house(loads)
    split = resampled(whole, minutes * MINUTE_MS)
    parts = split.load_mwh.reshape(len(loads), -1)
    assert (parts.max(axis=1) - parts.min(axis=1)).max() <= 1
    again = resampled(split, HOUR_MS)
    assert again.load_mwh.tolist() == loads
    assert again.pv_mwh.tolist() == whole.pv_mwh.tolist()


def test_an_interval_is_known_when_all_of_it_is() -> None:
    """A quarter that is missing takes its hour along; half an hour at an end is left out."""
    quarters = house([10] * 14, minutes=15, begin_ms=30 * MINUTE_MS, gaps=(7,))
    hours = resampled(quarters, HOUR_MS)
    assert hours.begin_ms == HOUR_MS
    assert hours.known.tolist() == [True, False, True]
    assert hours.load_mwh.tolist() == [40, 0, 40]


def test_steps_that_do_not_fit_are_refused() -> None:
    """Ten minutes make no quarters."""
    with pytest.raises(HistoryInvalid, match="every 10 minutes"):
        resampled(house([1] * 6, minutes=10), 15 * MINUTE_MS)


def test_houses_are_cut_to_the_time_they_share() -> None:
    """By the grid of the market."""
    first, second = aligned(
        [house([1, 2, 3, 4], name="a"), house([50] * 12, name="b", begin_ms=HOUR_MS, minutes=15)], HOUR_MS
    )
    assert (first.begin_ms, second.begin_ms) == (HOUR_MS, HOUR_MS)
    assert first.load_mwh.tolist() == [2, 3, 4]
    assert second.load_mwh.tolist() == [200, 200, 200]


def test_houses_without_a_common_time_or_with_one_name_are_refused() -> None:
    """Two years are no community; two houses are two."""
    with pytest.raises(HistoryInvalid, match="no time in common"):
        aligned([house([1], name="a"), house([1], name="b", begin_ms=10 * HOUR_MS)], HOUR_MS)
    with pytest.raises(HistoryInvalid, match="two houses are called a"):
        aligned([house([1]), house([1])], HOUR_MS)
    with pytest.raises(HistoryInvalid, match="do not begin together"):
        aligned([house([1, 1], name="a"), house([1, 1], name="b", begin_ms=60_000)], HOUR_MS)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50))
def test_whole_wh_never_drift(loads: list[int]) -> None:
    """After every interval the register is within one Wh."""
    counted = np.cumsum(whole_wh(np.array(loads, dtype=np.int64)))
    assert all(0 <= sum(loads[: place + 1]) - 1_000 * int(counted[place]) < 1_000 for place in range(len(loads)))
