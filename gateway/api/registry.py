"""Customers and where they live, claims on premises, consents.

A customer finds its own; staff what is of their utility; regulators everything.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.api.answering import SIZE, After, Filter, Name, Size, gives
from gateway.api.asking import Asking, Look, Viewer
from gateway.http.app import PREFIX
from gateway.readmodel.queries import registry
from gateway.readmodel.queries.pages import Page
from gateway.readmodel.queries.registry import (
    ClaimRow,
    ConsentRow,
    CustomerRow,
    PointRow,
    Tenancy,
    WalletRow,
)

ClaimStatus = Annotated[Literal["", "open", "approved", "refused"], Query(description="'' is any")]


class CustomerShown(msgspec.Struct, frozen=True):
    """With its wallets, its points now, and where it has lived."""

    row: CustomerRow
    wallets: tuple[WalletRow, ...]
    points: tuple[PointRow, ...]
    tenancies: tuple[Tenancy, ...]


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["registry"]), Depends(asking.viewer)

    @routes.get(f"{PREFIX}/customers", responses=gives(Page[CustomerRow], "by id"))
    async def customers(
        *, viewer: Viewer = here, utility: Filter = "", q: Filter = "", size: Size = SIZE, after: After = ""
    ) -> Response:
        """Customers of a utility; `q` is how their ids begin. A customer finds itself."""

        async def found(look: Look) -> Page[CustomerRow]:
            scope = look.scope
            if scope.customer:
                own = await registry.customer(look.connection, scope.customer)
                return Page((own,) if own is not None and own.customer.startswith(q) else ())
            whose = utility or scope.staff_of
            if not scope.may_list(whose):
                return Page(())
            return await registry.customers(look.connection, utility=whose, prefix=q, size=size, after=after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/customers/{{which}}", responses=gives(CustomerShown, "with wallets and points"))
    async def customer(which: Name, viewer: Viewer = here) -> Response:
        """A customer."""

        async def found(look: Look) -> CustomerShown | None:
            row = await registry.customer(look.connection, which)
            if row is None or not look.scope.sees_customer(which):
                return None
            return CustomerShown(
                row,
                await registry.wallets(look.connection, which),
                await registry.points_of_customer(look.connection, which),
                await registry.tenancies(look.connection, customer=which),
            )

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/claims", responses=gives(Page[ClaimRow], "the oldest first"))
    async def claims(viewer: Viewer = here, utility: Filter = "", status: ClaimStatus = "open") -> Response:
        """Claims on premises: those that a utility's people decide, or the person's own."""

        async def found(look: Look) -> Page[ClaimRow]:
            scope = look.scope
            if not scope.staff_of and not scope.sees_all:
                return Page(await registry.claims(look.connection, wallet=scope.identity, status=status))
            whose = utility or scope.staff_of
            seen = scope.may_list(whose)
            return Page(await registry.claims(look.connection, utility=whose, status=status) if seen else ())

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/consents", responses=gives(Page[ConsentRow], "by point and reader; also those that ended"))
    async def consents(viewer: Viewer = here, point: Filter = "") -> Response:
        """Who may read a point; without one, what the person may read, and who may read its own points."""

        async def found(look: Look) -> Page[ConsentRow]:
            if point:
                row = await registry.point(look.connection, point)
                return Page(await _given(look, row) if row is not None else ())
            rows = list(await registry.consents(look.connection, reader=look.scope.identity))
            for own in look.scope.points:
                row = await registry.point(look.connection, own)
                rows += await _given(look, row) if row is not None else ()
            return Page(tuple(dict.fromkeys(rows)))

        return await viewer.answer(found)

    return routes


async def _given(look: Look, point: PointRow) -> tuple[ConsentRow, ...]:
    """Consents to read a point: all for staff; those of its own for who lives there; the person's for a reader."""
    rows = await registry.consents(look.connection, point=point.point)
    scope = look.scope
    if scope.sees_organisation(point.utility):
        return rows
    found = []
    for row in rows:
        giver = await registry.wallet(look.connection, row.given_by)
        own = bool(scope.customer) and giver is not None and giver.customer == scope.customer
        if own or scope.is_self(row.reader):
            found.append(row)
    return tuple(found)
