"""Members that lie: each takes the words of an honest engine and says something else, signed with its own key."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from ledgernode.consensus.pbft.messages import (
    NewView,
    Phase,
    PrePrepare,
    Proposal,
    Recalled,
    Relayed,
    Stable,
    ViewChange,
    Vote,
    decode,
    encode,
)
from tests.simulation.world import STARTS_MS, Lie, Node, World, sign_as

STALE_KEPT = 200

Liar = Callable[[World, Node, random.Random], Lie]


def silent(_: World, node: Node, chance: random.Random) -> Lie:
    """Says nothing to some, or to anyone."""
    deaf = {position for position in range(node.world.members) if chance.random() < 0.6}
    return lambda message, receiver: [] if receiver in deaf else [message]


def equivocating(_: World, node: Node, __: random.Random) -> Lie:
    """Leads every other member to believe in another proposal, and votes for both."""

    def lie(raw: bytes, receiver: int) -> list[bytes]:
        message = decode(raw)
        if receiver % 2 or not isinstance(message, PrePrepare):
            return [raw]
        other = msgspec.structs.replace(message.proposal, time_ms=message.proposal.time_ms + 1)
        vote = resigned(node, message.vote, node.membership.scope.digest(other))
        return [encode(PrePrepare(vote, other))]

    return lie


def double_voting(_: World, node: Node, chance: random.Random) -> Lie:
    """Votes for what it sees, and at times for something else too, or for what was not asked."""

    def lie(raw: bytes, receiver: int) -> list[bytes]:
        message = decode(raw)
        if not isinstance(message, Vote) or chance.random() < 0.5:
            return [raw]
        proposal = Proposal(message.sequence, chance.randrange(1_000), ())
        other = resigned(node, message, node.membership.scope.digest(proposal))
        early = resigned(node, msgspec.structs.replace(message, phase=Phase.COMMIT), message.digest)
        return chance.sample([raw, encode(other), encode(early)], 3)

    return lie


def mutating(_: World, node: Node, chance: random.Random) -> Lie:
    """Changes bytes of what it says."""

    def lie(raw: bytes, receiver: int) -> list[bytes]:
        if chance.random() < 0.6:
            return [raw]
        changed = bytearray(raw)
        changed[chance.randrange(len(raw))] = chance.randrange(256)
        return [bytes(changed)]

    return lie


def stale(_: World, node: Node, chance: random.Random) -> Lie:
    """Says again what it said long ago, to whomever."""
    said: list[bytes] = []

    def lie(raw: bytes, receiver: int) -> list[bytes]:
        if len(said) < STALE_KEPT:
            said.append(raw)
        else:
            said[chance.randrange(STALE_KEPT)] = raw
        return [raw, chance.choice(said)]

    return lie


def withholding(world: World, node: Node, chance: random.Random) -> Lie:
    """Keeps what it has to say, its blocks above all, to itself for a while."""
    hold_ms = chance.randint(200, 2_500)

    def lie(raw: bytes, receiver: int) -> list[bytes]:
        world.at(world.now_ms + hold_ms, lambda: world.carry(node, receiver, raw))
        return []

    return lie


def forging(_: World, node: Node, chance: random.Random) -> Lie:
    """Commits before its time, forgets what it had prepared, invents proofs, and begins views on too little."""

    def lie(raw: bytes, receiver: int) -> list[bytes]:
        message = decode(raw)
        match message:
            case Vote(phase=Phase.PREPARE | Phase.PRE_PREPARE):
                return [
                    raw,
                    encode(resigned(node, msgspec.structs.replace(message, phase=Phase.COMMIT), message.digest)),
                ]
            case ViewChange():
                forged = msgspec.structs.replace(message, prepared=(), stable=node.base, signature=b"")
                signature = sign_as(node.position, node.membership.scope.view_change(forged))
                return [encode(msgspec.structs.replace(forged, signature=signature))]
            case NewView():
                return [encode(begun_on_nothing(node, message, chance.choice((1, 3)))), raw]
            case Stable():
                return [encode(msgspec.structs.replace(message, height=message.height + 5))]
            case Relayed(votes=votes) if votes:
                return [encode(Relayed((msgspec.structs.replace(votes[0], digest=bytes(32)), *votes[1:])))]
            case Recalled():
                return [encode(msgspec.structs.replace(message, votes=(), view_change=None, new_view=None))]
        return [raw]

    return lie


def boasting(_: World, node: Node, __: random.Random) -> Lie:
    """Claims that more is certified than is, so that others pass over it; and has forgotten what it had prepared."""

    def lie(raw: bytes, receiver: int) -> list[bytes]:
        message = decode(raw)
        if isinstance(message, Stable):
            return [encode(msgspec.structs.replace(message, height=message.height + 5))]
        if not isinstance(message, ViewChange):
            return [raw]
        claimed = msgspec.structs.replace(message.stable, height=message.stable.height + 5)
        boast = msgspec.structs.replace(message, prepared=(), stable=claimed, signature=b"")
        signature = sign_as(node.position, node.membership.scope.view_change(boast))
        return [encode(msgspec.structs.replace(boast, signature=signature))]

    return lie


def usurping(world: World, node: Node, _: random.Random) -> Lie:
    """Begins its views on nothing, and orders there what it likes, in place of what was prepared."""
    proposals: dict[tuple[int, int], Proposal] = {}

    def lie(raw: bytes, receiver: int) -> list[bytes]:
        message = decode(raw)
        if isinstance(message, NewView):
            return [encode(begun_on_nothing(node, message, len(message.view_changes)))]
        vote = message.vote if isinstance(message, PrePrepare) else message
        if not isinstance(vote, Vote) or vote.phase is not Phase.PRE_PREPARE or vote.view == 0:
            return [raw]
        mine = Proposal(vote.sequence, STARTS_MS + world.now_ms, (b"usurped",))
        mine = proposals.setdefault((vote.view, vote.sequence), mine)
        first = resigned(node, vote, node.membership.scope.digest(mine))
        commit = resigned(node, msgspec.structs.replace(first, phase=Phase.COMMIT), first.digest)
        return [encode(PrePrepare(first, mine)), encode(commit)]

    return lie


def changeable(world: World, node: Node, chance: random.Random) -> Lie:
    """Another liar with every message."""
    lies = [make(world, node, chance) for make in (silent, equivocating, double_voting, mutating, stale, forging)]

    def lie(raw: bytes, receiver: int) -> list[bytes]:
        return chance.choice(lies)(raw, receiver)

    return lie


LIARS: tuple[Liar, ...] = (
    silent,
    equivocating,
    double_voting,
    mutating,
    stale,
    forging,
    usurping,
    boasting,
    changeable,
)


def begun_on_nothing(node: Node, message: NewView, changes: int) -> NewView:
    """The same view, from a view change of its own in which nothing was prepared, so many times over."""
    scope = node.membership.scope
    nothing = ViewChange(message.view, message.position, message.view_changes[0].stable, (), b"")
    change = msgspec.structs.replace(nothing, signature=sign_as(node.position, scope.view_change(nothing)))
    unsigned = msgspec.structs.replace(message, view_changes=(change,) * changes, signature=b"")
    return msgspec.structs.replace(unsigned, signature=sign_as(node.position, scope.new_view(unsigned)))


def resigned(node: Node, vote: Vote, digest: bytes) -> Vote:
    """The same vote for something else."""
    message = node.membership.scope.vote(vote.phase, vote.view, vote.sequence, digest)
    return msgspec.structs.replace(vote, digest=digest, signature=sign_as(node.position, message))
