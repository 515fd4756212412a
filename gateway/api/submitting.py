"""What wallets have signed, handed on to the nodes byte by byte: transactions, and questions to contracts.

The gateway cannot alter them: any other byte is another signature. It hands on what the person who is signed in has
signed, and nobody else's, staff no more than customers. An answer tells the receipt, which is its creator's to see; and
what somebody holds of another, signed and not yet sent, is not theirs to send. Nothing is lost by it: whoever
may send for others (a gateway of devices, a partner who vends) has a way of its own, and is known there.

Form, ledger and signature are looked at here, so that what can never be right costs no node anything. All else is the
nodes' to refuse.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from gateway.api.answering import gives, moment
from gateway.api.asking import Asking, Viewer
from gateway.http.app import PREFIX, require_media_type
from gateway.http.door import waits
from ledgernode.client import CERTIFIED, Signed
from ledgernode.errors import (
    BadSignature,
    CommitUnknown,
    MalformedTransaction,
    RateLimited,
    RoleRefused,
    TransactionTooLarge,
    WrongChain,
    by_code,
)
from ledgernode.identity.keys import verify
from ledgernode.wire.answers import Outcome, ReadLevel, Stage, Wait
from ledgernode.wire.transaction import Kind, Nonce, Transaction, parse_transaction
from ledgernode.wire.types import TimeMs

BYTES: Final = "application/octet-stream"
LARGEST_BYTES: Final = 1024 * 1024
UNDER_WAY: Final = 1_000
"""So many transactions wait for their block at once."""
_RETRY_MS: Final = 1_000
_NULL: Final = msgspec.Raw(b"null")
WaitMs = Annotated[int, Query(ge=0, le=30_000, description="how long to wait for its block; 0: not at all")]
Certified = Annotated[bool, Query(description="ask f+1 nodes, and answer what they say alike")]
_TAKES: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {BYTES: {"schema": {"type": "string", "format": "binary"}}}}
}


class Receipt(msgspec.Struct, frozen=True):
    """What became of a transaction. With code OK it took effect; another code stands on the ledger as refused.

    `stage` is `committed`, or `waiting` while no block has it: then ask `GET /transactions/{id}` for a while.
    """

    transaction_id: str
    stage: str
    code: str
    message: str
    height: int
    position: int
    result: msgspec.Raw


class Answered(msgspec.Struct, frozen=True):
    """A contract's answer, and the block whose state gave it."""

    result: msgspec.Raw
    height: int


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["wallet"]), Depends(asking.viewer)
    relay = _Relay(asking)

    @routes.post(
        f"{PREFIX}/transactions",
        openapi_extra=_TAKES,
        responses=gives(Receipt, "in a block") | gives(Receipt, "handed in; no block has it yet", 202),
    )
    async def transaction(request: Request, viewer: Viewer = here, wait_ms: WaitMs = 10_000) -> Response:
        """Hand in a signed transaction of one's own. The same bytes again are the same transaction, and act once."""
        found = await _own(viewer, request, Kind.TRANSACTION)
        waits(request)
        return _receipt(found, await relay.submit(found, wait_ms))

    @routes.post(
        f"{PREFIX}/queries", openapi_extra=_TAKES, responses=gives(Answered, "what the contract answers who has signed")
    )
    async def query(request: Request, viewer: Viewer = here, certified: Certified = False) -> Response:
        """Ask a contract with a signed question of one's own. The contract decides who may ask what."""
        found = await _own(viewer, request, Kind.QUERY)
        level = CERTIFIED if certified else ReadLevel.LOCAL
        answer = await asking.ledger.evaluate_signed(found.raw, level=level)
        return moment(Answered(msgspec.Raw(answer.result), int(answer.height)))

    return routes


async def _own(viewer: Viewer, request: Request, kind: Kind) -> Transaction:
    """The envelope in the body. Refuses what is none, of another kind or ledger, falsely signed, or somebody else's."""
    require_media_type(request, BYTES)
    raw = await request.body()
    if len(raw) > LARGEST_BYTES:
        raise TransactionTooLarge(f"an envelope has at most {LARGEST_BYTES} bytes")
    found = parse_transaction(raw)
    body = found.body
    if body.kind is not kind:
        raise MalformedTransaction(f"a {kind.name.lower()} is asked for, this is a {body.kind.name.lower()}")
    if body.chain_id != viewer.asking.chain_id:
        raise WrongChain("this is signed for another ledger")
    if not verify(found.public_key, found.body_bytes, found.signature):
        raise BadSignature("the signature is not of this key over these bytes")
    if viewer.person is None or body.creator.hex() != viewer.person.identity:
        raise RoleRefused("who is signed in hands in what it has signed itself")
    return found


class _Relay:
    """Transactions on their way. One that is handed in goes on, also when nobody waits for it any more."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._under_way: set[asyncio.Task[Outcome]] = set()

    async def submit(self, found: Transaction, wait_ms: int) -> Outcome | None:
        """What became of it, None if nothing is known in time. Raises what a node refused it for."""
        if len(self._under_way) >= UNDER_WAY:
            raise RateLimited("as many transactions as may be are on their way", retry_ms=_RETRY_MS)
        replay = found.body.replay
        valid_until_ms = replay.valid_until_ms if isinstance(replay, Nonce) else TimeMs(0)
        signed = Signed(found.id, found.raw, valid_until_ms)
        wait = Wait.COMMITTED if wait_ms else Wait.ADMITTED
        task = asyncio.ensure_future(self._asking.ledger.submit_signed(signed, wait=wait, raise_refused=False))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        await asyncio.wait((task,), timeout=wait_ms / 1_000 if wait_ms else None)
        try:
            return task.result() if task.done() else None
        except CommitUnknown:
            return None

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited was told


def _receipt(found: Transaction, outcome: Outcome | None) -> Response:
    """Of a transaction that is in a block (200) or may come into one (202); raises why one never will."""
    named = found.id.hex()
    if outcome is None or outcome.stage is Stage.ADMITTED:
        return moment(Receipt(named, "waiting", "", "", 0, 0, _NULL), 202)
    if outcome.stage is not Stage.COMMITTED:
        raise by_code(outcome.code)(outcome.message, code=outcome.code, transaction_id=named)
    result = msgspec.Raw(outcome.result or b"null")
    where = int(outcome.height), outcome.position
    return moment(Receipt(named, "committed", outcome.code, outcome.message, *where, result))
