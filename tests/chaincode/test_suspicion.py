"""Hints of what meters leave out, checked against the textbook's correlation in fractions."""

from __future__ import annotations

from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from chaincode.suspicion import ENOUGH, FADE_AFTER, Sums, added, fallen, follows, no_sums

MICRO = 1_000_000


def told(uses: list[list[int]], losses: list[int]) -> Sums:
    sums = no_sums()
    for row, loss in zip(uses, losses, strict=True):
        sums = added(sums, [f"house-{at}" for at in range(len(row))], row, loss)
    return sums


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(-20, 50)), min_size=ENOUGH, max_size=ENOUGH + 10))
def test_what_is_followed_is_the_textbooks_correlation(pairs: list[tuple[int, int]]) -> None:
    """cov² / (var var) and cov / var, where the loss rises with the use; else nothing."""
    uses, losses = [use for use, _ in pairs], [loss for _, loss in pairs]
    count = len(pairs)
    mean_use, mean_loss = Fraction(sum(uses), count), Fraction(sum(losses), count)
    together = sum(((use - mean_use) * (loss - mean_loss) for use, loss in pairs), Fraction(0))
    use_spread = sum(((use - mean_use) ** 2 for use in uses), Fraction(0))
    loss_spread = sum(((loss - mean_loss) ** 2 for loss in losses), Fraction(0))
    found = follows(told([[use] for use in uses], losses), "house-0")
    if together <= 0:
        assert found == (0, 0)
    else:
        assert found == (
            min(together**2 * MICRO // (use_spread * loss_spread), MICRO),
            together * MICRO // use_spread,
        )


def town(intervals: int, thief: int, hides: Fraction) -> Sums:
    """Five houses that use as they please; one meter leaves out a share of what goes through it."""
    random = Random(7)
    uses, losses = [], []
    for _ in range(intervals):
        true = [random.randint(100, 900) for _ in range(5)]
        shown = [int(use * (1 - hides)) if at == thief else use for at, use in enumerate(true)]
        uses.append(shown)
        losses.append(sum(true) - sum(shown) + random.randint(-30, 30))
    return told(uses, losses)


def test_a_meter_that_leaves_out_a_part_is_followed_by_the_loss() -> None:
    """Likely-theft hints by meter: the one that hides 40 % stands out, with 2/3 kWh missing for each it shows."""
    sums = town(96, thief=2, hides=Fraction(2, 5))
    squares = [follows(sums, f"house-{at}")[0] for at in range(5)]
    assert squares[2] > 900_000
    assert max(squares[:2] + squares[3:]) < 250_000
    assert abs(follows(sums, "house-2")[1] - 666_667) < 40_000


def test_honest_meters_are_not_followed() -> None:
    """Where nobody hides anything, noise points at nobody."""
    sums = town(96, thief=0, hides=Fraction(0))
    assert max(follows(sums, f"house-{at}")[0] for at in range(5)) < 250_000


def test_nothing_is_said_of_a_few_intervals() -> None:
    """Fewer than 24 say nothing, however well they fit."""
    sums = town(ENOUGH - 1, thief=1, hides=Fraction(1, 2))
    assert follows(sums, "house-1") == (0, 0)


def test_a_house_that_all_at_once_uses_little_has_fallen() -> None:
    """Passed round altogether, a meter follows nothing; its own past tells."""
    sums = told([[400, 400]] * 200 + [[400, 3]] * 60, [0] * 200 + [397] * 60)
    assert fallen(sums, "house-1")
    assert not fallen(sums, "house-0")


def test_the_past_fades_and_who_left_is_forgotten() -> None:
    """Once a week the sums are halved, so they stay bounded; a house that has gone leaves nothing behind."""
    sums = told([[10, 20]] * (FADE_AFTER + 5), [1] * (FADE_AFTER + 5))
    assert sums.count < FADE_AFTER
    assert sums.houses["house-0"][0] == 10 * sums.count
    assert list(added(sums, ["house-1"], [20], 1).houses) == ["house-1"]


def test_sums_stay_within_what_the_ledger_keeps() -> None:
    """A nonsensical interval does not outgrow 64 bits, which would stop every later report."""
    sums = told([[10**15, 5]] * (FADE_AFTER - 1), [-(10**15)] * (FADE_AFTER - 1))
    assert max(abs(number) for number in (sums.loss_squares, sums.loss, *sums.houses["house-0"])) < 2**63
