"""One outgoing link to each other validator: what is queued goes out together, in order of urgency.

What is queued is packed already (`wire.protobuf.packed`), once for all links that carry it; a message is some of
it joined. Queues are bounded, each with its own way to give up: an engine's messages, votes and certificates drop
the oldest (they are said again), transactions the newest (clients send them again). A link that breaks is dialled
again after a pause that doubles up to a bound; what was queued meanwhile is sent when it stands.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import grpc

from ledgernode.config import (
    KEEPALIVE_MS,
    LINK_ANSWER_MS,
    LINK_BACKOFF_LIMIT_MS,
    LINK_BACKOFF_START_MS,
    LINK_ENGINE_MESSAGES,
    LINK_MESSAGE_BYTES,
    LINK_TRANSACTIONS,
    LINK_VOTES,
    MESSAGE_BYTES,
)
from ledgernode.errors import NodeUnreachable, ProtocolUnsupported
from ledgernode.identity.tls import LedgerTrust, TlsFiles, Trust, channel_credentials
from ledgernode.v1 import validator_pb2 as pb
from ledgernode.wire.frames import Frame, Introduction
from ledgernode.wire.protobuf import CODE_METADATA, introduction_message, packed
from ledgernode.wire.protocol import agent, common, named

OPTIONS: Final = (
    ("grpc.secondary_user_agent", agent()),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.initial_reconnect_backoff_ms", LINK_BACKOFF_START_MS),
    # not a pause, whatever its name says: how long one attempt may take, which is several round trips
    ("grpc.min_reconnect_backoff_ms", LINK_ANSWER_MS),
    ("grpc.max_reconnect_backoff_ms", LINK_BACKOFF_LIMIT_MS),
)
_EXCHANGE: Final = f"/{pb.DESCRIPTOR.services_by_name['ValidatorService'].full_name}/Exchange"
Greeting = Callable[[], Frame]
Introduce = Callable[[TlsFiles], Introduction]
"""Who we are, signed for the certificate that a connection shows."""


class Link:
    """To one validator, for as long as it is needed."""

    def __init__(
        self,
        address: str,
        trust: Trust | LedgerTrust,
        introduce: Introduce,
        greeting: Greeting,
        log: Any,
    ) -> None:
        self.address = address
        self._trust = trust
        self._files = trust.files
        self.channel = self._dial()
        self._former: list[grpc.aio.Channel] = []
        self._introduce = introduce
        self._greeting = greeting
        self._log = log.bind(peer=address)
        self._orders: deque[bytes] = deque(maxlen=LINK_ENGINE_MESSAGES)
        self._words: deque[bytes] = deque(maxlen=LINK_VOTES)
        self._forwards: deque[tuple[bytes, int]] = deque()
        self._transactions = 0
        self._wake = asyncio.Event()
        self.up = False
        self.refusal = ""
        self.protocol = 0
        """The version that the link uses, once it stands."""
        self.dropped = 0
        self._running = asyncio.create_task(self._run(), name=f"link to {address}")

    def order(self, frame: bytes) -> None:
        """Queue an engine's message: it goes first."""
        self._push(self._orders, frame)

    def tell(self, frame: bytes) -> None:
        """Queue a vote, a certificate, or where we stand."""
        self._push(self._words, frame)

    def forward(self, frame: bytes, transactions: int) -> None:
        """Queue so many transactions, which go last."""
        if self._transactions + transactions > LINK_TRANSACTIONS:
            self.dropped += transactions
            return
        self._forwards.append((frame, transactions))
        self._transactions += transactions
        self._wake.set()

    def _push(self, queue: deque[bytes], frame: bytes) -> None:
        self.dropped += len(queue) == queue.maxlen
        queue.append(frame)
        self._wake.set()

    @property
    def queued(self) -> dict[str, int]:
        """How much waits to be sent, by what it is; transactions in pieces."""
        return {"engine": len(self._orders), "votes": len(self._words), "transactions": self._transactions}

    async def close(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await asyncio.gather(*(channel.close() for channel in (self.channel, *self._former)))

    # ------------------------------------------------------------ the connection

    def _dial(self) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(self.address, channel_credentials(self._files), options=OPTIONS)

    def _trust_anew(self) -> None:
        """What is trusted or shown has changed: connect with that. Calls under way end on the channel they have."""
        self._former.append(self.channel)
        self._files = self._trust.files
        self.channel = self._dial()

    async def _run(self) -> None:
        backoff_ms = LINK_BACKOFF_START_MS
        while True:
            if self._files != self._trust.files:
                self._trust_anew()
            try:
                await self._connected()
            except ProtocolUnsupported as error:
                self._refused(str(error))
            except grpc.aio.AioRpcError as error:
                if dict(error.trailing_metadata() or ()).get(CODE_METADATA) == ProtocolUnsupported.code:
                    self._refused(f"the peer {self.address} says: {error.details()}")
                self._log.debug("link broken", reason=str(error)[:200])
            except (asyncio.InvalidStateError, TimeoutError, NodeUnreachable) as error:
                self._log.debug("link broken", reason=str(error)[:200])
            backoff_ms = LINK_BACKOFF_START_MS if self.up else min(2 * backoff_ms, LINK_BACKOFF_LIMIT_MS)
            self.up = False
            await asyncio.sleep(backoff_ms / 1_000)

    def _refused(self, reason: str) -> None:
        """We and the peer cannot talk: said once, and shown for as long as it is so."""
        if reason != self.refusal:
            self.refusal = reason
            self._log.error("the peer cannot be spoken to", code=ProtocolUnsupported.code, reason=reason)

    async def _connected(self) -> None:
        """Introduce ourselves and push until the connection ends."""
        # frames are packed before they are queued: nothing is left to be serialised here
        exchange = self.channel.stream_stream(_EXCHANGE, response_deserializer=pb.ExchangeResponse.FromString)
        call: Any = exchange()
        try:
            async with asyncio.timeout(LINK_ANSWER_MS / 1_000):
                await call.write(introduction_message(self._introduce(self._files)).SerializeToString())
                taken = await call.read()
                if taken is grpc.aio.EOF:
                    raise NodeUnreachable("the peer ended the link")
            self.protocol = common(named(taken.protocol, taken.protocol), f"the peer {self.address}")
            self.up, self.refusal = True, ""
            self.tell(packed(self._greeting()))
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

    def _next(self) -> bytes | None:
        """The next message: everything that is queued, up to a bound, what is urgent first."""
        frames: list[bytes] = []
        size_bytes = 0
        while self._orders and size_bytes < LINK_MESSAGE_BYTES:
            frames.append(self._orders.popleft())
            size_bytes += len(frames[-1])
        frames += self._words
        self._words.clear()
        while self._forwards and size_bytes < LINK_MESSAGE_BYTES:
            frame, transactions = self._forwards.popleft()
            self._transactions -= transactions
            frames.append(frame)
            size_bytes += len(frame)
        return b"".join(frames) if frames else None
