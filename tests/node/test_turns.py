"""Ledgers of one process share it: who is busy leaves room, and only where somebody needs it."""

from __future__ import annotations

from ledgernode.config import NEIGHBOUR_ACTIVE_MS, SHARED_BLOCK_TRANSACTIONS, SHARED_PAUSE_LIMIT_MS
from ledgernode.node.turns import Turns
from ledgernode.wire.parameters import Parameters

LIMITS = Parameters()


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_ledger_whose_neighbours_rest_pauses_for_nobody() -> None:
    """Its blocks are as large as it allows; also where its neighbour has stopped working, or has gone."""
    clock = Clock()
    turns = Turns(clock)
    busy, other = turns.of("busy"), turns.of("other")
    assert busy.pause_s(0.2) == 0
    assert busy.limits(LIMITS) == LIMITS
    other.pause_s(0.001)
    assert busy.pause_s(0.2) > 0
    other.leave()
    assert busy.pause_s(0.2) == 0
    other.pause_s(0.001)
    clock.now_s += NEIGHBOUR_ACTIVE_MS / 1_000 + 0.1
    assert busy.pause_s(0.2) == 0


def test_turns_without_work_disturb_nobody() -> None:
    """A ledger that only looks at its clock is no neighbour that works."""
    turns = Turns(Clock())
    turns.of("idle").pause_s(0.001, worked=False)
    assert turns.of("busy").pause_s(0.2) == 0


def test_all_that_a_ledger_does_has_half_of_the_time_at_most() -> None:
    """Its blocks and the checks of several clients' streams count together; in bounds: it is never shut out."""
    clock = Clock()
    turns = Turns(clock)
    busy, other = turns.of("busy"), turns.of("other")
    worked_s, began_s = 0.0, clock.now_s
    ready_s = [clock.now_s] * 3  # of three parts of it, each of which goes on when its own pause is over
    for _ in range(300):
        other.pause_s(0.000_1)
        at = ready_s.index(min(ready_s))
        clock.now_s = max(clock.now_s, ready_s[at]) + 0.010
        worked_s += 0.010
        ready_s[at] = clock.now_s + busy.pause_s(0.010)
    assert 0.45 < worked_s / (clock.now_s - began_s) <= 0.51
    assert busy.pause_s(10.0) <= SHARED_PAUSE_LIMIT_MS / 1_000


def test_blocks_beside_a_neighbour_are_small() -> None:
    """Those that are offered here: what others propose is taken as it is."""
    turns = Turns(Clock())
    turns.of("other").pause_s(0.001)
    shared = turns.of("busy").limits(LIMITS)
    assert shared.block_transactions == SHARED_BLOCK_TRANSACTIONS
    assert 0 < shared.block_budget < LIMITS.block_budget
    assert shared.block_bytes == LIMITS.block_bytes
    assert shared.budget == LIMITS.budget
