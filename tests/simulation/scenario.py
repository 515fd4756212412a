"""The words that named scenarios are told in: cut, stop, elapse, settle, and members that follow a script.

A scenario starts a world, lets some of it go wrong in one exact way, and says what must hold then.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ledgernode.consensus.pbft.messages import (
    Message,
    NewView,
    Phase,
    Prepared,
    PrePrepare,
    Proposal,
    Stable,
    ViewChange,
    Vote,
    decode,
    encode,
)
from ledgernode.consensus.pbft.seat import Timing
from tests.simulation.schedule import TIMING, decode_kind
from tests.simulation.world import BASE, SCOPE, STARTS_MS, Node, World, sign_as

Kind = type | Phase


def started(
    members: int = 4, *, window: int = 32, puppets: Iterable[int] = (), seed: int = 1, timing: Timing = TIMING
) -> World:
    """Everyone has started and heard from the others; puppets are left to the scenario."""
    world = World(seed, members, timing, window)
    scripted = set(puppets)
    world.faulty |= scripted
    for node in world.nodes:
        if node.position not in scripted:
            node.start()
    elapse(world, 500)
    return world


def elapse(world: World, for_ms: int) -> None:
    world.run(world.now_ms + for_ms)


def living(world: World) -> list[Node]:
    return [node for node in world.nodes if node.up and node.position not in world.faulty]


def settles(world: World, *items: bytes, within_ms: int = 60_000) -> None:
    """Every living honest member executes these, and they have one chain."""

    def settled() -> bool:
        nodes = living(world)
        return all(set(items) <= node.done for node in nodes) and len({len(node.chain) for node in nodes}) == 1

    held = world.run(world.now_ms + within_ms, settled)
    missing = {node.position: sorted(set(items) - node.done) for node in living(world)}
    assert held, f"not settled within {within_ms} ms; missing: {missing}\n{world.story()}"


def orders(world: World, *items: bytes, within_ms: int = 60_000) -> None:
    """Clients submit these, and they are settled."""
    for item in items:
        world.submit(item)
    settles(world, *items, within_ms=within_ms)


def orders_one_by_one(world: World, number: int, name: bytes = b"n") -> None:
    """So many blocks, at least."""
    for count in range(number):
        orders(world, b"%s%d" % (name, count))


def stays_silent(world: World, for_ms: int) -> None:
    """Nothing more is delivered in this time."""
    heights = [len(node.chain) for node in world.nodes]
    elapse(world, for_ms)
    assert [len(node.chain) for node in world.nodes] == heights, world.story()


# ------------------------------------------------------------ the network


def cut(world: World, one: Iterable[int], other: Iterable[int]) -> None:
    """Nothing passes between these, either way."""
    for a in one:
        for b in other:
            world.links.cut |= {(a, b), (b, a)}


def heal(world: World) -> None:
    world.links.cut.clear()
    world.filters.clear()


def stop(world: World, *kinds: Kind, sender: int | None = None, to: Iterable[int] | None = None) -> None:
    """Messages of these kinds are lost, from this sender to these receivers (all when not named)."""
    receivers = set(range(world.members) if to is None else to)

    def stops(by: int, receiver: int, raw: bytes) -> bool:
        return decode_kind(raw) in kinds and receiver in receivers and sender in (None, by)

    world.filters.append(stops)


def heard(world: World, kind: Kind, *, sender: int) -> list[Message]:
    """Collects what this member says from now on."""
    collected: list[Message] = []

    def listen(by: int, _: int, raw: bytes) -> bool:
        message = decode(raw)
        if by == sender and message is not None and decode_kind(raw) == kind:
            collected.append(message)
        return False

    world.filters.append(listen)
    return collected


# ------------------------------------------------------------ a member that follows a script


class Puppet:
    """A member without an engine: it says what the scenario wants, signed with its own key."""

    def __init__(self, world: World, position: int) -> None:
        self.world = world
        self.position = position
        self.node = world.nodes[position]
        world.faulty.add(position)

    def says(self, message: Message | bytes, *to: int) -> None:
        raw = message if isinstance(message, bytes) else encode(message)
        for receiver in to or range(self.world.members):
            if receiver != self.position:
                self.world.carry(self.node, receiver, raw)

    def votes(self, phase: Phase, view: int, sequence: int, digest: bytes, *to: int) -> Vote:
        vote = signed_vote(self.position, phase, view, sequence, digest)
        self.says(vote, *to)
        return vote

    def proposes(self, view: int, sequence: int, envelopes: tuple[bytes, ...], *to: int, time_ms: int = 0) -> bytes:
        """A proposal of this view's leader, dated now unless told otherwise; answers its digest."""
        proposal = Proposal(sequence, time_ms or STARTS_MS + self.world.now_ms, envelopes)
        digest = SCOPE.digest(proposal)
        self.says(PrePrepare(signed_vote(self.position, Phase.PRE_PREPARE, view, sequence, digest), proposal), *to)
        return digest

    def leaves_for(self, view: int, *to: int, prepared: tuple[Prepared, ...] = (), stable: Stable = BASE) -> ViewChange:
        change = signed_change(self.position, view, prepared, stable)
        self.says(change, *to)
        return change

    def begins(self, view: int, changes: Iterable[ViewChange], *to: int) -> NewView:
        unsigned = NewView(view, self.position, tuple(changes), b"")
        message = msgspec.structs.replace(unsigned, signature=sign_as(self.position, SCOPE.new_view(unsigned)))
        self.says(message, *to)
        return message


def signed_vote(position: int, phase: Phase, view: int, sequence: int, digest: bytes) -> Vote:
    message = SCOPE.vote(phase, view, sequence, digest)
    return Vote(phase, view, sequence, digest, position, sign_as(position, message))


def signed_change(position: int, view: int, prepared: tuple[Prepared, ...] = (), stable: Stable = BASE) -> ViewChange:
    unsigned = ViewChange(view, position, stable, prepared, b"")
    return msgspec.structs.replace(unsigned, signature=sign_as(position, SCOPE.view_change(unsigned)))


def certificate(view: int, sequence: int, digest: bytes, leader: int, others: Iterable[int]) -> Prepared:
    """A prepared certificate of these members; the simulation can sign for anyone."""
    first = signed_vote(leader, Phase.PRE_PREPARE, view, sequence, digest)
    rest = [signed_vote(position, Phase.PREPARE, view, sequence, digest) for position in others]
    return Prepared(view, sequence, digest, (first, *rest))
