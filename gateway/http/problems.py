"""A refusal as a problem document (RFC 9457), with the ledger's stable code.

    {"type": "/problems/RATE_LIMITED", "title": "…", "status": 429, "code": "RATE_LIMITED", "detail": "…",
     "request_id": "…", "retry_ms": 20}

`code` is for programs, `detail` for people; `title` says what the code means and is the same each time. A contract's
own refusal has its own code, such as `prepaid.VENDING_BLOCKED`. The status is the kind's, but for what only HTTP has
names for. Inside failures are logged, and tell nothing of themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from ledgernode.errors import (
    AddressUnknown,
    BodyTooLarge,
    ContractRefused,
    LedgerError,
    MediaTypeRefused,
    MethodRefused,
    RequestSlow,
)

MEDIA_TYPE: Final = "application/problem+json"
_STATUS: Final[Mapping[type[LedgerError], int]] = {
    AddressUnknown: 404,
    MethodRefused: 405,
    RequestSlow: 408,
    BodyTooLarge: 413,
    MediaTypeRefused: 415,
}
_CLOSING: Final = (BodyTooLarge, RequestSlow)
"""The rest of such a request is not read: the connection ends with the answer."""
_TOLD: Final = ("retry_ms", "answers")
"""Facts of an error that its document repeats."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The document."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str = ""
    retry_ms: int = 0


def problem(error: LedgerError, request_id: str = "") -> Response:
    """The answer that says it."""
    code, status = code_of(error), status_of(error)
    document: dict[str, Any] = msgspec.to_builtins(
        Problem(
            type=f"/problems/{code}",
            title=title_of(error),
            status=status,
            code=code,
            detail=str(error),
            request_id=request_id,
        )
    )
    document |= {name: error.facts[name] for name in _TOLD if name in error.facts}
    headers = {"cache-control": "no-store"}
    retry_ms = error.facts.get("retry_ms")
    if isinstance(retry_ms, int):
        headers["retry-after"] = str(-(-retry_ms // 1_000))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, _CLOSING):
        headers["connection"] = "close"
    return Response(msgspec.json.encode(document), status, headers, MEDIA_TYPE)


def code_of(error: LedgerError) -> str:
    """The stable code; of a contract's own refusal the contract's."""
    own = error.facts.get("code")
    return own if isinstance(error, ContractRefused) and isinstance(own, str) else error.code


def status_of(error: LedgerError) -> int:
    return _STATUS.get(type(error), error.http_status)


def title_of(error: LedgerError) -> str:
    """What the code means: the first line of the class' own words."""
    return (type(error).__doc__ or error.code).strip().splitlines()[0]
