"""Evidence that holds against the genesis file alone: `ledgernode proof check`, or a wallet, verifies it by itself.

It is handed on as a node gives it; the gateway cannot make one up. Facts are proven by the transaction or timer's call
that made them, whose id every row has: a reading (with `item`, its place in the signed batch), a bill, a trade.

There is no proof of a single key of the state: the state's commitment is a sum over all of it. What the state says now
is asked by `POST /queries?certified=true`, which f+1 nodes answer alike.

A proof shows the whole receipt, to whom something in it is shown. A bill has a receipt of its own, which names nobody
else; a clearing's shows all its matches, by the numbers of orders.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.api.answering import gives, moment
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.ledger import Hash, shown
from gateway.http.app import PREFIX
from gateway.readmodel.queries import ledger
from ledgernode.wire.types import TransactionId

Item = Annotated[int | None, Query(ge=0, lt=1 << 31, description="one element of a signed batch")]


class Leaf(msgspec.Struct, frozen=True):
    """Bytes as hex, and their place in a Merkle tree."""

    data: str
    index: int
    path: tuple[str, ...]


class SetChange(msgspec.Struct, frozen=True):
    """The last block of an epoch, and the validators that follow."""

    header: str
    certificate: str
    next_set: str


class Proof(msgspec.Struct, frozen=True):
    """docs/formats.md says every byte."""

    format: str
    kind: str
    envelope: Leaf | None
    item: Leaf | None
    receipt: Leaf
    header: str
    certificate: str
    set_changes: tuple[SetChange, ...]


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["proofs"]), Depends(asking.viewer)

    @routes.get(f"{PREFIX}/proofs/transactions/{{which}}", responses=gives(Proof, "the evidence, in its one form"))
    async def transaction(which: Hash, viewer: Viewer = here, item: Item = None) -> Response:
        """Evidence of a transaction or timer's call, or of one element of what it has recorded."""
        transaction_id = TransactionId(bytes.fromhex(which))

        async def may(look: Look) -> bool | None:
            found = await ledger.transaction(look.connection, transaction_id)
            if found is None:
                return None
            seen = await shown(look, found)
            return True if not seen.withheld or any(event.payload != _WITHHELD for event in seen.events) else None

        await viewer.asked(may)
        return moment(msgspec.Raw(await asking.ledger.proof(transaction_id, item)))

    return routes


_WITHHELD: Final = msgspec.Raw(b"null")
