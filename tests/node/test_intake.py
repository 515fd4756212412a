"""Forwarded transactions: checked once, in turn, and misconduct has its price."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ledgernode.config import GOSSIP_WAITING, MISCONDUCT_REFILL_MS, MISCONDUCT_TOKENS
from ledgernode.node.admission import Admission
from ledgernode.node.intake import Intake
from ledgernode.node.mempool import Mempool
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import TimeMs
from tests.node.envelopes import CHAIN, NOW_MS, envelope, transaction


class Room:
    def __init__(self) -> None:
        self.now_ms = TimeMs(NOW_MS)
        self.mempool = Mempool()
        self.admission = Admission(CHAIN, Parameters)
        self.intake = Intake(
            admission=self.admission, mempool=self.mempool, arrived=lambda: None, clock_ms=lambda: self.now_ms
        )

    async def settle(self) -> None:
        for _ in range(1_000):
            await asyncio.sleep(0)
            if not any(entry.waiting for entry in self.intake._entries.values()):
                return
        raise AssertionError("the intake does not come to an end")


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    found = Room()
    running = asyncio.create_task(found.intake.run())
    yield found
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_is_forwarded_waits_and_is_verified_once(room: Room) -> None:
    """Twice by different validators: one signature check, one place."""
    raw = envelope()
    room.intake.take(b"one", [raw])
    room.intake.take(b"other", [raw])
    await room.settle()
    assert (len(room.mempool), room.admission.verified) == (1, 1)


async def test_what_has_just_been_committed_does_not_come_back(room: Room) -> None:
    """A slow forwarding meets the memory of the block."""
    late = transaction()
    room.mempool.add(late)
    room.mempool.remove([late.id])
    room.intake.take(b"slow", [late.raw])
    await room.settle()
    assert len(room.mempool) == 0


async def test_bad_signatures_cost_the_forwarder_its_place_for_a_while(room: Room) -> None:
    """Tokens run out, and come back with time; others are not concerned."""
    bad = [raw[:70] + bytes([raw[70] ^ 1]) + raw[71:] for raw in (envelope(text=str(n)) for n in range(3))]
    assert room.intake.may_send(b"bad")
    room.intake.take(b"bad", bad * (MISCONDUCT_TOKENS // 3 + 1))
    await room.settle()
    assert not room.intake.may_send(b"bad")
    assert room.intake.may_send(b"good")
    assert len(room.mempool) == 0
    room.now_ms = TimeMs(room.now_ms + 10 * MISCONDUCT_REFILL_MS)
    assert room.intake.may_send(b"bad")


async def test_what_waits_to_be_checked_is_bounded(room: Room) -> None:
    """The newest are dropped: their clients send them again."""
    raw = envelope()
    room.intake.take(b"one", [raw] * (GOSSIP_WAITING + 5))
    assert room.intake.dropped == 5
    await room.settle()
    assert len(room.mempool) == 1
