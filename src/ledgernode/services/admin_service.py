"""`AdminService`: for admins of the node's own organisation; what keeps the ledger safe for its operators too."""

# ruff: noqa: N802, ARG002  # the schema names the calls, and what each is given

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from ledgernode import __version__, logs
from ledgernode.errors import BadRequest
from ledgernode.node.ledger import ServedLedger
from ledgernode.services.access import KEEPERS, OWN_ADMINS
from ledgernode.services.caller import Callers, Context
from ledgernode.services.calls import Service, streaming, unary
from ledgernode.v1 import admin_pb2 as pb
from ledgernode.v1.admin_pb2_grpc import AdminServiceServicer
from ledgernode.wire import protobuf
from ledgernode.wire.answers import NodeStatus
from ledgernode.wire.types import Height, TimeMs


class AdminService(Service, AdminServiceServicer):
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
        super().__init__(ledgers, callers)
        self._organisation = organisation
        self._started_ms = started_ms
        self._snapshots = snapshots

    @unary(OWN_ADMINS)
    async def GetStatus(self, _: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        return protobuf.status_message(
            NodeStatus(
                version=__version__,
                organisation=self._organisation,
                started_ms=self._started_ms,
                ledgers=tuple(ledger.status() for _, ledger in sorted(self.ledgers.items())),
                log_level=logs.level(),
                memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024,
            )
        )

    @unary(OWN_ADMINS)
    async def ListIdentities(self, request: pb.ListIdentitiesRequest, context: Context) -> pb.ListIdentitiesResponse:
        ledger = self.ledger(request.ledger, context)
        page, following = ledger.lookups.identities(request.organisation, request.page_token, request.page_size)
        return pb.ListIdentitiesResponse(
            identities=[protobuf.identity_message(identity) for identity in page], next_page_token=following
        )

    @streaming(KEEPERS)
    async def CreateSnapshot(
        self, request: pb.CreateSnapshotRequest, context: Context
    ) -> AsyncIterator[pb.CreateSnapshotResponse]:
        ledger = self.ledger(request.ledger, context)
        async for progress in ledger.snapshot(self._snapshots):
            yield protobuf.snapshot_message(progress)

    @streaming(OWN_ADMINS)
    async def Prune(self, request: pb.PruneRequest, context: Context) -> AsyncIterator[pb.PruneResponse]:
        ledger = self.ledger(request.ledger, context)
        match request.WhichOneof("which"):
            case "below_height":
                below = Height(request.below_height)
            case "keep_blocks":
                below = ledger.pruning.below(request.keep_blocks)
            case _:
                raise BadRequest("say below which block to forget, or how many blocks to keep")
        peer = self.callers.require_member(context)
        ledger.log.warning("pruning asked for", below=below, by=peer.name)
        async for progress in ledger.prune(below):
            yield protobuf.prune_message(progress)

    @unary(OWN_ADMINS)
    async def SetLogLevel(self, request: pb.SetLogLevelRequest, context: Context) -> pb.SetLogLevelResponse:
        peer = self.callers.require_member(context)
        level = logs.set_level(request.level)
        logs.logger().warning("log level set", level=level, by=peer.name)
        return pb.SetLogLevelResponse(level=level)
