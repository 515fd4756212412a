"""Waiting: each listener is called once, and a bell that rings once a block."""

from __future__ import annotations

import asyncio

import pytest

from ledgernode.errors import LedgerHalted, NodeStopping
from ledgernode.node.waiting import Answer, Inbox, Progress, Waiters
from ledgernode.wire.answers import Outcome, Stage
from ledgernode.wire.types import Height, TimeMs, TransactionId, sha256

ONE, OTHER = TransactionId(sha256(b"one")), TransactionId(sha256(b"other"))


def outcome(transaction_id: TransactionId) -> Outcome:
    return Outcome(transaction_id, Stage.COMMITTED, "OK")


async def test_an_answer_comes_once_to_everyone_who_waits() -> None:
    """All who wait for an id hear the same outcome; nobody waits afterwards."""
    waiters, first, second = Waiters(), Answer(), Answer()
    waiters.add(ONE, first)
    waiters.add(ONE, second)
    waiters.tell(ONE, outcome(ONE))
    waiters.tell(ONE, outcome(OTHER))
    assert await first.within(1) == await second.within(1) == outcome(ONE)
    assert len(waiters) == 0


async def test_who_has_gone_is_not_told() -> None:
    """Leaving is for one listener; the others stay, and leaving twice does nothing."""
    waiters, gone, stays = Waiters(), Answer(), Answer()
    waiters.add(ONE, gone)
    waiters.add(ONE, stays)
    waiters.forget(ONE, gone)
    waiters.forget(ONE, gone)
    assert ONE in waiters
    waiters.tell(ONE, outcome(ONE))
    assert await stays.within(1) == outcome(ONE)
    with pytest.raises(TimeoutError):
        await gone.within(0.01)
    waiters.forget(OTHER, gone)
    assert len(waiters) == 0


async def test_a_reason_reaches_everyone() -> None:
    """When no block will come, every waiter hears why."""
    waiters, first, second = Waiters(), Answer(), Answer()
    waiters.add(ONE, first)
    waiters.add(OTHER, second)
    waiters.tell_all(NodeStopping())
    for answer in (first, second):
        with pytest.raises(NodeStopping):
            await answer.within(1)


async def test_an_inbox_gathers_and_then_fails() -> None:
    """What was told before a failure is handed on first; the failure ends it, again and again."""
    inbox = Inbox()
    inbox(outcome(ONE))
    inbox(outcome(OTHER))
    inbox(LedgerHalted("disk full"))
    assert await inbox.take() == [outcome(ONE), outcome(OTHER)]
    for _ in range(2):
        with pytest.raises(LedgerHalted):
            await inbox.take()


async def test_an_inbox_waits_until_there_is_something() -> None:
    """Nothing is handed on before it is told; waking it hands on what there is, also nothing."""
    inbox = Inbox()
    taking = asyncio.create_task(inbox.take())
    await asyncio.sleep(0)
    assert not taking.done()
    inbox(outcome(ONE))
    assert await taking == [outcome(ONE)]
    inbox.wake()
    assert await inbox.take() == []


async def test_a_closed_inbox_keeps_nothing() -> None:
    """Outcomes for a stream that has gone take no memory."""
    inbox = Inbox()
    inbox.close()
    inbox(outcome(ONE))
    inbox.wake()
    assert await inbox.take() == []


async def test_the_bell_rings_for_everyone_below() -> None:
    """Those who wait for a height go on when the chain is beyond it, not before."""
    progress = Progress(Height(3), TimeMs(10))
    await progress.beyond(2)
    near, far = asyncio.create_task(progress.beyond(3)), asyncio.create_task(progress.beyond(4))
    await asyncio.sleep(0)
    progress.advance(Height(4), TimeMs(11))
    await near
    assert not far.done()
    progress.stop(NodeStopping())
    with pytest.raises(NodeStopping):
        await far
    await progress.beyond(3)
    assert (progress.height, progress.time_ms) == (4, 11)
