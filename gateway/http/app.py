"""One application of several areas, each a router of its own; errors, limits and ids are the same in all of them.

    app = create_app([readings.router(desk, devices), commands.router(…)], limits=limits, steady_ms=steady_ms)

A router's functions raise the leaves of `ledgernode.errors`; nobody makes error answers. What they take and give is
described in `openapi_extra` by msgspec's schemas (`takes`, `gives`), for bodies are read by `read_json`: exact numbers,
no unknown names. `GET /api/v1/openapi.json` tells all of it. Nothing else is served that is not asked for: no pages of
documentation that load scripts from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.http import problems
from gateway.http.door import REQUEST_ID, Door, Requests
from gateway.limits import Limits
from ledgernode import __version__
from ledgernode.errors import AddressUnknown, BadRequest, LedgerError, MediaTypeRefused, MethodRefused
from ledgernode.wire.unreadable import UNREADABLE

PREFIX: Final = "/api/v1"
JSON: Final = "application/json"
_T = TypeVar("_T")


def create_app(
    areas: Iterable[APIRouter],
    *,
    limits: Limits,
    steady_ms: Callable[[], int],
    title: str = "ledgernode gateway",
    description: str = "Readings in, commands out. Refusals are problem documents with the codes of docs/errors.md.",
    pages: ASGIApp | None = None,
    requests: Requests | None = None,
) -> FastAPI:
    """The application. Routers name their whole paths; what no router takes goes to `pages`."""
    app = FastAPI(
        title=title,
        description=description,
        version=__version__,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={
            "4XX": {"description": "Refused", "content": {problems.MEDIA_TYPE: {"schema": schema_of(problems.Problem)}}}
        },
    )
    for area in areas:
        app.include_router(area)
    if pages is not None:
        app.router.default = pages
    app.add_middleware(Door, limits=limits, steady_ms=steady_ms, requests=requests)
    app.add_exception_handler(LedgerError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _not_served)
    return app


# ---------------------------------------------------------------- for routers


async def read_json(request: Request, form: type[_T]) -> _T:
    """The body in this form. Refuses another media type, what is no JSON, and what the form does not name."""
    require_media_type(request, JSON)
    try:
        return msgspec.json.decode(await request.body(), type=form)
    except UNREADABLE as error:
        raise BadRequest(f"the body is not what is asked for here: {error}") from error


def media_type(request: Request) -> str:
    """What the body says it is, without parameters."""
    return str(request.headers.get("content-type", "")).partition(";")[0].strip().lower()


def require_media_type(request: Request, *known: str) -> str:
    found = media_type(request)
    if found not in known:
        raise MediaTypeRefused(f"a body is of {' or '.join(known)} here, not {found[:40] or 'nothing'!r}")
    return found


def answer(value: object, status: int = 200) -> Response:
    """As JSON, and of this moment only."""
    return Response(msgspec.json.encode(value), status, {"cache-control": "no-store"}, JSON)


def takes(form: Any, *, also: Iterable[str] = ()) -> dict[str, Any]:
    """For `openapi_extra`: the body's form."""
    content: dict[str, Any] = {JSON: {"schema": schema_of(form)}}
    content |= {name: {"schema": {"type": "string", "format": "binary"}} for name in also}
    return {"requestBody": {"required": True, "content": content}}


def gives(form: Any, description: str, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """For `responses`: what is answered."""
    return {status: {"description": description, "content": {JSON: {"schema": schema_of(form)}}}}


def schema_of(form: Any) -> dict[str, Any]:
    """A JSON schema that stands by itself."""
    [schema], parts = msgspec.json.schema_components([form], ref_template="{name}")
    found = _inlined(schema, parts)
    assert isinstance(found, dict)
    return found


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"]], parts)
    return {name: _inlined(value, parts) for name, value in schema.items()}


# ---------------------------------------------------------------- refusals


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, LedgerError)
    return problems.problem(error, getattr(request.state, REQUEST_ID, ""))


def _malformed(request: Request, error: Exception) -> Response:
    """A parameter of the path or query."""
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()[:5]]
    return _refused(request, BadRequest("; ".join(found)))


def _not_served(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _refused(request, AddressUnknown(f"nothing is at {request.url.path[:200]}"))
    if error.status_code == 405:
        refused = _refused(request, MethodRefused(f"this is not asked by {request.method}"))
        refused.headers.update(error.headers or {})
        return refused
    return _refused(request, BadRequest(str(error.detail)))
