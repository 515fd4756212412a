"""Submitting past a node that keeps silent: the same envelope to f more of them, and the first answer counts.

The node that was asked first may be slow, cut off, or keeping the transaction to itself. Of f+1 nodes one is
honest and forwards it. It takes effect once, however many are given it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from ledgernode.client.connection import Connection, Endpoint, read_error
from ledgernode.config import CLIENT_RESUBMIT_MS
from ledgernode.errors import DuplicateTransaction
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.wire.quorum import faulty_limit


async def submitted(connection: Connection, request: pb.SubmitRequest, timeout_s: float) -> Any:
    """The first answer of a node; raises the refusal of the first one asked when none answers."""

    async def attempt(endpoint: Endpoint, remaining_s: float) -> Any:
        return await endpoint.ledger.Submit(request, timeout=remaining_s)

    preferred = connection.current
    first = asyncio.create_task(connection.call(attempt, timeout_s=timeout_s))
    asked = {first}
    try:
        await asyncio.wait(asked, timeout=CLIENT_RESUBMIT_MS / 1_000)
        if not first.done():
            others = [endpoint for endpoint in connection.endpoints if endpoint is not preferred]
            remaining_s = max(0.0, timeout_s - CLIENT_RESUBMIT_MS / 1_000)
            more = faulty_limit(len(connection.endpoints))
            asked |= {asyncio.create_task(_once(endpoint, request, remaining_s)) for endpoint in others[:more]}
        while asked:
            done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=lambda task: task is first):
                if task is first or task.exception() is not None or task.result() is not None:
                    return task.result()
        raise AssertionError("the first one asked answers or is refused")
    finally:
        for task in (*asked, first):
            task.cancel()


async def _once(endpoint: Endpoint, request: pb.SubmitRequest, timeout_s: float) -> Any:
    """Its answer; None for any refusal: that the first one asked gives is the one to tell. A duplicate is told."""
    try:
        return await endpoint.ledger.Submit(request, timeout=timeout_s)
    except grpc.aio.AioRpcError as error:
        refusal = read_error(error)
        if isinstance(refusal, DuplicateTransaction):
            raise refusal from None
        return None
