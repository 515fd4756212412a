"""One `SubmitMany` stream: batches in, outcomes out as they come.

What is unanswered is bounded: at the limit the stream is not read on, so that a caller who sends faster than
blocks are made is slowed down by its own connection, and by nothing of anyone else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from ledgernode.config import STREAM_BATCH_TRANSACTIONS, STREAM_IN_FLIGHT
from ledgernode.errors import BadRequest
from ledgernode.node.ledger import ServedLedger
from ledgernode.node.waiting import Inbox
from ledgernode.services.calls import as_refusal
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.wire.answers import Outcome
from ledgernode.wire.protobuf import read_wait


class SubmitStream:
    """The two directions of one stream, and what is open between them."""

    def __init__(self, ledger_of: Callable[[str], ServedLedger], *, in_flight: int = STREAM_IN_FLIGHT) -> None:
        self._ledger_of = ledger_of
        self._in_flight = in_flight
        self._inbox = Inbox()
        self._unanswered = 0
        self._room = asyncio.Event()
        self._read_all = False

    async def outcomes(self, requests: AsyncIterator[pb.SubmitManyRequest]) -> AsyncGenerator[list[Outcome], None]:
        """Outcomes by the batch, until the caller has ended its side and each transaction has its outcome."""
        reading = asyncio.create_task(self._read(requests))
        try:
            while not (self._read_all and not self._unanswered):
                outcomes = await self._inbox.take()
                self._unanswered -= len(outcomes)
                self._room.set()
                if outcomes:
                    yield outcomes
            if self._inbox.failure is not None:
                raise self._inbox.failure
        finally:
            reading.cancel()
            self._inbox.close()

    async def _read(self, requests: AsyncIterator[pb.SubmitManyRequest]) -> None:
        """A failure here ends the stream: it is told through the inbox, after the outcomes before it."""
        try:
            async for request in requests:
                _require_size(request)
                ledger, wait = self._ledger_of(request.ledger), read_wait(request.wait)
                self._unanswered += len(request.transactions)
                await ledger.submissions.submit_many(request.transactions, wait, self._inbox)
                while self._unanswered >= self._in_flight:
                    self._room.clear()
                    await self._room.wait()
        except Exception as error:  # noqa: BLE001  # whatever failed, the outcomes before it are sent first
            self._inbox(as_refusal(error, "SubmitMany"))
        finally:
            self._read_all = True
            self._inbox.wake()


def _require_size(request: pb.SubmitManyRequest) -> None:
    if len(request.transactions) > STREAM_BATCH_TRANSACTIONS:
        raise BadRequest(f"a batch has at most {STREAM_BATCH_TRANSACTIONS} transactions")
