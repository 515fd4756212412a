"""One outgoing link to each other validator: what is queued goes out together, in order of urgency.

Queues are bounded, each with its own way to give up: an engine's messages, votes and certificates drop the
oldest (they are said again), transactions the newest (clients send them again). A link that breaks is dialled
again after a pause that doubles up to a bound; what was queued meanwhile is sent when it stands.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import grpc

from ledgernode.config import (
    GOSSIP_BATCH,
    GOSSIP_LINGER_MS,
    KEEPALIVE_MS,
    LINK_ANSWER_MS,
    LINK_BACKOFF_LIMIT_MS,
    LINK_BACKOFF_START_MS,
    LINK_ENGINE_MESSAGES,
    LINK_MESSAGE_BYTES,
    LINK_MESSAGE_TRANSACTIONS,
    LINK_TRANSACTIONS,
    LINK_VOTES,
    MESSAGE_BYTES,
)
from ledgernode.errors import NodeUnreachable
from ledgernode.v1 import validator_pb2 as pb
from ledgernode.v1.validator_pb2_grpc import ValidatorServiceStub
from ledgernode.wire.frames import CertificateFrame, EngineFrame, Forwarded, Frame, HeaderVote, Introduction, Standing
from ledgernode.wire.protobuf import frames_message, introduction_message

OPTIONS: Final = (
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.initial_reconnect_backoff_ms", LINK_BACKOFF_START_MS),
    ("grpc.min_reconnect_backoff_ms", LINK_BACKOFF_START_MS),
    ("grpc.max_reconnect_backoff_ms", LINK_BACKOFF_LIMIT_MS),
)
Greeting = Callable[[], Frame]


class Link:
    """To one validator, for as long as it is needed."""

    def __init__(
        self,
        address: str,
        credentials: grpc.ChannelCredentials,
        introduction: Introduction,
        greeting: Greeting,
        log: Any,
    ) -> None:
        self.address = address
        self.channel = grpc.aio.secure_channel(address, credentials, options=OPTIONS)
        self._introduction = introduction
        self._greeting = greeting
        self._log = log.bind(peer=address)
        self._engine: deque[EngineFrame] = deque(maxlen=LINK_ENGINE_MESSAGES)
        self._votes: deque[HeaderVote | CertificateFrame | Standing] = deque(maxlen=LINK_VOTES)
        self._envelopes: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._linger: asyncio.TimerHandle | None = None
        self.up = False
        self.dropped = 0
        self._running = asyncio.create_task(self._run(), name=f"link to {address}")

    def push(self, frame: EngineFrame | HeaderVote | CertificateFrame | Standing) -> None:
        """Queue it, and send it as soon as the link is free."""
        queue: deque[Any] = self._engine if isinstance(frame, EngineFrame) else self._votes
        self.dropped += len(queue) == queue.maxlen
        queue.append(frame)
        self._wake.set()

    def forward(self, envelopes: list[bytes]) -> None:
        """Queue transactions; a few of them wait a moment for others."""
        room = LINK_TRANSACTIONS - len(self._envelopes)
        self.dropped += max(0, len(envelopes) - room)
        self._envelopes.extend(envelopes[:room])
        if len(self._envelopes) >= GOSSIP_BATCH:
            self._wake.set()
        elif self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(GOSSIP_LINGER_MS / 1_000, self._gathered)

    async def close(self) -> None:
        self._running.cancel()
        if self._linger is not None:
            self._linger.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self.channel.close()

    def _gathered(self) -> None:
        self._linger = None
        self._wake.set()

    # ------------------------------------------------------------ the connection

    async def _run(self) -> None:
        backoff_ms = LINK_BACKOFF_START_MS
        while True:
            try:
                await self._connected()
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError, NodeUnreachable) as error:
                self._log.debug("link broken", reason=str(error)[:200])
            backoff_ms = LINK_BACKOFF_START_MS if self.up else min(2 * backoff_ms, LINK_BACKOFF_LIMIT_MS)
            self.up = False
            await asyncio.sleep(backoff_ms / 1_000)

    async def _connected(self) -> None:
        """Introduce ourselves and push until the connection ends."""
        # the generated class is typed for synchronous channels; over this one it answers awaitables
        stub: Any = ValidatorServiceStub(self.channel)
        call = stub.Exchange()
        try:
            async with asyncio.timeout(LINK_ANSWER_MS / 1_000):
                await call.write(introduction_message(self._introduction))
                if await call.read() is grpc.aio.EOF:
                    raise NodeUnreachable("the peer ended the link")
            self.up = True
            self.push(self._greeting())  # type: ignore[arg-type]
            ended = asyncio.ensure_future(call.read())
            ended.add_done_callback(lambda _: self._wake.set())
            try:
                while not ended.done():
                    message = self._next()
                    if message is None:
                        self._wake.clear()
                        await self._wake.wait()
                    else:
                        await call.write(message)
            finally:
                ended.cancel()
                await asyncio.gather(ended, return_exceptions=True)
        finally:
            call.cancel()

    def _next(self) -> pb.ExchangeRequest | None:
        """The next message: everything that is queued, up to a bound, what is urgent first."""
        frames: list[Frame] = []
        size_bytes = 0
        while self._engine and size_bytes < LINK_MESSAGE_BYTES:
            frame = self._engine.popleft()
            size_bytes += len(frame.message)
            frames.append(frame)
        while self._votes:
            frames.append(self._votes.popleft())
        if self._envelopes and size_bytes < LINK_MESSAGE_BYTES and self._linger is None:
            taken: list[bytes] = []
            while self._envelopes and len(taken) < LINK_MESSAGE_TRANSACTIONS and size_bytes < LINK_MESSAGE_BYTES:
                taken.append(self._envelopes.popleft())
                size_bytes += len(taken[-1])
            frames.append(Forwarded(tuple(taken)))
        return frames_message(frames) if frames else None
