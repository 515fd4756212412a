"""A transformer warms as the loading guide says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.physics.transformer import Transformer, Warmth, ageing_rate, step

TX = Transformer(rated_va=12_500, no_load_w=55, load_w=275)
MINUTE_MS = 60_000
LOADS = st.floats(0, 20_000)


def test_rated_load_at_twenty_degrees_settles_at_the_reference() -> None:
    """98 degrees at the hottest spot: a day ages it by a day."""
    warmth = Warmth.settled(TX, 1.0, 20.0)
    assert (warmth.top_oil_c, warmth.hot_spot_c) == pytest.approx((75.0, 98.0))
    assert ageing_rate(warmth.hot_spot_c) == pytest.approx(1.0)
    assert ageing_rate(104) == pytest.approx(2.0)
    assert ageing_rate(92) == pytest.approx(0.5)


def test_it_follows_within_hours() -> None:
    """From cold, the oil has done 63 % of its way after three hours, the winding after eight minutes."""
    cold = Warmth(20.0, 0.0, 0.0)
    assert step(TX, cold, 12_500, 20.0, 180 * MINUTE_MS).oil_k == pytest.approx(55 * 0.632, rel=1e-3)
    assert step(TX, cold, 12_500, 20.0, 8 * MINUTE_MS).winding_k == pytest.approx(23 * 0.632, rel=1e-3)


@given(LOADS, st.floats(-20, 40), st.integers(1, 24 * 60), st.integers(1, 50))
def test_how_time_is_cut_does_not_matter(apparent_va: float, ambient_c: float, minutes: int, parts: int) -> None:
    """One long step or many short ones: the same temperatures."""
    begun = Warmth.settled(TX, 0.4, 20.0)
    whole = step(TX, begun, apparent_va, ambient_c, parts * minutes * MINUTE_MS)
    cut = begun
    for _ in range(parts):
        cut = step(TX, cut, apparent_va, ambient_c, minutes * MINUTE_MS)
    assert cut.top_oil_c == pytest.approx(whole.top_oil_c, abs=1e-6)
    assert cut.winding_k == pytest.approx(whole.winding_k, abs=1e-6)


@given(LOADS, st.floats(0, 2), st.floats(-20, 40), st.floats(-20, 40), st.integers(1, 3_000))
def test_it_never_overshoots(apparent_va: float, before: float, was_c: float, is_c: float, minutes: int) -> None:
    """Between where it is and where it would settle; and it never grows younger."""
    begun = Warmth.settled(TX, before, was_c)
    settled = Warmth.settled(TX, apparent_va / TX.rated_va, is_c)
    after = step(TX, begun, apparent_va, is_c, minutes * MINUTE_MS)
    low, high = sorted((begun.top_oil_c, settled.top_oil_c))
    assert low - 1e-6 <= after.top_oil_c <= high + 1e-6
    low, high = sorted((begun.winding_k, settled.winding_k))
    assert low - 1e-6 <= after.winding_k <= high + 1e-6
    assert after.aged_minutes > begun.aged_minutes


def test_a_sudden_load_heats_the_winding_before_the_oil() -> None:
    """Twice the rating for a quarter of an hour ages it, though the oil has hardly noticed."""
    calm = Warmth.settled(TX, 0.5, 20.0)
    after = calm
    for _ in range(15):
        after = step(TX, after, 2 * TX.rated_va, 20.0, MINUTE_MS)
    assert after.winding_k - calm.winding_k > 40
    assert after.oil_k - calm.oil_k < 15
    rest = step(TX, calm, 0.5 * TX.rated_va, 20.0, 15 * MINUTE_MS)
    assert after.aged_minutes > 20 * rest.aged_minutes


def test_losses_are_iron_and_copper() -> None:
    assert TX.loss_w(0) == 55
    assert TX.loss_w(12_500) == 330
    assert TX.loss_w(25_000) == 55 + 4 * 275
