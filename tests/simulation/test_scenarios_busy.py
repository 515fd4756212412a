"""Validators that are up, honest and slow: their loops are taken up by other work, their disks take their time.

Under load a proposal is written, queued, sent and read in turns of the leader's loop and of the others', so it
is late everywhere. Late is not wrong: nobody may be suspected for it as long as the leader has time left.
"""

from __future__ import annotations

import pytest

from tests.simulation.scenario import elapse, orders, orders_one_by_one, settles, started
from tests.simulation.schedule import TIMING
from tests.simulation.world import World


def views(world: World) -> set[int]:
    return {node.engine.view for node in world.nodes}


def burst(world: World, number: int = 60, name: bytes = b"burst") -> list[bytes]:
    """Far more at once than one block holds."""
    items = [b"%s%d" % (name, count) for count in range(number)]
    for item in items:
        world.submit(item)
    return items


@pytest.mark.parametrize("busy_ms", [600, 800, 950])
def test_a_proposal_that_is_late_because_everyone_is_busy_is_taken(busy_ms: int) -> None:
    """The first burst: all but the leader verify its signatures for longer than the skew, and then read on."""
    world = started()
    world.nodes[0].is_busy_for(0)
    items = burst(world)
    elapse(world, 45)
    for node in world.nodes[1:]:
        node.is_busy_for(busy_ms)
    settles(world, *items, within_ms=busy_ms + 1_500)
    assert views(world) == {0}


def test_loops_that_are_busy_in_turn_change_no_view() -> None:
    """Load goes on, and every loop is blocked again and again, each at its own times."""
    world = started()
    for start_ms in range(0, 20_000, 1_000):
        for node in world.nodes:
            busy_ms = world.random.randint(300, 700)
            world.at(world.now_ms + start_ms + world.random.randint(0, 200), lambda n=node, b=busy_ms: n.is_busy_for(b))
    for number in range(40):
        world.at(world.now_ms + number * 500, lambda number=number: burst(world, 5, b"%d/" % number))
    elapse(world, 25_000)
    assert views(world) == {0}
    assert all(len(node.done) == 200 for node in world.nodes)


@pytest.mark.parametrize("write_ms", [300, 700])
def test_a_leader_with_a_slow_disk_stays(write_ms: int) -> None:
    """What it promises is durable before it is sent, so each proposal is late by one write: slow is no fault."""
    world = started()
    world.nodes[0].write_ms = write_ms
    orders_one_by_one(world, 5)
    settles(world, *burst(world))
    assert views(world) == {0}


def test_a_checker_that_takes_its_time_changes_no_view() -> None:
    """Signatures of a proposal full of strangers are verified for seconds, as long as the leader has time left."""
    world = started()
    for node in world.nodes:
        node.check_ms = TIMING.view_timeout_ms * 8 // 10
    settles(world, *burst(world))
    assert views(world) == {0}


def test_a_slow_network_is_given_more_and_more_time() -> None:
    """Each way takes longer than skew and time-out: the wait grows with each view, and with it what may be late."""
    world = started()
    world.links.delay_ms = (1_700, 2_000)
    orders(world, b"one", within_ms=120_000)
    orders(world, b"two", b"three", within_ms=120_000)
