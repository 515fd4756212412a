"""As much of HTTP/1.1 as a small controller speaks: one request a connection, JSON bodies of a bounded size.

A peer that is slow, speaks something else or too much is dropped; nothing it sends is kept. A caller shows its token
(`Authorization: Bearer`), which is compared in constant time.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from ledgernode.errors import BadRequest

HEAD_BYTES: Final = 8_192
BODY_BYTES: Final = 8_192
LIMIT_S: Final = 5.0
CONNECTIONS: Final = 64
_REASONS: Final = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 503: "Service Unavailable"}


class Request(NamedTuple):
    method: str
    path: str
    token: str
    body: bytes


class Response(NamedTuple):
    status: int
    body: bytes
    kind: str = "application/json"


Answer = Callable[[Request], Awaitable[Response]]


def holds(request: Request, token: str) -> bool:
    """Whether the caller has shown this token."""
    return hmac.compare_digest(request.token.encode(), token.encode())


async def serve(host: str, port: int, answer: Answer) -> asyncio.Server:
    """Listen; refusals of `answer` (BadRequest) are said as 400."""
    room = asyncio.Semaphore(CONNECTIONS)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if room.locked():
                await _write(writer, Response(503, b"{}"))
                return
            async with room, asyncio.timeout(LIMIT_S):
                await _write(writer, await _answered(reader, answer))
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(connected, host, port, limit=HEAD_BYTES)


async def call(
    address: tuple[str, int], method: str, path: str, body: bytes = b"", token: str = "", *, limit_s: float = LIMIT_S
) -> Response:
    """One request. Raises OSError or TimeoutError where nobody answers."""
    host, port = address
    async with asyncio.timeout(limit_s):
        reader, writer = await asyncio.open_connection(host, port, limit=HEAD_BYTES)
        try:
            head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
            bearer = f"Authorization: Bearer {token}\r\n" if token else ""
            writer.write(f"{head}{bearer}\r\n".encode() + body)
            await writer.drain()
            first, headers = await _head(reader)
            found = await reader.readexactly(_length(headers, 64 * BODY_BYTES))
            return Response(int(first.split()[1]), found, headers.get("content-type", ""))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError, BadRequest) as error:
            raise ConnectionError(f"{host}:{port} does not speak HTTP: {error}") from error
        finally:
            writer.close()


async def _answered(reader: asyncio.StreamReader, answer: Answer) -> Response:
    try:
        first, headers = await _head(reader)
        method, path, _ = first.split(" ")
        body = await reader.readexactly(_length(headers, BODY_BYTES))
        token = headers.get("authorization", "").removeprefix("Bearer ")
        return await answer(Request(method, path, token, body))
    except (BadRequest, ValueError) as error:
        return Response(400, str(error).encode()[:500], "text/plain; charset=utf-8")


async def _head(reader: asyncio.StreamReader) -> tuple[str, Mapping[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return first, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _length(headers: Mapping[str, str], most: int) -> int:
    said = headers.get("content-length", "0")
    if not said.isascii() or not said.isdigit() or int(said) > most:
        raise BadRequest(f"a body has at most {most} bytes")
    return int(said)


async def _write(writer: asyncio.StreamWriter, response: Response) -> None:
    head = (
        f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Answer')}\r\nContent-Type: {response.kind}\r\n"
        f"Content-Length: {len(response.body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + response.body)
    await writer.drain()
