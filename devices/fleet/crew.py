"""All processes of a fleet: started, listened to, told to end; what they say, added up.

The standing is written ahead of each round, so that a number that may have been used is never used for anything else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from devices.fleet.counts import Counts
from devices.fleet.directory import STANDING, Standing, read_plan, read_standing, write
from devices.fleet.plan import Plan, Run
from devices.fleet.processes import Process
from devices.fleet.worker import Broker, Said, Task
from ledgernode.identity.tls import TlsFiles

WORKER: Final = "devices.fleet.worker"
SAY_EVERY_S: Final = 0.5
START_MS: Final = 1_000
AHEAD_MS: Final = 5_000
"""So long before a round begins the standing says that it has."""


class Now(msgspec.Struct, frozen=True):
    """How a fleet is doing, all of it together."""

    counts: Counts
    waiting: int
    unheard: int
    to_come: int
    """Readings of this run that are not due yet."""
    seconds: float

    def document(self) -> dict[str, Any]:
        return {
            **self.counts.document(),
            "waiting": self.waiting,
            "unheard": self.unheard,
            "seconds": round(self.seconds, 3),
            "safe_per_s": round(self.counts.safe / self.seconds, 1) if self.seconds else None,
        }


class Crew:
    """One run of a fleet, over these gateways; the last `by_broker` of its processes over the broker."""

    def __init__(
        self,
        directory: Path,
        gateways: Sequence[str],
        tls: Sequence[TlsFiles],
        *,
        hear_ms: int,
        broker: Broker | None = None,
        by_broker: int = 0,
    ) -> None:
        self.plan: Plan = read_plan(directory)
        self._directory = directory
        self._gateways = tuple(gateways)
        self._tls = list(tls)
        self._hear_ms = hear_ms
        self._brokers = [broker if own >= len(tls) - by_broker else None for own in range(len(tls))]
        self._said: list[Said | None] = [None] * len(tls)
        self._standing = read_standing(directory)
        self._sending_from = min(self._standing.safe, self._standing.begun)
        self._run: Run | None = None
        self._processes: list[Process] = []

    def planned(self, rounds: int, every_ms: int, speed: int, now_ms: int) -> Run:
        """The next run: its numbers follow on the last, and its times on the end of a round that was begun."""
        before = self._standing.cut()
        begins_ms = max(now_ms + START_MS, before[-1].ends_ms if before else 0)
        return Run(self._standing.begun, rounds, begins_ms, every_ms, speed)

    async def run(self, run: Run, told: Callable[[Now], None] = lambda _now: None) -> Now:
        """Until everything is safe and heard of. Ended early (cancelled), the standing says how far it came."""
        before = self._standing
        self._run = run
        runs = (*before.cut(), run)
        self._standing = Standing(runs, before.begun, self._sending_from)
        begun_at = time.monotonic()
        self._write_standing()
        try:
            async with AsyncExitStack() as opened:
                for own, part in enumerate(_parts(self.plan.meters, len(self._tls))):
                    task = Task(
                        directory=str(self._directory),
                        first_place=part.start,
                        places=len(part),
                        own=own,
                        gateways=self._gateways,
                        tls=self._tls[own],
                        runs=runs,
                        first=self._sending_from,
                        fresh=run.first,
                        hear_ms=self._hear_ms,
                        broker=self._brokers[own],
                    )
                    self._processes.append(await opened.enter_async_context(Process(WORKER, task)))
                listening = [asyncio.create_task(self._listen(own)) for own in range(len(self._processes))]
                try:
                    while True:
                        done, waiting = await asyncio.wait(
                            listening, timeout=SAY_EVERY_S, return_when=asyncio.FIRST_EXCEPTION
                        )
                        for one in done:
                            one.result()
                        self._write_standing()
                        told(self.now(time.monotonic() - begun_at))
                        if not waiting:
                            break
                finally:
                    for one in listening:
                        one.cancel()
        finally:
            self._write_standing()
        return self.now(time.monotonic() - begun_at)

    def process_ids(self) -> list[int]:
        return [process.process_id for process in self._processes]

    def now(self, seconds: float) -> Now:
        assert self._run is not None
        counts, waiting, unheard = Counts(), 0, 0
        for said in self._said:
            if said is not None:
                counts.merge(said.counts)
                waiting += said.waiting
                unheard += said.unheard
        rounds = self._run.after - self._sending_from
        return Now(counts, waiting, unheard, max(0, rounds * self.plan.meters - counts.due), seconds)

    async def _listen(self, own: int) -> None:
        async for line in self._processes[own].lines():
            self._said[own] = msgspec.json.decode(line, type=Said)

    def _write_standing(self) -> None:
        """If it has changed."""
        assert self._run is not None
        run = self._run
        passed = (time.time_ns() // 1_000_000 + AHEAD_MS - run.begins_ms) // run.every_ms
        begun = max(run.first, min(run.after, run.first + passed + 1))
        safe = min((self._sending_from if one is None else one.safe_until for one in self._said), default=run.first)
        standing = Standing(self._standing.runs, begun, min(safe, begun))
        if standing != self._standing or not (self._directory / STANDING).exists():
            self._standing = standing
            write(self._directory / STANDING, standing)


def _parts(meters: int, processes: int) -> list[range]:
    """As equal as they come."""
    return [range(meters * own // processes, meters * (own + 1) // processes) for own in range(processes)]
