"""One random schedule of miners: partitions shorter than the depth, crashes, loss, skew, and miners that lie.

Safety is claimed for partitions that are shorter than k blocks; a branch of k blocks mined apart by less
than half of the work is a matter of luck, so partitions here last for a fraction of k intervals.
"""

from __future__ import annotations

import random

from ledgernode.consensus.pow.retarget import WorkRules
from ledgernode.consensus.quorum import faulty_limit
from tests.simulation.liars import mutating, silent, stale, withholding
from tests.simulation.mining import EASY, MiningWorld
from tests.simulation.schedule import (
    SET_CHANGES,
    Result,
    change_the_set,
    crash_at_persist,
    crash_some,
    cut_for,
    gets_an_old_disk,
    judged,
    loses_its_disk,
)

RULES = WorkRules(first_target=EASY, interval_ms=1_000, window=8, depth=8)
APART_MS = 2_000
FAULTS_UNTIL_MS = 15_000
SKEW_MS = 200


def play_mining(seed: int) -> Result:
    """Run the schedule of this seed; raises Violation with a trace when a rule is broken."""
    chance = random.Random(f"mining/{seed}")
    members, ends = chance.choice((4, 4, 5, 6, 7)), chance.choice(((), (), (5,), (4, 9)))
    world = MiningWorld(seed, members, RULES, hashes_per_second=chance.choice((2.0, 4.0)), ends=ends)
    world.links.loss = chance.choice((0.0, 0.02, 0.1, 0.3))
    world.links.duplication = chance.choice((0.0, 0.1, 0.5))
    world.links.delay_ms = (1, chance.choice((5, 40)))
    return judged(world, seed, plan(world, chance), FAULTS_UNTIL_MS)


def plan(world: MiningWorld, chance: random.Random) -> list[bytes]:
    submitted = [b"tx%d" % number for number in range(chance.randint(5, 30))]
    for item in submitted:
        world.at(chance.randint(0, FAULTS_UNTIL_MS), lambda item=item: world.submit(item))
    least = world.members
    if not world.ends and chance.random() < SET_CHANGES:
        least, changes = change_the_set(world, chance)
        submitted += changes
    for node in world.nodes:
        node.skew_ms = chance.randint(-SKEW_MS, SKEW_MS)
    for position in chance.sample(range(world.members), chance.randint(0, faulty_limit(least))):
        make = chance.choice((mutating, stale, silent, withholding, loses_its_disk, gets_an_old_disk))
        if make in (loses_its_disk, gets_an_old_disk):
            make(world, chance, position)
            continue
        world.faulty.add(position)
        world.nodes[position].lies.append(make(world, world.nodes[position], chance))
        world.fault(f"node {position}  is {make.__name__}")
    if chance.random() < 0.5:
        start_ms = chance.randint(0, FAULTS_UNTIL_MS)
        side = set(chance.sample(range(world.members), world.members // 2))
        pairs = {(a, b) for a in range(world.members) for b in range(world.members) if (a in side) != (b in side)}
        cut_for(world, pairs, start_ms, APART_MS, f"cut {sorted(side)} off")
    for _ in range(chance.randint(0, 3)):
        chance.choice((crash_some, crash_at_persist))(world, chance, chance.randint(0, FAULTS_UNTIL_MS))
    return submitted
