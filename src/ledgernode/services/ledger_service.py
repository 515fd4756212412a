"""`LedgerService`: each call finds its ledger, hands plain values to it, and turns the answer into a message."""

# ruff: noqa: N802  # the schema names the calls, and what each is given

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from ledgernode import __version__
from ledgernode.errors import BadRequest
from ledgernode.node.subscriptions import EventFilter
from ledgernode.services.access import LISTENERS, MEMBERS, READERS
from ledgernode.services.caller import Context, seconds_left
from ledgernode.services.calls import Service, streaming, unary
from ledgernode.services.submit_stream import SubmitStream
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.v1.ledger_pb2_grpc import LedgerServiceServicer
from ledgernode.wire import protobuf
from ledgernode.wire.types import Height


class LedgerService(Service, LedgerServiceServicer):
    """What clients, gateways and followers call."""

    @unary(MEMBERS)
    async def Submit(self, request: pb.SubmitRequest, context: Context) -> pb.SubmitResponse:
        ledger = self.ledger(request.ledger, context)
        wait = protobuf.read_wait(request.wait)
        outcome = await ledger.submissions.submit(request.transaction, wait, seconds_left(context))
        return pb.SubmitResponse(outcome=protobuf.outcome_message(outcome))

    @streaming(MEMBERS)
    async def SubmitMany(
        self, requests: AsyncIterator[pb.SubmitManyRequest], context: Context
    ) -> AsyncIterator[pb.SubmitManyResponse]:
        async with aclosing(SubmitStream(lambda name: self.ledger(name, context)).outcomes(requests)) as batches:
            async for outcomes in batches:
                yield protobuf.outcomes_message(outcomes)

    @unary(MEMBERS)
    async def CommitStatus(self, request: pb.CommitStatusRequest, context: Context) -> pb.CommitStatusResponse:
        ledger = self.ledger(request.ledger, context)
        outcome = await ledger.submissions.status(
            protobuf.read_transaction_id(request.transaction_id),
            request.valid_until_ms,
            seconds_left(context, request.wait_ms),
        )
        return pb.CommitStatusResponse(
            outcome=protobuf.outcome_message(outcome), height=ledger.progress.height, time_ms=ledger.progress.time_ms
        )

    @unary(MEMBERS)
    async def Evaluate(self, request: pb.EvaluateRequest, context: Context) -> pb.EvaluateResponse:
        ledger = self.ledger(request.ledger, context)
        level = protobuf.read_level(request.level)
        answer = await ledger.questions.ask(request.query, level, request.height, seconds_left(context))
        return pb.EvaluateResponse(result=answer.result, height=answer.height)

    @streaming(READERS)
    async def Blocks(self, request: pb.BlocksRequest, context: Context) -> AsyncIterator[pb.BlocksResponse]:
        ledger = self.ledger(request.ledger, context)
        stream = ledger.subscriptions.blocks(request.from_height, request.to_height, headers_only=request.headers_only)
        async with aclosing(stream) as blocks:
            async for block in blocks:
                yield pb.BlocksResponse(block=protobuf.block_message(block))

    @streaming(LISTENERS)
    async def Events(self, request: pb.EventsRequest, context: Context) -> AsyncIterator[pb.EventsResponse]:
        ledger = self.ledger(request.ledger, context)
        wanted = EventFilter(request.contract, frozenset(request.names))
        stream = ledger.subscriptions.events(request.from_height, wanted, after_number=request.after_number)
        async with aclosing(stream) as pages:
            async for height, events in pages:
                yield protobuf.events_message(events, height)

    @unary(READERS)
    async def GetBlock(self, request: pb.GetBlockRequest, context: Context) -> pb.GetBlockResponse:
        ledger = self.ledger(request.ledger, context)
        return pb.GetBlockResponse(block=protobuf.block_message(ledger.lookups.block(_which(request))))

    @unary(LISTENERS)
    async def GetTransaction(self, request: pb.GetTransactionRequest, context: Context) -> pb.GetTransactionResponse:
        ledger = self.ledger(request.ledger, context)
        found = ledger.lookups.transaction(protobuf.read_transaction_id(request.transaction_id))
        return protobuf.transaction_message(found)

    @unary(LISTENERS)
    async def GetProof(self, request: pb.GetProofRequest, context: Context) -> pb.GetProofResponse:
        ledger = self.ledger(request.ledger, context)
        item = request.item if request.has_item else None
        return pb.GetProofResponse(
            proof=ledger.lookups.proof(protobuf.read_transaction_id(request.transaction_id), item)
        )

    @unary(MEMBERS)
    async def GetLedger(self, request: pb.GetLedgerRequest, context: Context) -> pb.GetLedgerResponse:
        ledger = self.ledger(request.ledger, context)
        clock_ms = str(ledger.clock_ms())
        context.set_trailing_metadata(((protobuf.VERSION_METADATA, __version__), (protobuf.CLOCK_METADATA, clock_ms)))
        return protobuf.facts_message(ledger.facts())


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
