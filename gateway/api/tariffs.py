"""Tariffs, as everybody who is signed in may read them: each version is the arguments of what two people decided."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from gateway.api.answering import Filter, FromMs, Name, gives
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.places import block_ms
from gateway.http.app import PREFIX
from gateway.readmodel.queries import billing
from gateway.readmodel.queries.billing import TariffRow


class Tariffs(msgspec.Struct, frozen=True):
    items: tuple[TariffRow, ...]


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["tariffs"]), Depends(asking.viewer)

    @routes.get(f"{PREFIX}/tariffs", responses=gives(Tariffs, "every version, by tariff, the latest first"))
    async def tariffs(viewer: Viewer = here, utility: Filter = "") -> Response:
        """Tariffs, of all utilities or one."""

        async def found(look: Look) -> Tariffs:
            return Tariffs(await billing.tariffs(look.connection, utility=utility))

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/tariffs/{{tariff}}", responses=gives(TariffRow, "the version that holds then"))
    async def tariff(tariff: Name, viewer: Viewer = here, at_ms: FromMs = 0) -> Response:
        """A tariff as it holds at a time, or now."""

        async def found(look: Look) -> TariffRow | None:
            return await billing.tariff(look.connection, tariff, at_ms or await block_ms(look))

        return await viewer.answer(found)

    return routes
