"""One random schedule: faults first, in which only safety is asked; then healing, in which all must be decided.

At most f members are faulty: they lie, have a twin, lose their disk or get an old one back, or run on a
clock far off. All the others may crash, be cut off, busy or slow at any time, as often as chance has it. In some
schedules the set of validators changes on the way, once or twice, and f is that of the smallest set.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ledgernode.consensus.pbft.core import Timing
from ledgernode.consensus.pbft.messages import NewView, Phase, Relayed, ViewChange, Vote
from ledgernode.consensus.quorum import faulty_limit
from ledgernode.errors import LedgerError
from tests.simulation.liars import LIARS
from tests.simulation.membership import adds, removes, rotates
from tests.simulation.world import Violation, World, decode_once

MEMBERS = (4,) * 10 + (5,) * 3 + (6,) * 3 + (7,) * 3 + (10,)
FAULTS_UNTIL_MS = 10_000
HEALED_FOR_MS = 400_000
TIMING = Timing(view_timeout_ms=1_000, view_timeout_limit_ms=16_000, resend_ms=200, standing_ms=1_000)
YEAR_MS = 365 * 24 * 3_600_000
SKEW_MS = 240
SET_CHANGES = 0.25
"""Of so many schedules."""
FAULTS_SEEN = (AssertionError, LedgerError, LookupError, ValueError, StopIteration)
"""What a broken engine ends in: a checker's word, or whatever it trips over first."""


@dataclass
class Result:
    seed: int
    members: int
    events: int
    view_changes: int
    faults: int
    heights: int
    epochs: int


def play(seed: int, alter: Callable[[World], None] = lambda _: None) -> Result:
    """Run the schedule of this seed; raises Violation with a trace when a rule is broken. `alter` breaks a rule."""
    chance = random.Random(f"schedule/{seed}")
    world = World(seed, chance.choice(MEMBERS), TIMING, chance.choice((8, 32)))
    world.links.loss = chance.choice((0.0, 0.0, 0.02, 0.1, 0.3))
    world.links.duplication = chance.choice((0.0, 0.0, 0.1, 0.5))
    world.links.delay_ms = (1, chance.choice((5, 40, 200, 900)))
    alter(world)
    submitted = plan(world, chance)
    return judged(world, seed, submitted)


def judged(world: World, seed: int, submitted: list[bytes], faults_until_ms: int = FAULTS_UNTIL_MS) -> Result:
    """Play the faults, heal, and see that everything comes to its end."""
    try:
        world.start()
        world.run(faults_until_ms)
        heal(world)
        for item in submitted:
            world.submit(item)
        if not world.run(faults_until_ms + HEALED_FOR_MS, lambda: is_settled(world, submitted)):
            raise Violation(f"not everything was decided after healing: {standings(world)}")
        world.check_end()
    except FAULTS_SEEN as error:
        told = f"seed {seed}, {world.members} members, faulty {sorted(world.faulty | world.forgetful)}"
        raise Violation(f"{told}, at {world.now_ms} ms: {error}\n{world.story()}") from error
    view_changes = sum(node.view_changes for node in world.nodes)
    return Result(
        seed, world.members, world.events, view_changes, world.faults, len(world.canonical), len(world.epochs)
    )


def is_settled(world: World, submitted: list[bytes]) -> bool:
    honest = [node for node in world.nodes if node.position not in world.faulty]
    height = len(honest[0].chain)
    return all(len(node.chain) == height and not node.waiting for node in honest) and all(
        node.done.issuperset(submitted) for node in honest
    )


def standings(world: World) -> str:
    told = []
    for node in world.nodes:
        if not node.takes_part:
            told.append(f"node {node.position}: observes, height {len(node.chain)}, {len(node.waiting)} waiting")
            continue
        view, leaving = world.standing_of(node.engine)
        waits = " (silent)" * world.is_silent(node.engine) + " (leaving)" * leaving
        told.append(f"node {node.position}: view {view}{waits}, height {len(node.chain)}, {len(node.waiting)} waiting")
    return ", ".join(told)


def plan(world: World, chance: random.Random) -> list[bytes]:
    """Lay out clients and faults on the time line; answers what the clients will have submitted."""
    submitted = [b"tx%d" % number for number in range(chance.randint(5, 50))]
    for item in submitted:
        world.at(chance.randint(0, FAULTS_UNTIL_MS), partial(world.submit, item))
    least = world.members
    if chance.random() < SET_CHANGES:
        least, changes = change_the_set(world, chance)
        submitted += changes
    for node in world.nodes:
        node.skew_ms = chance.randint(-SKEW_MS, SKEW_MS)
    honest = [position for position in range(world.members) if position not in world.faulty]
    for position in chance.sample(honest, chance.randint(0, max(0, faulty_limit(least) - len(world.faulty)))):
        chance.choice(FAULTS_OF_ONE)(world, chance, position)
    for _ in range(chance.randint(0, 12)):
        start = chance.randint(0, FAULTS_UNTIL_MS)
        chance.choice(FAULTS)(world, chance, start)
    return submitted


# ------------------------------------------------------------ another set of validators


def change_the_set(world: World, chance: random.Random) -> tuple[int, list[bytes]]:
    """Members join, leave or get new keys, with blocks enough for the epochs to end; answers the smallest set too."""
    world.set_window = chance.choice((1, 2, 8))
    submitted, sizes = [], {0}
    for _ in range(chance.choice((1, 1, 2))):
        new = len(world.nodes)
        leaver = chance.randrange(len(world.nodes))
        kind = chance.choice(("add", "rotate", "remove") if world.members + min(sizes) > 4 else ("add", "rotate"))
        item, grows = {"add": (adds(new), 1), "rotate": (rotates(leaver, new), 0), "remove": (removes(leaver), -1)}[
            kind
        ]
        sizes |= {size + grows for size in sizes}
        world.changes_sets = True
        if kind != "remove":
            world.expects(new)
            world.at(chance.randint(0, FAULTS_UNTIL_MS), partial(world.restart, new))
        world.at(chance.randint(500, FAULTS_UNTIL_MS * 2 // 3), partial(world.submit, item))
        submitted.append(item)
    for number in range(2 * world.set_window):
        submitted.append(b"filler%d" % number)
        world.at(chance.randint(FAULTS_UNTIL_MS // 2, FAULTS_UNTIL_MS + 4_000), partial(world.submit, submitted[-1]))
    return world.members + min(sizes), submitted


# ------------------------------------------------------------ faults of one member, f at most


def lies(world: World, chance: random.Random, position: int) -> None:
    node, make = world.nodes[position], chance.choice(LIARS)
    world.faulty.add(position)
    node.lies.append(make(world, node, chance))
    world.fault(f"node {position}  is {make.__name__}")


def hoards(world: World, chance: random.Random, position: int) -> None:
    world.faulty.add(position)
    world.nodes[position].hoards = True
    world.fault(f"node {position}  keeps its results and all certificates to itself")


def has_a_twin(world: World, chance: random.Random, position: int) -> None:
    others = [other for other in range(len(world.nodes)) if other != position]
    world.add_twin(position, chance.sample(others, len(others) // 2))
    world.fault(f"node {position}  has a twin")
    world.at(0, world.twins[position].start)


def loses_its_disk(world: World, chance: random.Random, position: int) -> None:
    world.forgetful.add(position)
    for _ in range(chance.randint(1, 2)):
        crash_and_change(world, chance, position, world.nodes[position].wipe, "is wiped")


def gets_an_old_disk(world: World, chance: random.Random, position: int) -> None:
    world.forgetful.add(position)
    saved_at_ms = chance.randint(0, FAULTS_UNTIL_MS // 2)
    world.at(saved_at_ms, world.nodes[position].save_disk)
    crash_and_change(world, chance, position, world.nodes[position].restore_disk, "gets an old disk", saved_at_ms + 1)


def crash_and_change(
    world: World, chance: random.Random, position: int, change: Callable[[], None], text: str, after_ms: int = 0
) -> None:
    start_ms = chance.randint(after_ms, FAULTS_UNTIL_MS)

    def happen() -> None:
        world.crash(position)
        world.fault(f"node {position}  {text}")
        change()

    world.at(start_ms, happen)
    world.at(start_ms + chance.randint(10, 3_000), lambda: world.restart(position))


def is_far_off(world: World, chance: random.Random, position: int) -> None:
    world.nodes[position].skew_ms = chance.choice((-1, 1)) * chance.choice((5_000, 3_600_000, YEAR_MS))
    world.fault(f"node {position}  has a clock that is {world.nodes[position].skew_ms} ms off")


# ------------------------------------------------------------ faults of network and machines


def cut_in_two(world: World, chance: random.Random, start_ms: int) -> None:
    side = set(chance.sample(range(len(world.nodes)), len(world.nodes) // 2))
    pairs = {(a, b) for a in range(len(world.nodes)) for b in range(len(world.nodes)) if (a in side) != (b in side)}
    cut_for(world, pairs, start_ms, chance.randint(500, 7_000), f"cut {sorted(side)} off")


def cut_to_a_ring(world: World, chance: random.Random, start_ms: int) -> None:
    """Each hears only its two neighbours."""
    pairs = {
        (a, b)
        for a in range(len(world.nodes))
        for b in range(len(world.nodes))
        if (a - b) % len(world.nodes) not in (0, 1, len(world.nodes) - 1)
    }
    cut_for(world, pairs, start_ms, chance.randint(500, 7_000), "cut to a ring")


def isolate(world: World, chance: random.Random, start_ms: int) -> None:
    one = chance.randrange(len(world.nodes))
    pairs = {pair for other in range(len(world.nodes)) for pair in ((one, other), (other, one))}
    cut_for(world, pairs, start_ms, chance.randint(500, 7_000), f"isolate {one}")


def one_way(world: World, chance: random.Random, start_ms: int) -> None:
    one = chance.randrange(len(world.nodes))
    deaf = chance.sample(range(len(world.nodes)), chance.randint(1, len(world.nodes)))
    cut_for(world, {(one, other) for other in deaf}, start_ms, chance.randint(500, 7_000), f"{deaf} do not hear {one}")


def cut_for(world: World, pairs: set[tuple[int, int]], start_ms: int, for_ms: int, text: str) -> None:
    def begin() -> None:
        world.fault(text)
        world.links.cut |= pairs

    def end() -> None:
        world.note(f"end: {text}")
        world.links.cut -= pairs

    world.at(start_ms, begin)
    world.at(start_ms + for_ms, end)


def lose_a_kind(world: World, chance: random.Random, start_ms: int) -> None:
    """Messages of one kind do not reach some: one has decided what the others have only prepared, and so on."""
    kind = chance.choice((Phase.PREPARE, Phase.COMMIT, Phase.COMMIT, NewView, ViewChange))
    deaf = set(chance.sample(range(len(world.nodes)), chance.randint(1, len(world.nodes) - 1)))

    def stops(_: int, receiver: int, raw: bytes) -> bool:
        return receiver in deaf and decode_kind(raw) in (kind, Relayed)

    def begin() -> None:
        world.fault(f"{sorted(deaf)} miss every {kind.__name__ if isinstance(kind, type) else kind.name}")
        world.filters.append(stops)

    world.at(start_ms, begin)
    world.at(start_ms + chance.randint(300, 4_000), world.filters.clear)


def one_ahead(world: World, chance: random.Random, start_ms: int) -> None:
    """One alone gets to the next step, then it is gone for a while: the others must not decide otherwise."""
    one, kind = chance.randrange(len(world.nodes)), chance.choice((Phase.PREPARE, Phase.COMMIT))
    until_ms = start_ms + chance.randint(200, 1_000)

    def stops(_: int, receiver: int, raw: bytes) -> bool:
        return receiver != one and decode_kind(raw) in (kind, Relayed)

    def begin() -> None:
        world.fault(f"only {one} hears any {kind.name}")
        world.filters.append(stops)

    world.at(start_ms, begin)
    world.at(until_ms + 3_000, world.filters.clear)
    pairs = {pair for other in range(len(world.nodes)) for pair in ((one, other), (other, one))}
    cut_for(world, pairs, until_ms, chance.randint(4_000, 8_000), f"isolate {one}")


def decode_kind(raw: bytes) -> type | Phase:
    """What kind of message these bytes are; of a vote its phase."""
    message = decode_once(raw)
    return message.phase if isinstance(message, Vote) else type(message)


def crash_some(world: World, chance: random.Random, start_ms: int) -> None:
    for position in chance.sample(range(len(world.nodes)), chance.randint(1, len(world.nodes))):
        world.at(start_ms, lambda position=position: world.crash(position))
        world.at(start_ms + chance.randint(10, 6_000), lambda position=position: world.restart(position))


def crash_at_persist(world: World, chance: random.Random, start_ms: int) -> None:
    position, steps = chance.randrange(len(world.nodes)), chance.randint(1, 5)

    def arm() -> None:
        world.nodes[position].crash_at_persist = world.nodes[position].persists + steps

    world.at(start_ms, arm)
    world.at(start_ms + chance.randint(100, 6_000), lambda: world.restart(position))


def keep_some_busy(world: World, chance: random.Random, start_ms: int) -> None:
    """Loops are taken up again and again, some of them or all at once."""
    for position in chance.sample(range(len(world.nodes)), chance.randint(1, len(world.nodes))):
        for _ in range(chance.randint(1, 4)):
            at_ms, busy_ms = start_ms + chance.randint(0, 3_000), chance.choice((50, 400, 1_500))
            world.at(at_ms, partial(keep_busy, world, position, busy_ms))


def keep_busy(world: World, position: int, busy_ms: int) -> None:
    world.fault(f"node {position}  is busy for {busy_ms} ms")
    world.nodes[position].is_busy_for(busy_ms)


def slow_down_a_disk(world: World, chance: random.Random, start_ms: int) -> None:
    node, write_ms = chance.choice(world.nodes), chance.choice((20, 100, 600))

    def begin() -> None:
        world.fault(f"node {node.position}  writes for {write_ms} ms")
        node.write_ms = write_ms

    def end() -> None:
        node.write_ms = 0

    world.at(start_ms, begin)
    world.at(start_ms + chance.randint(500, 5_000), end)


FAULTS_OF_ONE = (lies, lies, hoards, has_a_twin, loses_its_disk, gets_an_old_disk, is_far_off)

FAULTS = (
    cut_in_two,
    cut_to_a_ring,
    isolate,
    isolate,
    one_way,
    lose_a_kind,
    lose_a_kind,
    one_ahead,
    one_ahead,
    crash_some,
    crash_at_persist,
    keep_some_busy,
    slow_down_a_disk,
)


def heal(world: World) -> None:
    world.note("healed")
    world.filters.clear()
    world.links.cut.clear()
    world.links.loss = world.links.duplication = 0.0
    world.links.delay_ms = (1, 40)
    for node in world.nodes:
        node.crash_at_persist = None
        node.write_ms = 0
        world.restart(node.position)
