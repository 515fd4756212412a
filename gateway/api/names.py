"""Names of people, from the utility's own file: for the customer itself, and for its utility's staff. Nobody else."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.api.answering import TEXT, moment
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.scope import Scope, organisation_of
from gateway.http.app import JSON, PREFIX, schema_of
from ledgernode.errors import BadRequest

MOST: Final = 100
Customers = Annotated[str, Query(max_length=200 * MOST, pattern=TEXT, description=f"up to {MOST}, between commas")]


class NameShown(msgspec.Struct, frozen=True):
    customer: str
    name: str
    lines: tuple[str, ...]
    place: str


class NamesShown(msgspec.Struct, frozen=True):
    items: tuple[NameShown, ...]


def may_name(scope: Scope, customer: str) -> bool:
    """Regulators and whom the customer lets read its bills see numbers, no names."""
    return bool(customer) and (scope.customer == customer or scope.staff_of == organisation_of(customer))


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["registry"]), Depends(asking.viewer)

    @routes.get(
        f"{PREFIX}/names",
        responses={200: {"description": "as far as known", "content": {JSON: {"schema": schema_of(NamesShown)}}}},
    )
    async def names(viewer: Viewer = here, customers: Customers = "") -> Response:
        """What these customers are called; one's own where none is named."""
        wanted = [one for one in customers.split(",") if one]
        if len(wanted) > MOST:
            raise BadRequest(f"{MOST} customers at once, no more")

        async def whose(look: Look) -> list[str]:
            return [one for one in wanted or [look.scope.customer] if may_name(look.scope, one)]

        known = [(one, asking.names.customer(one)) for one in await viewer.asked(whose)]
        found = (NameShown(one, named.name, named.lines, named.place) for one, named in known if named is not None)
        return moment(NamesShown(tuple(found)))

    return routes
