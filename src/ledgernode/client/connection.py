"""One connection to several nodes: failover, bounded retries, typed errors.

A call goes to the node that answered last. When that one is not available the next is asked at once; when
all were asked, after a pause that doubles up to a limit, or for as long as a node advised. What a node
refuses for good is raised as the class of its code. Calls are safe to repeat: what they send is signed once
and takes effect once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar, cast

import grpc

from ledgernode.config import (
    ANSWER_BYTES,
    CLIENT_BACKOFF_LIMIT_MS,
    CLIENT_BACKOFF_START_MS,
    CLIENT_CONNECT_MS,
    CLIENT_RETRIES,
    KEEPALIVE_MS,
    MESSAGE_BYTES,
)
from ledgernode.errors import (
    BadRequest,
    CommitUnknown,
    Exhausted,
    LedgerError,
    MempoolFull,
    NodeUnreachable,
    RateLimited,
    Unavailable,
    by_code,
)
from ledgernode.v1.admin_pb2_grpc import AdminServiceStub
from ledgernode.v1.ledger_pb2_grpc import LedgerServiceStub
from ledgernode.v1.snapshot_pb2_grpc import SnapshotServiceStub
from ledgernode.wire.protobuf import ARCHIVES_METADATA, CODE_METADATA, RETRY_METADATA
from ledgernode.wire.protocol import agent

_Answer = TypeVar("_Answer")
_OPTIONS: Final = (
    ("grpc.secondary_user_agent", agent()),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", ANSWER_BYTES),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    # a node that restarts is found again as soon as our own retries ask for it
    ("grpc.initial_reconnect_backoff_ms", CLIENT_BACKOFF_START_MS),
    # not a pause, whatever its name says: how long one attempt may take, which is several round trips
    ("grpc.min_reconnect_backoff_ms", CLIENT_CONNECT_MS),
    ("grpc.max_reconnect_backoff_ms", CLIENT_BACKOFF_LIMIT_MS),
)
_RETRYABLE: Final = (Unavailable, MempoolFull, RateLimited)


class Endpoint:
    """One node: its address and its services."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None) -> None:
        self.address = address
        self.channel = (
            grpc.aio.insecure_channel(address, options=_OPTIONS)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options=_OPTIONS)
        )
        # the generated classes are typed for synchronous channels; over these they answer awaitables
        self.ledger: Any = LedgerServiceStub(cast("Any", self.channel))
        self.admin: Any = AdminServiceStub(cast("Any", self.channel))
        self.snapshots: Any = SnapshotServiceStub(cast("Any", self.channel))


Invoke = Callable[[Endpoint, float], Awaitable[_Answer]]
"""One attempt at this endpoint, within so many seconds."""


class Connection:
    """Endpoints in the order of preference. Refuses an empty list."""

    def __init__(
        self, endpoints: Sequence[str], credentials: grpc.ChannelCredentials | None, *, retries: int = CLIENT_RETRIES
    ) -> None:
        if not endpoints:
            raise BadRequest("a connection needs at least one endpoint, such as localhost:7051")
        self.endpoints = [Endpoint(address, credentials) for address in endpoints]
        self._retries = retries
        self._current = 0

    async def close(self) -> None:
        await asyncio.gather(*(endpoint.channel.close() for endpoint in self.endpoints))

    async def call(self, invoke: Invoke[_Answer], *, timeout_s: float) -> _Answer:
        """Try until it is answered or refused for good; raises the last refusal when tries or time run out."""
        retrying = self.retrying(timeout_s)
        while True:
            try:
                return await invoke(retrying.endpoint, retrying.remaining_s)
            except grpc.aio.AioRpcError as error:
                await retrying.after(read_error(error))

    def retrying(self, timeout_s: float) -> Retrying:
        """The bookkeeping of one call's attempts."""
        return Retrying(self, timeout_s, self._retries)

    @property
    def current(self) -> Endpoint:
        return self.endpoints[self._current]

    def turn_from(self, failed: Endpoint) -> None:
        """Prefer the next endpoint, unless another call has turned already."""
        if self.current is failed:
            self._current = (self._current + 1) % len(self.endpoints)


class Retrying:
    """Attempts of one call: whom to ask, how long is left, how long to pause."""

    def __init__(self, connection: Connection, timeout_s: float, retries: int) -> None:
        self._connection = connection
        self._retries = retries
        self._ends = asyncio.get_running_loop().time() + timeout_s
        self.restart()

    def restart(self) -> None:
        """There was progress: what follows counts from the beginning."""
        self.failures = 0
        self._backoff_ms = CLIENT_BACKOFF_START_MS
        self.endpoint = self._connection.current

    @property
    def remaining_s(self) -> float:
        return max(0.0, self._ends - asyncio.get_running_loop().time())

    async def after(self, error: LedgerError) -> None:
        """Pause and turn to the endpoint of the next attempt; raises the error when there is none."""
        if not isinstance(error, _RETRYABLE) or self.failures >= self._retries:
            raise error
        self.failures += 1
        if isinstance(error, Unavailable):
            self._connection.turn_from(self.endpoint)
        self.endpoint = self._connection.current
        if isinstance(error, Unavailable) and self.failures % len(self._connection.endpoints):
            return  # another node may answer at once
        spread = random.uniform(0.5, 1.0)  # noqa: S311  # so that many clients do not return at once
        pause_s = max(self._backoff_ms * spread, _advice_ms(error)) / 1_000
        self._backoff_ms = min(2 * self._backoff_ms, CLIENT_BACKOFF_LIMIT_MS)
        if pause_s >= self.remaining_s:
            raise error
        await asyncio.sleep(pause_s)


def read_error(error: grpc.aio.AioRpcError) -> LedgerError:
    """The typed error of a failed call: by its code, or by its status where no node gave one."""
    metadata = {str(key): str(value) for key, value in error.trailing_metadata() or ()}
    details = error.details() or ""
    if CODE_METADATA in metadata:
        advice, kept_by = metadata.get(RETRY_METADATA, ""), metadata.get(ARCHIVES_METADATA, "")
        said = len(advice) <= _ADVICE_DIGITS and advice.isascii() and advice.isdigit()
        facts: dict[str, Any] = {"retry_ms": int(advice)} if said else {}
        if kept_by:
            facts["archives"] = tuple(kept_by.split(","))
        return typed(metadata[CODE_METADATA], details, **facts)
    if details == _LOST_STATUS:
        return NodeUnreachable("the node ended the call while more was being sent, and its reason was lost")
    match error.code():
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
            return NodeUnreachable(f"no node answers: {details}")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return CommitUnknown("the time was over before the node answered; asking again is safe")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return Exhausted(details)  # larger than a message may be: trying again does not help
        case status:
            return LedgerError(f"{status.name}: {details}")


_ADVICE_DIGITS: Final = 9
# grpc puts this in place of the node's own status when a stream ends during a write (grpc/grpc#36066)
_LOST_STATUS: Final = "Internal error from Core"


def typed(code: str, message: str, **facts: Any) -> LedgerError:
    """The error of a stable code; a contract's own carries `code` and `contract` among its facts."""
    kind = by_code(code)
    if "." in code:
        facts |= {"code": code, "contract": code.partition(".")[0]}
    return kind(message, **facts)


def _advice_ms(error: LedgerError) -> int:
    advice = error.facts.get("retry_ms", 0)
    return advice if isinstance(advice, int) else 0
