"""The gRPC server of a node: its services, health and reflection, over mutual TLS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ledgernode.config import ANSWER_BYTES, KEEPALIVE_MS, MESSAGE_BYTES, STREAMS_PER_CONNECTION
from ledgernode.errors import BadRequest
from ledgernode.identity.records import Status
from ledgernode.identity.tls import Peer, Trust, server_credentials
from ledgernode.node.ledger import ServedLedger
from ledgernode.services.admin_service import AdminService
from ledgernode.services.caller import Callers
from ledgernode.services.calls import Registering
from ledgernode.services.ledger_service import LedgerService
from ledgernode.services.snapshot_service import SnapshotService
from ledgernode.services.validator_service import ValidatorService
from ledgernode.v1 import admin_pb2, ledger_pb2, snapshot_pb2, validator_pb2
from ledgernode.v1.admin_pb2_grpc import add_AdminServiceServicer_to_server
from ledgernode.v1.ledger_pb2_grpc import add_LedgerServiceServicer_to_server
from ledgernode.v1.snapshot_pb2_grpc import add_SnapshotServiceServicer_to_server
from ledgernode.v1.validator_pb2_grpc import add_ValidatorServiceServicer_to_server
from ledgernode.wire.types import TimeMs

LEDGER_SERVICE: Final = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"].full_name
ADMIN_SERVICE: Final = admin_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name
VALIDATOR_SERVICE: Final = validator_pb2.DESCRIPTOR.services_by_name["ValidatorService"].full_name
SNAPSHOT_SERVICE: Final = snapshot_pb2.DESCRIPTOR.services_by_name["SnapshotService"].full_name
_SERVICES: Final = (LEDGER_SERVICE, ADMIN_SERVICE, SNAPSHOT_SERVICE, VALIDATOR_SERVICE, health.SERVICE_NAME)

_OPTIONS: Final = (
    ("grpc.max_send_message_length", ANSWER_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
    # one port, one node: a second process on it is an error, not a partner
    ("grpc.so_reuseport", 0),
)


class Server:
    """Bound to its address from the beginning: `port` is the real one, also where 0 was asked for."""

    def __init__(
        self,
        ledgers: Mapping[str, ServedLedger],
        *,
        tls: Trust,
        listen: str,
        organisation: str,
        started_ms: TimeMs,
        snapshots: Path,
    ) -> None:
        self._ledgers = ledgers
        callers = Callers(tls, organisation, self._is_revoked)
        admin = AdminService(ledgers, callers, organisation=organisation, started_ms=started_ms, snapshots=snapshots)
        self._server = grpc.aio.server(options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        registering = Registering(self._server)
        add_LedgerServiceServicer_to_server(LedgerService(ledgers, callers), registering)
        add_AdminServiceServicer_to_server(admin, registering)
        add_SnapshotServiceServicer_to_server(SnapshotService(ledgers, callers), registering)
        add_ValidatorServiceServicer_to_server(ValidatorService(ledgers, callers), registering)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((*_SERVICES, reflection.SERVICE_NAME), self._server)
        try:
            self.port = self._server.add_secure_port(listen, server_credentials(tls))
        except RuntimeError as error:
            raise BadRequest(f"the node cannot listen on {listen}: is another process there?") from error

    def _is_revoked(self, peer: Peer) -> bool:
        """On a ledger that is served here, and nothing else on any other."""
        found = {ledger.head.status_of(*peer) for ledger in self._ledgers.values()} - {None}
        return found == {Status.REVOKED}

    async def start(self) -> None:
        await self._server.start()
        await self.tell_health(serving=True)

    async def tell_health(self, *, serving: bool, ready: bool = True) -> None:
        """What health checks hear of the node as a whole, and, as `ready`, of its ledger service.

        A node that is far behind serves, and is not ready: who restarts it does it no good, who asks it hears old news.
        """
        for service, holds in (("", serving), (LEDGER_SERVICE, serving and ready)):
            response = health_pb2.HealthCheckResponse
            await self._health.set(service, response.SERVING if holds else response.NOT_SERVING)

    async def stop(self, grace_s: float) -> None:
        """Take no new calls; give open ones this long."""
        await self._server.stop(grace_s)
