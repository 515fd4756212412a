"""The engine of one validator."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.consensus.engine import ProposalAvailable, Received, Started, Ticked
from ledgernode.consensus.solo import Solo
from ledgernode.wire.block import Batch
from ledgernode.wire.types import Epoch, Height, TimeMs


def started(height: int, time_ms: int) -> Solo:
    engine = Solo(Epoch(3))
    assert engine.step(Started(TimeMs(0), Height(height), TimeMs(time_ms), ())).wants_proposal
    return engine


def test_what_is_proposed_is_decided() -> None:
    """At the next height, at the clock's time, in the order given, at once."""
    ready = started(7, 1_000).step(ProposalAvailable(TimeMs(2_000), (b"a", b"b")))
    assert ready.deliver == (Batch(Epoch(3), Height(8), TimeMs(2_000), (b"a", b"b")),)
    assert (ready.persist, ready.send, ready.wants_proposal) == ((), (), True)


@given(st.lists(st.integers(0, 50), max_size=20))
def test_block_time_strictly_increases_whatever_the_clock_does(clock: list[int]) -> None:
    """Also when it stands still or steps back; heights follow without a gap."""
    engine = started(0, 10)
    blocks = [engine.step(ProposalAvailable(TimeMs(now), ())).deliver[0] for now in clock]
    times = [10, *(block.time_ms for block in blocks)]
    assert all(before < after for before, after in itertools.pairwise(times))
    assert [block.height for block in blocks] == list(range(1, len(clock) + 1))
    assert all(block.time_ms >= now for block, now in zip(blocks, clock, strict=True))


@pytest.mark.parametrize("event", [Ticked(TimeMs(5)), Received(TimeMs(5), 0, b"anything")])
def test_time_and_messages_decide_nothing(event: Ticked | Received) -> None:
    """There is nobody to agree with."""
    engine = started(7, 1_000)
    assert engine.step(event).deliver == ()
    assert engine.step(ProposalAvailable(TimeMs(1), ())).deliver[0].height == 8


def test_the_same_events_give_the_same_blocks() -> None:
    """An engine is a function of its events."""
    events = [ProposalAvailable(TimeMs(now), (bytes([now]),)) for now in (5, 3, 9)]
    one, two = started(1, 4), started(1, 4)
    assert [one.step(event) for event in events] == [two.step(event) for event in events]
