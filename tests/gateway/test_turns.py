"""Whose turn it is: fair, in order, in batches worth their cost, and patient with who is not taken yet."""

from __future__ import annotations

import random

import msgspec

from gateway.limits import Limits
from gateway.outbox.turns import NEVER_MS, Run, Turns

LIMITS = Limits(batch_entries=10, run_entries=4, batch_age_ms=100, in_flight_entries=25, hold_start_ms=1_000)
A, B, C = b"a", b"b", b"c"


def test_a_small_batch_waits_for_its_age_and_a_full_one_does_not() -> None:
    turns = Turns(LIMITS)
    assert turns.due_ms(0) == NEVER_MS
    turns.added(A, 3, 0)
    assert (turns.due_ms(0), turns.due_ms(60), turns.due_ms(100)) == (100, 40, 0)
    turns.added(B, 7, 60)
    assert turns.due_ms(60) == 0


def test_a_backlog_of_one_does_not_hold_up_another() -> None:
    """A month of one meter beside a minute of another: both are in the first batch."""
    turns = Turns(LIMITS)
    turns.added(A, 43_200, 0)
    turns.added(B, 1, 1)
    assert turns.taken() == [Run(A, 4), Run(B, 1)]


def test_a_lane_has_one_run_under_way() -> None:
    """Otherwise its second run could overtake the first."""
    turns = Turns(LIMITS)
    turns.added(A, 9, 0)
    assert turns.taken() == [Run(A, 4)]
    turns.added(A, 1, 0)
    assert turns.taken() == []
    turns.ended(A, 4, 10)
    assert turns.taken() == [Run(A, 4)]


def test_those_who_waited_longest_are_first() -> None:
    turns = Turns(LIMITS)
    for lane in (A, B, C):
        turns.added(lane, 8, 0)
    assert turns.taken() == [Run(A, 4), Run(B, 4), Run(C, 2)]
    turns.ended(A, 4, 1)
    turns.ended(B, 4, 2)
    turns.ended(C, 2, 3)
    assert [run.lane for run in turns.taken()] == [A, B, C]


def test_a_held_lane_waits_longer_each_time_and_others_go_on() -> None:
    turns = Turns(LIMITS)
    turns.added(A, 1, 0)
    now_ms = 0
    for pause_ms in (1_000, 2_000, 4_000):
        assert [run.lane for run in turns.taken()] == [A]
        turns.ended(A, 0, now_ms, hold=True)
        assert turns.due_ms(now_ms) == pause_ms
        turns.added(B, 1, now_ms)
        assert [run.lane for run in turns.taken()] == [B]
        turns.ended(B, 1, now_ms)
        now_ms += pause_ms
        assert turns.due_ms(now_ms) == LIMITS.batch_age_ms
    turns.taken()
    turns.ended(A, 1, now_ms)
    assert (turns.entries, turns.lanes, turns.in_flight) == (0, 0, 0)


def test_in_flight_is_bounded() -> None:
    turns = Turns(LIMITS)
    for lane in (b"%d" % number for number in range(50)):
        turns.added(lane, 4, 0)
    assert sum(run.entries for _ in range(9) for run in turns.taken()) == LIMITS.in_flight_entries
    assert turns.due_ms(1_000) == NEVER_MS
    turns.dropped(1_000)
    assert (turns.in_flight, turns.due_ms(1_000)) == (0, 0)


def test_nothing_is_forgotten_and_nobody_starves_whatever_happens() -> None:
    """Random arrivals, answers, holds and broken connections: in the end every entry has left, each once."""
    for seed in range(60):
        chance = random.Random(seed)
        turns = Turns(msgspec.structs.replace(LIMITS, hold_limit_ms=3_000))
        here: dict[bytes, int] = {}
        under_way: dict[bytes, int] = {}
        now_ms = came = went = 0
        for step in range(2_000):
            now_ms += chance.randrange(200)
            if step < 300 and chance.random() < 0.7:
                lane = b"%d" % chance.randrange(6)
                entries = chance.randrange(1, 9)
                turns.added(lane, entries, now_ms)
                here[lane] = here.get(lane, 0) + entries
                came += entries
            if turns.due_ms(now_ms) == 0:
                for run in turns.taken():
                    assert run.lane not in under_way
                    assert 0 < run.entries <= here[run.lane]
                    under_way[run.lane] = run.entries
            if under_way and chance.random() < 0.6:
                lane = chance.choice(sorted(under_way))
                gone = chance.choice((0, under_way[lane], under_way[lane]))
                under_way.pop(lane)
                turns.ended(lane, gone, now_ms, hold=not gone)
                here[lane] -= gone
                went += gone
            if chance.random() < 0.02:
                turns.dropped(now_ms)
                under_way.clear()
            assert turns.entries == sum(here.values())
            assert turns.in_flight == sum(under_way.values()) <= LIMITS.in_flight_entries
        assert went == came, f"seed {seed}: {came - went} of {came} never left"
