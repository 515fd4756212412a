"""Refusals on the wire: a gRPC status, the text for people, and the stable code for programs.

The code travels in the trailing metadata `ledgernode-code`, advice when to retry in
`ledgernode-retry-ms`. What is no `LedgerError` is our own fault: it is logged here with its trace, and
the caller learns only that it was ours.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

import grpc

from ledgernode.config import RETRY_ADVICE_MS
from ledgernode.errors import Broken, LedgerError, MempoolFull, RateLimited, Unavailable
from ledgernode.logs import logger
from ledgernode.wire.protobuf import CODE_METADATA, RETRY_METADATA

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

CALLS: Final[Counter[tuple[str, str]]] = Counter()
"""Calls of this process' services that have ended, by method and code."""
_OK: Final = "OK"
_GONE: Final = "CANCELLED"
_RETRYABLE: Final = (Unavailable, MempoolFull, RateLimited)
_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")


def trailing_metadata(error: LedgerError) -> tuple[tuple[str, str], ...]:
    """What a program needs of a refusal."""
    code = str(error.facts.get("code", error.code))
    if not isinstance(error, _RETRYABLE):
        return ((CODE_METADATA, code),)
    return ((CODE_METADATA, code), (RETRY_METADATA, str(error.facts.get("retry_ms", RETRY_ADVICE_MS))))


async def refuse(context: Context, error: LedgerError) -> NoReturn:
    """End the call with this refusal."""
    await context.abort(grpc.StatusCode[error.grpc_status], str(error), trailing_metadata(error))
    raise AssertionError("an aborted call does not go on")


def unary(
    method: Callable[[Any, _Request, Context], Awaitable[_Answer]],
) -> Callable[[Any, _Request, Context], Awaitable[_Answer]]:
    """A call with one answer; what it raises becomes a refusal."""

    @functools.wraps(method)
    async def call(service: Any, request: _Request, context: Context) -> _Answer:
        code = _GONE
        try:
            answer = await method(service, request, context)
            code = _OK
            return answer
        except Exception as error:  # noqa: BLE001  # whatever failed, the caller gets an answer
            refusal = as_refusal(error, method.__name__)
            code = refusal.code
            await refuse(context, refusal)
        finally:
            CALLS[method.__name__, code] += 1

    return call


def streaming(
    method: Callable[[Any, _Request, Context], AsyncIterator[_Answer]],
) -> Callable[[Any, _Request, Context], AsyncIterator[_Answer]]:
    """A call with a stream of answers; what it raises ends the stream with a refusal."""

    @functools.wraps(method)
    async def call(service: Any, request: _Request, context: Context) -> AsyncIterator[_Answer]:
        code = _GONE
        try:
            async for answer in method(service, request, context):
                yield answer
            code = _OK
        except Exception as error:  # noqa: BLE001  # whatever failed, the caller gets an answer
            refusal = as_refusal(error, method.__name__)
            code = refusal.code
            await refuse(context, refusal)
        finally:
            CALLS[method.__name__, code] += 1

    return call


def as_refusal(error: Exception, call: str) -> LedgerError:
    """What the caller is told of a failure; one of our own is logged here."""
    if isinstance(error, LedgerError):
        return error
    logger().error("call failed inside", call=call, exc_info=error)
    return Broken("the node failed inside; its log has the trace")
