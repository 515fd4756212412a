"""A slice of random schedules of miners on every run; a failed one prints the seed that plays it again."""

from __future__ import annotations

import pytest

from tests.simulation.mining_schedule import play_mining

pytestmark = pytest.mark.slow

SLICE = 30


@pytest.mark.parametrize("first", range(0, 300, SLICE))
def test_random_schedules_of_miners_keep_agreement_and_decide_once_healed(first: int) -> None:
    """Apart for less than k blocks, with crashes, loss and f lying miners: one history, and all of it everywhere."""
    results = [play_mining(seed) for seed in range(first, first + SLICE)]
    assert sum(result.heights for result in results) > SLICE


def test_a_schedule_of_miners_is_a_function_of_its_seed() -> None:
    """The same seed plays the same schedule, event for event."""
    assert play_mining(3) == play_mining(3)
