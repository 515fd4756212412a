"""Messages that should not be: malformed, oversized, forged or too many, they are dropped, and nothing grows."""

from __future__ import annotations

import os

import msgspec
import pytest

from ledgernode.config import MESSAGE_BYTES, PROPOSALS_PER_SLOT
from ledgernode.consensus.engine import Received
from ledgernode.consensus.pbft.messages import (
    Fetch,
    Phase,
    PrePrepare,
    Proposal,
    Recall,
    Recalled,
    Relayed,
    Stable,
    Standing,
    decode,
    encode,
)
from ledgernode.wire.types import ZERO_HASH, Epoch, Height
from ledgernode.wire.validators import Certificate, encode_certificate, vote_bytes
from tests.simulation.scenario import (
    Puppet,
    certificate,
    cut,
    elapse,
    heal,
    heard,
    orders,
    orders_one_by_one,
    settles,
    signed_change,
    signed_vote,
    started,
    stays_silent,
)
from tests.simulation.world import BASE, CHAIN, SCOPE, World, sign_as

SOME, OTHER = b"\x01" * 32, b"\x02" * 32


def held(world: World, position: int = 1) -> int:
    """How many things an engine holds that others sent."""
    engine = world.nodes[position].engine
    ordering, changing = engine._ordering, engine._changing
    slots = ordering._slots.values()
    votes = sum(len(slot.prepares) + len(slot.commits) + len(slot.proposals) + len(slot.holds) for slot in slots)
    early = sum(len(room) for room in ordering._early.values())
    throttled = len(ordering._asked._until) + len(engine._helping._answered._until)
    return len(ordering._slots) + votes + early + throttled + len(changing._changes)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc1",
        b"\x00" * 100,
        b"\x95" * 5_000,  # nested deeper than anyone reads
        encode(signed_vote(3, Phase.PREPARE, 0, 1, SOME))[:-1],
        msgspec.msgpack.encode([2, 1, -1, 1, SOME, 3, bytes(64)]),  # a view below 0
        msgspec.msgpack.encode([2, 1, 1 << 63, 1, SOME, 3, bytes(64)]),  # a view beyond what is signed
        msgspec.msgpack.encode([2, 7, 0, 1, SOME, 3, bytes(64)]),  # a phase that is none
        msgspec.msgpack.encode([2, 1, 0, 1, SOME + b"x", 3, bytes(64)]),  # a digest longer than what is signed
        msgspec.msgpack.encode([99, 1]),
    ],
)
def test_malformed_messages_are_dropped(raw: bytes) -> None:
    """Bytes that are no message change nothing and answer nothing."""
    world = started()
    node = world.nodes[1]
    before = held(world)
    ready = node.engine.step(Received(node.now(), 3, raw))
    assert (ready.persist, ready.send, ready.deliver, held(world)) == ((), (), (), before)


def test_random_bytes_and_mutated_messages_break_nothing() -> None:
    """Whatever one member sends, the others go on."""
    world = started(puppets=[3])
    liar = Puppet(world, 3)
    digest = liar.proposes(3, 1, (b"x",))
    good = [
        encode(signed_vote(3, Phase.COMMIT, 0, 1, digest)),
        encode(signed_change(3, 1, (certificate(0, 1, digest, 0, [1, 2]),))),
        encode(Relayed((signed_vote(3, Phase.PREPARE, 0, 1, digest),))),
        encode(Recalled(5, BASE, (signed_vote(3, Phase.COMMIT, 9, 1, digest),), None, None)),
    ]
    for number in range(2_000):
        raw = bytearray(good[number % len(good)])
        for _ in range(world.random.randint(1, 4)):
            raw[world.random.randrange(len(raw))] = world.random.randrange(256)
        liar.says(bytes(raw) if number % 5 else world.random.randbytes(60))
    orders(world, b"one", b"two")


def test_oversized_messages_are_dropped_unread() -> None:
    """More bytes than a message may have are not even decoded."""
    proposal = Proposal(1, 1, (bytes(MESSAGE_BYTES),))
    assert decode(encode(proposal)) is None


def test_non_members_and_impostors_are_dropped() -> None:
    """A position outside the set, our own from outside, or another's words in a member's mouth count nothing."""
    world = started()
    node = world.nodes[1]
    vote = signed_vote(2, Phase.COMMIT, 0, 1, SOME)
    for sender in (4, 99, -1, 1, 3):
        node.engine.step(Received(node.now(), sender, encode(vote)))
    slot = node.engine._ordering._slots.get(1)
    assert slot is None or not slot.commits
    change = signed_change(2, 1)
    node.engine.step(Received(node.now(), 3, encode(change)))
    assert not node.engine._changing._changes


def test_a_vote_signed_by_another_is_not_counted() -> None:
    """The signature must be of the member that the vote names."""
    world = started()
    node = world.nodes[1]
    forged = msgspec.structs.replace(signed_vote(3, Phase.COMMIT, 0, 1, SOME), position=2)
    node.engine.step(Received(node.now(), 2, encode(forged)))
    assert not node.engine._ordering._slots[1].commits


def test_duplicate_votes_are_counted_once() -> None:
    """The same vote a thousand times, or relayed by others, is one vote."""
    world = started()
    node = world.nodes[1]
    vote = signed_vote(3, Phase.COMMIT, 0, 1, SOME)
    for _ in range(1_000):
        node.engine.step(Received(node.now(), 3, encode(vote)))
    node.engine.step(Received(node.now(), 2, encode(Relayed((vote,) * 12))))
    assert list(node.engine._ordering._slots[1].commits) == [3]
    assert node.engine._ordering._slots[1].decided is None


def test_a_double_voting_follower_is_seen_and_counts_once() -> None:
    """Two votes of one phase that contradict each other: the first counts, both together are evidence, once."""
    world = started(puppets=[3])
    liar = Puppet(world, 3)
    for phase in (Phase.PREPARE, Phase.COMMIT):
        for digest in (SOME, OTHER):
            liar.votes(phase, 0, 1, digest, 1)
            elapse(world, 50)
    for _ in range(100):
        liar.votes(Phase.COMMIT, 0, 1, OTHER, 1)
    elapse(world, 50)
    assert world.evidence == {3}
    assert sum("voted twice" in line for line in world.trace) == 2
    orders(world, b"one")


def test_messages_beyond_the_high_watermark_are_dropped() -> None:
    """Above the window nothing is held, whatever it is."""
    world = started(puppets=[0])
    leader = Puppet(world, 0)
    for sequence in (33, 34, 1_000, 1 << 62):
        leader.proposes(0, sequence, (b"far",))
        leader.votes(Phase.COMMIT, 0, sequence, SOME)
    elapse(world, 200)
    assert all(max(node.engine._ordering._slots, default=0) <= 32 for node in world.nodes[1:])
    orders(world, b"one")


def test_one_member_cannot_pretend_that_something_is_under_way() -> None:
    """Commits of a single member for things nobody proposed arm no time-out: an idle network keeps its view."""
    world = started(puppets=[3])
    liar = Puppet(world, 3)
    for sequence in range(1, 33):
        liar.votes(Phase.COMMIT, 0, sequence, SOME)
    elapse(world, 60_000)
    assert [node.engine.view for node in world.nodes[:3]] == [0, 0, 0]


def test_view_changes_of_one_member_move_nobody() -> None:
    """One member far ahead is alone: the others stay, and hold one view change of it."""
    world = started(puppets=[3])
    liar = Puppet(world, 3)
    for view in (1, 2, 5, 1_000, 1 << 62):
        liar.leaves_for(view)
    elapse(world, 5_000)
    assert [node.engine.view for node in world.nodes[:3]] == [0, 0, 0]
    orders(world, b"one")


def test_nothing_a_member_sends_makes_memory_grow() -> None:
    """Ten thousand different messages of one liar: what is held is bounded by window and members."""
    world = started(puppets=[3])
    liar = Puppet(world, 3)
    for number in range(10_000):
        sequence, view = number % 40, number // 40
        digest = SCOPE.digest(Proposal(sequence, number, ()))
        match number % 8:
            case 0:
                liar.votes(Phase.COMMIT, view, sequence, digest, 1)
            case 1:
                liar.votes(Phase.PREPARE, view + 1, sequence, digest, 1)
            case 2:
                liar.proposes(view, sequence, (b"%d" % number,), 1)
            case 3:
                liar.leaves_for(view, 1)
            case 4:
                liar.says(Fetch(sequence, digest), 1)
            case 5:
                liar.says(Proposal(sequence, number, (b"x",)), 1)
            case 6:
                liar.says(Recall(number), 1)
            case 7:
                liar.says(Standing(view, True, sequence), 1)
    elapse(world, 2_000)
    members, window = 4, 32
    bound = window * (1 + 2 * members + 2 * PROPOSALS_PER_SLOT) + members * 2 * window + 200 + members
    assert held(world) < bound / 4
    orders(world, b"one", within_ms=120_000)


def test_many_proposals_for_one_sequence_do_not_pile_up() -> None:
    """A liar that leads again and again leaves at most a few contents behind for each sequence."""
    world = started(puppets=[0])
    leader = Puppet(world, 0)
    for number in range(100):
        leader.proposes(0, 1, (b"%d" % number,), 1)
    elapse(world, 60)
    assert len(world.nodes[1].engine._ordering._slots[1].proposals) == 1


# ------------------------------------------------------------ stable heights


def certified(height: int, header_hash: bytes, positions: list[int]) -> Stable:
    message = vote_bytes(CHAIN, Epoch(0), Height(height), header_hash)
    signatures = tuple((position, sign_as(position, message)) for position in positions)
    return Stable(height, header_hash, encode_certificate(Certificate(signatures)))


@pytest.mark.parametrize(
    "proof",
    [
        certified(20, SOME, [2, 3]),
        msgspec.structs.replace(certified(20, SOME, [1, 2, 3]), header_hash=OTHER),
        msgspec.structs.replace(certified(20, SOME, [1, 2, 3]), height=25),
        Stable(20, ZERO_HASH, b""),
        Stable(20, SOME, os.urandom(200)),
    ],
    ids=["minority", "another header", "another height", "none", "noise"],
)
def test_a_forged_or_minority_stable_proof_is_refused(proof: Stable) -> None:
    """Fewer than q signatures, or on something else, make nothing stable: alone, in a view change or an answer."""
    world = started(puppets=[3])
    liar = Puppet(world, 3)
    liar.says(proof)
    liar.says(signed_change(3, 1, (), proof))
    liar.says(Recalled(world.nodes[1].engine._recalling._started_ms, proof, (), None, None))
    elapse(world, 200)
    assert {node.engine._seat.stable for node in world.nodes[:3]} == {BASE}
    assert all(3 not in node.engine._changing._changes for node in world.nodes[:3])
    orders(world, b"one")


def test_a_lagging_replica_on_an_idle_network_catches_up() -> None:
    """Nobody orders anything any more; whoever missed the last blocks gets them all the same."""
    world = started()
    cut(world, [0, 1, 2], [3])
    orders_one_by_one_without(world, 3, 12)
    heal(world)
    elapse(world, 5_000)
    assert len(world.nodes[3].chain) == len(world.nodes[0].chain) == 12


def orders_one_by_one_without(world: World, position: int, number: int) -> None:
    world.faulty.add(position)
    orders_one_by_one(world, number)
    world.faulty.discard(position)


def test_a_member_without_the_last_commits_gets_them_from_any_one_peer() -> None:
    """One block behind, nothing certified since: the votes that decided are relayed, also those of a crashed member."""
    world = started()
    orders(world, b"before")
    relayed = heard(world, Relayed, sender=1)
    world.filters.append(lambda by, to, raw: to == 3 and getattr(decode(raw), "phase", None) == Phase.COMMIT)
    world.links.cut |= {(2, 3), (0, 3)}
    world.submit(b"one")
    elapse(world, 30)
    world.filters[1:] = []
    elapse(world, 4_000)
    assert b"one" in world.nodes[3].done
    assert relayed or world.nodes[3].chain[-1].certificate


def test_catching_up_races_a_moving_head() -> None:
    """While a far-behind member fetches, blocks go on being ordered: it arrives, and takes part again."""
    world = started(window=8)
    cut(world, [0, 1, 2], [3])
    orders_one_by_one_without(world, 3, 30)
    heal(world)
    for count in range(60):
        world.at(world.now_ms + count * 50, lambda count=count: world.submit(b"moving%d" % count))
    elapse(world, 3_000)
    settles(world, *[b"moving%d" % count for count in range(60)])
    world.crash(0)
    orders(world, b"with the late one")


def test_a_50_50_partition_halts_then_resumes() -> None:
    """Neither half has a quorum: nothing is ordered; healed, everything is, in one chain."""
    world = started()
    cut(world, [0, 1], [2, 3])
    world.submit(b"one")
    stays_silent(world, 30_000)
    heal(world)
    settles(world, b"one", within_ms=60_000)
    orders(world, b"two")


def test_the_content_of_a_lost_proposal_is_fetched() -> None:
    """Votes came, the proposal did not: it is asked for, from f+1 others at a time, and answered once a while."""
    world = started()
    world.filters.append(lambda by, to, raw: to == 3 and isinstance(decode(raw), PrePrepare))
    fetches = heard(world, Fetch, sender=3)
    orders(world, b"one")
    assert fetches
    assert len(world.nodes[3].chain) == 1
