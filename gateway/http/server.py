"""An application served within the process' own event loop, by uvicorn.

Beside what uvicorn does: handshakes and heads of requests have a time to come whole (a client that sends a letter a
minute holds nothing), dead connections are found by TCP, and whoever shows a certificate is known to the application
by its chain (`scope["state"]["peer"]`: PEM, the leaf first). Signals are the process' own matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.http.certificates import Contexts, HttpTls, Roots
from gateway.limits import Limits
from gateway.loopback import is_loopback
from ledgernode.errors import BadRequest

PEER: Final = "peer"
_BACKLOG: Final = 1_024
_KEEPALIVE_IDLE_S: Final = 60
_KEEPALIVE_EVERY_S: Final = 20
_KEEPALIVE_COUNT: Final = 3
_STARTED_S: Final = 30.0


class Listen(NamedTuple):
    """Where to listen. Without `tls` only on this machine itself, unless `anywhere`."""

    host: str
    port: int
    tls: HttpTls | None
    anywhere: bool = False


def listen_at(address: str, tls: HttpTls | None, *, anywhere: bool = False) -> Listen:
    """From HOST:PORT. Refuses an address without TLS that others can reach."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise BadRequest(f"an address is HOST:PORT, not {address!r}")
    host = host.removeprefix("[").removesuffix("]")
    if tls is None and not anywhere and not is_loopback(host):
        raise BadRequest(f"without TLS only this machine itself is served, not {host}: say so if a proxy ends TLS")
    return Listen(host, int(port), tls, anywhere)


class HttpServer:
    """Bound to its address from the beginning: `port` is the real one, also where 0 was asked for."""

    def __init__(self, app: ASGIApp, listen: Listen, limits: Limits, roots: Roots | None = None) -> None:
        """`roots` are asked for with each handshake, instead of those of `listen`."""
        context = None if listen.tls is None else Contexts(listen.tls, roots).first
        self._socket = _bound(listen)
        self.port: int = self._socket.getsockname()[1]
        self._server = _Server(_config(app, limits, context), limits.handshake_ms / 1_000)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serves when this returns."""
        self._serving = asyncio.create_task(self._server.serve([self._socket]))
        up = asyncio.create_task(self._server.up.wait())
        try:
            await asyncio.wait((self._serving, up), timeout=_STARTED_S, return_when=asyncio.FIRST_COMPLETED)
            if self._serving.done():
                await self._serving
        finally:
            up.cancel()

    async def stop(self, grace_s: float) -> None:
        """Take no more requests; those under way have so long to end."""
        self._server.should_exit = True
        if self._serving is None:
            self._socket.close()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await asyncio.shield(self._serving)
        self._server.force_exit = True
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        for task in list(self._server.server_state.tasks):
            task.cancel()
        await asyncio.wait((self._serving,), timeout=grace_s)


class _Server(uvicorn.Server):
    """Leaves signals alone, gives a TLS handshake its time, and says when it serves."""

    def __init__(self, config: uvicorn.Config, handshake_s: float) -> None:
        super().__init__(config)
        self._handshake_s = handshake_s
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop, config = asyncio.get_running_loop(), self.config
        await self.lifespan.startup()

        def protocol() -> asyncio.Protocol:
            return _protocol_of(config)(config, self.server_state, self.lifespan.state)

        handshake_s = None if config.ssl is None else self._handshake_s
        self.servers = [
            await loop.create_server(
                protocol, sock=one, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=handshake_s
            )
            for one in sockets or ()
        ]
        self.started = True
        self.up.set()


def _protocol_of(config: uvicorn.Config) -> type[H11Protocol]:
    found = config.http_protocol_class
    assert issubclass(found, H11Protocol), "it was given"
    return found


def _config(app: ASGIApp, limits: Limits, context: ssl.SSLContext | None) -> uvicorn.Config:
    class Protocol(_Protocol):
        head_s = limits.http_head_ms / 1_000
        connections_most = limits.http_connections

    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.http_idle_ms // 1_000,
        backlog=_BACKLOG,
        h11_max_incomplete_event_size=limits.http_head_bytes,
    )
    config.load()
    config.ssl = context
    return config


class _Protocol(H11Protocol):
    """uvicorn's, with a time for the head of a request and the peer's certificate."""

    head_s = 10.0
    connections_most = 10_000
    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _keep_alive(transport.get_extra_info("socket"))
        self.app_state = {**self.app_state, PEER: _peer_chain(transport.get_extra_info("ssl_object"))}
        if len(self.connections) > self.connections_most:
            transport.abort()
        else:
            self._head = self.loop.call_later(self.head_s, self._end)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        between = self.conn.their_state is h11.IDLE
        if self._head is not None and not between:
            self._head.cancel()
            self._head = None
        elif self._head is None and between and self.conn.trailing_data[0]:
            self._head = self.loop.call_later(self.head_s, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head is not None:
            self._head.cancel()
        super().connection_lost(exc)

    def _end(self) -> None:
        """No head came whole in time: there is nobody to tell a problem to."""
        self.transport.abort()


def _bound(listen: Listen) -> socket.socket:
    try:
        [(family, _, _, _, address), *_] = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            found.setblocking(False)
        except OSError:
            found.close()
            raise
    except OSError as error:
        where = f"{listen.host}:{listen.port}"
        raise BadRequest(f"nothing can listen on {where}: is another process there? ({error.strerror})") from error
    return found


def _peer_chain(tls: Any) -> str:
    """What the client has shown, PEM, the leaf first; empty where that is nothing. The standard library has had a
    public name for it since 3.13 only."""
    shown = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    chain = shown() if shown is not None else None
    return "".join(one.public_bytes() for one in chain or () if one is not None)


def _keep_alive(found: Any) -> None:
    """Find out about peers that have gone without a word."""
    with contextlib.suppress(OSError, AttributeError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_S)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_EVERY_S)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_COUNT)
