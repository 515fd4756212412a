"""Prepaid points: what is left, tokens, shared units, debts.

The digits of a token are never on the ledger. The gateway that tells them to a meter shows them to its tenant as well,
who may have to type them; to nobody else, not to staff or who may read the bills: they are worth money until they are
used.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.api.answering import SIZE, TEXT, After, Filter, Name, Number, Size, gives, moment
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.places import place_of
from gateway.http.app import JSON, PREFIX, schema_of
from gateway.readmodel.queries import prepaid
from gateway.readmodel.queries.pages import Page
from gateway.readmodel.queries.prepaid import DebtRow, PrepaidRow, ShareRow, TokenRow
from ledgernode.errors import AddressUnknown

OfPoint = Annotated[str, Query(min_length=1, max_length=200, pattern=TEXT)]
_BILLS: Final = "bills"


class Digits(msgspec.Struct, frozen=True):
    credit: int
    digits: str


class Debts(msgspec.Struct, frozen=True):
    items: tuple[DebtRow, ...]


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["prepaid"]), Depends(asking.viewer)

    @routes.get(f"{PREFIX}/points/{{point}}/prepaid", responses=gives(PrepaidRow, "what is known of its credit"))
    async def of_point(point: Name, viewer: Viewer = here) -> Response:
        """What a prepaid meter has left, and what is blocked."""

        async def found(look: Look) -> PrepaidRow | None:
            place = await place_of(look, point, _BILLS)
            if place is None:
                return None
            row = await prepaid.prepaid(look.connection, point)
            return row if row is None or not place.since_ms else _since(row, place.since_ms)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/tokens", responses=gives(Page[TokenRow], "newest first"))
    async def tokens(
        point: OfPoint, viewer: Viewer = here, status: Filter = "", size: Size = SIZE, after: After = ""
    ) -> Response:
        """Credits of a point and their tokens: reserved, minted, delivered, redeemed, burned."""

        async def found(look: Look) -> Page[TokenRow] | None:
            place = await place_of(look, point, _BILLS)
            if place is None:
                return None
            page = {"since_ms": place.since_ms, "size": size, "after": after}
            return await prepaid.tokens(look.connection, point, status=status, **page)  # type: ignore[arg-type]

        return await viewer.answer(found)

    @routes.get(
        f"{PREFIX}/points/{{point}}/tokens/{{credit}}/digits",
        responses={200: {"description": "to type at the meter", "content": {JSON: {"schema": schema_of(Digits)}}}},
    )
    async def digits(point: Name, credit: Number, viewer: Viewer = here) -> Response:
        """The twenty digits of a token of one's own meter, where this gateway has them and the ledger their hash."""

        async def found(look: Look) -> TokenRow | None:
            place = await place_of(look, point, _BILLS)
            if place is None or place.row.customer != look.scope.customer:
                return None
            row = await prepaid.token(look.connection, point, credit)
            return row if row is not None and row.reserved_ms >= place.since_ms else None

        row, held = await viewer.asked(found), asking.digits(credit)
        if not held or sha256(held.encode()).hexdigest() != row.token_hash:
            raise AddressUnknown("the digits of this token are not here")
        return moment(Digits(credit, held))

    @routes.get(f"{PREFIX}/shares", responses=gives(Page[ShareRow], "newest first"))
    async def shares(point: OfPoint, viewer: Viewer = here, size: Size = SIZE, after: After = "") -> Response:
        """What a point has given and been given."""

        async def found(look: Look) -> Page[ShareRow] | None:
            place = await place_of(look, point, _BILLS)
            if place is None:
                return None
            return await prepaid.shares(look.connection, point, since_ms=place.since_ms, size=size, after=after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/debts", responses=gives(Debts, "the oldest first"))
    async def debts(point: OfPoint, viewer: Viewer = here) -> Response:
        """What vends of a point pay off: its customer's debts, and those of the premises."""

        async def found(look: Look) -> Debts | None:
            place = await place_of(look, point, _BILLS)
            if place is None:
                return None
            owners = [owner for owner in (place.row.customer, place.row.premises) if owner]
            return Debts(tuple([row for owner in owners for row in await prepaid.debts(look.connection, owner)]))

        return await viewer.answer(found)

    return routes


def _since(row: PrepaidRow, since_ms: int) -> PrepaidRow:
    """Without what is of a time in which somebody else lived there."""
    sums = {"redeemed_mwh": 0, "returned_mwh": 0}
    last = {} if row.balance_ms >= since_ms else {"balance_mwh": None, "balance_ms": 0, "low": False}
    low = {} if row.low_ms >= since_ms else {"low_balance_mwh": None, "low_ms": 0}
    return msgspec.structs.replace(row, **sums, **last, **low)
