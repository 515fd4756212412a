"""The door: what every request passes, whatever it wants.

* It gets an id (its own `X-Request-Id`, where that is harmless), which is in the answer, in a problem and in the log.
* One address has a rate, and all together a number of requests at a time. What waits on purpose (a long poll, a stream
  of events) calls `waits(request)` and is counted no more: it has a bound of its own.
* Its body has a size and a time. Too large is said at once, before it is read.
* A client that does not read its answer is dropped.
* A refusal becomes a problem document here and nowhere else; a failure inside says so, and its trace is in the log.

A plain ASGI application around another: bodies and answers pass through as they come.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.problems import code_of, problem
from gateway.limits import Limits
from gateway.outbox.room import Bucket
from ledgernode.errors import BadRequest, BodyTooLarge, Broken, CommitUnknown, LedgerError, RateLimited, RequestSlow
from ledgernode.observe.figures import LONG_S, Tally

REQUEST_ID: Final = "request_id"
_COUNTED: Final = "counted"
_HARMLESS: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_NO_ROUTE: Final = "other"
_ADDRESSES_KEPT: Final = 100_000
_FULL_RETRY_MS: Final = 1_000
_READ_ON_BYTES: Final = 4 * 1024 * 1024
_READ_ON_S: Final = 2.0
_HEADERS: Final = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_POLICY: Final = (b"content-security-policy", b"frame-ancestors 'none'")
"""Of what has none of its own: nothing here stands in another page's frame."""


class Requests:
    """Counts of requests; routes are those of the application, so there are only so many."""

    def __init__(self) -> None:
        self.under_way = 0
        self.answered: Counter[tuple[str, str, int]] = Counter()
        self.times_s: dict[str, Tally] = {}

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", _NO_ROUTE)
        method = scope["method"] if scope["method"] in _METHODS else _NO_ROUTE
        self.answered[method, route, status] += 1
        tally = self.times_s.get(route)
        if tally is None:
            tally = self.times_s[route] = Tally(LONG_S)
        tally.add(seconds)


class Door:
    """Around `app`; `steady_ms` is a clock that nobody sets."""

    def __init__(
        self, app: ASGIApp, *, limits: Limits, steady_ms: Callable[[], int], requests: Requests | None = None
    ) -> None:
        self._app = app
        self._limits = limits
        self._steady_ms = steady_ms
        self._buckets: dict[str, Bucket] = {}
        self.requests = Requests() if requests is None else requests
        self._log: Any = structlog.get_logger("gateway.http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _id_of(scope)
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state[REQUEST_ID] = request_id
        counted = state[_COUNTED] = _Counted(self)
        answer = _Answer(send, request_id, self._limits.answer_ms / 1_000)
        began_s = time.perf_counter()
        try:
            self._require_room(scope)
            counted.begin()
            await self._app(scope, _Body(scope, receive, self._limits).receive, answer.send)
        except Exception as error:  # whatever failed, the client is told
            known = error if isinstance(error, LedgerError) else Broken("this failed inside; the log has the trace")
            if known is not error:
                self._log.error("a request failed inside", request_id=request_id, path=scope["path"], exc_info=error)
            if answer.begun:
                raise
            if isinstance(known, BodyTooLarge):  # said so by its length
                await _read_on(receive)
            self._log.debug("refused", request_id=request_id, path=scope["path"], code=code_of(known))
            await problem(known, request_id)(scope, receive, answer.send)
        finally:
            counted.end()
            if answer.begun:
                self.requests.note(scope, answer.status, answer.begun_s - began_s)

    def _require_room(self, scope: Scope) -> None:
        """Raises RateLimited, with when to come back."""
        now_ms, address = self._steady_ms(), (scope.get("client") or ("", 0))[0]
        bucket = self._buckets.get(address)
        if bucket is None:
            if len(self._buckets) >= _ADDRESSES_KEPT:
                self._forget_idle(now_ms)
            refill_us = self._limits.http_refill_us
            bucket = self._buckets[address] = Bucket(self._limits.http_burst, refill_us, now_ms)
        if wait_ms := bucket.take(now_ms):
            raise RateLimited("this address asks too often", retry_ms=wait_ms)
        if self.requests.under_way >= self._limits.http_requests:
            raise RateLimited("as many requests as may be are under way", retry_ms=_FULL_RETRY_MS)

    def _forget_idle(self, now_ms: int) -> None:
        self._buckets = {where: bucket for where, bucket in self._buckets.items() if not bucket.filled(now_ms)}
        if len(self._buckets) >= _ADDRESSES_KEPT:
            self._buckets.clear()  # so many at once are an attack, and our memory is not to be its next aim


def waits(request: Request) -> None:
    """This request waits on purpose from now on."""
    request.scope["state"][_COUNTED].end()


class _Counted:
    """One of the requests under way, until it ends or says that it waits."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._in = False

    def begin(self) -> None:
        self._in = True
        self._door.requests.under_way += 1

    def end(self) -> None:
        if self._in:
            self._in = False
            self._door.requests.under_way -= 1


class _Body:
    """A request's body on its way in: counted and timed."""

    def __init__(self, scope: Scope, receive: Receive, limits: Limits) -> None:
        self._receive = receive
        self._left = limits.http_body_bytes
        self._deadline = asyncio.get_running_loop().time() + limits.http_body_ms / 1_000
        self._whole = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                if not value.isdigit() or len(value) > 18:
                    raise BadRequest("a content length is a number")
                if int(value) > self._left:
                    raise BodyTooLarge(f"a body has at most {self._left} bytes")

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()  # waits for the client to leave
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise RequestSlow("the body did not come in time") from None
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                await _read_on(self._receive)
                raise BodyTooLarge("the body is larger than it may be")
            self._whole = not message.get("more_body", False)
        return message


class _Answer:
    """An answer on its way out."""

    def __init__(self, send: Send, request_id: str, timeout_s: float) -> None:
        self._send = send
        self._request_id = request_id
        self._timeout_s = timeout_s
        self.begun = False
        self.begun_s = 0.0
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun, self.begun_s, self.status = True, time.perf_counter(), message["status"]
            own = ((b"x-request-id", self._request_id.encode()), *_HEADERS)
            headers = [*message.get("headers", ()), *own]
            if not any(name == _POLICY[0] for name, _ in headers):
                headers.append(_POLICY)
            message = {**message, "headers": headers}
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._send(message)
        except TimeoutError:
            raise CommitUnknown("the client does not read its answer") from None


async def _read_on(receive: Receive) -> None:
    """Some of what is not wanted, for a while: who still writes cannot read the reason."""
    left = _READ_ON_BYTES
    try:
        async with asyncio.timeout(_READ_ON_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _id_of(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _HARMLESS.fullmatch(value):
            return str(value.decode("ascii"))
    return secrets.token_hex(8)
