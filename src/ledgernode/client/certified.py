"""An answer that f+1 nodes give alike: at least one of them is honest, so it is true.

Every node is asked where the chain stands; the height taken is one that an honest node vouches for. Then
every node is asked for the state after exactly that height. A refusal counts as an answer, by its code.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc

from ledgernode.client.connection import Endpoint, read_error, typed
from ledgernode.errors import LedgerError, NodeUnreachable
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.wire.answers import Answer
from ledgernode.wire.quorum import faulty_limit
from ledgernode.wire.types import Height


async def certified_answer(endpoints: Sequence[Endpoint], ledger: str, query: bytes, timeout_s: float) -> Answer:
    """Raises NodeUnreachable when f+1 equal answers do not come, and the refusal f+1 nodes agree on."""
    about = pb.GetLedgerRequest(ledger=ledger)
    facts = await _every(endpoints, lambda endpoint: endpoint.ledger.GetLedger(about, timeout=timeout_s))
    known = [fact for fact in facts if not isinstance(fact, LedgerError)]
    if not known:
        raise facts[0]
    needed = faulty_limit(max(fact.validators for fact in known)) + 1
    if len(known) < needed:
        raise NodeUnreachable(f"a certified answer needs {needed} nodes, {len(known)} of {len(endpoints)} answer")
    height = sorted((int(fact.height) for fact in known), reverse=True)[needed - 1]
    request = pb.EvaluateRequest(ledger=ledger, query=query, level=pb.READ_LEVEL_AT_HEIGHT, height=height)
    answers = await _every(endpoints, lambda endpoint: endpoint.ledger.Evaluate(request, timeout=timeout_s))
    return _agreed(answers, needed, Height(height))


def _agreed(answers: Sequence[Any], needed: int, height: Height) -> Answer:
    votes = Counter(
        (answer.facts.get("code", answer.code), str(answer)) if isinstance(answer, LedgerError) else answer.result
        for answer in answers
        if not isinstance(answer, NodeUnreachable)
    )
    for vote, count in votes.items():
        if count >= needed:
            if isinstance(vote, bytes):
                return Answer(vote, height)
            raise typed(*vote)
    raise NodeUnreachable(f"no {needed} nodes agree on the answer at height {height}")


async def _every(endpoints: Sequence[Endpoint], ask: Callable[[Endpoint], Awaitable[Any]]) -> list[Any]:
    """Each endpoint's answer, or its error."""

    async def one(endpoint: Endpoint) -> Any:
        try:
            return await ask(endpoint)
        except grpc.aio.AioRpcError as error:
            return read_error(error)

    return list(await asyncio.gather(*(one(endpoint) for endpoint in endpoints)))
