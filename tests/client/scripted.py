"""A node that behaves as a test tells it: what a real one does only when something breaks.

It speaks the real protocol over a real port. Each call takes the next entry of its script: an error is
refused with, a coroutine function is asked with the request, anything else is answered with; when the script is
over, `otherwise` answers.
"""

# ruff: noqa: N802  # the schema names the calls

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from ledgernode.errors import LedgerError
from ledgernode.services.calls import refuse
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.v1.ledger_pb2_grpc import LedgerServiceServicer, add_LedgerServiceServicer_to_server
from ledgernode.wire import protobuf
from ledgernode.wire.answers import LedgerFacts, Outcome, Stage
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.transaction import parse_transaction
from ledgernode.wire.types import Epoch, Height, TimeMs, TransactionId
from tests.node.envelopes import CHAIN

SILENCE = object()
"""A step that never answers."""

Step = LedgerError | Any
Otherwise = Callable[[Any], Awaitable[Any]]


class ScriptedNode(LedgerServiceServicer):
    """`asked` has every request, by the name of its call."""

    def __init__(self) -> None:
        self.script: dict[str, list[Step]] = {}
        self.asked: list[tuple[str, Any]] = []
        self.address = ""
        self.height = 5
        self.validators = 1

    async def start(self) -> str:
        """Serve on a free port; the address."""
        self._server = grpc.aio.server()
        add_LedgerServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return f"127.0.0.1:{port}"

    async def stop(self) -> None:
        await self._server.stop(None)

    async def _next(self, call: str, request: Any, context: Any, otherwise: Any) -> Any:
        self.asked.append((call, request))
        waiting = self.script.get(call, [])
        step = waiting.pop(0) if waiting else otherwise
        if inspect.iscoroutinefunction(step):
            step = await step(request)
        if isinstance(step, LedgerError):
            await refuse(context, step)
        if step is SILENCE:
            await asyncio.Event().wait()
        return step

    async def Submit(self, request: Any, context: Any) -> Any:
        transaction_id = parse_transaction(request.transaction).id
        return await self._next("Submit", request, context, submitted(transaction_id))

    async def CommitStatus(self, request: Any, context: Any) -> Any:
        outcome = protobuf.outcome_message(committed(TransactionId(request.transaction_id)))
        return await self._next("CommitStatus", request, context, pb.CommitStatusResponse(outcome=outcome))

    async def Evaluate(self, request: Any, context: Any) -> Any:
        answer = pb.EvaluateResponse(result=b"1", height=request.height or self.height)
        return await self._next("Evaluate", request, context, answer)

    async def GetLedger(self, request: Any, context: Any) -> Any:
        facts = LedgerFacts(
            "test", CHAIN, Height(self.height), TimeMs(1), Epoch(0), "solo", Parameters(), self.validators, bytes(32)
        )
        return await self._next("GetLedger", request, context, protobuf.facts_message(facts))

    async def Blocks(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """The script's steps in order; an error ends the stream."""
        self.asked.append(("Blocks", request))
        for step in self._stream("Blocks"):
            if isinstance(step, LedgerError):
                await refuse(context, step)
            yield step

    async def Events(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.asked.append(("Events", request))
        for step in self._stream("Events"):
            if isinstance(step, LedgerError):
                await refuse(context, step)
            yield step

    async def SubmitMany(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        """Each batch takes a step: an error ends the stream, a code refuses every transaction of the batch.

        Or it is a coroutine function of the batch's ids, which gives their outcomes, if not of all.
        """
        async for request in requests:
            self.asked.append(("SubmitMany", request))
            waiting = self.script.get("SubmitMany", [])
            step = waiting.pop(0) if waiting else None
            if isinstance(step, LedgerError):
                await refuse(context, step)
            ids = [parse_transaction(raw).id for raw in request.transactions]
            if step is SILENCE:
                continue
            if inspect.iscoroutinefunction(step):
                yield protobuf.outcomes_message(await step(ids))
                continue
            yield protobuf.outcomes_message(
                committed(one) if step is None else Outcome(one, Stage.REFUSED, step) for one in ids
            )

    def _stream(self, call: str) -> list[Step]:
        """Steps up to the first error, which belongs to this stream; the rest is for the next."""
        waiting = self.script.get(call, [])
        end = next((place + 1 for place, step in enumerate(waiting) if isinstance(step, LedgerError)), len(waiting))
        taken, self.script[call] = waiting[:end], waiting[end:]
        return taken


def committed(transaction_id: TransactionId, code: str = "OK") -> Outcome:
    return Outcome(transaction_id, Stage.COMMITTED, code, "", Height(7), 0, b"null")


def submitted(transaction_id: TransactionId, code: str = "OK") -> Any:
    return pb.SubmitResponse(outcome=protobuf.outcome_message(committed(transaction_id, code)))
