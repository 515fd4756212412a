"""Submitting many over one stream: batches out, outcomes back, nothing lost when a node fails.

What is unanswered is held here, bounded, and sent again over the next stream; a node that has it already
says so, and its outcome is asked for. So every transaction gets exactly one outcome. The first batch of a
stream is a trial: the others follow when it is answered, so that a node which takes none can say why.

A node may answer some and keep others from its peers: what it leaves unanswered for long is given to f more nodes,
and the first outcome counts. One that answers nothing at all is left for the next, with a patience that doubles
from one to the next: perhaps it is the network that stands still.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

import grpc

from ledgernode.client.connection import Connection, Endpoint, Retrying, read_error
from ledgernode.client.resubmission import helpers, status_request
from ledgernode.client.signer import Signed
from ledgernode.config import (
    CLIENT_ANSWERS_AHEAD,
    CLIENT_PATIENCE_LIMIT_MS,
    CLIENT_RESUBMISSIONS,
    CLIENT_RESUBMIT_MS,
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


class SubmitStream:
    """One use of `submit_many`: a feeder and a sender that outlive streams, one writer and reader per stream."""

    def __init__(self, connection: Connection, ledger: str, wait: Wait, timeout_s: float) -> None:
        self._connection = connection
        self._ledger = ledger
        self._wait = wait
        self._timeout_s = timeout_s
        self._unanswered: dict[TransactionId, Signed] = {}
        self._unsent: list[Signed] = []
        self._sent: deque[tuple[float, list[Signed]]] = deque()
        self._refusals: Counter[TransactionId] = Counter()
        self._answers: asyncio.Queue[list[Outcome] | Exception] = asyncio.Queue(CLIENT_ANSWERS_AHEAD)
        self._helping: set[asyncio.Task[None]] = set()
        self._given: Counter[TransactionId] = Counter()
        self._held_back: dict[TransactionId, Outcome] = {}
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._fed = False
        self._quiet_since_s = 0.0
        self._patience_s = CLIENT_RESUBMIT_MS / 1_000

    async def outcomes(self, transactions: Submissions) -> AsyncGenerator[list[Outcome], None]:
        """Outcomes as they come, until all have one. Raises what ends the stream, or what the source raised."""
        feeder = asyncio.create_task(self._feed(transactions))
        sender = asyncio.create_task(self._send())
        try:
            while not self._finished():
                answer = await self._answers.get()
                if isinstance(answer, Exception):
                    raise answer
                final = [outcome for outcome in answer if self._is_final(outcome)]
                if final:
                    yield final
            await feeder
        finally:
            for task in (feeder, sender, *self._helping):
                await _end(task)

    def _finished(self) -> bool:
        return self._fed and not self._unanswered

    async def _feed(self, transactions: Submissions) -> None:
        """Read the source as far as there is room for what is unanswered."""
        try:
            async for signed in _as_asynchronous(transactions):
                while not self._has_room():
                    self._room.clear()
                    await self._room.wait()
                if not self._unanswered:
                    self._quiet_since_s = _now_s()
                self._unanswered[signed.id] = signed
                self._unsent.append(signed)
                self._changed.set()
        finally:
            self._fed = True
            self._changed.set()
            with suppress(asyncio.QueueFull):  # there is something else to look at then
                self._answers.put_nowait([])

    def _has_room(self) -> bool:
        """Is little enough unsent, and unanswered, to read on? What is ahead of the stream only costs memory."""
        return len(self._unsent) < CLIENT_STREAM_AHEAD and len(self._unanswered) < STREAM_IN_FLIGHT

    # ------------------------------------------------------------ one stream after another

    async def _send(self) -> None:
        """Until everything has its outcome; a node that fails, or keeps silent, is left for the next."""
        retrying = self._connection.retrying(float("inf"))
        try:
            while not self._finished():
                try:
                    await self._stream(retrying)
                except grpc.aio.AioRpcError as error:
                    await retrying.after(read_error(error))
                except NodeUnreachable as error:
                    await retrying.after(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller hears it
            await self._answers.put(error)

    async def _stream(self, retrying: Retrying) -> None:
        """Over one stream, to its end. Raises what ends it before everything has its outcome."""
        endpoint = retrying.endpoint
        call = endpoint.ledger.SubmitMany()
        self._unsent = list(self._unanswered.values())
        self._sent.clear()
        self._quiet_since_s = _now_s()
        answered = asyncio.Event()
        writer = asyncio.create_task(self._write(call, answered))
        reader = asyncio.create_task(self._read(call, endpoint, retrying, answered))
        watcher = asyncio.create_task(self._watch(endpoint))
        try:
            await asyncio.wait((reader, watcher), return_when=asyncio.FIRST_COMPLETED)
            if reader.done():
                await reader
            elif watcher.done():
                await watcher
                self._patience_s = min(2 * self._patience_s, CLIENT_PATIENCE_LIMIT_MS / 1_000)
                self._connection.turn_from(endpoint)
                retrying.restart()
        finally:
            for task in (watcher, writer, reader):
                await _end(task)
            call.cancel()

    async def _write(self, call: Any, answered: asyncio.Event) -> None:
        """Send what waits, in batches, until everything has its outcome."""
        while not self._finished():
            if not self._unsent:
                self._changed.clear()
                await self._changed.wait()
                continue
            batch, self._unsent = self._unsent[:CLIENT_STREAM_BATCH], self._unsent[CLIENT_STREAM_BATCH:]
            self._room.set()
            self._sent.append((_now_s(), batch))
            await call.write(self._request(batch))
            await answered.wait()
        await call.done_writing()

    async def _read(self, call: Any, endpoint: Endpoint, retrying: Retrying, answered: asyncio.Event) -> None:
        """Hand on what the node answers. Raises NodeUnreachable when it ends the stream too early."""
        while (answer := await call.read()) is not grpc.aio.EOF:
            answered.set()
            retrying.restart()
            self._quiet_since_s, self._patience_s = _now_s(), CLIENT_RESUBMIT_MS / 1_000
            outcomes = await self._with_originals(endpoint, answer)
            if self._given:
                self._held_back |= {one.transaction_id: one for one in outcomes if self._may_be_taken_elsewhere(one)}
                outcomes = [one for one in outcomes if one.transaction_id not in self._held_back]
            await self._answers.put(outcomes)
        if not self._finished():
            raise NodeUnreachable("the node ended the stream")

    async def _with_originals(self, endpoint: Endpoint, answer: pb.SubmitManyResponse) -> list[Outcome]:
        """The outcomes; in place of the refusal of a duplicate, what this node says became of the transaction."""
        outcomes = [read_outcome(message) for message in answer.outcomes]
        for at, outcome in enumerate(outcomes):
            signed = self._unanswered.get(outcome.transaction_id)
            if signed and outcome.stage is Stage.REFUSED and outcome.code == DuplicateTransaction.code:
                status = status_request(self._ledger, signed.id, self._timeout_s, signed.valid_until_ms)
                found = await endpoint.ledger.CommitStatus(status, timeout=self._timeout_s)
                outcomes[at] = read_outcome(found.outcome)
        return outcomes

    # ------------------------------------------------------------ past a node that keeps silent

    async def _watch(self, endpoint: Endpoint) -> None:
        """Give to others what this node leaves unanswered; return when it answers nothing at all."""
        others = helpers(self._connection, endpoint)
        while not others or not self._unanswered or _now_s() - self._quiet_since_s < self._patience_s:
            await asyncio.sleep(CLIENT_RESUBMIT_MS / 8_000)
            while others and len(self._helping) < CLIENT_RESUBMISSIONS and (late := self._late()):
                for other in others:
                    helping = asyncio.create_task(self._resubmit(other, late))
                    self._helping.add(helping)
                    helping.add_done_callback(self._helping.discard)

    def _late(self) -> list[Signed]:
        """What has been unanswered for too long, once, a bounded part at a time."""
        found: list[Signed] = []
        sent_before_s = _now_s() - CLIENT_RESUBMIT_MS / 1_000
        while self._sent and self._sent[0][0] <= sent_before_s and len(found) < CLIENT_STREAM_AHEAD:
            found += [signed for signed in self._sent.popleft()[1] if signed.id in self._unanswered]
        return found

    async def _resubmit(self, other: Endpoint, late: list[Signed]) -> None:
        """The same to another node. What it refuses, or fails at, is left to the first one to tell."""
        self._given.update(signed.id for signed in late)
        call = other.ledger.SubmitMany()
        try:
            await call.write(self._request(late))
            await call.done_writing()
            while (answer := await call.read()) is not grpc.aio.EOF:
                outcomes = await self._with_originals(other, answer)
                await self._answers.put([outcome for outcome in outcomes if outcome.stage is not Stage.REFUSED])
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # f may be faulty, this one too
        finally:
            call.cancel()
        for signed in late:
            self._given[signed.id] -= 1
        self._given = +self._given
        told = [signed.id for signed in late if signed.id in self._held_back and signed.id not in self._given]
        await self._answers.put([self._held_back.pop(named) for named in told])

    def _may_be_taken_elsewhere(self, outcome: Outcome) -> bool:
        """A refusal is none while another node may have taken it."""
        return outcome.stage is Stage.REFUSED and outcome.transaction_id in self._given

    # ------------------------------------------------------------ one transaction

    def _request(self, batch: list[Signed]) -> pb.SubmitManyRequest:
        envelopes = [signed.envelope for signed in batch]
        return pb.SubmitManyRequest(ledger=self._ledger, transactions=envelopes, wait=number(self._wait))

    def _is_final(self, outcome: Outcome) -> bool:
        """False while there is to be another outcome, or there was one."""
        signed = self._unanswered.get(outcome.transaction_id)
        if signed is None:
            return False
        if outcome.stage is Stage.REFUSED and outcome.code == MempoolFull.code and self._may_repeat(signed):
            return False
        del self._unanswered[signed.id]
        self._refusals.pop(signed.id, None)
        self._room.set()
        if self._finished():
            self._changed.set()
        return True

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


def _now_s() -> float:
    return asyncio.get_running_loop().time()
