"""The asynchronous client of a node's operators: admins of the node's own organisation.

async with NodeClient(["node-1:7051"], credentials) as node:
    status = await node.status()
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Self

import grpc

from ledgernode.client.connection import Connection, Endpoint, read_error
from ledgernode.config import DEFAULT_WAIT_MS, LOOKUP_PAGE
from ledgernode.v1 import admin_pb2 as pb
from ledgernode.v1.snapshot_pb2 import ListSnapshotsRequest
from ledgernode.wire import protobuf
from ledgernode.wire.answers import IdentityFacts, NodeStatus, PruneProgress, SnapshotFacts, SnapshotProgress


class NodeClient:
    """Calls of one node. Every method raises the leaf of `ledgernode.errors`."""

    def __init__(
        self,
        endpoints: Sequence[str],
        credentials: grpc.ChannelCredentials | None = None,
        *,
        timeout_ms: int = DEFAULT_WAIT_MS,
    ) -> None:
        self._connection = Connection(endpoints, credentials)
        self._timeout_s = timeout_ms / 1_000

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._connection.close()

    async def status(self) -> NodeStatus:
        """Everything an operator looks at first."""
        return protobuf.read_status(await self._call("GetStatus", pb.GetStatusRequest()))

    async def identities(self, ledger: str, *, organisation: str = "") -> AsyncIterator[IdentityFacts]:
        """Identities registered on a ledger, by page; of one organisation only when it is named."""
        token = ""
        while True:
            request = pb.ListIdentitiesRequest(
                ledger=ledger, organisation=organisation, page_size=LOOKUP_PAGE, page_token=token
            )
            page = await self._call("ListIdentities", request)
            for message in page.identities:
                yield protobuf.read_identity(message)
            token = page.next_page_token
            if not token:
                return

    async def create_snapshot(self, ledger: str) -> AsyncIterator[SnapshotProgress]:
        """Have the node write a snapshot; the last progress names its path on the node."""
        try:
            async for answer in self._connection.current.admin.CreateSnapshot(pb.CreateSnapshotRequest(ledger=ledger)):
                yield protobuf.read_snapshot(answer)
        except grpc.aio.AioRpcError as error:
            raise read_error(error) from error

    async def prune(
        self, ledger: str, *, below_height: int | None = None, keep_blocks: int | None = None
    ) -> AsyncIterator[PruneProgress]:
        """Have the node forget the blocks below a height, or all but the newest so many."""
        if below_height is not None:
            request = pb.PruneRequest(ledger=ledger, below_height=below_height)
        else:
            request = pb.PruneRequest(ledger=ledger, keep_blocks=keep_blocks or 0)
        try:
            async for answer in self._connection.current.admin.Prune(request):
                yield protobuf.read_prune(answer)
        except grpc.aio.AioRpcError as error:
            raise read_error(error) from error

    async def snapshots(self, ledger: str) -> tuple[SnapshotFacts, ...]:
        """What the node can give to a peer, newest first."""

        async def attempt(endpoint: Endpoint, remaining_s: float) -> Any:
            return await endpoint.snapshots.ListSnapshots(ListSnapshotsRequest(ledger=ledger), timeout=remaining_s)

        return protobuf.read_snapshots(await self._connection.call(attempt, timeout_s=self._timeout_s))

    async def set_log_level(self, level: str) -> str:
        """Log from this level on: debug, info, warning or error."""
        level_now: str = (await self._call("SetLogLevel", pb.SetLogLevelRequest(level=level))).level
        return level_now

    async def _call(self, method: str, request: Any) -> Any:
        async def attempt(endpoint: Endpoint, remaining_s: float) -> Any:
            return await getattr(endpoint.admin, method)(request, timeout=remaining_s)

        return await self._connection.call(attempt, timeout_s=self._timeout_s)
