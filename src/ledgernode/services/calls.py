"""What every call goes through: who may call is asked first, and what fails becomes a refusal on the wire.

A refusal is a gRPC status, the text for people, and the stable code for programs.
The code travels in the trailing metadata `ledgernode-code`, advice when to retry in
`ledgernode-retry-ms`. What is no `LedgerError` is our own fault: it is logged here with its trace, and
the caller learns only that it was ours. What is no message of the call is the caller's fault, and reaches the
call to be refused like all else (`Registering`).
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

import grpc
from google.protobuf.message import DecodeError

from ledgernode.config import RETRY_ADVICE_MS
from ledgernode.errors import (
    BadRequest,
    Broken,
    LedgerError,
    MempoolFull,
    NodeStopping,
    Pruned,
    RateLimited,
    Unavailable,
)
from ledgernode.logs import logger
from ledgernode.node.ledger import ServedLedger
from ledgernode.services.access import Access
from ledgernode.services.caller import Callers, Context, require_spoken, unknown
from ledgernode.wire.protobuf import ARCHIVES_METADATA, CODE_METADATA, RETRY_METADATA

CALLS: Final[Counter[tuple[str, str]]] = Counter()
"""Calls of this process' services that have ended, by method and code."""
_OK: Final = "OK"
_GONE: Final = "CANCELLED"
_RETRYABLE: Final = (Unavailable, MempoolFull, RateLimited)
_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")
_Unary: TypeAlias = Callable[[Any, _Request, Context], Awaitable[_Answer]]
_Stream: TypeAlias = Callable[[Any, _Request, Context], AsyncIterator[_Answer]]

_UNREAD: Final = object()
"""In place of a request that could not be read."""
_NO_MESSAGE: Final = "these bytes are no message of this call"

ACCESS: Final = "access"
"""The attribute of a call that says who may call it."""


class Service:
    """Base of all services: the ledgers that this node serves, by name, and who calls."""

    def __init__(self, ledgers: Mapping[str, ServedLedger], callers: Callers) -> None:
        self.ledgers = ledgers
        self.callers = callers

    def ledger(self, name: str, context: Context) -> ServedLedger:
        """Refuses a ledger that is not served here, and alike one that the caller has no part in."""
        found = self.ledgers.get(name)
        if found is None:
            raise unknown(name)
        if found.is_closed:
            raise NodeStopping("the ledger is being opened again: ask again, or another node")
        self.callers.require_of(found, context)
        return found

    def require_spoken(self, context: Context) -> None:
        """Refuses (PROTOCOL_UNSUPPORTED) whose program speaks no version of the protocol that we do."""
        require_spoken(context)

    def pointed(self, request: Any, refusal: LedgerError) -> LedgerError:
        """What is pruned here may stand elsewhere: say where."""
        ledger = self.ledgers.get(getattr(request, "ledger", ""))
        if not isinstance(refusal, Pruned) or ledger is None:
            return refusal
        height = refusal.facts.get("height")
        kept_by = ledger.archives.of(height if isinstance(height, int) else None)
        if not kept_by:
            return refusal
        return Pruned(f"{refusal}; ask {' or '.join(kept_by)}", archives=kept_by)


class Registering:
    """Stands before a server while generated code adds a service's calls to it.

    gRPC itself ends a call whose request it cannot read with a code of its own, and writes our trace into the log.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Generated code says all of it twice: the second time is heard."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        read = {name: _reading(handler) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, read),))


def _reading(handler: Any) -> Any:
    """The same call, which is given what could not be read as `_UNREAD`; in a stream of requests it is raised there."""
    if handler.request_streaming:
        return handler
    read = handler.request_deserializer

    def reading(raw: bytes) -> object:
        try:
            return read(raw)
        except DecodeError:
            return _UNREAD

    return handler._replace(request_deserializer=reading)


def _require_read(request: object) -> None:
    if request is _UNREAD:
        raise BadRequest(_NO_MESSAGE)


def trailing_metadata(error: LedgerError) -> tuple[tuple[str, str], ...]:
    """What a program needs of a refusal."""
    code = str(error.facts.get("code", error.code))
    kept_by = error.facts.get("archives")
    if isinstance(kept_by, tuple):
        return ((CODE_METADATA, code), (ARCHIVES_METADATA, ",".join(kept_by)))
    if not isinstance(error, _RETRYABLE):
        return ((CODE_METADATA, code),)
    return ((CODE_METADATA, code), (RETRY_METADATA, str(error.facts.get("retry_ms", RETRY_ADVICE_MS))))


async def refuse(context: Context, error: LedgerError) -> NoReturn:
    """End the call with this refusal."""
    await context.abort(grpc.StatusCode[error.grpc_status], str(error), trailing_metadata(error))
    raise AssertionError("an aborted call does not go on")


def unary(access: Access) -> Callable[[_Unary[_Request, _Answer]], _Unary[_Request, _Answer]]:
    """A call with one answer, for whom `access` allows; what it raises becomes a refusal."""

    def decorate(method: _Unary[_Request, _Answer]) -> _Unary[_Request, _Answer]:
        @functools.wraps(method)
        async def call(service: Service, request: _Request, context: Context) -> _Answer:
            code = _GONE
            try:
                service.callers.require(access, context)
                _require_read(request)
                service.require_spoken(context)
                answer = await method(service, request, context)
                code = _OK
                return answer
            except Exception as error:  # noqa: BLE001  # whatever failed, the caller gets an answer
                refusal = service.pointed(request, as_refusal(error, method.__name__))
                code = refusal.code
                await refuse(context, refusal)
            finally:
                CALLS[method.__name__, code] += 1

        setattr(call, ACCESS, access)
        return call

    return decorate


def streaming(access: Access) -> Callable[[_Stream[_Request, _Answer]], _Stream[_Request, _Answer]]:
    """A call with a stream of answers, for whom `access` allows; what it raises ends the stream with a refusal."""

    def decorate(method: _Stream[_Request, _Answer]) -> _Stream[_Request, _Answer]:
        @functools.wraps(method)
        async def call(service: Service, request: _Request, context: Context) -> AsyncIterator[_Answer]:
            code = _GONE
            try:
                service.callers.require(access, context)
                _require_read(request)
                service.require_spoken(context)
                async for answer in method(service, request, context):
                    yield answer
                code = _OK
            except Exception as error:  # noqa: BLE001  # whatever failed, the caller gets an answer
                refusal = service.pointed(request, as_refusal(error, method.__name__))
                code = refusal.code
                await refuse(context, refusal)
            finally:
                CALLS[method.__name__, code] += 1

        setattr(call, ACCESS, access)
        return call

    return decorate


def as_refusal(error: Exception, call: str) -> LedgerError:
    """What the caller is told of a failure; one of our own is logged here."""
    if isinstance(error, LedgerError):
        return error
    if isinstance(error, DecodeError):
        return BadRequest(_NO_MESSAGE)  # in the middle of a stream
    logger().error("call failed inside", call=call, exc_info=error)
    return Broken("the node failed inside; its log has the trace")
