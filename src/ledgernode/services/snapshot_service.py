"""`SnapshotService`: the snapshots of this node for peers that are new or far behind, at a bounded pace."""

# ruff: noqa: N802  # the schema names the calls, and what each is given

from __future__ import annotations

from collections.abc import Mapping

from ledgernode.config import SNAPSHOT_GIVEN_BYTES_PER_S, SNAPSHOT_GIVEN_WAIT_MS, SNAPSHOT_PIECE_BYTES
from ledgernode.node.ledger import ServedLedger
from ledgernode.services.access import NODES
from ledgernode.services.caller import Callers, Context
from ledgernode.services.calls import Service, unary
from ledgernode.services.pace import Pace
from ledgernode.v1 import snapshot_pb2 as pb
from ledgernode.v1.snapshot_pb2_grpc import SnapshotServiceServicer
from ledgernode.wire import protobuf


class SnapshotService(Service, SnapshotServiceServicer):
    """For nodes of the ledger's organisations, members or observers, and this node's own admins: it gives all."""

    def __init__(self, ledgers: Mapping[str, ServedLedger], callers: Callers) -> None:
        super().__init__(ledgers, callers)
        self._pace = Pace(SNAPSHOT_GIVEN_BYTES_PER_S, SNAPSHOT_GIVEN_WAIT_MS)

    @unary(NODES)
    async def ListSnapshots(self, request: pb.ListSnapshotsRequest, context: Context) -> pb.ListSnapshotsResponse:
        ledger = self.ledger(request.ledger, context)
        return protobuf.snapshots_message(await ledger.snapshots.offered())

    @unary(NODES)
    async def GetSnapshotPiece(
        self, request: pb.GetSnapshotPieceRequest, context: Context
    ) -> pb.GetSnapshotPieceResponse:
        ledger = self.ledger(request.ledger, context)
        await self._pace.take(SNAPSHOT_PIECE_BYTES)
        chunk = request.chunk if request.HasField("chunk") else None
        return pb.GetSnapshotPieceResponse(data=await ledger.snapshots.piece(request.id, chunk, request.offset))
