"""Crashes, restarts, and disks that have forgotten: a validator never says two things."""

from __future__ import annotations

import pytest

from ledgernode.consensus.engine import EpochEnds
from ledgernode.consensus.pbft.messages import NewView, Phase, PrePrepare, Recalled
from tests.simulation.scenario import (
    Puppet,
    cut,
    elapse,
    heal,
    heard,
    living,
    orders,
    orders_one_by_one,
    settles,
    started,
    stays_silent,
    stop,
)
from tests.simulation.schedule import TIMING
from tests.simulation.world import World

WINDOW = 8


def wipe_and_restart(world: World, position: int) -> None:
    world.crash(position)
    world.nodes[position].wipe()
    world.forgetful.add(position)
    world.restart(position)


def restore_and_restart(world: World, position: int) -> None:
    world.crash(position)
    world.nodes[position].restore_disk()
    world.restart(position)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_kill_at_every_persist_point_is_survived(position: int) -> None:
    """Leader, next leader or follower, killed between any two durable writes: it says the same again, never another."""
    for point in range(1, 26):
        world = started(seed=point)
        node = world.nodes[position]
        node.crash_at_persist = node.persists + point
        for count in range(4):
            world.submit(b"tx%d" % count)
            elapse(world, 60)
        elapse(world, TIMING.view_timeout_ms)
        world.restart(position)
        settles(world, *[b"tx%d" % count for count in range(4)])
        world.check_end()


@pytest.mark.parametrize("point", range(1, 12))
def test_a_kill_during_a_view_change_is_survived(point: int) -> None:
    """Killed while it writes its view change or its new view, the new leader comes back in the view it said."""
    world = started()
    stop(world, Phase.COMMIT)
    world.submit(b"one")
    elapse(world, 100)
    node = world.nodes[1]
    node.crash_at_persist = node.persists + point
    world.crash(0)
    heal(world)
    elapse(world, 2 * TIMING.view_timeout_ms)
    world.restart(1)
    settles(world, b"one")


def test_a_view_is_remembered_by_its_leader_and_its_followers() -> None:
    """Restarted all at once in a later view, they go on in that view, each with the proof of it from its log."""
    world = started()
    world.crash(0)
    orders(world, b"one")
    world.restart(0)
    elapse(world, 3_000)
    for position in range(4):
        world.crash(position)
    for position in range(4):
        world.restart(position)
        assert world.nodes[position].engine.view == 1
    orders(world, b"two")
    assert {node.engine.view for node in world.nodes} == {1}


def test_a_view_change_is_remembered() -> None:
    """Whoever has left a view is still between two after a restart, and repeats the very same view change."""
    world = started()
    stop(world, NewView)
    world.crash(0)
    world.submit(b"one")
    elapse(world, TIMING.view_timeout_ms + 300)
    said = world.nodes[2].engine._changing.own
    world.crash(2)
    world.restart(2)
    assert world.nodes[2].engine.changing
    assert world.nodes[2].engine._changing.own == said
    elapse(world, 300)
    assert world.nodes[2].engine.muted_until == 0
    heal(world)
    settles(world, b"one")


def test_a_restarted_leader_proposes_above_what_it_proposed_before() -> None:
    """Its proposals reached nobody; restarted, it repeats them and gives their sequences to nothing else."""
    world = started()
    stop(world, PrePrepare, Phase.PRE_PREPARE, sender=0)
    world.submit(b"one")
    elapse(world, 50)
    world.crash(0)
    world.restart(0)
    heal(world)
    proposals = heard(world, PrePrepare, sender=0)
    elapse(world, 20)
    orders(world, b"two")
    assert all(message.proposal.sequence > 1 for message in proposals)


def test_votes_far_above_genesis_are_remembered() -> None:
    """After more heights than the window holds, a restart still knows its last votes and its stable height."""
    world = started(window=WINDOW)
    orders_one_by_one(world, 3 * WINDOW)
    stop(world, Phase.COMMIT)
    world.submit(b"last")
    elapse(world, 100)
    node = world.nodes[2]
    said = {phase: vote for slot in node.engine._ordering.slots_above(0) for phase, vote in slot.own.items()}
    world.crash(2)
    node.start()
    again = {phase: vote for slot in node.engine._ordering.slots_above(0) for phase, vote in slot.own.items()}
    assert said == again
    assert said[Phase.PREPARE].sequence > 3 * WINDOW
    heal(world)
    settles(world, b"last")


def test_a_healthy_restart_goes_on_as_soon_as_the_answers_are_in() -> None:
    """With its log intact it votes again after one round trip to n-1-f others."""
    world = started()
    orders(world, b"one")
    stop(world, Phase.COMMIT)
    world.submit(b"two")
    elapse(world, 100)
    world.crash(1)
    world.restart(1)
    assert world.nodes[1].engine.silent
    elapse(world, 100)
    assert not world.nodes[1].engine.silent
    heal(world)
    settles(world, b"two")


def test_a_starting_validator_is_silent_until_enough_have_answered() -> None:
    """With fewer than n-1-f answers it votes on nothing; lost answers are asked for again."""
    world = started()
    world.crash(1)
    stop(world, Recalled, to=[1])
    world.restart(1)
    elapse(world, 10_000)
    assert world.nodes[1].engine.silent
    heal(world)
    elapse(world, 2 * TIMING.resend_ms)
    assert not world.nodes[1].engine.silent


def test_answers_to_an_earlier_start_count_nothing() -> None:
    """Delayed answers to the last start know less than what was said since."""
    world = started()
    answers = heard(world, Recalled, sender=2)
    world.crash(1)
    world.restart(1)
    elapse(world, 200)
    world.crash(1)
    stop(world, Recalled, to=[1])
    elapse(world, 1_000)
    world.restart(1)
    for sender in (0, 2, 3):
        world.nodes[1].engine._recalling.take(sender, answers[0])
    assert world.nodes[1].engine.silent


@pytest.mark.parametrize("members", [4, 5, 6, 7])
def test_all_restarted_at_once(members: int) -> None:
    """They answer each other while they ask themselves, and go on where they were."""
    world = started(members)
    orders(world, b"one")
    stop(world, Phase.COMMIT)
    world.submit(b"two")
    elapse(world, 100)
    for position in range(members):
        world.crash(position)
    heal(world)
    for position in range(members):
        world.restart(position)
    settles(world, b"one")
    world.submit(b"two")
    orders(world, b"two", b"three")


def test_all_restarted_one_after_another() -> None:
    """Staggered restarts under load: nothing is lost, nobody contradicts itself."""
    world = started()
    for count in range(80):
        world.at(world.now_ms + count * 50, lambda count=count: world.submit(b"tx%d" % count))
    for turn in range(8):
        elapse(world, 300)
        world.crash(turn % 4)
        elapse(world, 200)
        world.restart(turn % 4)
    for count in range(80):
        world.submit(b"tx%d" % count)
    settles(world, *[b"tx%d" % count for count in range(80)])


def in_the_middle_of_a_vote(members: int = 4) -> World:
    """Everyone has prepared a block above the last stable one, and commits are still on their way."""
    world = started(members, window=WINDOW)
    orders_one_by_one(world, 3)
    for node in world.nodes:
        node.save_disk()
    stop(world, Phase.COMMIT)
    world.submit(b"open")
    elapse(world, 100)
    return world


def test_an_old_disk_restored_does_not_sign_twice() -> None:
    """Yesterday's disk knows none of today's votes: its peers do, and it is silent until all of that is stable."""
    world = in_the_middle_of_a_vote()
    restore_and_restart(world, 1)
    elapse(world, 200)
    node = world.nodes[1]
    assert node.engine.silent
    assert node.engine.muted_until >= 3 + 2 * WINDOW
    heal(world)
    settles(world, b"open")
    orders_one_by_one(world, node.engine.muted_until)
    assert not node.engine.silent
    world.crash(3)
    orders(world, b"with the restored one")


def test_a_restored_view_is_not_gone_back_to() -> None:
    """It has left a view that its old disk still believes in: it takes part in none below the one it left for."""
    world = started(window=WINDOW)
    orders(world, b"one")
    world.nodes[2].save_disk()
    stop(world, NewView)
    world.crash(0)
    world.submit(b"two")
    elapse(world, TIMING.view_timeout_ms + 300)
    assert world.nodes[2].engine.changing
    left_for = world.nodes[2].engine.view
    restore_and_restart(world, 2)
    world.restart(0)
    elapse(world, 300)
    assert world.nodes[2].engine.silent
    heal(world)
    settles(world, b"two")
    orders_one_by_one(world, world.nodes[2].engine.muted_until)
    assert not world.nodes[2].engine.silent
    assert world.nodes[2].engine.view >= left_for


def test_f_wiped_the_others_go_on_and_the_wiped_one_returns() -> None:
    """One of four loses its disk in the middle of a vote: it catches up, and votes above all it may have said."""
    world = in_the_middle_of_a_vote()
    wipe_and_restart(world, 2)
    heal(world)
    settles(world, b"open")
    node = world.nodes[2]
    assert node.engine.silent
    orders_one_by_one(world, node.engine.muted_until)
    assert not node.engine.silent
    world.crash(1)
    orders(world, b"with the wiped one")


def test_a_silence_survives_a_restart() -> None:
    """Whoever waits because it forgot still waits after a crash, though its peers have forgotten its votes too."""
    world = in_the_middle_of_a_vote()
    wipe_and_restart(world, 2)
    heal(world)
    settles(world, b"open")
    until = world.nodes[2].engine.muted_until
    world.crash(2)
    world.restart(2)
    elapse(world, 300)
    assert world.nodes[2].engine.silent
    assert world.nodes[2].engine.muted_until >= until


def test_f_plus_one_wiped_in_the_middle_of_a_vote_stop_and_never_fork() -> None:
    """Two of four forget what they said: no quorum is left that remembers, so nothing is decided at all."""
    world = in_the_middle_of_a_vote()
    wipe_and_restart(world, 1)
    wipe_and_restart(world, 2)
    heal(world)
    elapse(world, 2_000)
    stays_silent(world, 60_000)
    assert world.nodes[1].engine.silent
    assert world.nodes[2].engine.silent
    assert not world.halts


def test_a_wiped_member_of_an_idle_network_returns_at_once() -> None:
    """All it ever voted on is stable elsewhere: nothing it could contradict is left."""
    world = started(window=WINDOW)
    orders_one_by_one(world, 3)
    elapse(world, 1_000)
    wipe_and_restart(world, 2)
    elapse(world, 3_000)
    assert not world.nodes[2].engine.silent
    world.crash(1)
    orders(world, b"with the wiped one")


def test_a_truncated_vote_log_is_noticed() -> None:
    """The last records are gone: peers hold votes that the log does not have."""
    world = in_the_middle_of_a_vote()
    world.crash(1)
    log = world.nodes[1].log
    for key in [key for key in log if b"/vote" in key]:
        del log[key]
    world.restart(1)
    elapse(world, 200)
    assert world.nodes[1].engine.muted_until > 0


@pytest.mark.parametrize("what", [b"/vote1", b"/prepared", b"/proposal", b"/stable"])
def test_a_corrupt_record_is_noticed(what: bytes) -> None:
    """A record that does not hold means a disk that cannot be trusted: silence until all it may have said is stable."""
    world = in_the_middle_of_a_vote()
    world.crash(1)
    log = world.nodes[1].log
    key = next(key for key in log if what in key)
    log[key] = log[key][:-1] + bytes([log[key][-1] ^ 1])
    world.restart(1)
    elapse(world, 200)
    assert world.nodes[1].engine.muted_until > 0
    heal(world)
    settles(world, b"open")


def test_records_of_an_earlier_epoch_are_forgotten() -> None:
    """A new epoch begins with no votes: those of the last one neither count nor stay."""
    world = started()
    world.crash(1)
    world.nodes[1].log[b"7/slot/1/vote1"] = b"whatever it was"
    world.restart(1)
    elapse(world, 200)
    assert b"7/slot/1/vote1" not in world.nodes[1].log
    assert world.nodes[1].engine.muted_until == 0


def test_twins_with_one_key_silence_themselves_when_they_hear_of_each_other() -> None:
    """Two machines run with one key by mistake: the votes of the one, recalled by others, silence the other."""
    world = started(window=WINDOW)
    world.add_twin(3, hears=[1])
    world.restart(3)
    stop(world, Phase.COMMIT)
    world.submit(b"one")
    elapse(world, 100)
    twin = world.twins[3]
    twin.crash()
    twin.hears = None
    twin.start()
    elapse(world, 300)
    assert twin.engine.silent
    assert twin.engine.muted_until > 0


def test_nothing_is_ordered_above_the_end_of_the_epoch() -> None:
    """A decided set change ends the epoch at a height: what waits then waits for the next epoch's engine."""
    world = started()
    orders_one_by_one(world, 2)
    for node in world.nodes:
        node.step(EpochEnds(node.now(), 4))
    for count in range(10):
        world.submit(b"late%d" % count)
        elapse(world, 100)
    elapse(world, 60_000)
    assert {len(node.chain) for node in world.nodes} == {4}
    assert {node.engine.view for node in world.nodes} == {0}


def test_an_epoch_ends_during_a_view_change() -> None:
    """The leader dies before the last block of the epoch: the next one orders it, and no more."""
    world = started()
    orders_one_by_one(world, 3)
    for node in world.nodes:
        node.step(EpochEnds(node.now(), 4))
    world.crash(0)
    world.submit(b"last")
    elapse(world, 10_000)
    world.submit(b"too late")
    elapse(world, 10_000)
    assert {len(node.chain) for node in living(world)} == {4}
    assert all(b"last" in node.done for node in living(world))


def test_a_proposal_above_the_end_of_the_epoch_is_dropped() -> None:
    """Even if its leader asks for it."""
    world = started(puppets=[0])
    for node in living(world):
        node.step(EpochEnds(node.now(), 1))
    Puppet(world, 0).proposes(0, 2, (b"above",))
    elapse(world, 200)
    assert all(2 not in node.engine._ordering._slots for node in living(world))


def test_one_isolated_for_long_comes_back_into_the_present_view() -> None:
    """It has missed blocks and views; it needs nobody's mercy but the proofs."""
    world = started(window=WINDOW)
    cut(world, [3], [0, 1, 2])
    world.crash(0)
    world.restart(0)
    world.faulty.add(3)
    orders_one_by_one(world, 3 * WINDOW)
    world.faulty.discard(3)
    heal(world)
    settles(world, b"n0", within_ms=30_000)
    world.crash(1)
    orders(world, b"with the one that was away")


def test_a_certificate_that_only_engines_have_kept_is_taken_from_them() -> None:
    """Whoever held the certified block has lost its disk; the others executed it, and their engines saw the proof."""
    world = started()
    cut(world, [3], [0, 1, 2])
    world.submit(b"one")
    elapse(world, 1_000)
    for node in world.nodes[1:3]:
        node.crash()
        node.chain[0].certificate = None
    world.crash(0)
    world.nodes[0].wipe()
    heal(world)
    for position in range(3):
        world.restart(position)
    orders(world, b"two")
    settles(world, b"one")
    world.check_end()


@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize("restarted", [(), (0,), (0, 1)])
def test_a_block_whose_certificate_one_liar_keeps_comes_to_all(restarted: tuple[int, ...], *, stays: bool) -> None:
    """A certified height that a peer proves is no reason to forget how those below it were decided."""
    world = started()
    world.faulty.add(3)
    world.nodes[3].hoards = True
    cut(world, [2], [0, 1, 3])
    world.submit(b"one")
    elapse(world, 1_000)
    world.submit(b"two")
    elapse(world, 1_000)
    assert [len(node.chain) for node in world.nodes] == [2, 2, 0, 2]
    assert [bool(node.chain[1].certificate) for node in (world.nodes[0], world.nodes[3])] == [False, True]
    for position in restarted:
        world.crash(position)
        world.restart(position)
    heal(world)
    elapse(world, 1_000)
    if not stays:
        world.crash(3)
    settles(world, b"one", b"two")
    orders(world, b"three")
    world.check_end()


def test_what_was_decided_and_not_executed_is_decided_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A starting engine delivers nothing out of its log: the end of its epoch is told to it after its start."""
    world = started()
    orders(world, b"one")
    node = world.nodes[0]
    with monkeypatch.context() as dying:
        dying.setattr(node, "execute", lambda batch: node.crash())
        world.submit(b"two")
        elapse(world, 1_000)
    assert any(key.endswith(b"slot/2/decided") for key in node.log)
    cut(world, [0], [1, 2, 3])
    world.restart(0)
    elapse(world, 1_000)
    assert len(node.chain) == 1
    heal(world)
    settles(world, b"two")
    world.check_end()
