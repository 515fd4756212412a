"""The gateway's gRPC server: mutual TLS with the ledger's authorities, one stream for each device."""

# ruff: noqa: N802  # the schema names the calls

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final, NoReturn, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from gateway.intake.desk import Desk
from gateway.intake.stream import Ask, DeviceStream, Received
from gateway.intake.streams import Streams
from gateway.limits import Limits
from gateway.outbox.entry import ACCOUNT_BYTES, Entry, Sender
from gateway.v1 import gateway_pb2 as pb
from gateway.v1.gateway_pb2_grpc import GatewayServiceServicer, add_GatewayServiceServicer_to_server
from ledgernode.errors import BadRequest, Broken, LedgerError, NodeStopping, RoleRefused, StreamReplaced
from ledgernode.identity.records import Role
from ledgernode.identity.tls import Trust, peer_identity, server_credentials
from ledgernode.wire.protobuf import CODE_METADATA, RETRY_METADATA

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Devices = Callable[[DeviceStream, bool], None]
"""Told of a stream that has begun (true) or ended, for commands."""

_ROLES: Final = (Role.METER, Role.GATEWAY)
_RETRY_MS: Final = 1_000
_REFUSED_HELLO_S: Final = 1


class GatewayService(GatewayServiceServicer):
    """`Connect`, and who is connected."""

    def __init__(
        self, desk: Desk, ledger: str, trust: Trust, *, received: Received, devices: Devices, ask: Ask
    ) -> None:
        self._desk = desk
        self._ledger = ledger
        self._trust = trust
        self._received = received
        self._ask = ask
        self._devices = devices
        self._streams = Streams(desk.limits)
        self._by_account: dict[bytes, DeviceStream] = {}
        self._log: Any = structlog.get_logger("gateway.intake")

    @property
    def connected(self) -> int:
        return len(self._streams)

    async def Connect(  # type: ignore[override]  # it writes by itself: only so a write can be timed out
        self, requests: AsyncIterable[pb.ConnectRequest], context: Context
    ) -> None:
        try:
            await self._connect(requests, context)
        except DecodeError:
            await _refuse(context, BadRequest("this is no message to a gateway"))
        except Exception as error:  # noqa: BLE001  # whatever failed, the device is told
            if not isinstance(error, LedgerError):
                self._log.error("a stream failed inside", exc_info=error)
                error = Broken("the gateway failed inside; its log has the trace")
            await _refuse(context, error)

    async def _connect(self, requests: AsyncIterable[pb.ConnectRequest], context: Context) -> None:
        messages = aiter(requests)
        try:
            sender = self._sender(context)
            stream = DeviceStream(
                sender,
                self._desk,
                self._ledger,
                check=lambda: self._sender(context),
                received=self._received,
                ask=self._ask,
            )
            account = sender.account
            replaced = StreamReplaced(f"{sender.name} has opened another stream")
            number = self._streams.opened(account, self._desk.now_ms(), lambda: stream.end(replaced))
        except LedgerError:
            await _hello_of_the_refused(messages)
            raise
        try:
            await context.write(await stream.greet(messages))
            self._by_account[account] = stream
            self._devices(stream, True)
            await stream.serve(messages, context.write)
        finally:
            self._streams.closed(account, number)
            self._devices(stream, False)
            if self._by_account.get(account) is stream:
                del self._by_account[account]

    def _sender(self, context: Context) -> Sender:
        """By certificate, which must hold now. Refuses all but meters and gateways."""
        peer = peer_identity(context.auth_context(), self._trust.roots, self._desk.now_ms())
        if peer.role not in _ROLES:
            raise RoleRefused(f"a gateway serves meters and gateways, not {peer.name} ({peer.role})")
        return Sender(peer.organisation, peer.role.value, peer.name)

    def tell(self, entry: Entry, code: str, height: int) -> None:
        """What became of an entry, to who brought it, if it is here."""
        stream = self._by_account.get(entry.lane[:ACCOUNT_BYTES])
        if stream is not None:
            stream.tell_outcome(
                pb.Outcome(
                    creator=entry.creator,
                    sequence=entry.sequence,
                    transaction_id=entry.id,
                    code=code,
                    height=height,
                )
            )

    def end_all(self) -> None:
        """The gateway stops: everybody is told, and may go to another."""
        for stream in list(self._by_account.values()):
            stream.end(NodeStopping("the gateway is shutting down", retry_ms=_RETRY_MS))


class Server:
    """Bound to its address from the beginning: `port` is the real one, also where 0 was asked for."""

    def __init__(self, service: GatewayService, trust: Trust, listen: str, limits: Limits) -> None:
        self._service = service
        options = (
            ("grpc.max_receive_message_length", limits.message_bytes),
            ("grpc.max_send_message_length", limits.message_bytes),
            ("grpc.max_concurrent_streams", 8),  # a connection is one device's
            ("grpc.keepalive_time_ms", limits.keepalive_ms),
            ("grpc.keepalive_timeout_ms", limits.keepalive_answer_ms),
            ("grpc.http2.ping_timeout_ms", limits.keepalive_answer_ms),  # else a minute, whatever the line above says
            ("grpc.max_connection_idle_ms", limits.keepalive_ms),  # without a stream nobody is asked for a sign of life
            ("grpc.http2.min_ping_interval_without_data_ms", limits.keepalive_ms // 2),
            ("grpc.server_handshake_timeout_ms", limits.handshake_ms),
            ("grpc.so_reuseport", 0),
        )
        self._server = grpc.aio.server(options=options)
        self._health = health.aio.HealthServicer()
        add_GatewayServiceServicer_to_server(service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        try:
            self.port = self._server.add_secure_port(listen, server_credentials(trust))
        except RuntimeError as error:
            raise BadRequest(f"the gateway cannot listen on {listen}: is another process there?") from error

    async def start(self) -> None:
        await self._server.start()
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float) -> None:
        """Take no new streams, end those that are open."""
        await self._health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        self._service.end_all()
        await self._server.stop(grace_s)


async def _hello_of_the_refused(messages: AsyncIterator[pb.ConnectRequest]) -> None:
    """Take it in, if it comes soon: a call that ends while its caller still writes loses the reason on the way."""
    with suppress(TimeoutError, StopAsyncIteration):
        async with asyncio.timeout(_REFUSED_HELLO_S):
            await anext(messages)


async def _refuse(context: Context, error: LedgerError) -> NoReturn:
    metadata = [(CODE_METADATA, error.code)]
    if isinstance(retry_ms := error.facts.get("retry_ms"), int):
        metadata.append((RETRY_METADATA, str(retry_ms)))
    await context.abort(grpc.StatusCode[error.grpc_status], str(error), tuple(metadata))
    raise AssertionError("an aborted call does not go on")
