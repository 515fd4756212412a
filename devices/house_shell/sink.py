"""To a time-series store over HTTP, at least once: what was logged waits on the disk until the store has it.

    agent ─▶ keep (disk) ─▶ POST in order, as many lines as there are ─▶ forgotten when the store has answered 2xx

A store that is away is tried again; one that comes back gets everything in its order, from where it stood, also by a
process that was begun again. The same lines twice are one point there (`devices.house.agent.export`). What waits is
bounded: a month of minutes, then the oldest goes, counted as lost.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import structlog

from devices.house.agent.export import Sending, answered
from devices.journal import Journal
from gateway.loopback import is_loopback
from ledgernode.errors import BadRequest

KEPT: Final = 43_200
"""Records: one a minute and one a happening."""
BODY_BYTES: Final = 1 << 20
LIMIT_S: Final = 10.0
_ANSWER_BYTES: Final = 4_096


class Address(msgspec.Struct, frozen=True):
    """Where to write, and as whom. Its printed form shows no secret."""

    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None = None
    authorization: str = ""

    def __repr__(self) -> str:
        return f"Address({self.host}:{self.port})"


def read_address(
    url: str, tls: ssl.SSLContext | None, *, token: str = "", user: str = "", password: str = ""
) -> Address:
    """From a store's address for writing. Refuses one on another machine without TLS."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadRequest(f"{url!r} is no address") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.fragment:
        raise BadRequest("a store is written as https://HOST:PORT/PATH?QUERY, its user and password elsewhere")
    secure = parts.scheme == "https"
    if not secure and not is_loopback(parts.hostname):
        raise BadRequest(f"a store on another machine ({parts.hostname}) is reached over TLS only: https://")
    authorization = f"Token {token}" if token else ""
    if user:
        authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    context = (tls or ssl.create_default_context()) if secure else None
    return Address(parts.hostname, port or (443 if secure else 80), path, context, authorization)


class Sink:
    """`path` is where records wait; one process at a time has it. `url` is the store's own, for writing."""

    def __init__(
        self,
        path: Path,
        address: Address,
        *,
        kept: int = KEPT,
        clock_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
    ) -> None:
        assert kept > 0
        self._journal = Journal(path)
        self._address, self._kept, self._clock_ms = address, kept, clock_ms
        self._next = 1 + max((int(key) for key in self._journal.records), default=0)
        self._work = asyncio.Event()
        self._log: Any = structlog.get_logger("sink")
        self.sending = Sending()
        self.taken = self.set_aside = self.lost = 0
        """Records since this process began."""

    @property
    def waiting(self) -> int:
        return len(self._journal.records)

    @property
    def counts(self) -> dict[str, int]:
        return {"waiting": self.waiting, "taken": self.taken, "set_aside": self.set_aside, "lost": self.lost}

    def keep(self, lines: bytes) -> None:
        """On the disk when this returns."""
        if not lines:
            return
        over = [*self._journal.records][: max(0, self.waiting + 1 - self._kept)]
        if over and not self.lost:
            self._log.error("the store was away for too long: the oldest records go", kept=self._kept)
        self._journal.write([*((key, b"") for key in over), (f"{self._next:015d}", lines)])
        self.lost += len(over)
        self._next += 1
        self._work.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            if not self.waiting:
                self._work.clear()
                await self._work.wait()
            await asyncio.sleep(max(0, self.sending.again_ms - self._clock_ms()) / 1_000)
            await self.once()

    async def once(self) -> None:
        """One request, and what its answer means."""
        batch = self._batch()
        status, said = await asyncio.to_thread(_post, self._address, b"".join(content for _, content in batch))
        verdict = answered(self.sending, len(batch), status, self._clock_ms())
        if verdict.sending.pause_ms and not self.sending.pause_ms:
            self._log.warning("the store does not take it", status=status, said=said, waiting=self.waiting)
        if verdict.set_aside:
            self._log.error("set aside", status=status, said=said, lines=batch[0][1][:500].decode(errors="replace"))
        self.sending = verdict.sending
        self.taken, self.set_aside = self.taken + verdict.taken, self.set_aside + verdict.set_aside
        done = batch[: verdict.taken + verdict.set_aside]
        self._journal.write([(key, b"") for key, _ in done if key in self._journal.records])

    def close(self) -> None:
        self._journal.close()

    def _batch(self) -> list[tuple[str, bytes]]:
        """The first that wait: as many as one request takes."""
        found: list[tuple[str, bytes]] = []
        size = 0
        for key, content in self._journal.records.items():
            size += len(content)
            if len(found) == self.sending.records or (found and size > BODY_BYTES):
                break
            found.append((key, content))
        return found


def _post(address: Address, body: bytes) -> tuple[int | None, str]:
    """The status, and what the store says besides; None where it does not answer."""
    host, port = address.host, address.port
    connection: http.client.HTTPConnection
    if address.tls is None:
        connection = http.client.HTTPConnection(host, port, timeout=LIMIT_S)
    else:
        connection = http.client.HTTPSConnection(host, port, timeout=LIMIT_S, context=address.tls)
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if address.authorization:
        headers["Authorization"] = address.authorization
    try:
        connection.request("POST", address.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_ANSWER_BYTES).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return None, f"{type(error).__name__}: {error}"
    finally:
        connection.close()
