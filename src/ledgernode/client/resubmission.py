"""Submitting past a node that keeps silent: the same envelope to f more of them, and the first answer counts.

The node that was asked first may be slow, cut off, or keeping the transaction to itself. Of f+1 nodes one is
honest and forwards it. It takes effect once, however many are given it. A node that has it already is asked
itself what became of it: the first one may still be silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc

from ledgernode.client.connection import Connection, Endpoint, read_error
from ledgernode.config import CLIENT_RESUBMIT_MS
from ledgernode.errors import DuplicateTransaction
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.wire.quorum import faulty_limit
from ledgernode.wire.types import TransactionId


def helpers(connection: Connection, silent: Endpoint) -> Sequence[Endpoint]:
    """f other nodes, as far as they are known; one in any case where there is one."""
    others = [endpoint for endpoint in connection.endpoints if endpoint is not silent]
    return others[: max(1, faulty_limit(len(connection.endpoints)))]


async def submitted(
    connection: Connection,
    request: pb.SubmitRequest,
    status: pb.CommitStatusRequest,
    timeout_s: float,
) -> Any:
    """The first answer of a node; raises the refusal of the first one asked when none answers.

    A node that another one was faster than after all this time is not preferred any more.
    `status` asks a node for the outcome of what it says to have already.
    """

    async def attempt(endpoint: Endpoint, remaining_s: float) -> Any:
        try:
            return await endpoint.ledger.Submit(request, timeout=remaining_s)
        except grpc.aio.AioRpcError as error:
            if not isinstance(read_error(error), DuplicateTransaction):
                raise
            return await endpoint.ledger.CommitStatus(status, timeout=remaining_s)

    preferred = connection.current
    first = asyncio.create_task(connection.call(attempt, timeout_s=timeout_s))
    asked = {first}
    try:
        await asyncio.wait(asked, timeout=CLIENT_RESUBMIT_MS / 1_000)
        if not first.done():
            remaining_s = max(0.0, timeout_s - CLIENT_RESUBMIT_MS / 1_000)
            more = helpers(connection, preferred)
            asked |= {asyncio.create_task(_answer(attempt(endpoint, remaining_s))) for endpoint in more}
        while asked:
            done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task is not first and task.result() is not None:
                    connection.turn_from(preferred)
                    return task.result()
            if first.done() and first.exception() is None:
                break
        return first.result()
    finally:
        for task in (*asked, first):
            task.cancel()


async def _answer(asking: Any) -> Any:
    """None for any refusal: that the first one asked gives is the one to tell."""
    try:
        return await asking
    except grpc.aio.AioRpcError:
        return None


def status_request(ledger: str, transaction_id: TransactionId, wait_s: float, valid_until_ms: int) -> Any:
    """Asks what became of a transaction, and waits for it."""
    return pb.CommitStatusRequest(
        ledger=ledger, transaction_id=transaction_id, wait_ms=int(wait_s * 1_000), valid_until_ms=valid_until_ms
    )
