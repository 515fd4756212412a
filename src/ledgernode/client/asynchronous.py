"""The asynchronous client of one ledger.

    async with LedgerClient(["node-1:7051", "node-2:7051"], "north", credentials) as ledger:
        signer = Signer(key, chain_id=(await ledger.facts()).chain_id)
        outcome = await ledger.submit("currency", "transfer", {"to": "…", "amount": 250}, signer=signer)
        answer = await ledger.evaluate("currency", "balance", {"account": "…"}, signer=signer)

"Committed" means: in a block that has its certificate. A submission is signed once; when a node fails, the
very same envelope goes to the next one, and a node that has it already answers with what became of it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Self

import grpc

from ledgernode.client.certified import certified_answer
from ledgernode.client.connection import Connection, Endpoint, read_error, typed
from ledgernode.client.resubmission import status_request, submitted
from ledgernode.client.signer import Arguments, Signed, Signer
from ledgernode.client.stream import Submissions, SubmitStream
from ledgernode.config import DEFAULT_WAIT_MS, QUERY_BUDGET
from ledgernode.errors import BadRequest, LedgerError, TransactionExpired
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.wire import protobuf
from ledgernode.wire.answers import (
    Answer,
    Block,
    LedgerFacts,
    LocatedTransaction,
    NumberedEvent,
    Outcome,
    ReadLevel,
    Stage,
    Wait,
)
from ledgernode.wire.protocol import common, named
from ledgernode.wire.types import Height, TransactionId

CERTIFIED = "certified"
"""The read level that asks f+1 nodes for equal answers."""

_LEVELS = {
    "local": ReadLevel.LOCAL,
    "at-least": ReadLevel.AT_LEAST,
    "linearizable": ReadLevel.LINEARIZABLE,
    "at-height": ReadLevel.AT_HEIGHT,
}


class LedgerClient:
    """Calls of one ledger over one connection. Every method raises the leaf of `ledgernode.errors`."""

    def __init__(
        self,
        endpoints: Sequence[str],
        ledger: str,
        credentials: grpc.ChannelCredentials | None = None,
        *,
        timeout_ms: int = DEFAULT_WAIT_MS,
    ) -> None:
        self.ledger = ledger
        self._connection = Connection(endpoints, credentials)
        self._timeout_s = timeout_ms / 1_000
        self._facts: LedgerFacts | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._connection.close()

    # ------------------------------------------------------------ submitting

    async def submit(
        self,
        contract: str,
        function: str,
        arguments: Arguments,
        *,
        signer: Signer,
        budget: int | None = None,
        sequence: int | None = None,
        wait: Wait = Wait.COMMITTED,
        raise_refused: bool = True,
    ) -> Outcome:
        """Sign and submit one transaction, and wait for what `wait` says.

        `budget` is the ledger's limit when left out. A committed transaction that the contract refused
        raises its error (`ContractRefused` with the facts `code` and `contract`), unless `raise_refused`
        is false: then its outcome is returned. Raises CommitUnknown when the time is over first.
        """
        declared = (await self._known_facts()).parameters.budget if budget is None else budget
        signed = signer.transaction(contract, function, arguments, budget=declared, sequence=sequence)
        return await self.submit_signed(signed, wait=wait, raise_refused=raise_refused)

    async def submit_signed(
        self, signed: Signed, *, wait: Wait = Wait.COMMITTED, raise_refused: bool = True
    ) -> Outcome:
        """Submit what was signed before, perhaps not for the first time; it takes effect once.

        A node that does not answer may keep it from the others: after a while f more nodes are given it too.
        """
        request = pb.SubmitRequest(ledger=self.ledger, transaction=signed.envelope, wait=protobuf.number(wait))
        status = status_request(self.ledger, signed.id, self._timeout_s, signed.valid_until_ms)
        try:
            answer = await submitted(self._connection, request, status, self._timeout_s)
            outcome = protobuf.read_outcome(answer.outcome)
        except TransactionExpired as refusal:
            outcome = await self._outcome_of_earlier_sending(signed, refusal)
        return settled(outcome) if raise_refused else outcome

    async def _outcome_of_earlier_sending(self, signed: Signed, refusal: LedgerError) -> Outcome:
        """An expired envelope may have been committed in time, by a sending whose answer was lost."""
        try:
            outcome = await self.status_of(signed.id, wait_ms=0, valid_until_ms=signed.valid_until_ms)
        except LedgerError:
            raise refusal from None
        if outcome.stage is not Stage.COMMITTED:
            raise refusal
        return outcome

    async def submit_many(
        self, transactions: Submissions, *, wait: Wait = Wait.COMMITTED
    ) -> AsyncGenerator[Outcome, None]:
        """Stream signed transactions; yields each one's outcome as it comes, refusals included.

            async for outcome in ledger.submit_many(signed_readings):
                …

        Takes any iterable or asynchronous iterable of `Signed`, and reads it no further ahead than a stream
        may hold unanswered. Survives a node's failure: what is unanswered is sent again. A node that keeps some
        of it unanswered for a while may keep it from the others: f more nodes are given it too, and one that
        keeps silent altogether is left.
        """
        async with aclosing(self.submit_batches(transactions, wait=wait)) as batches:
            async for outcomes in batches:
                for outcome in outcomes:
                    yield outcome

    def submit_batches(
        self, transactions: Submissions, *, wait: Wait = Wait.COMMITTED
    ) -> AsyncGenerator[list[Outcome], None]:
        """As `submit_many`, with the outcomes in the batches they come in."""
        return SubmitStream(self._connection, self.ledger, wait, self._timeout_s).outcomes(transactions)

    async def status_of(
        self, transaction_id: TransactionId, *, wait_ms: int | None = None, valid_until_ms: int = 0
    ) -> Outcome:
        """What became of a transaction; waits for it.

        Stage NEVER when chain time has passed `valid_until_ms`. Raises CommitUnknown when the wait ends first.
        """
        wait_s = self._timeout_s if wait_ms is None else wait_ms / 1_000
        request = status_request(self.ledger, transaction_id, wait_s, valid_until_ms)
        answer = await self._call("CommitStatus", request, timeout_s=wait_s + self._timeout_s)
        return protobuf.read_outcome(answer.outcome)

    # ------------------------------------------------------------ asking

    async def evaluate(
        self,
        contract: str,
        function: str,
        arguments: Arguments,
        *,
        signer: Signer,
        level: ReadLevel | str = ReadLevel.LOCAL,
        height: int = 0,
        budget: int = QUERY_BUDGET,
    ) -> Answer:
        """Ask a contract, and get JSON with the height whose state answered.

        Levels: "local" (this node's state), "at-least" (a node that has reached `height`), "linearizable"
        (nothing committed before the question is missed), "at-height" (the state after exactly `height`),
        and "certified" (f+1 nodes give the same answer at one height; needs as many endpoints).
        """
        query = signer.query(contract, function, arguments, budget=budget)
        return await self.evaluate_signed(query, level=level, height=height)

    async def evaluate_signed(
        self, query: bytes, *, level: ReadLevel | str = ReadLevel.LOCAL, height: int = 0
    ) -> Answer:
        """Ask what somebody has signed: who carries a question need not be who asks it."""
        if level == CERTIFIED:
            return await certified_answer(self._connection.endpoints, self.ledger, query, self._timeout_s)
        request = pb.EvaluateRequest(
            ledger=self.ledger,
            query=query,
            level=protobuf.number(_read_level(level)),
            height=height,
        )
        answer = await self._call("Evaluate", request)
        return Answer(answer.result, Height(answer.height))

    # ------------------------------------------------------------ streams

    async def blocks(
        self, from_height: int = 0, *, to_height: int = 0, headers_only: bool = False
    ) -> AsyncIterator[Block]:
        """Every block from a height on, then new ones as they come; up to `to_height` when it is given."""
        following = from_height
        retrying = self._connection.retrying(float("inf"))
        while not to_height or following <= to_height:
            request = pb.BlocksRequest(
                ledger=self.ledger, from_height=following, to_height=to_height, headers_only=headers_only
            )
            try:
                async for answer in retrying.endpoint.ledger.Blocks(request):
                    yield protobuf.read_block(answer.block)
                    following += 1
                    retrying.restart()
            except grpc.aio.AioRpcError as error:
                await retrying.after(read_error(error))

    async def events(
        self, from_height: int = 0, *, contract: str = "", names: Sequence[str] = (), to_height: int = 0
    ) -> AsyncIterator[NumberedEvent]:
        """Events from a height on, then new ones as they come; of one contract, or of some names only."""
        following, after_number = from_height, 0
        retrying = self._connection.retrying(float("inf"))
        while not to_height or following <= to_height:
            request = pb.EventsRequest(
                ledger=self.ledger,
                from_height=following,
                contract=contract,
                names=names,
                after_number=after_number,
            )
            try:
                async for answer in retrying.endpoint.ledger.Events(request):
                    retrying.restart()
                    for message in answer.events:
                        if to_height and message.height > to_height:
                            return
                        following, after_number = message.height, message.number
                        yield protobuf.read_event(message)
                    if answer.height >= following:
                        following, after_number = answer.height + 1, 0
                    if to_height and following > to_height:
                        return
            except grpc.aio.AioRpcError as error:
                await retrying.after(read_error(error))

    # ------------------------------------------------------------ looking up

    async def facts(self) -> LedgerFacts:
        """Chain id, head, engine and limits. Refuses a node that speaks another protocol (ProtocolUnsupported)."""
        answer = await self._call("GetLedger", pb.GetLedgerRequest(ledger=self.ledger))
        facts = protobuf.read_facts(answer)
        common(named(facts.protocol_oldest, facts.protocol_newest), "the node")
        self._facts = facts
        return facts

    async def block(self, which: Height | bytes | None = None) -> Block:
        """A block by height or by header hash; the newest when neither is given."""
        request = pb.GetBlockRequest(ledger=self.ledger)
        if which is None:
            request.latest = True
        elif isinstance(which, bytes):
            request.header_hash = which
        else:
            request.height = which
        return protobuf.read_block((await self._call("GetBlock", request)).block)

    async def transaction(self, transaction_id: TransactionId) -> LocatedTransaction:
        """A committed transaction with its receipt. Raises UnknownTransaction."""
        request = pb.GetTransactionRequest(ledger=self.ledger, transaction_id=transaction_id)
        return protobuf.read_transaction(await self._call("GetTransaction", request))

    async def proof(self, transaction_id: TransactionId, item: int | None = None) -> bytes:
        """Evidence that holds against the genesis file alone; of one element of a signed batch with `item`."""
        request = pb.GetProofRequest(
            ledger=self.ledger, transaction_id=transaction_id, has_item=item is not None, item=item or 0
        )
        proof: bytes = (await self._call("GetProof", request)).proof
        return proof

    async def _known_facts(self) -> LedgerFacts:
        return self._facts or await self.facts()

    async def _call(self, method: str, request: Any, *, timeout_s: float | None = None) -> Any:
        async def attempt(endpoint: Endpoint, remaining_s: float) -> Any:
            return await getattr(endpoint.ledger, method)(request, timeout=remaining_s)

        return await self._connection.call(attempt, timeout_s=timeout_s or self._timeout_s)


def settled(outcome: Outcome) -> Outcome:
    """The outcome, if it took effect or may yet; raises the error of its code if it did not."""
    if outcome.succeeded or outcome.stage is Stage.ADMITTED:
        return outcome
    raise typed(outcome.code, outcome.message, transaction_id=outcome.transaction_id.hex(), height=int(outcome.height))


def _read_level(level: ReadLevel | str) -> ReadLevel:
    if isinstance(level, ReadLevel):
        return level
    if level not in _LEVELS:
        raise BadRequest(f"a read level is one of {', '.join((*_LEVELS, CERTIFIED))}, not {level!r}")
    return _LEVELS[level]
