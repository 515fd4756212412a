"""What a device uses to talk to a gateway: one stream, its answers, and what it is told besides.

async with GatewayClient("gateway:7060", credentials) as gateway:
    welcome = await gateway.connect(devices=[identity])
    codes = await gateway.send([envelope])          # ["OK"]: it is safe there
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Self, cast

import grpc

from gateway.v1 import gateway_pb2 as pb
from gateway.v1.gateway_pb2_grpc import GatewayServiceStub
from ledgernode.client.connection import read_error
from ledgernode.errors import NodeUnreachable, by_code
from ledgernode.wire.receipt import OK

_QUEUED = 1_000
_OPTIONS = (("grpc.keepalive_time_ms", 30_000), ("grpc.initial_reconnect_backoff_ms", 100))


class GatewayClient:
    """One connection; every method raises the leaf of `ledgernode.errors` that ended the stream."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials, *, timeout_ms: int = 20_000) -> None:
        self._channel = grpc.aio.secure_channel(address, credentials, options=_OPTIONS)
        self._timeout_s = timeout_ms / 1_000
        self._call: Any = None
        self._reading: asyncio.Task[None] | None = None
        self._number = 0
        self._waiting: dict[int, asyncio.Future[pb.Answers]] = {}
        self._asked: dict[int, asyncio.Future[pb.Reply]] = {}
        self._told: asyncio.Queue[pb.ConnectResponse] = asyncio.Queue(_QUEUED)
        self._failure: Exception | None = None
        self._writing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._call.cancel()
        await self._channel.close()

    async def connect(self, *, ledger: str = "", devices: Sequence[bytes] = ()) -> pb.Welcome:
        """Open the stream; what the gateway says of itself and its ledger."""
        stub = GatewayServiceStub(cast("Any", self._channel))
        self._call = cast("Any", stub.Connect)()
        try:
            await self._call.write(pb.ConnectRequest(hello=pb.Hello(ledger=ledger, devices=devices)))
            async with asyncio.timeout(self._timeout_s):
                answer = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise read_error(error) from error
        except TimeoutError as error:
            self._call.cancel()
            raise NodeUnreachable("the gateway does not answer") from error
        except asyncio.InvalidStateError as error:
            raise await self._reason() from error
        if answer is grpc.aio.EOF:
            raise await self._reason()
        self._reading = asyncio.create_task(self._read())
        welcome: pb.Welcome = answer.welcome
        return welcome

    async def send(self, envelopes: Sequence[bytes]) -> list[str]:
        """A code for each, in order; "OK" is safe."""
        return [answer.code for answer in await self.answers(envelopes)]

    async def answers(self, envelopes: Sequence[bytes]) -> list[pb.Answer]:
        """The same with text and advice."""
        return list((await self.brought(envelopes)).answers)

    async def brought(self, envelopes: Sequence[bytes]) -> pb.Answers:
        """The same with the gateway's time."""
        self._number += 1
        message = pb.Transactions(number=self._number, envelopes=envelopes)
        return await self._answered(pb.ConnectRequest(transactions=message))

    async def report(self, meter: str, readings: Sequence[pb.Reading]) -> list[str]:
        """Readings of a meter that cannot sign; a code for each."""
        self._number += 1
        message = pb.Readings(number=self._number, meter=meter, readings=readings)
        return [answer.code for answer in (await self._answered(pb.ConnectRequest(readings=message))).answers]

    async def ask(self, query: bytes) -> bytes:
        """The ledger's answer to a signed question, by this gateway's node; raises the leaf of its refusal."""
        self._number += 1
        replied: asyncio.Future[pb.Reply] = asyncio.get_running_loop().create_future()
        self._asked[self._number] = replied
        await self._write(pb.ConnectRequest(question=pb.Question(number=self._number, query=query)))
        async with asyncio.timeout(self._timeout_s):
            reply = await replied
        if reply.code != OK:
            raise by_code(reply.code)(f"the ledger gives no answer: {reply.code}")
        return bytes(reply.result)

    async def received(self, command: pb.Command) -> None:
        """Say that the device has this command."""
        told = pb.CommandReceived(kind=command.kind, number=command.number, device=command.device)
        await self._write(pb.ConnectRequest(command_received=told))

    async def told(self) -> AsyncIterator[pb.ConnectResponse]:
        """Outcomes and commands, as they come."""
        while True:
            yield await self._told.get()

    async def ended(self) -> Exception:
        """Wait for the end of the stream; why it ended."""
        assert self._reading is not None
        await asyncio.wait((self._reading,))
        assert self._failure is not None
        return self._failure

    async def _answered(self, request: pb.ConnectRequest) -> pb.Answers:
        if self._failure is not None:
            raise self._failure
        answered: asyncio.Future[pb.Answers] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = answered
        await self._write(request)
        async with asyncio.timeout(self._timeout_s):
            return await answered

    async def _write(self, request: pb.ConnectRequest) -> None:
        try:
            async with self._writing:  # one at a time, or the call breaks
                await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise self._failure or await self._reason() from error

    async def _read(self) -> None:
        try:
            while (message := await self._call.read()) is not grpc.aio.EOF:
                if message.WhichOneof("content") == "answers":
                    answered = self._waiting.pop(message.answers.number, None)
                    if answered is not None and not answered.done():
                        answered.set_result(message.answers)
                elif message.WhichOneof("content") == "reply":
                    replied = self._asked.pop(message.reply.number, None)
                    if replied is not None and not replied.done():
                        replied.set_result(message.reply)
                elif not self._told.full():
                    self._told.put_nowait(message)
            self._fail(await self._reason())
        except grpc.aio.AioRpcError as error:
            self._fail(read_error(error))

    async def _reason(self) -> Exception:
        """Why the gateway ended the stream."""
        code = await self._call.code()
        if code is grpc.StatusCode.OK:
            return NodeUnreachable("the gateway ended the stream")
        metadata = await self._call.trailing_metadata()
        return read_error(
            grpc.aio.AioRpcError(code, grpc.aio.Metadata(), metadata or grpc.aio.Metadata(), await self._call.details())
        )

    def _fail(self, error: Exception) -> None:
        self._failure = error
        waiting: list[asyncio.Future[Any]] = [*self._waiting.values(), *self._asked.values()]
        for answered in waiting:
            if not answered.done():
                answered.set_exception(error)
                answered.exception()  # who waits hears it; nobody may wait
        self._waiting.clear()
        self._asked.clear()
