"""One random schedule: faults first, in which only safety is asked; then healing, in which all must be decided."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ledgernode.consensus.pbft.core import Timing
from tests.simulation.world import Violation, World

FAULTS_UNTIL_MS = 20_000
HEALED_UNTIL_MS = 400_000
TIMING = Timing(view_timeout_ms=1_000, view_timeout_limit_ms=16_000, resend_ms=200, standing_ms=1_000)


@dataclass
class Result:
    seed: int
    members: int
    events: int
    view_changes: int
    faults: int
    heights: int


def play(seed: int) -> Result:
    """Run the schedule of this seed; raises Violation with a trace when a rule is broken."""
    chance = random.Random(f"schedule/{seed}")
    world = World(seed, chance.choice((4, 4, 4, 5, 6, 7, 10)), TIMING)
    world.links.loss = chance.choice((0.0, 0.02, 0.1, 0.3))
    world.links.duplication = chance.choice((0.0, 0.1, 0.5))
    world.links.delay_ms = (1, chance.choice((5, 40, 200, 900)))
    submitted = plan(world, chance)
    try:
        for node in world.nodes:
            node.start()
        world.run(FAULTS_UNTIL_MS)
        heal(world)

        def settled() -> bool:
            done = all(len(node.done) == len(submitted) and not node.waiting for node in world.nodes)
            return done and len({len(node.chain) for node in world.nodes}) == 1

        for item in submitted:
            world.submit(item)
        if not world.run(HEALED_UNTIL_MS, settled):
            state = [(n.engine.view, n.engine.changing, len(n.chain), len(n.waiting)) for n in world.nodes]
            raise Violation(f"not everything was decided after healing: (view, changing, height, waiting) {state}")
        world.check_end()
    except (Violation, AssertionError) as error:
        tail = "\n".join(world.trace[-40:])
        raise Violation(f"seed {seed}, {world.members} members, at {world.now_ms} ms: {error}\n{tail}") from error
    return Result(
        seed,
        world.members,
        world.events,
        sum(node.view_changes for node in world.nodes),
        len(world.trace),
        len(world.canonical),
    )


def plan(world: World, chance: random.Random) -> list[bytes]:
    """Lay out clients and faults on the time line; answers what the clients will have submitted."""
    submitted = [b"tx%d" % number for number in range(chance.randint(5, 60))]
    for item in submitted:
        world.at(chance.randint(0, FAULTS_UNTIL_MS), lambda item=item: world.submit(item))
    for node in world.nodes:
        node.skew_ms = chance.randint(-100, 100)
    for _ in range(chance.randint(0, 8)):
        start = chance.randint(0, FAULTS_UNTIL_MS)
        chance.choice((cut_in_two, isolate, crash_some, crash_at_persist, one_way))(world, chance, start)
    return submitted


def cut_in_two(world: World, chance: random.Random, start_ms: int) -> None:
    side = set(chance.sample(range(world.members), world.members // 2))
    pairs = {(a, b) for a in range(world.members) for b in range(world.members) if (a in side) != (b in side)}
    cut_for(world, pairs, start_ms, chance.randint(500, 10_000), f"cut {sorted(side)} off")


def isolate(world: World, chance: random.Random, start_ms: int) -> None:
    one = chance.randrange(world.members)
    pairs = {pair for other in range(world.members) for pair in ((one, other), (other, one))}
    cut_for(world, pairs, start_ms, chance.randint(500, 10_000), f"isolate {one}")


def one_way(world: World, chance: random.Random, start_ms: int) -> None:
    one = chance.randrange(world.members)
    pairs = {(one, other) for other in range(world.members)}
    cut_for(world, pairs, start_ms, chance.randint(500, 10_000), f"{one} is heard by nobody")


def cut_for(world: World, pairs: set[tuple[int, int]], start_ms: int, for_ms: int, text: str) -> None:
    def begin() -> None:
        world.note(text)
        world.links.cut |= pairs

    def end() -> None:
        world.note(f"end: {text}")
        world.links.cut -= pairs

    world.at(start_ms, begin)
    world.at(start_ms + for_ms, end)


def crash_some(world: World, chance: random.Random, start_ms: int) -> None:
    for position in chance.sample(range(world.members), chance.randint(1, world.members)):
        world.at(start_ms, lambda position=position: world.crash(position))
        world.at(start_ms + chance.randint(10, 8_000), lambda position=position: world.restart(position))


def crash_at_persist(world: World, chance: random.Random, start_ms: int) -> None:
    position, steps = chance.randrange(world.members), chance.randint(1, 5)

    def arm() -> None:
        world.nodes[position].crash_at_persist = world.nodes[position].persists + steps

    world.at(start_ms, arm)
    world.at(start_ms + chance.randint(100, 8_000), lambda: world.restart(position))


def heal(world: World) -> None:
    world.note("healed")
    world.links.cut.clear()
    world.links.loss = world.links.duplication = 0.0
    world.links.delay_ms = (1, 40)
    for node in world.nodes:
        node.crash_at_persist = None
        world.restart(node.position)
