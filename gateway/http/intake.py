"""HTTP beside the other ways into a gateway: what it is made of, and how it begins and ends.

`areas` are routers that stand beside the devices' own: what the console asks. `pages` is the console itself. They share
the door and the errors, and never touch the intake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from fastapi import APIRouter
from starlette.types import ASGIApp

from gateway.commands.inbox import Inbox
from gateway.http import commands, readings
from gateway.http.app import create_app
from gateway.http.demand import Demand
from gateway.http.devices import Devices
from gateway.http.door import Requests
from gateway.http.server import HttpServer, Listen
from gateway.intake.desk import Desk
from gateway.outbox.outbox import Outbox
from ledgernode.identity.tls import Trust


class HttpIntake:
    """Bound to its address from the beginning; serves between `start` and `stop`."""

    def __init__(
        self,
        listen: Listen,
        directory: Path,
        organisation: str,
        *,
        trust: Trust,
        desk: Desk,
        inbox: Inbox,
        outbox: Outbox,
        changed: Callable[[], None],
        steady_ms: Callable[[], int],
        areas: Iterable[APIRouter] = (),
        pages: ASGIApp | None = None,
    ) -> None:
        limits = outbox.limits
        self.devices = Devices(directory, organisation, trust, limits, outbox.clock_ms)
        self.polled = commands.Polled(inbox, outbox, changed)
        clocks = {"clock_ms": outbox.clock_ms, "steady_ms": steady_ms}
        self.demand = Demand(inbox, self.polled, self.devices, limits, **clocks)
        self.requests = Requests()
        own = (readings.router(desk, self.devices), commands.router(self.polled, self.devices, outbox))
        self.app = create_app((*own, *areas), limits=limits, steady_ms=steady_ms, pages=pages, requests=self.requests)
        self.server = HttpServer(self.app, listen, limits, lambda: trust.roots)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        return self.server.port

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self.polled.run()), asyncio.create_task(self.demand.run())]
        await self.server.start()

    async def stop(self, grace_s: float) -> None:
        """No more requests; what is under way has so long to end, and who waits for commands goes at once."""
        self.polled.end()
        await self.server.stop(grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
