"""`GET /api/v1/genesis`: the ledger's founding document, byte for byte. Needs no session.

Nobody has to trust who hands it out: its hash is the ledger's id, which every wallet keeps beside its key. With it a
browser checks a proof from the first validators on. It never changes.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.api.answering import require_known_names
from gateway.http.app import JSON, PREFIX
from ledgernode.wire.genesis import chain_id

_FOR_EVER: Final = "public, max-age=31536000, immutable"


def router(genesis: bytes) -> APIRouter:
    routes = APIRouter(tags=["ledger"])
    headers = {"etag": f'"{chain_id(genesis).hex()}"', "cache-control": _FOR_EVER}

    @routes.get(
        f"{PREFIX}/genesis",
        responses={
            200: {"description": "docs/formats.md says what is hashed of it", "content": {JSON: {}}},
            304: {"description": "it is what it was"},
        },
        response_class=Response,
    )
    async def founding(request: Request) -> Response:
        """What the ledger was founded on: its hash is the chain id."""
        require_known_names(request)
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(genesis, headers=headers, media_type=JSON)

    return routes
