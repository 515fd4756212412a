"""What a leader can do wrong, and what comes of it."""

from __future__ import annotations

import pytest

from ledgernode.consensus.engine import PassedOver
from ledgernode.consensus.pbft.messages import Phase, PrePrepare
from tests.simulation.scenario import (
    Puppet,
    cut,
    elapse,
    orders,
    orders_one_by_one,
    settles,
    started,
    stays_silent,
    stop,
)
from tests.simulation.schedule import TIMING
from tests.simulation.world import World


def views(world: World) -> set[int]:
    return {node.engine.view for node in world.nodes if node.up}


def test_a_leader_that_crashes_before_it_proposes_is_replaced() -> None:
    """Work waits and nothing comes: after one time-out the next leader orders it."""
    world = started()
    world.crash(0)
    began_ms = world.now_ms
    orders(world, b"one", within_ms=2 * TIMING.view_timeout_ms)
    assert views(world) == {1}
    assert world.now_ms - began_ms >= TIMING.view_timeout_ms


@pytest.mark.parametrize("reached", [(1,), (2,), (1, 2)])
def test_a_leader_that_crashes_half_way_through_its_pre_prepare(reached: tuple[int, ...]) -> None:
    """Whoever has seen the proposal or not: the others agree on one order, and the request is executed once."""
    world = started()
    stop(world, PrePrepare, sender=0, to={1, 2, 3} - set(reached))
    world.submit(b"one")
    elapse(world, 60)
    world.crash(0)
    settles(world, b"one")
    world.restart(0)
    settles(world, b"one")
    assert [item for block in world.nodes[0].chain for item in block.batch.envelopes] == [b"one"]


def test_a_killed_leader_costs_clients_less_than_three_seconds() -> None:
    """At default settings: detection, the change of view and a block of the next leader."""
    world = World(1, 4, type(TIMING)())
    world.start()
    orders(world, b"before")
    world.crash(0)
    orders(world, b"after", within_ms=3_000)


def test_an_equivocating_leader_is_seen_and_cannot_divide() -> None:
    """Two proposals for one sequence to two halves: neither is decided in two ways, and the proof is kept."""
    world = started(puppets=[0])
    leader = Puppet(world, 0)
    one = leader.proposes(0, 1, (b"one",), 1, 2)
    other = leader.proposes(0, 1, (b"other",), 3)
    assert one != other
    for receiver, digest in ((1, other), (2, other), (3, one)):
        leader.votes(Phase.PRE_PREPARE, 0, 1, digest, receiver)
    elapse(world, 100)
    assert world.evidence == {0}
    orders(world, b"one", b"other")
    assert max(views(world)) >= 1


def test_an_equivocating_leader_with_a_vote_for_each_side_decides_one_at_most() -> None:
    """Half of the honest prepare each proposal and the leader votes for both: no quorum for two."""
    world = started(7, puppets=[0])
    leader = Puppet(world, 0)
    sides = {b"one": (1, 2, 3), b"other": (4, 5, 6)}
    for name, side in sides.items():
        digest = leader.proposes(0, 1, (name,), *side)
        leader.votes(Phase.COMMIT, 0, 1, digest, *side)
    elapse(world, 200)
    assert not world.canonical
    orders(world, b"one", b"other")


def test_a_censoring_leader_is_suspected_when_it_passes_one_client_over() -> None:
    """Everyone else is served, so no time-out runs out; the driver's complaint changes the view."""
    world = started()
    world.nodes[0].lies.append(lambda message, _: [] if b"censored" in message else [message])
    world.nodes[0].done.add(b"censored")  # its mempool pretends to have it behind it
    world.faulty.add(0)
    world.submit(b"censored")
    orders_one_by_one(world, 5)
    assert views(world) == {0}
    for node in world.nodes[1:3]:
        node.step(PassedOver(node.now()))
    settles(world, b"censored")
    assert views(world) == {1}


def test_one_complaint_alone_changes_nothing() -> None:
    """One member that complains without reason cannot move the others: f+1 must."""
    world = started()
    world.nodes[3].step(PassedOver(world.nodes[3].now()))
    orders_one_by_one(world, 3)
    assert [node.engine.view for node in world.nodes] == [0, 0, 0, 1]


def test_a_leader_alive_just_under_the_time_out_stays() -> None:
    """Each block comes barely in time: slow is no fault, and everything is decided in its view."""
    world = started(puppets=[0])
    leader = Puppet(world, 0)
    for count in range(6):
        world.submit(b"slow%d" % count)
        elapse(world, TIMING.view_timeout_ms - 150)
        leader.proposes(0, count + 1, (b"slow%d" % count,))
        settles(world, b"slow%d" % count, within_ms=TIMING.view_timeout_ms)
    assert views(world) == {0}


def test_a_proposal_with_an_invalid_envelope_is_refused() -> None:
    """One bad item refuses the whole proposal, and its leader is suspected at once."""
    world = started(puppets=[0])
    Puppet(world, 0).proposes(0, 1, (b"good", b"bad signature"))
    elapse(world, 200)
    assert all(node.engine.view == 1 for node in world.nodes[1:])
    orders(world, b"good")


def test_a_leader_alone_decides_nothing() -> None:
    """Cut off with its clients, it proposes and proposes; nothing is delivered until it is back, and nothing twice."""
    world = started()
    cut(world, [0], [1, 2, 3])
    world.nodes[0].take(b"alone")
    stays_silent(world, 5_000)
    world.links.cut.clear()
    orders(world, b"alone", b"together")
    chain = world.nodes[0].chain
    assert sorted(item for block in chain for item in block.batch.envelopes) == [b"alone", b"together"]


def test_a_silent_leader_and_its_silent_successor_are_both_replaced() -> None:
    """Cascading: f leaders in a row are down, each wait is longer than the last, and the third leader orders."""
    world = started(7)
    world.crash(0)
    world.crash(1)
    orders(world, b"one", within_ms=5 * TIMING.view_timeout_ms)
    assert views(world) == {2}


def test_overload_changes_no_view() -> None:
    """More work than is decided at a time: as long as blocks come, the leader stays."""
    world = started()
    items = [b"load%d" % number for number in range(600)]
    for number, item in enumerate(items):
        world.at(world.now_ms + number * 5, lambda item=item: world.submit(item))
    elapse(world, 600 * 5)
    settles(world, *items)
    assert views(world) == {0}
