"""An application served on a real socket of this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from fastapi import APIRouter

from gateway.http.app import create_app
from gateway.http.certificates import HttpTls
from gateway.http.pages import Pages
from gateway.http.server import HttpServer, listen_at
from gateway.limits import Limits


class Served(NamedTuple):
    """Where it is."""

    server: HttpServer
    url: str

    async def raw(self, sent: bytes, *, more: Sequence[bytes] = (), pause_s: float = 0.0) -> bytes:
        """What a client that speaks for itself is answered, until the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            writer.write(sent)
            for part in more:
                await asyncio.sleep(pause_s)
                writer.write(part)
                await writer.drain()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


def steady_ms() -> int:
    return time.monotonic_ns() // 1_000_000


@asynccontextmanager
async def served(
    *areas: APIRouter, tls: HttpTls | None = None, pages: Pages | None = None, **limits: int
) -> AsyncIterator[Served]:
    bounds = Limits(**limits)
    app = create_app(areas, limits=bounds, steady_ms=steady_ms, pages=pages)
    server = HttpServer(app, listen_at("127.0.0.1:0", tls), bounds)
    await server.start()
    try:
        yield Served(server, f"{'https' if tls else 'http'}://localhost:{server.port}")
    finally:
        await server.stop(1)
