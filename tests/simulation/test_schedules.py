"""A slice of random schedules on every run; a failed one prints the seed that plays it again, and its story."""

from __future__ import annotations

import pytest

from ledgernode.consensus.pbft.messages import Phase
from tests.simulation.scenario import Puppet, elapse, started
from tests.simulation.schedule import TIMING, judged, play
from tests.simulation.world import Violation, World

pytestmark = pytest.mark.slow

SLICE = 25


@pytest.mark.parametrize("first", range(0, 800, SLICE))
def test_random_schedules_keep_agreement_and_decide_once_healed(first: int) -> None:
    """Whatever the network, the machines and f liars do: one block at a height, nothing lost, progress once healed."""
    results = [play(seed) for seed in range(first, first + SLICE)]
    assert sum(result.heights for result in results) > SLICE
    assert sum(result.view_changes for result in results) > 0


def test_a_schedule_is_a_function_of_its_seed() -> None:
    """The same seed plays the same schedule, event for event."""
    assert play(3) == play(3)


def test_the_checker_sees_two_blocks_at_one_height() -> None:
    """A checker that cannot fail checks nothing: a forged block at a known height is reported."""
    world = World(1, 4, TIMING)
    world.start()
    elapse(world, 500)
    world.submit(b"one")
    elapse(world, 5_000)
    block = world.nodes[0].chain[0]
    world.canonical[block.header.height] = bytes(32)
    with pytest.raises(Violation, match="another block at height 1"):
        world.check_block(world.nodes[1], block)


def test_more_than_f_liars_are_detected_as_a_fork() -> None:
    """Two of four vote for everything: the two honest ones decide differently, and the checker says so."""
    world = started()
    world.crash(0)
    world.crash(3)
    leader, follower = Puppet(world, 0), Puppet(world, 3)
    world.links.cut = {(1, 2), (2, 1)}
    for name, victim in ((b"one", 1), (b"other", 2)):
        digest = leader.proposes(0, 1, (name,), victim)
        follower.votes(Phase.PREPARE, 0, 1, digest, victim)
        leader.votes(Phase.COMMIT, 0, 1, digest, victim)
        follower.votes(Phase.COMMIT, 0, 1, digest, victim)
    with pytest.raises(Violation, match="another block at height 1"):
        elapse(world, 1_000)


def test_two_decisions_seen_by_one_halt_it() -> None:
    """Commits of q members for two contents of one sequence: more lie than can be borne, so it stops and says so."""
    world = started(puppets=[0, 2, 3])
    for digest in (b"\x01" * 32, b"\x02" * 32):
        for position in (0, 2, 3):
            Puppet(world, position).votes(Phase.COMMIT, digest[0], 1, digest, 1)
        elapse(world, 100)
    assert "two decisions at sequence 1" in world.halts[1]


def test_a_failed_schedule_tells_its_seed_and_its_story() -> None:
    """Who did what at which time, a line each."""
    world = World(7, 4, TIMING)
    world.at(2_000, lambda: world.submit(b"one"))
    world.at(3_000, world.nodes[1].chain.pop)
    world.at(4_000, lambda: world.submit(b"two"))
    with pytest.raises(Violation, match=r"(?s)seed 7, 4 members.* ms  node 1  delivers block 1 of 1 transactions"):
        judged(world, 7, [b"one", b"two"])
