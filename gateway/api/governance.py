"""Who the members are and what they decide: organisations, identities, proposals, contracts.

All of it is for whoever is signed in, but for the people: customers and meters are seen by their own organisation, and
nobody else's staff by name. What waits for a second person of an organisation is its staff's.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.api.answering import SIZE, After, Filter, Name, Size, gives
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.scope import PUBLIC_ROLES, Scope
from gateway.http.app import PREFIX
from gateway.readmodel.queries import governance
from gateway.readmodel.queries.governance import (
    GovernanceRow,
    IdentityRow,
    KeyRow,
    OrganisationRow,
    PackageApproval,
    PackageRow,
    ProposalRow,
    VoteRow,
)
from gateway.readmodel.queries.pages import Page

Status = Annotated[Literal["open", "approved", "withdrawn"], Query()]


class IdentityShown(msgspec.Struct, frozen=True):
    """With the keys that it has and had, the newest last; none where its name is withheld."""

    row: IdentityRow
    keys: tuple[KeyRow, ...]


class Proposed(msgspec.Struct, frozen=True):
    """What an organisation has proposed, and who has voted."""

    row: GovernanceRow
    votes: tuple[VoteRow, ...]


class Packaged(msgspec.Struct, frozen=True):
    """A version of a contract, and which organisations have approved it."""

    row: PackageRow
    approvals: tuple[PackageApproval, ...]


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["governance"]), Depends(asking.viewer)

    @routes.get(f"{PREFIX}/organisations", responses=gives(Page[OrganisationRow], "all of them"))
    async def organisations(viewer: Viewer = here) -> Response:
        """The members of the ledger."""

        async def found(look: Look) -> Page[OrganisationRow]:
            return Page(await governance.organisations(look.connection))

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/identities", responses=gives(Page[IdentityRow], "by organisation, role and id"))
    async def identities(
        *, viewer: Viewer = here, organisation: Filter = "", role: Filter = "", size: Size = SIZE, after: After = ""
    ) -> Response:
        """Who may sign. Names of other organisations' people are left out, and their customers and meters."""

        async def found(look: Look) -> Page[IdentityRow]:
            page = await governance.identities(
                look.connection,
                organisation=organisation,
                role=role,
                public=() if look.scope.sees_all else PUBLIC_ROLES,
                insider=look.scope.staff_of,
                size=size,
                after=after,
            )
            return Page(tuple(_shown(look.scope, row) for row in page.items), page.after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/identities/{{which}}", responses=gives(IdentityShown, "with its keys"))
    async def identity(which: Name, viewer: Viewer = here) -> Response:
        """One who may sign."""

        async def found(look: Look) -> IdentityShown | None:
            row = await governance.identity(look.connection, which)
            if row is None or not look.scope.knows_identity(which, row.organisation, row.role):
                return None
            whole = look.scope.sees_name(which, row.organisation, row.role)
            return IdentityShown(
                _shown(look.scope, row), await governance.keys(look.connection, which) if whole else ()
            )

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/governance/proposals", responses=gives(Page[GovernanceRow], "newest first"))
    async def proposals(viewer: Viewer = here, stage: Filter = "", size: Size = SIZE, after: After = "") -> Response:
        """What organisations have proposed to one another."""
        return await viewer.answer(
            lambda look: governance.governance(look.connection, stage=stage, size=size, after=after)
        )

    @routes.get(f"{PREFIX}/governance/proposals/{{which}}", responses=gives(Proposed, "with its votes"))
    async def proposal(which: Name, viewer: Viewer = here) -> Response:
        """One proposal among organisations."""

        async def found(look: Look) -> Proposed | None:
            row = await governance.governance_proposal(look.connection, which)
            return None if row is None else Proposed(row, await governance.votes(look.connection, which))

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/contracts", responses=gives(Page[Packaged], "by name, the version committed last first"))
    async def contracts(viewer: Viewer = here, name: Filter = "") -> Response:
        """Contracts, their versions, and who has approved them."""

        async def found(look: Look) -> Page[Packaged]:
            rows = await governance.packages(look.connection, name=name)
            approved = {
                key: await governance.package_approvals(look.connection, *key)
                for key in {(row.name, row.package_hash) for row in rows}
            }
            return Page(tuple(Packaged(row, approved[row.name, row.package_hash]) for row in rows))

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/proposals", responses=gives(Page[ProposalRow], "newest first"))
    async def waiting(
        *,
        viewer: Viewer = here,
        status: Status = "open",
        contract: Filter = "",
        organisation: Filter = "",
        size: Size = SIZE,
        after: After = "",
    ) -> Response:
        """What staff have proposed and a second person decides: their own organisation's; of any for regulators."""

        async def found(look: Look) -> Page[ProposalRow]:
            whose = organisation or look.scope.staff_of
            if not (look.scope.sees_organisation(whose) or (look.scope.sees_all and not whose)):
                return Page(())
            return await governance.proposals(
                look.connection, organisation=whose, status=status, contract=contract, size=size, after=after
            )

        return await viewer.answer(found)

    return routes


def _shown(scope: Scope, row: IdentityRow) -> IdentityRow:
    if scope.sees_name(row.identity, row.organisation, row.role):
        return row
    return msgspec.structs.replace(row, name="", public_key="")
