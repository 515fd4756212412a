"""One question to somebody else's server, by h11: bounded in time and in what is read of the answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import h11

from ledgernode.errors import BadRequest, NodeUnreachable

ANSWER_BYTES: Final = 64 * 1024
_READ_BYTES: Final = 16 * 1024
_PORTS: Final = {"http": 80, "https": 443}


class Url(NamedTuple):
    """Where to, taken apart; `target` is the path with its query."""

    scheme: str
    host: str
    port: int
    target: str


class Reply(NamedTuple):
    status: int
    body: bytes

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300


def read_url(text: str) -> Url:
    """Refuses what is no address of HTTP."""
    try:
        found = urlsplit(text)
        port = found.port
    except ValueError as error:
        raise BadRequest(f"{text[:80]!r} is no address") from error
    if found.scheme not in _PORTS or not found.hostname or found.username is not None:
        raise BadRequest(f"an address is http://HOST:PORT/PATH or https://…, not {text[:80]!r}")
    target = (found.path or "/") + (f"?{found.query}" if found.query else "")
    return Url(found.scheme, found.hostname, port or _PORTS[found.scheme], target)


async def post(
    url: Url, body: bytes, headers: Mapping[str, str], *, timeout_s: float, trust: ssl.SSLContext | None = None
) -> Reply:
    """What was answered. Raises NodeUnreachable where nothing was, in this time."""
    said = {"Content-Length": str(len(body)), **headers}
    return await _bounded(url, "POST", body, said, timeout_s, trust)


async def get(url: Url, headers: Mapping[str, str], *, timeout_s: float, trust: ssl.SSLContext | None = None) -> Reply:
    """The same for a question without a body."""
    return await _bounded(url, "GET", b"", headers, timeout_s, trust)


async def _bounded(  # noqa: PLR0917  # as the two above have it
    url: Url, method: str, body: bytes, headers: Mapping[str, str], timeout_s: float, trust: ssl.SSLContext | None
) -> Reply:
    try:
        async with asyncio.timeout(timeout_s):
            return await _asked(url, method, body, headers, trust)
    except (TimeoutError, OSError, EOFError, h11.ProtocolError, ssl.SSLError) as error:
        raise NodeUnreachable(f"{url.host}:{url.port} does not answer: {error or 'in time'}") from error


async def _asked(url: Url, method: str, body: bytes, headers: Mapping[str, str], trust: ssl.SSLContext | None) -> Reply:
    context = (trust or ssl.create_default_context()) if url.scheme == "https" else None
    reader, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
    try:
        connection = h11.Connection(h11.CLIENT)
        said = {"Host": f"{url.host}:{url.port}", "Connection": "close", **headers}
        writer.write(connection.send(h11.Request(method=method, target=url.target, headers=list(said.items()))) or b"")
        if body:
            writer.write(connection.send(h11.Data(data=body)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        return await _reply(connection, reader)
    finally:
        writer.close()


async def _reply(connection: h11.Connection, reader: asyncio.StreamReader) -> Reply:
    status, body = 0, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > ANSWER_BYTES:
                raise EOFError("its answer is too long")
        elif isinstance(event, h11.EndOfMessage):
            return Reply(status, body)
        elif isinstance(event, h11.ConnectionClosed):
            raise EOFError("it hung up")
