"""A device's stream to the gateway: what it has signed goes out in order and stays until the gateway has it safe; what
became of it, and commands, come back."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from gateway.client import GatewayClient
from ledgernode.errors import LedgerError
from ledgernode.identity.tls import channel_credentials, load_tls
from living.people import Member

FULL: Final = "OUTBOX_FULL"
"""A device's answer to a command that it has no room for: it is to come again."""
_AGAIN_S: Final = 0.5
_AT_ONCE: Final = 32


class Latencies:
    """How long readings took from the meter to a certified block, in seconds of our own time."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def part(self, share: float) -> float:
        """Such a share of them was faster."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Line:
    """One device's stream to the gateway, opened again whenever it ends."""

    def __init__(self, member: Member, address: str, latencies: Latencies) -> None:
        self.member = member
        self._address = address
        self._latencies = latencies
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._sent: dict[int, float] = {}
        self._work = asyncio.Event()
        self._audible = asyncio.Event()
        self._muted = asyncio.Event()
        self._audible.set()
        self.settled: Callable[[int, str], None] = lambda _sequence, _code: None
        self.commanded: Callable[[Any], str] = lambda _command: "OK"
        self.linked: Callable[[bool], None] = lambda _up: None

    def send(self, sequence: int, envelope: bytes) -> None:
        """Hand over; it stays here until the gateway has it."""
        self._waiting.append((sequence, envelope))
        self._sent.setdefault(sequence, time.monotonic())
        self._work.set()

    @property
    def waiting(self) -> int:
        """What the ledger has not answered for."""
        return len(self._sent)

    @property
    def silent(self) -> bool:
        """Whether the radio is off: nothing goes out, nothing comes in."""
        return self._muted.is_set()

    def silence(self, silent: bool) -> None:
        on, off = (self._muted, self._audible) if silent else (self._audible, self._muted)
        on.set()
        off.clear()
        self._work.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        credentials = channel_credentials(load_tls(self.member.directory))
        while True:
            with suppress(LedgerError, TimeoutError):
                async with GatewayClient(self._address, credentials) as gateway:
                    await gateway.connect(devices=[bytes(self.member.signer.identity)])
                    self.linked(True)
                    await _first_of(
                        self._send_all(gateway), self._hear(gateway), _until_ended(gateway), self._muted.wait()
                    )
            self.linked(False)
            await self._audible.wait()
            await asyncio.sleep(_AGAIN_S)

    async def _send_all(self, gateway: GatewayClient) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._waiting and not self.silent:
                part = [self._waiting[at] for at in range(min(len(self._waiting), _AT_ONCE))]
                codes = await gateway.send([envelope for _, envelope in part])
                refused = [one for one, code in zip(part, codes, strict=True) if code != "OK"]
                for _ in part:
                    self._waiting.popleft()
                self._waiting.extendleft(reversed(refused))
                if refused:
                    await asyncio.sleep(_AGAIN_S)

    async def _hear(self, gateway: GatewayClient) -> None:
        async for told in gateway.told():
            match told.WhichOneof("content"):
                case "settled":
                    for outcome in told.settled.outcomes:
                        self._outcome(int(outcome.sequence), outcome.code, int(outcome.height))
                case "command":
                    if self.commanded(told.command) != FULL:
                        await gateway.received(told.command)

    def _outcome(self, sequence: int, code: str, height: int) -> None:
        began = self._sent.pop(sequence, None)
        if began is not None and height:
            self._latencies.seconds.append(time.monotonic() - began)
        self.settled(sequence, code)


async def _first_of(*running: Coroutine[Any, Any, object]) -> None:
    """Until one of them ends; raises what it ended with."""
    tasks = [asyncio.ensure_future(one) for one in running]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_ended(gateway: GatewayClient) -> None:
    raise await gateway.ended()
