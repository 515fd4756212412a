"""From one view to the next: what was prepared is carried over, and nothing else is believed."""

from __future__ import annotations

import msgspec
import pytest

from ledgernode.consensus.pbft.messages import NewView, Phase, PrePrepare, Relayed, Standing, ViewChange, no_op
from ledgernode.consensus.pbft.seat import Timing
from ledgernode.consensus.pbft.view_change import Rules, fault_in_new_view, outcome
from tests.simulation.scenario import (
    Puppet,
    certificate,
    cut,
    elapse,
    heal,
    heard,
    orders,
    settles,
    signed_change,
    started,
    stop,
)
from tests.simulation.schedule import TIMING
from tests.simulation.world import BASE, SCOPE, World, sign_as, verify

RULES = Rules(SCOPE, 4, 32, verify, lambda stable: stable == BASE)
ONE, OTHER = b"\x01" * 32, b"\x02" * 32


def new_view(position: int, view: int, changes: list[ViewChange]) -> NewView:
    unsigned = NewView(view, position, tuple(changes), b"")
    return msgspec.structs.replace(unsigned, signature=sign_as(position, SCOPE.new_view(unsigned)))


def executed(world: World, position: int) -> list[bytes]:
    return [item for block in world.nodes[position].chain for item in block.batch.envelopes]


# ------------------------------------------------------------ what a new view requires


def test_the_highest_prepared_certificate_wins() -> None:
    """Conflicting certificates of different views for one sequence: the one of the latest view is required."""
    old, late = certificate(0, 1, ONE, 0, [1, 2]), certificate(1, 1, OTHER, 1, [2, 3])
    changes = [signed_change(0, 2, (old,)), signed_change(1, 2, (late,)), signed_change(3, 2)]
    assert outcome(changes, SCOPE).required == {1: OTHER}
    assert outcome(changes[::-1], SCOPE).required == {1: OTHER}


def test_a_gap_below_a_prepared_sequence_becomes_a_no_op() -> None:
    """Nothing was prepared at 1 and 2, something at 3: 1 and 2 are filled with nothing, 3 is kept."""
    changes = [signed_change(0, 1, (certificate(0, 3, ONE, 0, [1, 2]),)), signed_change(1, 1), signed_change(2, 1)]
    filler = {sequence: SCOPE.digest(no_op(sequence)) for sequence in (1, 2)}
    assert outcome(changes, SCOPE).required == {**filler, 3: ONE}


def test_a_certificate_of_too_few_of_the_wrong_or_of_mixed_votes_does_not_hold() -> None:
    """q distinct members on one view, sequence and digest, the leader's pre-prepare among them: nothing less."""
    good = certificate(0, 1, ONE, 0, [1, 2])
    wrong = {
        "one short": certificate(0, 1, ONE, 0, [1]),
        "one twice": certificate(0, 1, ONE, 0, [1, 1]),
        "no leader": msgspec.structs.replace(good, votes=certificate(1, 1, ONE, 1, [2, 3]).votes),
        "another view": msgspec.structs.replace(good, view=4),
        "another digest": msgspec.structs.replace(good, digest=OTHER),
        "two views mixed": msgspec.structs.replace(
            good, votes=(*good.votes[:2], certificate(4, 1, ONE, 0, [2]).votes[1])
        ),
        "no member": certificate(0, 1, ONE, 0, [1, 7]),
    }
    rest = [signed_change(1, 1), signed_change(2, 1)]
    assert not fault_in_new_view(new_view(1, 1, [signed_change(0, 1, (good,)), *rest]), RULES, {})
    for name, bad in wrong.items():
        assert fault_in_new_view(new_view(1, 1, [signed_change(0, 1, (bad,)), *rest]), RULES, {}), name


def test_a_new_view_from_duplicate_senders_is_refused() -> None:
    """Three view changes of two members are two, however they differ."""
    changes = [signed_change(0, 1), signed_change(2, 1), signed_change(2, 1, (certificate(0, 1, ONE, 0, [1, 2]),))]
    assert "distinct" in fault_in_new_view(new_view(1, 1, changes), RULES, {})


def test_a_forged_new_view_is_refused() -> None:
    """From another than the leader, with another's signature, with altered or unsigned view changes."""
    changes = [signed_change(position, 1) for position in (0, 2, 3)]
    altered = msgspec.structs.replace(changes[0], prepared=(certificate(0, 1, ONE, 0, [1, 2]),))
    assert not fault_in_new_view(new_view(1, 1, changes), RULES, {})
    assert fault_in_new_view(new_view(2, 1, changes), RULES, {})
    assert fault_in_new_view(msgspec.structs.replace(new_view(2, 1, changes), position=1), RULES, {})
    assert fault_in_new_view(new_view(1, 1, [altered, *changes[1:]]), RULES, {})
    assert fault_in_new_view(new_view(1, 1, [signed_change(0, 2), *changes[1:]]), RULES, {})
    assert fault_in_new_view(new_view(1, 1, changes[:2]), RULES, {})


# ------------------------------------------------------------ told as stories


def test_one_prepared_and_the_rest_partitioned_then_healed() -> None:
    """One holds a certificate and nobody else does: once healed, that very proposal may come back, executed once."""
    world = started()
    stop(world, Phase.PREPARE, to=[0, 1, 2])
    stop(world, Phase.COMMIT, Relayed)
    world.submit(b"one")
    elapse(world, 150)
    prepared = [node.engine._ordering.prepared() for node in world.nodes]
    assert [len(certificates) for certificates in prepared] == [0, 0, 0, 1]
    cut(world, [0, 1, 2], [3])
    elapse(world, 3_000)
    heal(world)
    settles(world, b"one", within_ms=120_000)
    orders(world, b"two")
    assert executed(world, 3) == [b"one", b"two"]


def test_one_committed_and_crashed_while_the_rest_only_prepared() -> None:
    """What one member has decided and executed, the others decide too, in a later view and without it."""
    world = started()
    stop(world, Phase.COMMIT, Relayed, to=[0, 1, 2])
    world.submit(b"one")
    elapse(world, 150)
    assert [len(node.chain) for node in world.nodes] == [0, 0, 0, 1]
    decided = world.nodes[3].chain[0].header
    world.crash(3)
    elapse(world, 2 * TIMING.view_timeout_ms)
    heal(world)
    settles(world, b"one")
    assert world.nodes[1].engine.view > 0
    world.restart(3)
    settles(world, b"one")
    assert {node.chain[0].header for node in world.nodes} == {decided}


def test_a_new_view_that_omits_the_highest_certificate_is_seen_through() -> None:
    """The next leader lies about what must be proposed again: everyone computed it, refuses, and goes on."""
    world = started(puppets=[1])
    stop(world, Phase.COMMIT)
    world.submit(b"one")
    elapse(world, 150)
    changes = {position: heard(world, ViewChange, sender=position) for position in (0, 2, 3)}
    world.crash(0)
    world.restart(0)
    elapse(world, TIMING.view_timeout_ms + 400)
    world.filters.clear()
    liar = Puppet(world, 1)
    told = [changes[position][0] for position in (0, 2, 3)]
    forgotten = [signed_change(1, 1), *[msgspec.structs.replace(change, prepared=()) for change in told[:2]]]
    liar.begins(1, forgotten)
    elapse(world, 100)
    assert all(node.engine.changing for node in world.nodes if node.up)
    liar.begins(1, told)
    liar.proposes(1, 1, (b"instead",))
    settles(world, b"one")
    assert executed(world, 2)[0] == b"one"
    assert b"instead" not in executed(world, 2)


def test_a_lost_view_change_is_sent_again() -> None:
    """All view changes are lost for a while: the repeated ones bring the new view about."""
    world = started()
    world.crash(0)
    stop(world, ViewChange)
    world.submit(b"one")
    elapse(world, 2 * TIMING.view_timeout_ms)
    assert all(node.engine.changing for node in world.nodes[1:])
    heal(world)
    settles(world, b"one")
    assert {node.engine.view for node in world.nodes[1:]} == {1}


def test_a_lost_new_view_is_told_again_to_whoever_still_waits() -> None:
    """A member that missed NEW-VIEW says where it stands, and is given the proof by any other."""
    world = started()
    stop(world, NewView, sender=1, to=[3])
    world.crash(0)
    world.submit(b"one")
    elapse(world, 4 * TIMING.view_timeout_ms)
    settles(world, b"one")
    assert {node.engine.view for node in world.nodes[1:]} == {1}


def test_cascading_view_changes_with_the_next_leader_down() -> None:
    """The next leader is unreachable as well: the one after it takes over, with one and the same order."""
    world = started(7)
    orders(world, b"before")
    cut(world, [0, 1], range(2, 7))
    world.submit(b"one")
    elapse(world, 8 * TIMING.view_timeout_ms)
    assert {node.engine.view for node in world.nodes[2:]} == {2}
    heal(world)
    settles(world, b"before", b"one")
    assert executed(world, 0) == [b"before", b"one"]


def test_a_thousand_view_changes_leave_nothing_behind() -> None:
    """View after view without a decision: what is held stays as small as after the first, and then it goes on."""
    world = started(timing=Timing(view_timeout_ms=500, view_timeout_limit_ms=500, resend_ms=250, standing_ms=500))
    stop(world, PrePrepare, Phase.PRE_PREPARE)
    world.submit(b"one")
    while max(node.engine.view for node in world.nodes) < 1_000:
        elapse(world, 10_000)
    for node in world.nodes:
        engine = node.engine
        assert len(engine._changing._changes) <= 4
        assert len(engine._ordering._slots) <= 32
        assert len(node.log) < 40
    heal(world)
    settles(world, b"one", within_ms=300_000)
    orders(world, b"two", within_ms=300_000)


def test_time_outs_double_and_come_back_down() -> None:
    """Each failed view waits longer than the one before, up to a bound; blocks bring the wait down again."""
    world = started()
    patience = world.nodes[1].engine._patience
    stop(world, PrePrepare, Phase.PRE_PREPARE)
    world.submit(b"one")
    waits = []
    for _ in range(12):
        elapse(world, TIMING.view_timeout_limit_ms)
        waits.append(patience.timeout_ms)
    assert waits == sorted(waits)
    assert waits[-1] == TIMING.view_timeout_limit_ms
    heal(world)
    orders(world, *[b"after%d" % count for count in range(3)], within_ms=120_000)
    for count in range(20):
        orders(world, b"more%d" % count)
    assert patience.timeout_ms == TIMING.view_timeout_ms


def test_a_request_across_views_is_executed_once() -> None:
    """A request whose proposal survives a view change is also offered to the new leader: it counts once."""
    world = started()
    stop(world, Phase.COMMIT)
    world.submit(b"one")
    elapse(world, 200)
    world.crash(0)
    heal(world)
    world.submit(b"one")
    settles(world, b"one")
    world.restart(0)
    orders(world, b"two")
    for node in world.nodes:
        assert executed(world, node.position).count(b"one") == 1


def test_a_gap_below_a_prepared_sequence_is_ordered_as_nothing() -> None:
    """The leader's first proposal reaches nobody, its second is prepared: block 1 is empty, block 2 is not."""
    world = started(puppets=[0])
    leader = Puppet(world, 0)
    leader.proposes(0, 1, (b"first",), 1)
    digest = leader.proposes(0, 2, (b"second",))
    for position in (1, 2, 3):  # as if they had seen the first one too
        for other in (1, 2, 3):
            if other != position:
                vote = certificate(0, 2, digest, 0, [position]).votes[1]
                world.carry(world.nodes[position], other, msgspec.msgpack.encode(vote))
    elapse(world, 3 * TIMING.view_timeout_ms)
    settles(world, b"second")
    chain = world.nodes[1].chain
    assert [block.batch.envelopes for block in chain[:2]] == [(), (b"second",)]
    assert chain[1].header.time_ms > chain[0].header.time_ms


def test_a_member_that_leaves_alone_does_not_run_ahead_and_still_follows() -> None:
    """Deaf to its leader it leaves the view, waits there for the others, and executes what they decide."""
    world = started()
    cut(world, [0], [3])
    orders(world, b"one")
    elapse(world, 5 * TIMING.view_timeout_ms)
    orders(world, *[b"more%d" % count for count in range(5)])
    assert world.nodes[3].engine.view <= 1
    assert len(world.nodes[3].chain) == len(world.nodes[1].chain)


def test_standing_alone_makes_nobody_talk_without_end() -> None:
    """A member that claims to lag, over and over, is answered no faster than anyone repeats itself."""
    world = started(puppets=[3])
    orders(world, b"one", b"two")
    liar = Puppet(world, 3)
    answers = heard(world, Relayed, sender=0)
    certificates = heard(world, type(world.nodes[0].engine._seat.stable), sender=0)
    for _ in range(1_000):
        liar.says(Standing(0, False, 0), 0)
    elapse(world, 50)
    assert len(answers) + len(certificates) <= 2


@pytest.mark.parametrize("position", range(4))
def test_any_one_of_four_may_be_down(position: int) -> None:
    """f = 1 of N = 4, whichever it is."""
    world = started()
    world.crash(position)
    orders(world, b"one", b"two")


@pytest.mark.parametrize("down", [(0, 1), (2, 5), (0, 6), (3, 4)])
def test_any_two_of_seven_may_be_down(down: tuple[int, int]) -> None:
    """f = 2 of N = 7."""
    world = started(7)
    for position in down:
        world.crash(position)
    orders(world, b"one", b"two")
