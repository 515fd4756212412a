"""Miners under the simulator: agreement, the pause, and the claim that safety rests on."""

from __future__ import annotations

import pytest

from tests.simulation.mining import RULES, MiningWorld
from tests.simulation.schedule import cut_for


def started(seed: int, members: int = 4) -> MiningWorld:
    world = MiningWorld(seed, members)
    for node in world.nodes:
        node.start()
    return world


def all_have(world: MiningWorld, number: int) -> bool:
    return all(len(node.done) == number for node in world.nodes)


@pytest.mark.parametrize("seed", range(20))
def test_miners_agree_and_then_pause(seed: int) -> None:
    """Everything submitted is delivered everywhere in one order; k empty blocks later nobody mines."""
    world = started(seed)
    for number in range(30):
        world.at(number * 1_500, lambda number=number: world.submit(b"tx%d" % number))
    assert world.run(600_000, lambda: all_have(world, 30))
    world.run(world.now_ms + 60_000)
    heights = {len(node.chain) for node in world.nodes}
    world.run(world.now_ms + 600_000)
    assert {len(node.chain) for node in world.nodes} == heights
    assert len(heights) == 1
    assert not any(world.jobs.values())
    world.check_end()


@pytest.mark.parametrize("seed", range(20))
def test_a_partition_shorter_than_the_depth_heals(seed: int) -> None:
    """A branch that was mined apart for less than k blocks is given up without anything delivered being lost."""
    world = started(seed)
    for number in range(20):
        world.at(number * 1_500, lambda number=number: world.submit(b"tx%d" % number))
    pairs = {(a, b) for a in (0, 1) for b in (2, 3)} | {(a, b) for a in (2, 3) for b in (0, 1)}
    cut_for(world, pairs, 10_000, RULES.interval_ms * 2, "cut in half")
    assert world.run(900_000, lambda: all_have(world, 20))
    assert not world.halts
    world.check_end()


def apart_for_longer_than_the_depth() -> MiningWorld:
    world = started(7)
    world.check_block = lambda node, block: None  # two histories are what this scenario is about
    world.nodes[3].engine._others.enough = 0  # it goes on alone, against the rules below
    world.nodes[3].engine._others.majority = 1
    world.nodes[3].engine._tree._rules = RULES  # in which it is always anybody's turn
    pairs = {pair for other in (0, 1, 2) for pair in ((3, other), (other, 3))}
    cut_for(world, pairs, 0, 200_000, "one apart")
    for number in range(60):
        world.at(number * 3_000, lambda number=number: world.submit(b"tx%d" % number))
    return world


def test_a_heavier_branch_below_what_was_delivered_halts() -> None:
    """Apart for far longer than k blocks, both sides delivered: on meeting, the lighter side halts with the reason."""
    world = apart_for_longer_than_the_depth()
    world.catch_up = lambda node, height: None
    world.run(400_000)
    assert list(world.halts) == [3]
    assert "parts below height" in world.halts[3]


def test_another_history_that_arrives_as_certified_blocks_halts() -> None:
    """The same, when the node hears of the other branch only by fetching what the others have certified."""
    world = apart_for_longer_than_the_depth()
    world.filters.append(lambda sender, receiver, raw: 3 in (sender, receiver))
    world.hash_rate[:3] = [8.0] * 3  # so that the others are ahead
    world.run(400_000)
    assert list(world.halts) == [3]
    assert "certified block does not follow ours" in world.halts[3]


def test_a_minority_apart_mines_nothing_and_comes_back() -> None:
    """Who has not heard from f+1 others lately cannot tell what is agreed: alone for long, it parts from nobody."""
    world = started(7)
    pairs = {pair for other in (0, 1, 2) for pair in ((3, other), (other, 3))}
    cut_for(world, pairs, 20_000, 200_000, "one apart")
    for number in range(60):
        world.at(number * 3_000, lambda number=number: world.submit(b"tx%d" % number))
    world.run(100_000)
    assert world.jobs[3] is None
    assert world.run(900_000, lambda: all_have(world, 60))
    assert not world.halts
    world.check_end()
