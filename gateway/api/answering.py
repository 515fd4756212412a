"""How answers leave: exact JSON of rows, the block they are of, and what lets a browser ask only for what changed.

    ETag: W/"…"            of the ledger, the block, the question and what the person may see
    Model-Height: 812      the block whose state was asked
    Model-State: following "ledger away" and others of `readmodel.following.State` while it does not go on
    Model-Behind: 0        how many blocks the ledger is known to be ahead

Bounds are part of the question's form: a page has 1 to 500 rows, a name 1 to 200 characters. A name in the query that a
route does not know is refused, so that a misspelt filter does not show everything.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
from fastapi import Path, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from gateway.api.scope import Scope
from gateway.http.app import JSON, schema_of
from gateway.http.problems import MEDIA_TYPE, Problem
from gateway.readmodel.bounds import PAGE_LIMIT
from gateway.readmodel.following import Status
from gateway.readmodel.queries.pages import DEFAULT_SIZE
from ledgernode.errors import BadRequest
from ledgernode.wire.types import ChainId

LARGEST: Final = (1 << 63) - 1
TEXT: Final = r"^[^\x00-\x1f\x7f]*$"
"""Texts of a query hold no control characters: no id has one, and PostgreSQL keeps no NUL."""

Name = Annotated[str, Path(min_length=1, max_length=200, pattern=TEXT)]
"""An id in a path."""
Filter = Annotated[str, Query(max_length=200, pattern=TEXT)]
"""A filter of a list; '' is none."""
Size = Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="rows of the page")]
After = Annotated[str, Query(max_length=2_000, pattern="^[A-Za-z0-9_=-]*$", description="`after` of the page before")]
FromMs = Annotated[int, Query(ge=0, le=LARGEST, description="UTC, milliseconds")]
Number = Annotated[int, Path(ge=0, le=LARGEST)]
SIZE: Final = DEFAULT_SIZE

_AWAY: Final = {"content": {MEDIA_TYPE: {"schema": schema_of(Problem)}}}


def gives(form: Any, description: str, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """For `responses` of a route that is asked: the form, 304, and what is said while the model is away."""
    headers = {
        "ETag": {"schema": {"type": "string"}},
        "Model-Height": {"schema": {"type": "integer"}},
        "Model-State": {"schema": {"type": "string"}},
        "Model-Behind": {"schema": {"type": "integer"}},
    }
    return {
        status: {"description": description, "headers": headers, "content": {JSON: {"schema": schema_of(form)}}},
        304: {"description": "unchanged since the ETag in If-None-Match"},
        503: {"description": "the read model or the ledger is away", **_AWAY},
    }


def headers_of(request: Request, chain_id: ChainId, scope: Scope, height: int, status: Status) -> dict[str, str]:
    """Of an answer about the state at `height` to who has this scope."""
    return {
        "etag": etag_of(request, chain_id, scope, height),
        "cache-control": "private, no-cache",
        "vary": "cookie",
        "model-height": str(height),
        "model-state": str(status.state),
        "model-behind": str(max(status.ledger_height - height, 0)),
    }


def etag_of(request: Request, chain_id: ChainId, scope: Scope, height: int) -> str:
    """Weak: the same facts, however they are packed on the way."""
    lets = sorted(point for point, let in scope.holdings.lets.items() if scope.now_ms < let.until_ms)
    seen = msgspec.json.encode([scope.person, lets], order="sorted")
    parts = chain_id, str(height).encode(), request.url.path.encode(), request.url.query.encode(), seen
    return f'W/"{sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()[:32]}"'


def has(request: Request, headers: dict[str, str]) -> bool:
    """Whether the caller has the answer already."""
    given = request.headers.get("if-none-match", "")
    return headers["etag"] in (one.strip() for one in given.split(","))


def answer(value: object, headers: dict[str, str], status: int = 200) -> Response:
    """As JSON."""
    return Response(msgspec.json.encode(value), status, headers, JSON)


def moment(value: object, status: int = 200) -> Response:
    """What is so at this moment, and changes without a block: nobody keeps it."""
    return Response(msgspec.json.encode(value), status, {"cache-control": "no-store"}, JSON)


def require_known_names(request: Request) -> None:
    """Refuses names in the query that the route does not know, and one that stands twice."""
    given = [name for name, _ in request.query_params.multi_items()]
    if not given:
        return
    known = _names_of(request.scope.get("route"))
    unknown = sorted({name for name in given if name not in known})
    if unknown:
        raise BadRequest(f"{', '.join(unknown)[:100]}: not asked here; known are {', '.join(sorted(known)) or 'none'}")
    if len(set(given)) != len(given):
        raise BadRequest("each name stands in the query once")


def _names_of(route: Any) -> frozenset[str]:
    """The dependencies of our routes have no names of their own."""
    assert isinstance(route, APIRoute), "only a route's dependency asks"
    return frozenset(field.alias for field in route.dependant.query_params)
