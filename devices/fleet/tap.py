"""A tap on a line: a TCP forwarder that counts what passes each way, and can let nothing through any more.

What is counted is what two ends really write to their sockets: TLS, framing and all; of TCP and IP below it only the
payload. Held, it is a line on which the other end is gone and nobody says so.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Final, NamedTuple, Self

_READ_BYTES: Final = 65_536


class Passed(NamedTuple):
    """Bytes there and back, and over how many connections."""

    there: int = 0
    back: int = 0
    connections: int = 0

    def since(self, before: Passed) -> Passed:
        return Passed(self.there - before.there, self.back - before.back, self.connections - before.connections)


class Tap:
    """Listens on a free port of this machine, and forwards to `HOST:PORT`. A context that ends it."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = host, int(port)
        self._there = self._back = self._connections = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.dropped = asyncio.Event()
        """The target has ended a connection."""

    @property
    def passed(self) -> Passed:
        return Passed(self._there, self._back, self._connections)

    @property
    def endpoint(self) -> str:
        return f"localhost:{self._server.sockets[0].getsockname()[1]}"

    def hold(self) -> None:
        """Let nothing through from now on; connections stay open."""
        self._open.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        return self

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connected(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            onward_reader, onward_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        ways = [
            asyncio.create_task(self._forward(reader, onward_writer, there=True)),
            asyncio.create_task(self._forward(onward_reader, writer, there=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for one in (writer, onward_writer):
                one.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, there: bool) -> None:
        with suppress(OSError):
            while piece := await reader.read(_READ_BYTES):
                if there:
                    self._there += len(piece)
                else:
                    self._back += len(piece)
                if self._open.is_set():
                    writer.write(piece)
                    await writer.drain()
        if not there:
            self.dropped.set()
