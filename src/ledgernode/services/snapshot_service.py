"""`SnapshotService`: the snapshots of this node for peers that are new or far behind, at a bounded pace."""

# ruff: noqa: N802  # the schema names the calls

from __future__ import annotations

from collections.abc import Mapping

from ledgernode.config import SNAPSHOT_GIVEN_BYTES_PER_S, SNAPSHOT_GIVEN_WAIT_MS, SNAPSHOT_PIECE_BYTES
from ledgernode.errors import UnknownLedger
from ledgernode.identity.records import Role
from ledgernode.node.ledger import ServedLedger
from ledgernode.services.caller import Callers
from ledgernode.services.errors_grpc import Context, unary
from ledgernode.services.pace import Pace
from ledgernode.v1 import snapshot_pb2 as pb
from ledgernode.v1.snapshot_pb2_grpc import SnapshotServiceServicer
from ledgernode.wire import protobuf


class SnapshotService(SnapshotServiceServicer):
    """For nodes of the ledger's organisations, members or observers, and this node's own admins."""

    def __init__(self, ledgers: Mapping[str, ServedLedger], callers: Callers) -> None:
        self._ledgers = ledgers
        self._callers = callers
        self._pace = Pace(SNAPSHOT_GIVEN_BYTES_PER_S, SNAPSHOT_GIVEN_WAIT_MS)

    @unary
    async def ListSnapshots(self, request: pb.ListSnapshotsRequest, context: Context) -> pb.ListSnapshotsResponse:
        ledger = self._ledger(request.ledger, context)
        return protobuf.snapshots_message(await ledger.snapshots.offered())

    @unary
    async def GetSnapshotPiece(
        self, request: pb.GetSnapshotPieceRequest, context: Context
    ) -> pb.GetSnapshotPieceResponse:
        ledger = self._ledger(request.ledger, context)
        await self._pace.take(SNAPSHOT_PIECE_BYTES)
        chunk = request.chunk if request.HasField("chunk") else None
        return pb.GetSnapshotPieceResponse(data=await ledger.snapshots.piece(request.id, chunk, request.offset))

    def _ledger(self, name: str, context: Context) -> ServedLedger:
        """Whoever is no node's is refused: a snapshot is all that the ledger knows."""
        peer = self._callers.require_member(context)
        if peer.role is not Role.VALIDATOR:
            self._callers.require_admin(context)
        ledger = self._ledgers.get(name)
        if ledger is None:
            raise UnknownLedger(f"this node does not serve a ledger {name!r}")
        return ledger
