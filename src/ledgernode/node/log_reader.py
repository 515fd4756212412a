"""The way to a log that orders a ledger: NATS JetStream, for the engine `consensus.jetstream`.

The engine says what to read and what to publish; here it is done, and nothing is decided. One reading at a time: what
the stream is, then its messages in order, each with its sequence and the time at which the log took it. A reading that
breaks (its server is gone, the stream has another leader, nothing is heard) is begun again where it was. What cannot
be published now is dropped: the engine says it again, under the same id, and the log keeps one of them.

A stream is made by the first validator of a new ledger, and never again: a ledger that has blocks asks for the one it
knows. NATS is asked by its own protocol of requests; of `nats-py` only the connection is used.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ledgernode.config import (
    LOG_ANSWER_MS,
    LOG_BACKOFF_LIMIT_MS,
    LOG_BACKOFF_START_MS,
    LOG_HEARTBEAT_MS,
    LOG_QUEUED_PUBLICATIONS,
    LOG_READ_BYTES,
    LOG_READ_MESSAGES,
    LOG_REMEMBERS_S,
    LOG_STANDING_MS,
    LOG_WAIT_MS,
)
from ledgernode.consensus.engine import Send
from ledgernode.consensus.jetstream.messages import Entry, Opened, Publish, Read, decode, encode
from ledgernode.errors import BadRequest, LogUnreachable
from ledgernode.identity.home import Nats
from ledgernode.observe.figures import Codes
from ledgernode.wire.types import ChainId, sha256

_HEADER_BYTES: Final = 512
_NOT_FOUND: Final = 404
_NS_PER_MS: Final = 1_000_000
_DAY_S: Final = 86_400
_NANOSECONDS: Final = 1_000_000_000
_WAIT_OVER: Final = "408"
_HEARTBEAT: Final = "100"
_DELIVERED: Final = "$JS.ACK."


class LogReader:
    """Of one ledger. `hear` is told what the log says, as bytes for the engine; `room` waits until more may come."""

    def __init__(
        self,
        settings: Nats,
        home: Path,
        chain_id: ChainId,
        *,
        hear: Callable[[bytes], None],
        room: Callable[[], Awaitable[None]],
        least_payload_bytes: int,
        log: Any,
    ) -> None:
        self._settings = settings
        self._home = home
        self._hear = hear
        self._room = room
        self._least_payload_bytes = least_payload_bytes
        self._log = log
        name = f"ledger-{chain_id.hex()[:24]}"
        self.stream = name
        self._subject = f"{name}.order"
        self._connection: Any = None
        self._after: int | None = None
        self._position = 0
        self._asked = asyncio.Event()
        self._publications: asyncio.Queue[Publish] = asyncio.Queue(LOG_QUEUED_PUBLICATIONS)
        self.told = Codes()
        """What was published, read, and begun again, since the start."""
        self.is_reading = False

    # ------------------------------------------------------------ what the engine says

    def send(self, sends: Iterable[Send]) -> None:
        for send in sends:
            match decode(send.message):
                case Read(after=after):
                    self._after = after
                    self._asked.set()
                case Publish() as publication:
                    with suppress(asyncio.QueueFull):  # it is said again
                        self._publications.put_nowait(publication)
                case _:
                    raise AssertionError("an engine asks the log to read or to publish")

    # ------------------------------------------------------------ life

    async def run(self) -> None:
        """Connect, read and publish until cancelled; whatever fails is tried again."""
        pause_ms = LOG_BACKOFF_START_MS
        try:
            while self._connection is None:
                try:
                    self._connection = await self._connect()
                except Exception as error:  # noqa: BLE001  # whatever keeps us from it, it is tried again
                    self._log.warning("the log is not reached", servers=self._settings.servers, reason=_told(error))
                    await asyncio.sleep(pause_ms / 1_000)
                    pause_ms = min(2 * pause_ms, LOG_BACKOFF_LIMIT_MS)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publish())
                tasks.create_task(self._read())
                tasks.create_task(self._stand())
        finally:
            if self._connection is not None:
                with suppress(Exception):
                    await self._connection.close()

    async def _connect(self) -> Any:
        try:
            import nats
        except ImportError as error:
            raise BadRequest("this ledger is ordered by NATS: install ledgernode[jetstream]") from error

        async def failed(error: Exception) -> None:
            self._log.debug("the connection to the log", reason=_told(error))

        async def lost() -> None:
            self._log.warning("the connection to the log is lost")

        async def back() -> None:
            self.told.note("reconnected")
            self._begin_again()
            self._log.info("the connection to the log is back", server=self._connection.connected_url.netloc)

        credentials = self._settings.credentials
        async with asyncio.timeout(LOG_ANSWER_MS / 1_000):
            return await nats.connect(
                list(self._settings.servers),
                name=f"ledgernode {self.stream}",
                max_reconnect_attempts=-1,
                reconnect_time_wait=LOG_BACKOFF_START_MS / 1_000,
                connect_timeout=max(1, LOG_ANSWER_MS // 2_000),
                ping_interval=max(1, LOG_HEARTBEAT_MS // 1_000),
                allow_reconnect=True,
                error_cb=failed,
                disconnected_cb=lost,
                reconnected_cb=back,
                tls=self._tls(),
                user_credentials=str(self._home / credentials) if credentials else None,
            )

    def _begin_again(self) -> None:
        """The server that served our reading may be gone: not to wait until that is noticed."""
        if self._after is not None:
            self._after = max(self._after, self._position)
            self._asked.set()

    def _tls(self) -> ssl.SSLContext | None:
        """Our certificate for theirs; None where the settings name no folder."""
        if not self._settings.tls:
            return None
        folder = self._home / self._settings.tls
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=folder / "roots.pem")
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
        return context

    # ------------------------------------------------------------ publishing

    async def _publish(self) -> None:
        answers = self._connection.new_inbox()
        await self._connection.subscribe(answers, cb=self._answered)
        while True:
            publication = await self._publications.get()
            if not self._connection.is_connected:
                continue  # it is said again
            headers = {"Nats-Msg-Id": publication.id.hex(), "Nats-Expected-Stream": self.stream}
            try:
                await self._connection.publish(self._subject, publication.payload, reply=answers, headers=headers)
                self.told.note("published")
            except Exception as error:  # noqa: BLE001  # it is said again
                self._log.warning("the log did not take a batch", reason=_told(error))

    async def _answered(self, message: Any) -> None:
        """The log's answer to a publication: a refusal is for people to read."""
        with suppress(ValueError):
            answer = json.loads(message.data) if message.data else {"error": dict(message.headers or {})}
            if "error" in answer:
                self.told.note("refused")
                self._log.warning("the log refuses a batch", reason=str(answer["error"])[:200])
            elif answer.get("duplicate"):
                self.told.note("duplicate")

    # ------------------------------------------------------------ reading

    async def _read(self) -> None:
        """What was asked for last; a reading that is under way is given up for it."""
        reading: asyncio.Task[None] | None = None
        try:
            while True:
                await self._asked.wait()
                self._asked.clear()
                await _end(reading)
                reading = asyncio.create_task(self._keep_reading(), name=f"reading of {self.stream}")
        finally:
            await _end(reading)

    async def _keep_reading(self) -> None:
        """Again and again from where it broke."""
        assert self._after is not None, "it was asked for"
        self._position = self._after
        pause_ms = LOG_BACKOFF_START_MS
        while True:
            before = self._position
            try:
                await self._read_through()
            except Exception as error:  # noqa: BLE001  # it is begun again
                self._log.info("reading the log is begun again", after=self._position, reason=_told(error))
                self.told.note("begun again")
            finally:
                self.is_reading = False
            pause_ms = LOG_BACKOFF_START_MS if self._position > before else min(2 * pause_ms, LOG_BACKOFF_LIMIT_MS)
            await asyncio.sleep(pause_ms / 1_000)

    async def _read_through(self) -> None:
        """Tell what the log is, then every message after our position, until this breaks."""
        opened = await self._look(begins=True, may_make=self._position == 0)
        consumer = await self._make_consumer(max(self._position + 1, opened.first))
        inbox = self._connection.new_inbox()
        subscription = await self._connection.subscribe(inbox, pending_bytes_limit=4 * LOG_READ_BYTES)
        self._hear(encode(opened))
        self.is_reading = True
        try:
            while True:
                await self._room()
                await self._request(consumer, inbox)
                await self._take(subscription)
        finally:
            with suppress(Exception):
                await subscription.unsubscribe()
                await self._connection.publish(f"$JS.API.CONSUMER.DELETE.{self.stream}.{consumer}")

    async def _take(self, subscription: Any) -> None:
        """What one request brings: so many messages, or as many as come in its time. Raises when nothing is heard."""
        left = LOG_READ_MESSAGES
        while left:
            message = await subscription.next_msg(timeout=3 * LOG_HEARTBEAT_MS / 1_000)
            status = (message.headers or {}).get("Status")
            if message.reply.startswith(_DELIVERED):
                entry = _entry(message)
                self._hear(encode(entry))
                self._position = entry.sequence
                self.told.note("read")
                left -= 1
            elif status == _WAIT_OVER:
                return
            elif status != _HEARTBEAT:
                raise LogUnreachable(f"the reading has ended: {dict(message.headers or {})}")

    async def _request(self, consumer: str, inbox: str) -> None:
        wanted = {
            "batch": LOG_READ_MESSAGES,
            "max_bytes": LOG_READ_BYTES,
            "expires": LOG_WAIT_MS * _NS_PER_MS,
            "idle_heartbeat": LOG_HEARTBEAT_MS * _NS_PER_MS,
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{consumer}"
        await self._connection.publish(subject, json.dumps(wanted).encode(), reply=inbox)

    async def _make_consumer(self, first: int) -> str:
        config = {
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": first,
            "ack_policy": "none",
            "replay_policy": "instant",
            "inactive_threshold": 2 * LOG_WAIT_MS * _NS_PER_MS,
            "mem_storage": True,
            "num_replicas": 1,
        }
        wanted = {"stream_name": self.stream, "config": config}
        answer = await self._ask(f"CONSUMER.CREATE.{self.stream}", wanted)
        return str(answer["name"])

    # ------------------------------------------------------------ what the stream is

    async def _stand(self) -> None:
        """Now and then say how far the log is."""
        while True:
            await asyncio.sleep(LOG_STANDING_MS / 1_000)
            if self.is_reading:
                with suppress(Exception):
                    self._hear(encode(await self._look(begins=False, may_make=False)))

    async def _look(self, *, begins: bool, may_make: bool) -> Opened:
        try:
            info = await self._ask(f"STREAM.INFO.{self.stream}")
        except LogUnreachable as missing:
            if not may_make or missing.facts.get("code") != _NOT_FOUND:
                raise
            info = await self._ask(f"STREAM.CREATE.{self.stream}", self._wanted_stream())
            self._log.info("a stream was made", stream=self.stream, created=info["created"])
        state, limit = info["state"], int(info["config"].get("max_msg_size") or -1)
        payload_bytes = int(self._connection.max_payload) - _HEADER_BYTES
        if limit > 0:
            payload_bytes = min(payload_bytes, limit - _HEADER_BYTES)
        if payload_bytes < self._least_payload_bytes:
            raise LogUnreachable(
                f"the log takes messages of {payload_bytes} bytes, a transaction of this ledger may need "
                f"{self._least_payload_bytes}: raise max_payload of the servers"
            )
        first = max(1, int(state["first_seq"]))
        return Opened(identity(self.stream, info["created"]), first, int(state["last_seq"]), payload_bytes, begins)

    def _wanted_stream(self) -> dict[str, Any]:
        return {
            "name": self.stream,
            "description": "order of a ledger's batches; the sequence of a message is the height of its block",
            "subjects": [self._subject],
            "retention": "limits",
            "discard": "old",
            "storage": "file",
            "num_replicas": self._settings.replicas,
            "max_consumers": -1,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_msg_size": -1,
            "max_age": self._settings.keep_days * _DAY_S * _NANOSECONDS,
            "duplicate_window": LOG_REMEMBERS_S * _NANOSECONDS,
            "deny_delete": True,
            "deny_purge": True,
        }

    async def _ask(self, what: str, wanted: dict[str, Any] | None = None) -> dict[str, Any]:
        """A request to JetStream, and its answer. Refuses (LogUnreachable) with what it says."""
        payload = b"" if wanted is None else json.dumps(wanted).encode()
        message = await self._connection.request(f"$JS.API.{what}", payload, timeout=LOG_ANSWER_MS / 1_000)
        answer: dict[str, Any] = json.loads(message.data)
        if "error" in answer:
            error = answer["error"]
            raise LogUnreachable(f"{what}: {error.get('description', error)}", code=error.get("code", 0))
        return answer


def identity(name: str, created: str) -> bytes:
    """Which stream this is: its name and the moment of its making, which no other one of that name shares."""
    return sha256(b"ledgernode/log/stream/1\x00" + f"{name}/{created}".encode())


def _entry(message: Any) -> Entry:
    """A message's sequence and time stand in the subject that it could be acknowledged on."""
    parts = message.reply.split(".")
    at = 5 if len(parts) == 9 else 7  # later servers name the domain and the account too
    return Entry(int(parts[at]), int(parts[at + 2]) // _NS_PER_MS, message.data)


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]
