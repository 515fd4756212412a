"""A stream of submissions: bounded by what is unanswered, whole outcomes, clean ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ledgernode.config import STREAM_BATCH_TRANSACTIONS
from ledgernode.errors import BadRequest, Broken, LedgerHalted, UnknownLedger
from ledgernode.node.ledger import ServedLedger
from ledgernode.services.submit_stream import SubmitStream
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.wire.answers import Stage
from tests.node.conftest import House


class Batches:
    """What a caller sends; `read` counts how far it was read."""

    def __init__(self, *batches: list[bytes], wait: int = pb.WAIT_COMMITTED) -> None:
        self._batches = batches
        self._wait = wait
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[pb.SubmitManyRequest]:
        for batch in self._batches:
            self.read += 1
            yield pb.SubmitManyRequest(ledger="test", transactions=batch, wait=self._wait)  # type: ignore[arg-type]
            await asyncio.sleep(0)


async def test_a_stream_is_not_read_on_while_too_much_is_unanswered(house: House, standing: ServedLedger) -> None:
    """At the bound reading stops; as outcomes are made it goes on to the end."""
    batches = Batches(*([house.remark(str(number)).envelope] for number in range(3)))
    outcomes = SubmitStream(lambda _: standing, in_flight=2).outcomes(aiter(batches))
    first = asyncio.create_task(anext(outcomes))
    for _ in range(20):
        await asyncio.sleep(0)
    assert batches.read == 2
    standing.start()
    gathered = await first
    async for more in outcomes:
        gathered += more
    assert batches.read == 3
    assert [outcome.stage for outcome in gathered] == [Stage.COMMITTED] * 3
    await standing.stop()


async def test_outcomes_come_in_the_order_of_the_chain(house: House, served: ServedLedger) -> None:
    """Committed ones by height and position, though they were sent in several batches."""
    batches = Batches(*([house.remark(f"{a}{b}").envelope for b in range(5)] for a in range(4)))
    gathered = [one async for some in SubmitStream(lambda _: served).outcomes(aiter(batches)) for one in some]
    places = [(outcome.height, outcome.position) for outcome in gathered]
    assert len(places) == 20
    assert places == sorted(places)


async def test_admitted_outcomes_do_not_wait_for_blocks(house: House, standing: ServedLedger) -> None:
    """Who asks for admission only is answered at once, and the stream ends."""
    batches = Batches([house.remark().envelope], wait=pb.WAIT_ADMITTED)
    gathered = [one async for some in SubmitStream(lambda _: standing).outcomes(aiter(batches)) for one in some]
    assert [outcome.stage for outcome in gathered] == [Stage.ADMITTED]


async def test_too_large_a_batch_ends_the_stream(house: House, standing: ServedLedger) -> None:
    """After the outcomes of the batches before it."""
    batches = Batches([b"junk"], [b"junk"] * (STREAM_BATCH_TRANSACTIONS + 1))
    outcomes = SubmitStream(lambda _: standing).outcomes(aiter(batches))
    assert [outcome.stage for outcome in await anext(outcomes)] == [Stage.REFUSED]
    with pytest.raises(BadRequest, match="batch"):
        await anext(outcomes)


async def test_an_unknown_ledger_ends_the_stream(standing: ServedLedger) -> None:
    """Every batch names its ledger."""

    def nowhere(name: str) -> ServedLedger:
        raise UnknownLedger(name)

    with pytest.raises(UnknownLedger):
        await anext(SubmitStream(nowhere).outcomes(aiter(Batches([b"x"]))))


async def test_a_fault_of_our_own_is_told_without_its_insides(standing: ServedLedger) -> None:
    """The caller learns that it was ours; the log has the rest."""

    def broken(name: str) -> ServedLedger:
        raise ZeroDivisionError("secret")

    with pytest.raises(Broken) as told:
        await anext(SubmitStream(broken).outcomes(aiter(Batches([b"x"]))))
    assert "secret" not in str(told.value)


async def test_a_halt_ends_the_stream_with_its_reason(house: House, standing: ServedLedger) -> None:
    """Those who wait for blocks hear why there will be none."""
    batches = Batches([house.remark().envelope])
    outcomes = SubmitStream(lambda _: standing).outcomes(aiter(batches))
    waiting = asyncio.create_task(anext(outcomes))
    for _ in range(5):
        await asyncio.sleep(0)
    standing.announcement.stop(LedgerHalted("disk full"))
    with pytest.raises(LedgerHalted, match="disk full"):
        await waiting
