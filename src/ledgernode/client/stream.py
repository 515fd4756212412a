"""Submitting many over one stream: batches out, outcomes back, nothing lost when a node fails.

What is unanswered is held here, bounded, and sent again over the next stream; a node that has it already
says so, and its outcome is asked for. So every transaction gets exactly one outcome. The first batch of a
stream is a trial: the others follow when it is answered, so that a node which takes none can say why.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import grpc

from ledgernode.client.connection import Connection, read_error
from ledgernode.client.signer import Signed
from ledgernode.config import (
    CLIENT_RETRIES,
    CLIENT_STREAM_AHEAD,
    CLIENT_STREAM_BATCH,
    RETRY_ADVICE_MS,
    STREAM_IN_FLIGHT,
)
from ledgernode.errors import DuplicateTransaction, MempoolFull, NodeUnreachable
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.wire.answers import Outcome, Stage, Wait
from ledgernode.wire.protobuf import number, read_outcome
from ledgernode.wire.types import TransactionId

Submissions = Iterable[Signed] | AsyncIterable[Signed]
StatusOf = Callable[[Signed], Awaitable[Outcome]]


class SubmitStream:
    """One use of `submit_many`: a feeder that outlives streams, and one writer and reader per stream."""

    def __init__(self, connection: Connection, ledger: str, wait: Wait, status_of: StatusOf) -> None:
        self._connection = connection
        self._ledger = ledger
        self._wait = wait
        self._status_of = status_of
        self._unanswered: dict[TransactionId, Signed] = {}
        self._unsent: list[Signed] = []
        self._refusals: Counter[TransactionId] = Counter()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._fed = False

    async def outcomes(self, transactions: Submissions) -> AsyncGenerator[list[Outcome], None]:
        """Outcomes as they come, until all have one. Raises what ends the stream, or what the source raised."""
        feeder = asyncio.create_task(self._feed(transactions))
        retrying = self._connection.retrying(float("inf"))
        try:
            while not self._finished():
                call = retrying.endpoint.ledger.SubmitMany()
                self._unsent = list(self._unanswered.values())
                answered = asyncio.Event()
                writer = asyncio.create_task(self._write(call, answered))
                try:
                    while (answer := await call.read()) is not grpc.aio.EOF:
                        answered.set()
                        retrying.restart()
                        final = [await self._final(read_outcome(message)) for message in answer.outcomes]
                        yield [outcome for outcome in final if outcome is not None]
                    if not self._finished():
                        await retrying.after(NodeUnreachable("the node ended the stream"))
                except grpc.aio.AioRpcError as error:
                    await retrying.after(read_error(error))
                finally:
                    await _end(writer)
                    call.cancel()
            await feeder
        finally:
            await _end(feeder)

    def _finished(self) -> bool:
        return self._fed and not self._unanswered

    async def _feed(self, transactions: Submissions) -> None:
        """Read the source as far as there is room for what is unanswered."""
        try:
            async for signed in _as_asynchronous(transactions):
                while not self._has_room():
                    self._room.clear()
                    await self._room.wait()
                self._unanswered[signed.id] = signed
                self._unsent.append(signed)
                self._changed.set()
        finally:
            self._fed = True
            self._changed.set()

    def _has_room(self) -> bool:
        """Is little enough unsent, and unanswered, to read on? What is ahead of the stream only costs memory."""
        return len(self._unsent) < CLIENT_STREAM_AHEAD and len(self._unanswered) < STREAM_IN_FLIGHT

    async def _write(self, call: Any, answered: asyncio.Event) -> None:
        """Send what waits, in batches, until everything has its outcome."""
        while not self._finished():
            if not self._unsent:
                self._changed.clear()
                await self._changed.wait()
                continue
            batch, self._unsent = self._unsent[:CLIENT_STREAM_BATCH], self._unsent[CLIENT_STREAM_BATCH:]
            self._room.set()
            await call.write(
                pb.SubmitManyRequest(
                    ledger=self._ledger,
                    transactions=[signed.envelope for signed in batch],
                    wait=number(self._wait),
                )
            )
            await answered.wait()
        await call.done_writing()

    async def _final(self, outcome: Outcome) -> Outcome | None:
        """The outcome to hand on; None while there is to be another, or there was one."""
        signed = self._unanswered.get(outcome.transaction_id)
        if signed is None:
            return None
        if outcome.stage is Stage.REFUSED and outcome.code == MempoolFull.code and self._may_repeat(signed):
            return None
        if outcome.stage is Stage.REFUSED and outcome.code == DuplicateTransaction.code:
            outcome = await self._status_of(signed)
        del self._unanswered[signed.id]
        self._refusals.pop(signed.id, None)
        self._room.set()
        if self._finished():
            self._changed.set()
        return outcome

    def _may_repeat(self, signed: Signed) -> bool:
        self._refusals[signed.id] += 1
        if self._refusals[signed.id] > CLIENT_RETRIES:
            return False
        asyncio.get_running_loop().call_later(RETRY_ADVICE_MS / 1_000, self._send_again, signed)
        return True

    def _send_again(self, signed: Signed) -> None:
        self._unsent.append(signed)
        self._changed.set()


async def _as_asynchronous(transactions: Submissions) -> AsyncIterator[Signed]:
    """The source, with a turn for others after every batch of a plain iterable."""
    if isinstance(transactions, AsyncIterable):
        async for signed in transactions:
            yield signed
        return
    for count, signed in enumerate(transactions, 1):
        yield signed
        if count % CLIENT_STREAM_BATCH == 0:
            await asyncio.sleep(0)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
