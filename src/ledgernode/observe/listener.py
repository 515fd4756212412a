"""The operator's listener: a few GET addresses over plain HTTP/1.1, on the event loop of the process that it shows.

It stands on that loop on purpose: a process whose loop does not turn does not answer, which is what its operator wants
to know. HTTP itself is h11's; what is here is the socket and the bounds. Connections, the head of a request, the time
for it and the time for reading an answer are bounded, requests have no body, and whatever else comes ends its
connection: a listener that is flooded answers nobody, and costs the process nothing that it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import h11
import msgspec

from ledgernode.config import (
    OBSERVE_ANSWER_MS,
    OBSERVE_CONNECTIONS,
    OBSERVE_HEAD_BYTES,
    OBSERVE_HEAD_MS,
    OBSERVE_IDLE_MS,
    OBSERVE_REQUESTS,
)
from ledgernode.errors import BadRequest
from ledgernode.logs import logger
from ledgernode.observe.health import Verdict

_READ_BYTES: Final = 4 * 1024
_JSON: Final = "application/json"


class Answer(msgspec.Struct, frozen=True):
    """What is said at an address."""

    status: int
    body: bytes
    media_type: str = _JSON


Ask = Callable[[], Answer]


def as_json(status: int, document: object) -> Answer:
    return Answer(status, msgspec.json.encode(document) + b"\n")


def judged(judge: Callable[[], Verdict]) -> Ask:
    """A verdict as an answer: 200 or 503, and why."""

    def ask() -> Answer:
        verdict = judge()
        return as_json(verdict.code, verdict.document())

    return ask


def observe_at(address: str) -> tuple[str, int]:
    """From HOST:PORT, or [HOST]:PORT; refuses what is neither."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise BadRequest(f"where to be observed is written HOST:PORT, not {address!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


class Listener:
    """Answers `addresses`; `port` is the real one once it has started, also where 0 was asked for."""

    def __init__(self, address: str, addresses: Mapping[str, Ask]) -> None:
        self._host, self.port = observe_at(address)
        self._addresses = addresses
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Refuses an address that is taken, or is not this machine's."""
        try:
            self._server = await asyncio.start_server(
                self._connected, self._host, self.port, limit=OBSERVE_HEAD_BYTES, backlog=OBSERVE_CONNECTIONS
            )
        except OSError as error:
            where = f"{self._host}:{self.port}"
            raise BadRequest(f"nothing can be observed on {where}: is another process there? ({error})") from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        self._open.add(task)
        try:
            if len(self._open) <= OBSERVE_CONNECTIONS:
                await _Conversation(self._addresses, reader, writer).run()
            writer.close()
        except (OSError, TimeoutError, h11.ProtocolError):
            pass  # the caller's fault, or its absence
        finally:
            self._open.discard(task)
            if not writer.is_closing():
                writer.transport.abort()


class _Conversation:
    """One connection: requests one after the other, each answered before the next is read."""

    def __init__(
        self, addresses: Mapping[str, Ask], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._addresses = addresses
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=OBSERVE_HEAD_BYTES)

    async def run(self) -> None:
        wait_ms = OBSERVE_HEAD_MS
        for _ in range(OBSERVE_REQUESTS):
            try:
                async with asyncio.timeout(wait_ms / 1_000):
                    request = await self._request()
            except h11.RemoteProtocolError as error:
                with suppress(h11.LocalProtocolError):
                    await self._say(as_json(error.error_status_hint, {"status": "refused", "reason": str(error)}), b"")
                return
            if request is None:
                return
            await self._say(self._answer(request), request.method)
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()
            wait_ms = OBSERVE_IDLE_MS

    async def _request(self) -> h11.Request | None:
        """The next one, whole; None where the caller has gone. Refuses one with a body."""
        request: h11.Request | None = None
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_READ_BYTES))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.EndOfMessage):
                return request
            elif isinstance(event, h11.Data):
                raise h11.RemoteProtocolError("nothing here takes a body", 413)
            else:
                return None

    def _answer(self, request: h11.Request) -> Answer:
        path = request.target.split(b"?", 1)[0].decode("ascii", "replace")
        ask = self._addresses.get(path)
        if ask is None:
            return as_json(404, {"status": "unknown", "reason": f"here are {', '.join(sorted(self._addresses))}"})
        if request.method not in (b"GET", b"HEAD"):
            return as_json(405, {"status": "refused", "reason": "here is only asked, by GET"})
        try:
            return ask()
        except Exception as error:  # noqa: BLE001  # whatever failed, the operator is told, and may ask again
            logger().error("what was asked failed inside", path=path, exc_info=error)
            return as_json(500, {"status": "failed", "reason": "this failed inside; the log has the trace"})

    async def _say(self, answer: Answer, method: bytes) -> None:
        headers = [
            ("content-type", answer.media_type),
            ("content-length", str(len(answer.body))),
            ("cache-control", "no-store"),
        ]
        if answer.status == 405:
            headers.append(("allow", "GET, HEAD"))
        said = self._http.send(h11.Response(status_code=answer.status, headers=headers))
        if method != b"HEAD":
            said += self._http.send(h11.Data(data=answer.body))
        said += self._http.send(h11.EndOfMessage())
        self._writer.write(said)
        async with asyncio.timeout(OBSERVE_ANSWER_MS / 1_000):
            await self._writer.drain()
