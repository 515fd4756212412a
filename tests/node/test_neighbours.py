"""What becomes of a question when the link to a peer ends under it, or when nobody wants the answer any more."""

from __future__ import annotations

import asyncio

import pytest

from ledgernode.errors import NodeUnreachable
from ledgernode.node.neighbours import _answer


async def test_a_call_whose_channel_is_closed_under_it_means_a_peer_out_of_reach() -> None:
    """The call is cancelled, and whoever asked is not: it goes on, with another peer."""
    call: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(call.cancel)
    with pytest.raises(NodeUnreachable):
        await _answer(call)


async def test_who_is_cancelled_while_asking_stays_cancelled() -> None:
    """A stopping node does not take its own end for a silent peer."""
    asking = asyncio.create_task(_answer(asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_question_that_takes_too_long_ends_as_a_time_out() -> None:
    """Its own limit is told from a closed channel."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await _answer(asyncio.get_running_loop().create_future())
