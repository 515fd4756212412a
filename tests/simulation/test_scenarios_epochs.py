"""The set of validators changes while everything else goes on: members join, leave and get new keys.

A decided change ends the epoch at a height; the next begins from that block, once it is certified, with engines
that know nothing of the views and votes before.
"""

from __future__ import annotations

import pytest

from ledgernode.consensus.engine import Received
from ledgernode.consensus.pbft.messages import Phase, ViewChange, Vote, encode
from tests.simulation.membership import adds, removes, rotates
from tests.simulation.scenario import (
    Puppet,
    elapse,
    heal,
    heard,
    living,
    orders,
    orders_one_by_one,
    settles,
    signed_vote,
    started,
    stays_silent,
    stop,
)
from tests.simulation.world import World, sign_as

WINDOW = 3


def network(members: int = 4, joining: int | None = None) -> World:
    """Started, with a short way to the end of an epoch; whoever joins observes already."""
    world = started(members)
    world.set_window = WINDOW
    world.changes_sets = True
    for node in world.nodes:
        node.watch()
    if joining is not None:
        world.expects(joining).start()
    return world


def changes_to(world: World, keys: set[int], within_ms: int = 60_000) -> None:
    """With blocks enough for the epoch to end, everyone who lives orders with these, or observes them."""
    for count in range(WINDOW):
        orders(world, b"until %d of %s" % (count, bytes(sorted(keys))), within_ms=within_ms)
    elapse(world, 1_000)
    for node in living(world):
        assert set(node.membership.keys) == keys, f"{node.position}: {node.membership}\n{world.story()}"
        assert node.takes_part == (node.position in keys)


def in_a_view_change(world: World) -> None:
    """The leader of the first view is gone, and nobody is told of the second one: all are between the two."""
    world.crash(0)
    world.submit(b"waits")
    world.links.cut = {(1, other) for other in range(len(world.nodes))}
    elapse(world, 2_000)
    assert all(node.engine.changing for node in living(world) if node.takes_part and node.position != 1)


def views(world: World) -> set[int]:
    return {node.engine.view for node in living(world) if node.takes_part}


@pytest.mark.parametrize(
    ("members", "decision", "keys"),
    [
        (4, adds(4), {0, 1, 2, 3, 4}),
        (5, removes(4), {0, 1, 2, 3}),
        (5, removes(0), {1, 2, 3, 4}),
        (4, rotates(2, 4), {0, 1, 3, 4}),
        (4, rotates(0, 4), {1, 2, 3, 4}),
    ],
)
def test_a_decided_set_takes_over_after_its_window(members: int, decision: bytes, keys: set[int]) -> None:
    """Member added, removed, leader removed, key rotated, leader's key rotated: the next epoch orders at once."""
    world = network(members, joining=max(keys) if max(keys) >= members else None)
    orders(world, decision)
    decided_at = len(world.nodes[1].chain)
    changes_to(world, keys)
    orders_one_by_one(world, 3)
    epochs = [block.header.epoch for block in world.nodes[1].chain]
    assert epochs.index(1) == decided_at + WINDOW
    assert views(world) == {0}
    world.check_end()


def test_one_change_at_a_time() -> None:
    """While one is decided and not in force, another is refused; afterwards it may be decided."""
    world = network(joining=5)
    world.expects(4).start()
    orders(world, adds(4))
    orders(world, adds(5))
    changes_to(world, {0, 1, 2, 3, 4})
    orders(world, rotates(4, 5))
    changes_to(world, {0, 1, 2, 3, 5})
    assert {node.membership.epoch for node in living(world)} == {2}


# ------------------------------------------------------------ during a view change


def test_a_node_is_added_during_a_view_change() -> None:
    """The change was decided, then the leader dies: the epoch ends in a later view, and the next has a new member."""
    world = network(joining=4)
    orders(world, adds(4))
    in_a_view_change(world)
    world.links.cut.clear()
    changes_to(world, {0, 1, 2, 3, 4})
    assert any(node.view_changes for node in living(world))
    world.restart(0)
    orders(world, b"with five")
    settles(world, b"waits")


@pytest.mark.parametrize("leaver", [0, 1, 4])
def test_a_node_is_removed_during_a_view_change(leaver: int) -> None:
    """The dead leader, the next leader who has to bring about the end of its own time, or a follower."""
    world = network(5)
    orders(world, removes(leaver))
    in_a_view_change(world)
    world.links.cut.clear()
    changes_to(world, set(range(5)) - {leaver})
    assert any(node.view_changes for node in living(world))
    world.restart(0)
    settles(world, b"waits")
    orders(world, b"after")


def test_an_epoch_ends_while_some_are_between_two_views() -> None:
    """The last block is decided by those who stayed; whoever has left the view comes along by the certified block."""
    world = network()
    orders(world, rotates(3, 4))
    world.expects(4).start()
    orders(world, b"one", b"two")
    stop(world, Phase.COMMIT, to=[3])
    world.nodes[3].engine._changing.suspect()
    elapse(world, 10)
    changes_to(world, {0, 1, 2, 4})
    heal(world)
    elapse(world, 3_000)
    assert not world.nodes[3].takes_part


def test_a_view_change_of_the_old_epoch_moves_nobody_in_the_next() -> None:
    """Views begin anew with each epoch: what was left in the one before says nothing here."""
    world = network(5)
    collected = heard(world, ViewChange, sender=3)
    in_a_view_change(world)
    world.links.cut.clear()
    settles(world, b"waits")
    assert collected
    world.restart(0)
    orders(world, removes(4))
    changes_to(world, {0, 1, 2, 3})
    for node in world.nodes[:3]:
        for change in collected:
            place = node.membership.places[3]
            node.step(Received(node.now(), place, encode(change)))
    elapse(world, 1_000)
    assert views(world) == {0}


# ------------------------------------------------------------ keys and words of those who left


def test_a_key_is_rotated_in_the_middle_of_a_view() -> None:
    """The new key takes the old one's place; the old key's votes, of this epoch or the last, count no more."""
    world = network(joining=4)
    orders(world, rotates(3, 4))
    changes_to(world, {0, 1, 2, 4})
    place = world.nodes[0].membership.places[4]
    assert place == 3
    world.crash(4)
    world.crash(2)
    sequence = len(world.nodes[0].chain) + 1
    world.submit(b"two of four")
    elapse(world, 300)
    proposal = world.nodes[0].engine._ordering._slots[sequence].pre_prepare
    assert proposal is not None
    signed = world.nodes[0].membership.scope.vote(Phase.PREPARE, 0, sequence, proposal.digest)
    with_the_old_key = Vote(Phase.PREPARE, 0, sequence, proposal.digest, place, sign_as(3, signed))
    of_the_old_epoch = signed_vote(place, Phase.PREPARE, 0, sequence, proposal.digest)
    for node in world.nodes[:2]:
        for vote in (with_the_old_key, of_the_old_epoch):
            node.step(Received(node.now(), place, encode(vote)))
            world.carry(world.nodes[3], node.position, encode(vote), node.membership.epoch)
    stays_silent(world, 500)
    assert all(len(node.engine._ordering._slots[sequence].prepares) == 1 for node in world.nodes[:2])
    world.restart(2)
    settles(world, b"two of four")


def test_the_removed_leaders_late_messages_are_dropped() -> None:
    """It led the last epoch and still proposes, votes and leaves views: in the next one it is nobody."""
    world = network(5)
    orders(world, removes(0))
    changes_to(world, {1, 2, 3, 4})
    height = len(world.nodes[1].chain)
    world.crash(0)
    late = Puppet(world, 0)
    for epoch in (0, 1):
        for receiver in range(1, 5):
            for message in (
                signed_vote(0, Phase.PRE_PREPARE, 0, height + 1, b"\x01" * 32),
                signed_vote(0, Phase.COMMIT, 0, height + 1, b"\x01" * 32),
            ):
                world.carry(late.node, receiver, encode(message), epoch)
    late.proposes(0, height + 1, (b"late",))
    late.leaves_for(7)
    stays_silent(world, 3_000)
    assert all(not node.engine._ordering._slots for node in world.nodes[1:])
    assert views(world) == {0}
    orders(world, b"without it")


# ------------------------------------------------------------ whoever was away


@pytest.mark.parametrize("blocks_missed", [WINDOW + 1, 2 * WINDOW + 12])
def test_a_member_that_slept_through_a_hand_over_catches_up(blocks_missed: int) -> None:
    """It knows only the old epoch's engine; certified blocks, each by its own set, bring it into the new one."""
    world = network(joining=4)
    world.crash(3)
    orders(world, adds(4))
    orders_one_by_one(world, blocks_missed)
    assert {node.membership.epoch for node in living(world)} == {1}
    world.restart(3)
    settles(world, b"n0")
    assert world.nodes[3].membership.epoch == 1
    world.crash(0)
    orders(world, b"its vote is needed")
    world.crash(1)
    stays_silent(world, 3_000)


def test_a_member_that_slept_through_several_epochs_catches_up() -> None:
    """Each hand-over is in the blocks: one after another is gone through, also that of its own new key."""
    world = network(joining=5)
    world.expects(4).start()
    world.crash(2)
    for decision, keys in (
        (adds(4), {0, 1, 2, 3, 4}),
        (rotates(1, 5), {0, 2, 3, 4, 5}),
        (removes(0), {2, 3, 4, 5}),
    ):
        orders(world, decision)
        changes_to(world, keys)
    world.restart(2)
    orders(world, b"all four", within_ms=30_000)
    assert world.nodes[2].membership.epoch == 3
    world.check_end()


def test_a_new_member_that_is_late_does_not_hold_the_epoch_up() -> None:
    """It starts with an empty disk long after its epoch has begun: until then it counts among the f."""
    world = network()
    world.expects(4)
    orders(world, rotates(3, 4))
    changes_to(world, {0, 1, 2, 4})
    orders_one_by_one(world, 10)
    world.restart(4)
    settles(world, b"n9")
    world.crash(0)
    orders(world, b"with its vote")


def test_everyone_restarts_at_the_hand_over() -> None:
    """The chain on disk says which epoch it is: a restart in the middle comes up in the right one, votes and all."""
    world = network(joining=4)
    orders(world, adds(4))
    orders(world, b"one", b"two", b"three")
    for position in range(5):
        world.crash(position)
    for position in range(5):
        world.restart(position)
    changes_to(world, {0, 1, 2, 3, 4})
    world.check_end()


def test_the_old_epochs_engine_stays_until_its_last_block_is_certified() -> None:
    """One alone has decided the last block, one is down: it must go on helping the other two, or nobody goes on."""
    world = network(joining=4)
    orders(world, adds(4))
    orders(world, b"one")
    orders(world, b"two")
    world.crash(3)
    stop(world, Phase.COMMIT, to=[1, 2])
    world.submit(b"last")
    elapse(world, 200)
    assert len(world.nodes[0].chain) == len(world.nodes[1].chain) + 1
    assert world.nodes[0].membership.epoch == 0
    heal(world)
    settles(world, b"last")
    assert {node.membership.epoch for node in living(world)} == {1}
