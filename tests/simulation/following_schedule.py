"""One random schedule of validators that follow a log: outages, readings that break, forgotten messages, liars."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import msgspec

from ledgernode.consensus.jetstream.messages import Cut, Publish, decode, encode, signed_bytes
from ledgernode.consensus.quorum import faulty_limit
from ledgernode.wire.types import Epoch, sha256
from tests.simulation.following import FollowingWorld
from tests.simulation.membership import CHAIN, sign_as
from tests.simulation.node import Lie, Node
from tests.simulation.schedule import (
    SET_CHANGES,
    Result,
    change_the_set,
    crash_at_persist,
    crash_some,
    cut_in_two,
    gets_an_old_disk,
    hoards,
    isolate,
    judged,
    keep_some_busy,
    loses_its_disk,
    slow_down_a_disk,
)

FAULTS_UNTIL_MS = 10_000
SKEW_MS = 200


def play_following(seed: int, alter: Callable[[FollowingWorld], None] = lambda _: None) -> Result:
    """Run the schedule of this seed; raises Violation with a trace when a rule is broken. `alter` breaks a rule."""
    chance = random.Random(f"following/{seed}")
    world = FollowingWorld(seed, chance.choice((1, 3, 4, 4, 4, 5, 7)), chance.choice((400, 1 << 20)))
    world.links.loss = chance.choice((0.0, 0.0, 0.02, 0.1, 0.3))
    world.links.duplication = chance.choice((0.0, 0.1, 0.5))
    world.links.delay_ms = (1, chance.choice((5, 40, 200)))
    world.breaks = chance.choice((0.0, 0.02, 0.2))
    world.log.skew_ms = chance.randint(-SKEW_MS, SKEW_MS)
    alter(world)
    submitted = plan(world, chance)
    world.at(FAULTS_UNTIL_MS, partial(heal_log, world))
    return judged(world, seed, submitted, FAULTS_UNTIL_MS)


def plan(world: FollowingWorld, chance: random.Random) -> list[bytes]:
    submitted = [b"tx%d" % number for number in range(chance.randint(5, 50))]
    for item in submitted:
        world.at(chance.randint(0, FAULTS_UNTIL_MS), partial(world.submit, item))
    least = world.members
    if world.members >= 4 and chance.random() < SET_CHANGES:
        least, changes = change_the_set(world, chance)
        submitted += changes
    for node in world.nodes:
        node.skew_ms = chance.randint(-SKEW_MS, SKEW_MS)
    for position in chance.sample(range(world.members), chance.randint(0, faulty_limit(least))):
        chance.choice((lies, lies, hoards, loses_its_disk, gets_an_old_disk))(world, chance, position)
    for _ in range(chance.randint(0, 8)):
        chance.choice(FAULTS)(world, chance, chance.randint(0, FAULTS_UNTIL_MS))
    return submitted


# ------------------------------------------------------------ faults of the log, and of the way to it


def outage(world: FollowingWorld, chance: random.Random, start_ms: int) -> None:
    """No leader: nothing is taken, every reading breaks."""

    def begin() -> None:
        world.fault("the log is away")
        world.log.up = False
        for reader in world.readers.values():
            reader.whole = False

    def end() -> None:
        world.note("the log is back")
        world.log.up = True

    world.at(start_ms, begin)
    world.at(start_ms + chance.randint(50, 4_000), end)


def keeps_apart(world: FollowingWorld, chance: random.Random, start_ms: int) -> None:
    """Some do not reach the log, and still reach each other."""
    cut = set(chance.sample(range(len(world.nodes)), chance.randint(1, len(world.nodes))))

    def begin() -> None:
        world.fault(f"{sorted(cut)} do not reach the log")
        world.apart |= cut
        for position in cut & world.readers.keys():
            world.readers[position].whole = False

    def end() -> None:
        world.note(f"{sorted(cut)} reach the log again")
        world.apart -= cut

    world.at(start_ms, begin)
    world.at(start_ms + chance.randint(100, 7_000), end)


def forgets(world: FollowingWorld, chance: random.Random, start_ms: int) -> None:
    """The log keeps its last messages only: those of blocks that an honest member can give with their certificates."""

    def happen() -> None:
        held = (len(node.chain) - len(node.uncertified()) for node in world.nodes if world.is_honest(node.position))
        forgotten = min(max(held, default=0), world.log.last)
        if forgotten > world.log.forgotten:
            world.fault(f"the log forgets everything up to {forgotten}")
            world.log.forgotten = forgotten

    world.at(start_ms, happen)


def heal_log(world: FollowingWorld) -> None:
    world.log.up = True
    world.apart.clear()
    world.breaks = 0.0


FAULTS = (
    outage,
    outage,
    keeps_apart,
    keeps_apart,
    forgets,
    cut_in_two,
    isolate,
    crash_some,
    crash_some,
    crash_at_persist,
    keep_some_busy,
    slow_down_a_disk,
)

# ------------------------------------------------------------ members that publish what they should not


def lies(world: FollowingWorld, chance: random.Random, position: int) -> None:
    world.faulty.add(position)
    make = chance.choice((forges, spoils, repeats, babbles, silent, misdates))
    world.nodes[position].lies.append(make(world, world.nodes[position], chance))
    world.fault(f"node {position}  {make.__name__}")


def changed(message: bytes, change: Callable[[Cut], Cut]) -> list[bytes]:
    said = decode(message)
    if not isinstance(said, Publish):
        return [message]
    cut = decode(said.payload)
    assert isinstance(cut, Cut)
    payload = encode(change(cut))
    return [encode(Publish(sha256(payload), payload))]


def forges(world: FollowingWorld, node: Node, chance: random.Random) -> Lie:
    """Cuts under another's name, which it cannot sign for."""
    return lambda message, _: changed(message, lambda cut: msgspec.structs.replace(cut, author=cut.author + 1))


def spoils(world: FollowingWorld, node: Node, chance: random.Random) -> Lie:
    """Cuts with an envelope that does not hold."""

    def spoil(cut: Cut) -> Cut:
        bad = msgspec.structs.replace(cut, envelopes=(*cut.envelopes, b"bad%d" % chance.getrandbits(16)))
        signature = sign_as(node.position, signed_bytes(CHAIN, Epoch(cut.epoch), bad))
        return msgspec.structs.replace(bad, signature=signature)

    return lambda message, _: changed(message, spoil)


def misdates(world: FollowingWorld, node: Node, chance: random.Random) -> Lie:
    """Cuts of another day."""

    def misdate(cut: Cut) -> Cut:
        dated = msgspec.structs.replace(cut, time_ms=chance.choice((0, cut.time_ms + 86_400_000)))
        signature = sign_as(node.position, signed_bytes(CHAIN, Epoch(cut.epoch), dated))
        return msgspec.structs.replace(dated, signature=signature)

    return lambda message, _: changed(message, misdate)


def repeats(world: FollowingWorld, node: Node, chance: random.Random) -> Lie:
    """Every cut again, under another id."""

    def repeat(message: bytes, _: int) -> list[bytes]:
        said = decode(message)
        if not isinstance(said, Publish):
            return [message]
        return [message, encode(Publish(chance.randbytes(32), said.payload))]

    return repeat


def babbles(world: FollowingWorld, node: Node, chance: random.Random) -> Lie:
    """What is no cut at all."""
    return lambda message, _: [message, encode(Publish(chance.randbytes(32), chance.randbytes(40)))]


def silent(world: FollowingWorld, node: Node, chance: random.Random) -> Lie:
    """It reads, and publishes nothing."""
    return lambda message, _: [] if isinstance(decode(message), Publish) else [message]
