"""One device's stream: messages in, answers out, and what it is told besides.

Answers to messages are bounded by how many messages may be without one: beyond, the stream is not read on, and the
device is slowed down by its own connection. What else it is told (outcomes, commands) is bounded apart, and never
holds up an answer. A device that does not read for long is dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from gateway.edge.observed import Observed
from gateway.intake.desk import Answer, Desk
from gateway.limits import Limits
from gateway.outbox.entry import Sender
from gateway.v1 import gateway_pb2 as pb
from ledgernode.errors import BadRequest, CommitUnknown, LedgerError, TransactionTooLarge, UnknownLedger
from ledgernode.wire.receipt import OK
from ledgernode.wire.transaction import parse_transaction

Write = Callable[[pb.ConnectResponse], Awaitable[None]]
Received = Callable[["DeviceStream", pb.CommandReceived], None]
Check = Callable[[], object]
Ask = Callable[[bytes], Awaitable[tuple[bytes, int]]]
"""A signed question to the ledger: its answer, and the height that gave it."""

OUTCOMES_KEPT = 10_000
OUTCOMES_OF_MESSAGE = 500
COMMANDS_KEPT = 1_000
REPLIES_KEPT = 16
SIGNERS = 2
QUESTION_BYTES = 4_096
STANDARD = ("voltage_mv", "current_ma", "power_mw", "reactive_mvar", "power_factor_milli")


class DeviceStream:
    """Of one sender. `check` raises when its certificate does not hold any more."""

    def __init__(self, sender: Sender, desk: Desk, ledger: str, *, check: Check, received: Received, ask: Ask) -> None:
        self.sender = sender
        self.devices: tuple[bytes, ...] = ()
        self._desk = desk
        self._ledger = ledger
        self._limits: Limits = desk.limits
        self._check = check
        self._received = received
        self._ask = ask
        self._asking = asyncio.Semaphore(1)
        self._only: frozenset[bytes] = frozenset()
        self._answers: deque[pb.ConnectResponse] = deque()
        self._replies: deque[pb.ConnectResponse] = deque(maxlen=REPLIES_KEPT)
        self._outcomes: deque[pb.Outcome] = deque(maxlen=OUTCOMES_KEPT)
        self._commands: deque[pb.Command] = deque(maxlen=COMMANDS_KEPT)
        self._told = asyncio.Event()
        self._finishing = False
        self._room = asyncio.Semaphore(self._limits.unanswered_messages)
        self._answering: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # ------------------------------------------------------------ told by others

    def tell_outcome(self, outcome: pb.Outcome) -> None:
        """The oldest are dropped for a device that does not read: nothing rests on them."""
        self._outcomes.append(outcome)
        self._told.set()

    def tell_command(self, command: pb.Command) -> None:
        self._commands.append(command)
        self._told.set()

    def end(self, error: Exception) -> None:
        """End it with this refusal; without effect where it has ended."""
        if not self._ended.done():
            self._ended.set_exception(error)
            self._ended.exception()  # who serves the stream hears it; nobody may serve it any more

    # ------------------------------------------------------------ its life

    async def greet(self, requests: AsyncIterator[pb.ConnectRequest]) -> pb.ConnectResponse:
        """Read the hello in time, and welcome the device. Refuses who says something else, or nothing."""
        limits = self._limits
        try:
            async with asyncio.timeout(limits.hello_ms / 1_000):
                first = await anext(requests)
        except TimeoutError:
            raise CommitUnknown("a stream begins with a hello, soon") from None
        except StopAsyncIteration:
            raise BadRequest("a stream begins with a hello") from None
        if first.WhichOneof("content") != "hello":
            raise BadRequest("a stream begins with a hello")
        hello = first.hello
        if hello.ledger not in ("", self._ledger):
            raise UnknownLedger(f"this gateway serves ledger {self._ledger}")
        allowed = limits.devices_of_stream if self.sender.carries else 1
        if len(hello.devices) > allowed or any(len(device) != 32 for device in hello.devices):
            raise BadRequest(f"a hello names at most {allowed} devices, by ids of 32 bytes")
        self.devices = tuple(bytes(device) for device in hello.devices)
        return pb.ConnectResponse(welcome=welcome(self._ledger, self._desk))

    async def serve(self, requests: AsyncIterator[pb.ConnectRequest], write: Write) -> None:
        """Until the device ends its side and has all its answers. Raises what ends it before."""
        reading = asyncio.create_task(self._read(requests))
        writing = asyncio.create_task(self._write(write))
        try:
            await asyncio.wait((reading, writing, self._ended), return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and not (writing.done() or self._ended.done()):
                await reading
                await self._flush(writing)
            for done in (self._ended, writing, reading):
                if done.done():
                    done.result()
        finally:
            for task in (reading, writing, *self._answering):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            if not self._ended.done():
                self._ended.cancel()

    async def _flush(self, writing: asyncio.Task[None]) -> None:
        """The device has said all it wanted to say: what it waits for is still told."""
        if self._answering:
            await asyncio.wait(self._answering)
        self._finishing = True
        self._told.set()
        await asyncio.wait((writing, self._ended), return_when=asyncio.FIRST_COMPLETED)

    async def _read(self, requests: AsyncIterator[pb.ConnectRequest]) -> None:
        async for request in requests:
            self._check()
            match request.WhichOneof("content"):
                case "transactions":
                    await self._take(request.transactions, len(request.transactions.envelopes))
                case "command_received":
                    if bytes(request.command_received.device) in self.devices:
                        self._received(self, request.command_received)
                case "question":
                    await self._question(request.question)
                case "readings":
                    await self._take(request.readings, len(request.readings.readings))
                case _:
                    raise BadRequest("a device says hello once, and then sends what it has")

    async def _take(self, message: pb.Transactions | pb.Readings, items: int) -> None:
        if items > self._limits.message_items:
            raise BadRequest(f"a message has at most {self._limits.message_items} items")
        await self._room.acquire()
        task = asyncio.create_task(self._answer(message))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, message: pb.Transactions | pb.Readings) -> None:
        try:
            if isinstance(message, pb.Readings):
                found = await self._desk.readings(self.sender, message.meter, observed(message.readings))
            else:
                if not self.sender.carries:
                    self._only = signers_of(self._only, message.envelopes)
                found = await self._desk.relay(self.sender, message.envelopes, only=self._only)
            answers = pb.Answers(number=message.number, answers=answer_messages(found), time_ms=self._desk.now_ms())
            self._answers.append(pb.ConnectResponse(answers=answers))
            self._told.set()
        except Exception as error:  # noqa: BLE001  # ours: the stream ends with it, and the device sends again
            self.end(error)

    async def _question(self, question: pb.Question) -> None:
        """One at a time: the next waits, and with it the stream."""
        await self._asking.acquire()
        task = asyncio.create_task(self._reply(question))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _reply(self, question: pb.Question) -> None:
        reply = pb.Reply(number=question.number, code=OK)
        try:
            if len(question.query) > QUESTION_BYTES:
                reply.code = TransactionTooLarge.code
            else:
                reply.result, reply.height = await self._ask(question.query)
        except LedgerError as refusal:
            reply.code = refusal.code
        except Exception as error:  # noqa: BLE001  # ours, as above
            self.end(error)
            return
        finally:
            self._asking.release()
        self._replies.append(pb.ConnectResponse(reply=reply))
        self._told.set()

    async def _write(self, write: Write) -> None:
        while not self._finishing or self._answers:
            await self._told.wait()
            self._told.clear()
            while message := self._next():
                try:
                    # `wait_for` would swallow that we are cancelled in the moment in which a message has gone out
                    async with asyncio.timeout(self._limits.answer_ms / 1_000):
                        await write(message)
                except TimeoutError:
                    raise CommitUnknown("the device does not read what it is told") from None

    def _next(self) -> pb.ConnectResponse | None:
        """Answers first: they free the device's memory."""
        if self._answers:
            self._room.release()
            return self._answers.popleft()
        if self._replies:
            return self._replies.popleft()
        if self._commands:
            return pb.ConnectResponse(command=self._commands.popleft())
        if self._outcomes:
            some = [self._outcomes.popleft() for _ in range(min(len(self._outcomes), OUTCOMES_OF_MESSAGE))]
            return pb.ConnectResponse(settled=pb.Settled(outcomes=some))
        return None


def signers_of(known: frozenset[bytes], envelopes: Sequence[bytes]) -> frozenset[bytes]:
    """Whose transactions a device brings: what it has signed, and what its customer has; the first two that come."""
    for envelope in envelopes:
        if len(known) == SIGNERS:
            break
        with suppress(LedgerError):
            known |= {bytes(parse_transaction(envelope).body.creator)}
    return known


def welcome(ledger: str, desk: Desk) -> pb.Welcome:
    """What a device is told first: where it is, what time it is, and how much it may say at once."""
    return pb.Welcome(
        ledger=ledger,
        chain_id=desk.chain_id,
        time_ms=desk.now_ms(),
        items=desk.limits.message_items,
        transaction_bytes=desk.limits.transaction_bytes,
        unanswered=desk.limits.unanswered_messages,
    )


def observed(readings: Sequence[pb.Reading]) -> list[Observed]:
    """What a device says of its registers, in our units; of other values than the standard ones nothing."""
    return [
        Observed(
            "",
            one.import_mwh,
            one.export_mwh,
            one.time_ms or None,
            dict(zip(STANDARD, one.values, strict=True)) if len(one.values) == len(STANDARD) else {},
        )
        for one in readings
    ]


def answer_messages(answers: Sequence[Answer]) -> list[Any]:
    return [pb.Answer(code=one.code, message=one.message, retry_ms=one.retry_ms) for one in answers]
