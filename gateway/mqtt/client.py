"""What a device uses to talk to a gateway by way of a broker; the same calls as `gateway.client` has for a stream.

async with BrokerClient(access, "market", "north/M-1") as gateway:
    welcome = await gateway.connect(devices=[identity])
    codes = await gateway.send([envelope])          # ["OK"]: it is safe at a gateway

That a broker has a message is no promise of a gateway's: a device keeps what it has signed until it has its answer.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Self, TypeVar

import msgspec
from google.protobuf.message import DecodeError

from gateway.mqtt.connection import Access, Connection, Message, Will
from gateway.mqtt.topics import TOLD, Device, Kind, Topics, read_device
from gateway.v1 import gateway_pb2 as pb
from ledgernode.errors import CommitUnknown, NodeUnreachable, by_code
from ledgernode.wire.receipt import OK

_QUEUED: Final = 1_000
_NUMBER_BITS: Final = 48
"""Numbers begin anywhere: an answer that was kept for an earlier session must not be taken for one of ours."""
_T = TypeVar("_T")


class BrokerClient:
    """One session at a broker. `access.session_s` keeps what a device is told while it is away."""

    def __init__(self, access: Access, ledger: str, device: str | Device, *, timeout_ms: int = 20_000) -> None:
        self.device = read_device(device) if isinstance(device, str) else device
        self.topics = Topics(ledger)
        self._access = msgspec.structs.replace(access, will=Will(self.topics.of(self.device, Kind.HELLO), b""))
        self._ledger = ledger
        self._timeout_s = timeout_ms / 1_000
        self._connection: Connection | None = None
        self._number = secrets.randbits(_NUMBER_BITS)
        self._waiting: dict[int, asyncio.Future[pb.Answers]] = {}
        self._asked: dict[int, asyncio.Future[pb.Reply]] = {}
        self._welcomed: asyncio.Future[pb.Welcome] | None = None
        self._told: asyncio.Queue[pb.ConnectResponse] = asyncio.Queue(_QUEUED)
        self.bytes_out = self.bytes_in = 0
        """Of topics and payloads: what a device's radio carries, without the few bytes of framing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ------------------------------------------------------------ its life

    async def open(self) -> None:
        """Connect to the broker, and hear what is told from now on; no gateway need be there."""
        self._connection = Connection(self._access, self._took)
        await self._connection.open()
        await self._connection.subscribe([self.topics.of(self.device, kind) for kind in TOLD])

    async def connect(self, *, ledger: str = "", devices: Sequence[bytes] = ()) -> pb.Welcome:
        """Say hello; what a gateway says of itself and its ledger. Raises CommitUnknown where none answers."""
        if self._connection is None or self._connection.ended.done():
            await self.open()
        self._welcomed = asyncio.get_running_loop().create_future()
        await self._publish(Kind.HELLO, pb.Hello(ledger=ledger or self._ledger, devices=devices), retain=True)
        return await self._answer_of(self._welcomed)

    async def close(self) -> None:
        """Say goodbye: commands are told no more."""
        if self._connection is None:
            return
        if not self._connection.ended.done():
            taken = self._connection.publish(self.topics.of(self.device, Kind.HELLO), b"", retain=True)
            if taken is not None:
                await asyncio.wait((taken,), timeout=1)
        await self._connection.close()

    def abort(self) -> None:
        """Gone without goodbye: the broker tells our will."""
        if self._connection is not None:
            self._connection.abort("aborted")

    async def ended(self) -> Exception:
        """Why the connection has ended, once it has."""
        assert self._connection is not None
        return NodeUnreachable(f"the broker is gone: {await asyncio.shield(self._connection.ended)}")

    # ------------------------------------------------------------ what is said

    async def send(self, envelopes: Sequence[bytes]) -> list[str]:
        """A code for each, in order; "OK" is safe."""
        return [answer.code for answer in await self.answers(envelopes)]

    async def answers(self, envelopes: Sequence[bytes]) -> list[pb.Answer]:
        """The same with text and advice."""
        return list((await self.brought(envelopes)).answers)

    async def brought(self, envelopes: Sequence[bytes]) -> pb.Answers:
        """The same with the gateway's time."""
        self._number += 1
        return await self._answered(Kind.TRANSACTIONS, pb.Transactions(number=self._number, envelopes=envelopes))

    async def report(self, meter: str, readings: Sequence[pb.Reading]) -> list[str]:
        """Readings of a meter that cannot sign; a code for each."""
        self._number += 1
        message = pb.Readings(number=self._number, meter=meter, readings=readings)
        return [answer.code for answer in (await self._answered(Kind.READINGS, message)).answers]

    async def ask(self, query: bytes) -> bytes:
        """The ledger's answer to a signed question, by a gateway's node; raises the leaf of its refusal."""
        self._number += 1
        number = self._number
        self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            await self._publish(Kind.QUESTIONS, pb.Question(number=number, query=query))
            reply = await self._answer_of(self._asked[number])
        finally:
            del self._asked[number]
        if reply.code != OK:
            raise by_code(reply.code)(f"the ledger gives no answer: {reply.code}")
        return bytes(reply.result)

    async def received(self, command: pb.Command) -> None:
        """Say that the device has this command."""
        told = pb.CommandReceived(kind=command.kind, number=command.number, device=command.device)
        await self._publish(Kind.RECEIVED, told)

    async def told(self) -> AsyncIterator[pb.ConnectResponse]:
        """Outcomes and commands, as they come."""
        while True:
            yield await self._told.get()

    async def publish(self, kind: Kind, payload: bytes) -> None:
        """Bytes as they are, until the broker has them."""
        if self._connection is None:
            raise NodeUnreachable("connect first")
        topic = self.topics.of(self.device, kind)
        taken = self._connection.publish(topic, payload)
        if taken is None:
            raise NodeUnreachable("the broker is away")
        self.bytes_out += len(topic) + len(payload)
        await self._answer_of(taken)

    # ------------------------------------------------------------ within

    async def _publish(self, kind: Kind, content: Any, *, retain: bool = False) -> None:
        if self._connection is None:
            raise NodeUnreachable("connect first")
        topic, payload = self.topics.of(self.device, kind), content.SerializeToString()
        if self._connection.publish(topic, payload, retain=retain) is None:
            raise NodeUnreachable("the broker is away")
        self.bytes_out += len(topic) + len(payload)

    async def _answered(self, kind: Kind, message: pb.Transactions | pb.Readings) -> pb.Answers:
        answered: asyncio.Future[pb.Answers] = asyncio.get_running_loop().create_future()
        self._waiting[message.number] = answered
        try:
            await self._publish(kind, message)
            return await self._answer_of(answered)
        finally:
            self._waiting.pop(message.number, None)

    async def _answer_of(self, answered: asyncio.Future[_T]) -> _T:
        assert self._connection is not None
        await asyncio.wait(
            (answered, self._connection.ended), timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        if answered.done() and not answered.cancelled():
            return answered.result()
        if self._connection.ended.done():
            raise NodeUnreachable(f"the broker is gone: {self._connection.ended.result()}")
        raise CommitUnknown("no gateway has answered in time")

    def _took(self, message: Message) -> None:
        assert self._connection is not None
        self._connection.acknowledge(message.number)
        self.bytes_in += len(message.topic) + len(message.payload)
        kind = message.topic.rpartition("/")[2]
        try:
            self._heard(kind, message.payload)
        except DecodeError:
            return  # no gateway of ours

    def _heard(self, kind: str, payload: bytes) -> None:
        if kind == Kind.ANSWERS:
            answers = pb.Answers.FromString(payload)
            answered = self._waiting.get(answers.number)
            if answered is not None and not answered.done():
                answered.set_result(answers)
        elif kind == Kind.REPLIES:
            reply = pb.Reply.FromString(payload)
            asked = self._asked.get(reply.number)
            if asked is not None and not asked.done():
                asked.set_result(reply)
        elif kind == Kind.WELCOME:
            if self._welcomed is not None and not self._welcomed.done():
                self._welcomed.set_result(pb.Welcome.FromString(payload))
        elif self._told.full():
            return  # nothing rests on it: commands come again
        elif kind == Kind.COMMANDS:
            self._told.put_nowait(pb.ConnectResponse(command=pb.Command.FromString(payload)))
        elif kind == Kind.SETTLED:
            self._told.put_nowait(pb.ConnectResponse(settled=pb.Settled.FromString(payload)))
