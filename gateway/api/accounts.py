"""Currency accounts: what is on them, how it came, what is set aside.

An account is read by its owner, by the issuer's people and by regulators; those of an organisation's own people and
services by its staff. An identity that has never had money has an account with nothing on it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from gateway.api.answering import SIZE, After, Name, Size, gives
from gateway.api.asking import Asking, Look, Viewer
from gateway.http.app import PREFIX
from gateway.readmodel.queries import accounts, governance
from gateway.readmodel.queries.accounts import AccountRow, EscrowRow, HeldRow, PostingRow
from gateway.readmodel.queries.pages import Page


class Escrows(msgspec.Struct, frozen=True):
    items: tuple[EscrowRow, ...]


class Currency(msgspec.Struct, frozen=True):
    """`supply_minor`: what was minted less what was burned."""

    code: str
    issuer: str
    supply_minor: int
    held: HeldRow | None


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["accounts"]), Depends(asking.viewer)

    @routes.get(f"{PREFIX}/currency", responses=gives(Currency, "what there is, and what accounts hold"))
    async def currency(viewer: Viewer = here) -> Response:
        """The currency and its supply; what all accounts hold is told to who may see them all."""

        async def found(look: Look) -> Currency | None:
            row = await accounts.currency(look.connection)
            if row is None:
                return None
            sees = look.scope.sees_organisation(look.scope.holdings.issuer)
            held = await accounts.held(look.connection) if sees else None
            return Currency(row.code, row.issuer, row.supply_minor, held)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/accounts", responses=gives(Page[AccountRow], "by id"))
    async def listed(viewer: Viewer = here, size: Size = SIZE, after: After = "") -> Response:
        """Accounts: the issuer's people and regulators see all, staff their organisation's, others their own."""

        async def found(look: Look) -> Page[AccountRow]:
            scope = look.scope
            if scope.sees_organisation(scope.holdings.issuer):
                return await accounts.accounts(look.connection, size=size, after=after)
            if scope.staff_of:
                own = scope.staff_of
                return await accounts.accounts(look.connection, organisation=own, size=size, after=after)
            mine = await _account(look, scope.identity)
            return Page((mine,) if mine is not None else ())

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/accounts/{{which}}", responses=gives(AccountRow, "what it has"))
    async def account(which: Name, viewer: Viewer = here) -> Response:
        """An account, by the identity that owns it."""
        return await viewer.answer(lambda look: _account(look, which))

    @routes.get(f"{PREFIX}/accounts/{{which}}/postings", responses=gives(Page[PostingRow], "newest first"))
    async def postings(which: Name, viewer: Viewer = here, size: Size = SIZE, after: After = "") -> Response:
        """What came and went."""

        async def asked(look: Look) -> Page[PostingRow]:
            return await accounts.postings(look.connection, which, size=size, after=after)

        return await viewer.answer(_of_account(which, asked))

    @routes.get(f"{PREFIX}/accounts/{{which}}/escrows", responses=gives(Escrows, "by name"))
    async def escrows(which: Name, viewer: Viewer = here) -> Response:
        """What is set aside, and for what."""

        async def asked(look: Look) -> Escrows:
            return Escrows(await accounts.escrows(look.connection, which))

        return await viewer.answer(_of_account(which, asked))

    return routes


def _of_account(which: str, asked: Callable[[Look], Awaitable[Any]]) -> Callable[[Look], Awaitable[Any]]:
    """The question, of an account that the person sees; else nothing."""

    async def found(look: Look) -> Any:
        return await asked(look) if await _account(look, which) is not None else None

    return found


async def _account(look: Look, which: str) -> AccountRow | None:
    identity = await governance.identity(look.connection, which)
    if identity is None or not look.scope.sees_account(which, identity.organisation, identity.role):
        return None
    found = await accounts.account(look.connection, which)
    return found or AccountRow(which, 0, 0, 0, height=0, position=0, transaction="")
