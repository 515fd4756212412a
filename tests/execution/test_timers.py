"""Timers as state: kept by time, found by name, counted down."""

from __future__ import annotations

import pytest

from ledgernode.errors import BadKey, BadTimer, BadValue
from ledgernode.execution import timers
from ledgernode.execution.overlay import BlockOverlay, TransactionOverlay
from ledgernode.execution.timers import HORIZON_MS, Timer
from ledgernode.execution.values import free
from ledgernode.store.memory import MemoryStore
from ledgernode.store.past import CurrentState
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import ChainId, Height

LIMITS = Parameters(timer_attempts=2)
NOW_MS = 1_000_000


@pytest.fixture
def state() -> TransactionOverlay:
    with MemoryStore().reader() as nothing:
        return BlockOverlay(CurrentState(nothing), 1).begin(0)


def keep(state: TransactionOverlay, due_ms: int, contract: str, name: str) -> Timer:
    timer = Timer(due_ms, contract, name, "close", {"round": 1})
    timers.schedule(state, timer, NOW_MS, LIMITS, free)
    return timer


def test_due_timers_come_by_time_contract_and_name(state: TransactionOverlay) -> None:
    """The order in which they run, the same on every node."""
    for due_ms, contract, name in (
        (NOW_MS + 9, "auction", "a"),
        (NOW_MS + 5, "market", "b"),
        (NOW_MS + 5, "market", "a"),
        (NOW_MS + 5, "auction", "z"),
        (NOW_MS + 10, "auction", "later"),
    ):
        keep(state, due_ms, contract, name)
    found = [(timer.due_ms, timer.contract, timer.name) for timer in timers.due(state, NOW_MS + 9)]
    assert found == [
        (NOW_MS + 5, "auction", "z"),
        (NOW_MS + 5, "market", "a"),
        (NOW_MS + 5, "market", "b"),
        (NOW_MS + 9, "auction", "a"),
    ]
    assert timers.next_due_ms(state) == NOW_MS + 5


def test_timer_of_the_same_name_is_replaced(state: TransactionOverlay) -> None:
    """A contract's name stands for one timer; another contract's same name for another one."""
    keep(state, NOW_MS + 5, "market", "close")
    keep(state, NOW_MS + 5, "auction", "close")
    moved = keep(state, NOW_MS + 8, "market", "close")
    assert [timer.contract for timer in timers.due(state, NOW_MS + 7)] == ["auction"]
    assert list(timers.due(state, NOW_MS + 8))[1] == moved


def test_cancelled_timer_is_gone(state: TransactionOverlay) -> None:
    """Cancelling says whether there was anything to cancel, and leaves nothing behind."""
    timer = keep(state, NOW_MS + 5, "market", "close")
    assert timers.current(state, timer) == timer
    assert timers.cancel(state, "market", "close")
    assert not timers.cancel(state, "market", "close")
    assert timers.current(state, timer) is None
    assert timers.next_due_ms(state) is None
    assert list(state.scan(b"", None)) == []


def test_failed_timer_is_kept_for_its_attempts_only(state: TransactionOverlay) -> None:
    """It waits with one attempt more, then it is dropped."""
    first = keep(state, NOW_MS + 5, "market", "close")
    assert timers.retry(state, first, LIMITS)
    second = next(timers.due(state, NOW_MS + 5))
    assert (second.attempt, second.arguments) == (2, {"round": 1})
    assert not timers.retry(state, second, LIMITS)
    assert timers.next_due_ms(state) is None


@pytest.mark.parametrize("due_ms", [NOW_MS - 1, 0, -1, NOW_MS + HORIZON_MS + 1, True, "soon"])
def test_due_time_out_of_reach_is_refused(state: TransactionOverlay, due_ms: int) -> None:
    """Not in the past, not beyond ten years, and a number."""
    with pytest.raises(BadTimer):
        keep(state, due_ms, "market", "close")


def test_name_and_arguments_must_be_storable(state: TransactionOverlay) -> None:
    """A timer is state: its name is a key, its arguments a value."""
    with pytest.raises(BadKey):
        keep(state, NOW_MS, "market", "a\x00b")
    with pytest.raises(BadValue):
        timers.schedule(state, Timer(NOW_MS, "market", "a", "close", {"x": 1.5}), NOW_MS, LIMITS, free)
    assert list(state.scan(b"", None)) == []


def test_each_attempt_in_each_block_has_its_own_id() -> None:
    """Two receipts never share an id: chain, height, time, contract, name and attempt all count."""
    chain, other = ChainId(bytes(32)), ChainId(bytes([1]) * 32)
    timer = Timer(NOW_MS, "market", "close", "close", {})
    ids = {
        timer.id(chain, Height(1)),
        timer.id(chain, Height(2)),
        timer.id(other, Height(1)),
        Timer(NOW_MS + 1, "market", "close", "close", {}).id(chain, Height(1)),
        Timer(NOW_MS, "market", "close", "close", {}, attempt=2).id(chain, Height(1)),
        Timer(NOW_MS, "market", "closer", "close", {}).id(chain, Height(1)),
        Timer(NOW_MS, "marketc", "lose", "close", {}).id(chain, Height(1)),
    }
    assert len(ids) == 7
