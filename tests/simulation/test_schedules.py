"""A slice of random schedules on every run; a failed one prints the seed that plays it again."""

from __future__ import annotations

import pytest

from tests.simulation import schedule
from tests.simulation.schedule import play
from tests.simulation.world import Violation, World

SLICE = 12


@pytest.mark.parametrize("first", range(0, 5 * SLICE, SLICE))
def test_random_schedules_keep_agreement_and_decide_once_healed(first: int) -> None:
    """Whatever the network and the machines do, no two blocks at a height, nothing lost, and progress after healing."""
    results = [play(seed) for seed in range(first, first + SLICE)]
    assert sum(result.heights for result in results) > SLICE
    assert sum(result.view_changes for result in results) > 0


def test_a_schedule_is_a_function_of_its_seed() -> None:
    """The same seed plays the same schedule, event for event."""
    assert play(3) == play(3)


def test_the_checker_sees_two_blocks_at_one_height() -> None:
    """A checker that cannot fail checks nothing: a forged block at a known height is reported."""
    world = World(1, 4, schedule.TIMING)
    for node in world.nodes:
        node.start()
    world.submit(b"one")
    world.run(5_000)
    block = world.nodes[0].chain[0]
    world.canonical[block.header.height] = bytes(32)
    with pytest.raises(Violation, match="another block at height 1"):
        world.check_block(world.nodes[1], block)
