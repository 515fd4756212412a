"""`AdminService`: for admins of the node's own organisation."""

# ruff: noqa: N802  # the schema names the calls

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from ledgernode import __version__, logs
from ledgernode.errors import UnknownLedger
from ledgernode.node.ledger import ServedLedger
from ledgernode.services.caller import Callers
from ledgernode.services.errors_grpc import Context, streaming, unary
from ledgernode.v1 import admin_pb2 as pb
from ledgernode.v1.admin_pb2_grpc import AdminServiceServicer
from ledgernode.wire import protobuf
from ledgernode.wire.answers import NodeStatus
from ledgernode.wire.types import TimeMs


class AdminService(AdminServiceServicer):
    """Looks at the node, and tells it what only its operator may."""

    def __init__(
        self,
        ledgers: Mapping[str, ServedLedger],
        callers: Callers,
        *,
        organisation: str,
        started_ms: TimeMs,
        snapshots: Path,
    ) -> None:
        self._ledgers = ledgers
        self._callers = callers
        self._organisation = organisation
        self._started_ms = started_ms
        self._snapshots = snapshots

    @unary
    async def GetStatus(self, _: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        self._callers.require_admin(context)
        return protobuf.status_message(
            NodeStatus(
                version=__version__,
                organisation=self._organisation,
                started_ms=self._started_ms,
                ledgers=tuple(ledger.status() for _, ledger in sorted(self._ledgers.items())),
                log_level=logs.level(),
                memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024,
            )
        )

    @unary
    async def ListIdentities(self, request: pb.ListIdentitiesRequest, context: Context) -> pb.ListIdentitiesResponse:
        ledger = self._ledger(request.ledger, context)
        page, following = ledger.lookups.identities(request.organisation, request.page_token, request.page_size)
        return pb.ListIdentitiesResponse(
            identities=[protobuf.identity_message(identity) for identity in page], next_page_token=following
        )

    @streaming
    async def CreateSnapshot(
        self, request: pb.CreateSnapshotRequest, context: Context
    ) -> AsyncIterator[pb.CreateSnapshotResponse]:
        ledger = self._ledger(request.ledger, context)
        async for progress in ledger.snapshot(self._snapshots):
            yield protobuf.snapshot_message(progress)

    @unary
    async def SetLogLevel(self, request: pb.SetLogLevelRequest, context: Context) -> pb.SetLogLevelResponse:
        peer = self._callers.require_admin(context)
        level = logs.set_level(request.level)
        logs.logger().warning("log level set", level=level, by=peer.name)
        return pb.SetLogLevelResponse(level=level)

    def _ledger(self, name: str, context: Context) -> ServedLedger:
        self._callers.require_admin(context)
        ledger = self._ledgers.get(name)
        if ledger is None:
            raise UnknownLedger(f"this node does not serve a ledger {name!r}")
        return ledger
