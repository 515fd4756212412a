"""Block time: it strictly increases, and no leader moves it further than the allowed skew from honest clocks."""

from __future__ import annotations

import pytest

from ledgernode.consensus.pbft.messages import Phase, PrePrepare
from tests.simulation.scenario import (
    Puppet,
    elapse,
    heal,
    orders,
    orders_one_by_one,
    settles,
    started,
    stays_silent,
    stop,
)
from tests.simulation.world import STARTS_MS, World

YEAR_MS = 365 * 24 * 3_600_000
HOUR_MS = 3_600_000


def times(world: World) -> list[int]:
    return [block.header.time_ms for block in world.nodes[1].chain]


def near_real_time(world: World, skew_ms: int = 600) -> bool:
    return all(abs(time_ms - STARTS_MS - world.now_ms) <= skew_ms for time_ms in times(world)[-1:])


@pytest.mark.parametrize("skew_ms", [-400, 400])
def test_a_leader_within_the_skew_stays(skew_ms: int) -> None:
    """A clock a little ahead or behind is no fault."""
    world = started()
    world.nodes[0].skew_ms = skew_ms
    orders_one_by_one(world, 5)
    assert {node.engine.view for node in world.nodes} == {0}
    assert times(world) == sorted(set(times(world)))


@pytest.mark.parametrize("skew_ms", [-5_000, 5_000, -YEAR_MS, YEAR_MS])
def test_a_leader_far_ahead_or_behind_is_replaced(skew_ms: int) -> None:
    """Its proposals are nobody's present: the next leader orders, at the right time."""
    world = started()
    world.nodes[0].skew_ms = skew_ms
    orders(world, b"one")
    assert {node.engine.view for node in world.nodes} == {1}
    assert near_real_time(world)


def test_a_leader_with_a_frozen_clock_is_replaced() -> None:
    """Its proposals fall behind by more than skew and time-out; until then block time increases, by the least."""
    world = started(puppets=[0])
    leader = Puppet(world, 0)
    frozen_ms = STARTS_MS + world.now_ms
    leader.proposes(0, 1, (b"one",), time_ms=frozen_ms)
    settles(world, b"one")
    elapse(world, 2_000)
    leader.proposes(0, 2, (b"two",), time_ms=frozen_ms + 1)
    orders(world, b"two")
    assert {node.engine.view for node in world.nodes[1:]} == {1}
    assert times(world) == sorted(set(times(world)))


@pytest.mark.parametrize("position", range(4))
def test_one_clock_a_year_off_stops_nobody(position: int) -> None:
    """Its votes are missing, as if it were down; when it leads, it is replaced; its own chain is the others'."""
    world = started()
    world.nodes[position].skew_ms = YEAR_MS
    orders_one_by_one(world, 6)
    assert near_real_time(world)
    world.check_end()


def test_a_new_leader_behind_the_old_one_continues_its_time() -> None:
    """The last leader's clock was ahead, this one's is behind, both within the skew: no second view change."""
    world = started()
    world.nodes[0].skew_ms, world.nodes[1].skew_ms = 240, -240
    stop(world, Phase.COMMIT)
    world.submit(b"one")
    elapse(world, 100)
    heal(world)
    world.crash(0)
    orders(world, b"two", b"three")
    assert {node.engine.view for node in world.nodes[1:]} == {1}
    assert times(world) == sorted(set(times(world)))


def test_a_partition_that_heals_after_an_hour_goes_on() -> None:
    """What was proposed an hour ago is fresh to nobody; what was prepared then is kept, time and all."""
    world = started()
    stop(world, Phase.COMMIT)
    world.submit(b"prepared")
    elapse(world, 100)
    world.links.cut = {(a, b) for a in range(4) for b in range(4)}
    heal_at_ms = world.now_ms + HOUR_MS
    world.submit(b"waiting")
    world.run(heal_at_ms)
    heal(world)
    world.submit(b"waiting")
    settles(world, b"prepared", b"waiting", within_ms=200_000)
    orders(world, b"after")
    assert times(world) == sorted(set(times(world)))
    assert near_real_time(world)


def test_an_old_proposal_is_not_voted_for() -> None:
    """Held back beyond skew and time-out, a proposal is dead, whoever sends it now."""
    world = started(puppets=[0])
    leader = Puppet(world, 0)
    leader.proposes(0, 1, (b"old",), time_ms=STARTS_MS + world.now_ms - 2_000)
    stays_silent(world, 1_000)


def test_a_proposal_that_came_in_time_may_be_checked_at_leisure() -> None:
    """What counts is when it arrived: checking its envelopes for longer than the skew does not make it old."""
    world = started()
    for node in world.nodes:
        node.check_ms = 800
    orders(world, b"one")
    assert {node.engine.view for node in world.nodes} == {0}


def test_time_increases_though_the_leader_proposes_the_past() -> None:
    """A proposal not later than the one before it is refused."""
    world = started(puppets=[0])
    leader = Puppet(world, 0)
    now_ms = STARTS_MS + world.now_ms
    leader.proposes(0, 1, (b"one",), time_ms=now_ms + 100)
    leader.proposes(0, 2, (b"two",), time_ms=now_ms + 100)
    elapse(world, 500)
    assert [node.done for node in world.nodes[1:]] == [{b"one"}] * 3
    assert PrePrepare is not None
