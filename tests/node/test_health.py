"""The rules of health: syncing is told from stuck, and being apart from being behind."""

from __future__ import annotations

import msgspec
import pytest

from ledgernode.config import READY_BLOCKS, UNREADY_BLOCKS
from ledgernode.node.health import Condition, live, ready, started
from ledgernode.wire.answers import SyncStatus
from ledgernode.wire.types import Height

STUCK_MS = 60_000
WELL = Condition(height=100, members=4, connected=3, heard=3)
"""A validator of four, among the others."""
BY_BLOCKS = SyncStatus("blocks", Height(900), idle_ms=10)


def but(**facts: object) -> Condition:
    return msgspec.structs.replace(WELL, **facts)


def test_a_node_among_the_others_is_started_ready_and_live() -> None:
    """Nothing to say."""
    assert started(WELL).code == ready(WELL, was_ready=False).code == live(WELL, STUCK_MS).code == 200
    assert ready(WELL, was_ready=False).document()["height"] == 100


@pytest.mark.parametrize(
    ("seen", "status", "said"),
    [
        (but(running=False), "starting", "opened"),
        (but(stopping=True), "stopping", "shutting down"),
        (but(halted="STATE_DIVERGED: …"), "halted", "STATE_DIVERGED"),
        (but(heard=1), "apart", "1 other validators have said"),
        (but(connected=1), "apart", "links stand to 1 other validators, and 2 are needed"),
        (but(lag=800, sync=BY_BLOCKS), "syncing", "syncing by blocks: at height 100 of 900, 800 blocks behind"),
        (but(lag=READY_BLOCKS + 1), "syncing", "5 blocks behind"),
    ],
)
def test_who_should_get_no_work_says_why(seen: Condition, status: str, said: str) -> None:
    """503, a word for programs and a sentence for people."""
    found = ready(seen, was_ready=False)
    assert (found.code, found.status) == (503, status)
    assert said in found.reason


def test_a_node_that_keeps_up_is_not_taken_in_and_out_of_service() -> None:
    """It becomes ready near to the others, and stays so until it is far from them."""
    assert not ready(but(lag=UNREADY_BLOCKS), was_ready=False).holds
    assert ready(but(lag=UNREADY_BLOCKS), was_ready=True).holds
    assert not ready(but(lag=UNREADY_BLOCKS + 1), was_ready=True).holds


def test_a_single_validator_waits_for_nobody() -> None:
    """There are no others."""
    assert ready(Condition(height=1, alone=True), was_ready=False).holds
    assert ready(Condition(height=1, members=1), was_ready=False).holds


def test_an_observer_needs_heights_and_no_links() -> None:
    """Nobody lets it in; it asks."""
    assert ready(but(member=False, connected=0, heard=2), was_ready=False).holds
    assert not ready(but(member=False, connected=0, heard=1), was_ready=False).holds


def test_a_syncing_node_is_live_and_one_that_stands_still_is_stuck() -> None:
    """What tells them apart is whether anything moves, not how far there is to go."""
    syncing = but(lag=100_000, ahead=3, sync=BY_BLOCKS, still_ms=STUCK_MS - 1)
    assert live(syncing, STUCK_MS).holds
    stuck = msgspec.structs.replace(syncing, still_ms=STUCK_MS)
    found = live(stuck, STUCK_MS)
    assert (found.code, found.status) == (503, "stuck")
    assert "nothing has moved for 60 s, although 3 validators" in found.reason


@pytest.mark.parametrize(
    ("seen", "should"),
    [
        (but(ahead=2), True),
        (but(ahead=1), False),  # one of four may be lying
        (but(ahead=0), False),  # nothing to come after
        (but(ahead=3, halted="X"), False),
        (but(ahead=3, running=False), False),
        (but(ahead=3, alone=True), False),
        (but(members=2, ahead=1), True),
    ],
)
def test_only_who_is_behind_others_in_reach_should_move(seen: Condition, should: bool) -> None:
    """Alone in the dark, or told by one who may lie, nobody is stuck."""
    assert seen.should_move is should


def test_a_write_that_does_not_end_is_stuck() -> None:
    """A disk that hangs gives no error."""
    assert live(but(writing_ms=STUCK_MS - 1), STUCK_MS).holds
    assert "a write to the disk" in live(but(writing_ms=STUCK_MS), STUCK_MS).reason


def test_a_ledger_that_halted_is_not_restarted() -> None:
    """It stopped on purpose and says why; a loop that ended without a word is another thing."""
    assert live(but(halted="DISK_FULL: …"), STUCK_MS, ended=True).document()["reason"] == "DISK_FULL: …"
    assert live(but(stopping=True), STUCK_MS, ended=True).holds
    assert not live(WELL, STUCK_MS, ended=True).holds


def test_starting_is_not_stuck() -> None:
    """A database that is opened takes its time."""
    opening = Condition(height=0, running=False)
    assert (started(opening).code, live(opening, STUCK_MS).code) == (503, 200)
