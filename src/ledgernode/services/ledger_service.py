"""`LedgerService`: each call finds its ledger, hands plain values to it, and turns the answer into a message."""

# ruff: noqa: N802  # the schema names the calls

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from ledgernode.errors import BadRequest, NodeStopping, UnknownLedger
from ledgernode.node.ledger import ServedLedger
from ledgernode.node.subscriptions import EventFilter
from ledgernode.services.caller import Callers, seconds_left
from ledgernode.services.errors_grpc import Context, streaming, unary
from ledgernode.services.submit_stream import SubmitStream
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.v1.ledger_pb2_grpc import LedgerServiceServicer
from ledgernode.wire import protobuf
from ledgernode.wire.types import Height


class LedgerService(LedgerServiceServicer):
    """What clients, gateways and followers call; any member with a valid certificate may."""

    def __init__(self, ledgers: Mapping[str, ServedLedger], callers: Callers) -> None:
        self._ledgers = ledgers
        self._callers = callers

    @unary
    async def Submit(self, request: pb.SubmitRequest, context: Context) -> pb.SubmitResponse:
        ledger = self._ledger(request.ledger, context)
        wait = protobuf.read_wait(request.wait)
        outcome = await ledger.submissions.submit(request.transaction, wait, seconds_left(context))
        return pb.SubmitResponse(outcome=protobuf.outcome_message(outcome))

    @streaming
    async def SubmitMany(
        self, requests: AsyncIterator[pb.SubmitManyRequest], context: Context
    ) -> AsyncIterator[pb.SubmitManyResponse]:
        self._callers.require_member(context)
        async with aclosing(SubmitStream(self._named).outcomes(requests)) as batches:
            async for outcomes in batches:
                yield protobuf.outcomes_message(outcomes)

    @unary
    async def CommitStatus(self, request: pb.CommitStatusRequest, context: Context) -> pb.CommitStatusResponse:
        ledger = self._ledger(request.ledger, context)
        outcome = await ledger.submissions.status(
            protobuf.read_transaction_id(request.transaction_id),
            request.valid_until_ms,
            seconds_left(context, request.wait_ms),
        )
        return pb.CommitStatusResponse(
            outcome=protobuf.outcome_message(outcome), height=ledger.progress.height, time_ms=ledger.progress.time_ms
        )

    @unary
    async def Evaluate(self, request: pb.EvaluateRequest, context: Context) -> pb.EvaluateResponse:
        ledger = self._ledger(request.ledger, context)
        level = protobuf.read_level(request.level)
        answer = await ledger.questions.ask(request.query, level, request.height, seconds_left(context))
        return pb.EvaluateResponse(result=answer.result, height=answer.height)

    @streaming
    async def Blocks(self, request: pb.BlocksRequest, context: Context) -> AsyncIterator[pb.BlocksResponse]:
        ledger = self._ledger(request.ledger, context)
        stream = ledger.subscriptions.blocks(request.from_height, request.to_height, headers_only=request.headers_only)
        async with aclosing(stream) as blocks:
            async for block in blocks:
                yield pb.BlocksResponse(block=protobuf.block_message(block))

    @streaming
    async def Events(self, request: pb.EventsRequest, context: Context) -> AsyncIterator[pb.EventsResponse]:
        ledger = self._ledger(request.ledger, context)
        wanted = EventFilter(request.contract, frozenset(request.names))
        stream = ledger.subscriptions.events(request.from_height, wanted, after_number=request.after_number)
        async with aclosing(stream) as pages:
            async for height, events in pages:
                yield protobuf.events_message(events, height)

    @unary
    async def GetBlock(self, request: pb.GetBlockRequest, context: Context) -> pb.GetBlockResponse:
        ledger = self._ledger(request.ledger, context)
        return pb.GetBlockResponse(block=protobuf.block_message(ledger.lookups.block(_which(request))))

    @unary
    async def GetTransaction(self, request: pb.GetTransactionRequest, context: Context) -> pb.GetTransactionResponse:
        ledger = self._ledger(request.ledger, context)
        found = ledger.lookups.transaction(protobuf.read_transaction_id(request.transaction_id))
        return protobuf.transaction_message(found)

    @unary
    async def GetProof(self, request: pb.GetProofRequest, context: Context) -> pb.GetProofResponse:
        ledger = self._ledger(request.ledger, context)
        item = request.item if request.has_item else None
        return pb.GetProofResponse(
            proof=ledger.lookups.proof(protobuf.read_transaction_id(request.transaction_id), item)
        )

    @unary
    async def GetLedger(self, request: pb.GetLedgerRequest, context: Context) -> pb.GetLedgerResponse:
        return protobuf.facts_message(self._ledger(request.ledger, context).facts())

    def _ledger(self, name: str, context: Context) -> ServedLedger:
        self._callers.require_member(context)
        return self._named(name)

    def _named(self, name: str) -> ServedLedger:
        ledger = self._ledgers.get(name)
        if ledger is None:
            raise UnknownLedger(f"this node does not serve a ledger {name!r}")
        if ledger.is_closed:
            raise NodeStopping("the ledger is being opened again: ask again, or another node")
        return ledger


def _which(request: pb.GetBlockRequest) -> Height | bytes | None:
    match request.WhichOneof("which"):
        case "height":
            return Height(request.height)
        case "header_hash":
            return request.header_hash
        case "latest":
            return None
        case _:
            raise BadRequest("name a block by its height or header hash, or ask for the latest")
