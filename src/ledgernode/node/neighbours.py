"""The other validators, as a node that is behind asks them: for blocks, for snapshots, how far they are.

Here is all of the network that catching up needs; what comes back is checked by whoever asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import grpc

from ledgernode.config import CATCH_UP_TIMEOUT_MS, SYNC_ANSWER_MS, SYNC_OFFER_MS, SYNC_OFFERS
from ledgernode.errors import LedgerError, NodeUnreachable, RateLimited, by_code
from ledgernode.node.links import Link
from ledgernode.node.peers import Peers
from ledgernode.v1 import ledger_pb2, snapshot_pb2, validator_pb2
from ledgernode.v1.ledger_pb2_grpc import LedgerServiceStub
from ledgernode.v1.snapshot_pb2_grpc import SnapshotServiceStub
from ledgernode.v1.validator_pb2_grpc import ValidatorServiceStub
from ledgernode.wire.answers import Block, SnapshotFacts
from ledgernode.wire.protobuf import CODE_METADATA, RETRY_METADATA, read_block, read_snapshots
from ledgernode.wire.types import Height


class Neighbour(Protocol):
    """One of them. Every call raises a LedgerError: NodeUnreachable when it does not answer in time."""

    @property
    def public_key(self) -> bytes: ...

    @property
    def address(self) -> str: ...

    async def height(self) -> Height:
        """How far it has executed, by its own word."""
        ...

    def blocks(self, first: Height, last: Height) -> AsyncIterator[Block]:
        """Those blocks as it has them; without end where `last` is 0. Close it when enough have come."""
        ...

    async def snapshots(self) -> tuple[SnapshotFacts, ...]: ...

    async def piece(self, snapshot: bytes, chunk: int | None, offset: int) -> bytes:
        """Of the manifest where no chunk is named; nothing beyond its end."""
        ...


class Neighbours(Protocol):
    def all(self) -> Sequence[Neighbour]:
        """In an order that stays the same as long as they do."""
        ...

    def stand(self) -> None:
        """Tell them how far we are."""
        ...


class DialledNeighbours:
    """Over the links that stand to them."""

    def __init__(self, ledger: str, peers: Peers) -> None:
        self._ledger = ledger
        self._peers = peers

    def all(self) -> Sequence[Neighbour]:
        return [_Dialled(self._ledger, key, link) for key, link in sorted(self._peers.links.items())]

    def stand(self) -> None:
        self._peers.stand()


class _Dialled:
    def __init__(self, ledger: str, public_key: bytes, link: Link) -> None:
        self._ledger = ledger
        self._channel = link.channel
        self.public_key = public_key
        self.address = link.address

    async def height(self) -> Height:
        # the generated classes are typed for synchronous channels; over this one they answer awaitables
        stub: Any = ValidatorServiceStub(self._channel)
        answer = await _answer(stub.GetHeight(validator_pb2.GetHeightRequest(ledger=self._ledger), timeout=_TIMEOUT_S))
        return Height(answer.height)

    async def blocks(self, first: Height, last: Height) -> AsyncIterator[Block]:
        stub: Any = LedgerServiceStub(self._channel)
        call = stub.Blocks(ledger_pb2.BlocksRequest(ledger=self._ledger, from_height=first, to_height=last))
        try:
            while True:
                async with asyncio.timeout(CATCH_UP_TIMEOUT_MS / 1_000):
                    answer = await _answer(call.read())
                if answer is grpc.aio.EOF:
                    return
                yield read_block(answer.block)
        except TimeoutError:
            raise NodeUnreachable("it gives no more blocks") from None
        finally:
            call.cancel()

    async def snapshots(self) -> tuple[SnapshotFacts, ...]:
        stub: Any = SnapshotServiceStub(self._channel)
        request = snapshot_pb2.ListSnapshotsRequest(ledger=self._ledger)
        # who has just started is still dialling
        answering = stub.ListSnapshots(request, timeout=SYNC_OFFER_MS / 1_000, wait_for_ready=True)
        return read_snapshots(await _answer(answering))[:SYNC_OFFERS]

    async def piece(self, snapshot: bytes, chunk: int | None, offset: int) -> bytes:
        stub: Any = SnapshotServiceStub(self._channel)
        request = snapshot_pb2.GetSnapshotPieceRequest(ledger=self._ledger, id=snapshot, chunk=chunk, offset=offset)
        data: bytes = (await _answer(stub.GetSnapshotPiece(request, timeout=_TIMEOUT_S))).data
        return data


_TIMEOUT_S = SYNC_ANSWER_MS / 1_000


async def _answer(call: Any) -> Any:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise _refusal(error) from error
    except (asyncio.InvalidStateError, asyncio.CancelledError) as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # nobody cancels us: the channel was closed under the call
        raise NodeUnreachable("the link to it has ended") from error


def _refusal(error: grpc.aio.AioRpcError) -> LedgerError:
    """What a peer said, by its stable code; what it did not say means that it cannot be reached."""
    metadata = {str(key): str(value) for key, value in error.trailing_metadata() or ()}
    text = (error.details() or error.code().name)[:200]
    kind = by_code(metadata.get(CODE_METADATA, NodeUnreachable.code))
    advice = metadata.get(RETRY_METADATA, "")
    if kind is RateLimited and advice.isdigit():
        return RateLimited(text, retry_ms=int(advice))
    return kind(text)
