"""Making a fleet known to a ledger: identities registered and meters hung, many in a transaction, many on their way.

An organisation's steps in one: its admin registers what its authority certifies, and names areas, feeders and houses in
the registry. Each part of a fleet is registered in one transaction; when that is committed its houses follow in the
next. A part that is known already is passed, so that an enrolment which was cut off can be run again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import msgspec

from devices.fleet.certifying import Certifying, Part
from devices.fleet.plan import Plan
from devices.fleet.processes import Process
from ledgernode.client import LedgerClient, Outcome, Signed, Signer
from ledgernode.client.connection import typed
from ledgernode.errors import IdentityExists
from ledgernode.wire.types import TransactionId, identity_id

PART: Final = 50
"""Houses in one call of the registry, at most."""
AREA: Final = 200
"""Points in an area, at most."""
AHEAD: Final = 40
"""Parts that are signed and not committed: what a nonce's two minutes allow by far."""
RATING_W: Final = 24_000
PART_BUDGET: Final = 480_000
SMALL_BUDGET: Final = 60_000
_KNOWN: Final = (IdentityExists.code, "registry.EXISTS")
Progress = Callable[[int, int], None]


class Enrolment:
    """Of one fleet, by an admin of its organisation."""

    def __init__(self, client: LedgerClient, admin: Signer, plan: Plan, progress: Progress) -> None:
        self._client = client
        self._admin = admin
        self._plan = plan
        self._progress = progress
        self._queue: asyncio.Queue[Signed | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(AHEAD)
        self._registering: dict[TransactionId, Part] = {}
        self._hanging: dict[TransactionId, int] = {}
        self._hung = 0

    async def run(self, directory: Path, organisation_directory: Path, processes: int, now_ms: int) -> None:
        """Refuses what the ledger refuses, with its code."""
        await self._areas()
        parts = [(first, min(PART, self._plan.meters - first)) for first in range(0, self._plan.meters, PART)]
        tasks = [
            Certifying(str(directory), str(organisation_directory), tuple(parts[number::processes]), now_ms)
            for number in range(min(processes, len(parts)))
        ]
        certifying = [asyncio.create_task(self._certified(task)) for task in tasks]
        try:
            async with aclosing(self._client.submit_batches(self._source())) as batches:
                async for outcomes in batches:
                    for outcome in outcomes:
                        self._committed(outcome)
                    for task in certifying:
                        if task.done():
                            task.result()
        finally:
            for task in certifying:
                task.cancel()
            await asyncio.gather(*certifying, return_exceptions=True)

    async def _areas(self) -> None:
        """An area with a feeder for as many houses as it may have."""
        names = [f"{self._plan.organisation}:{self._plan.name}-{number}" for number in range(self._areas_count)]
        first = [
            call
            for name in names
            for call in (
                ("add_area", {"id": name}),
                ("add_transformer", {"id": name, "rating_va": 630_000, "low_mv": 230_000, "high_mv": 11_000_000}),
            )
        ]
        await self._all(first)
        await self._all([("add_feeder", {"id": name, "transformer": name, "area": name}) for name in names])

    @property
    def _areas_count(self) -> int:
        return -(-self._plan.meters // AREA)

    async def _all(self, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        signed = [
            self._admin.transaction("registry", function, arguments, budget=SMALL_BUDGET)
            for function, arguments in calls
        ]
        async for outcome in self._client.submit_many(signed):
            _require(outcome)

    async def _certified(self, task: Certifying) -> None:
        async with Process("devices.fleet.certifying", task) as process:
            async for line in process.lines():
                part = msgspec.json.decode(line, type=Part)
                await self._room.acquire()
                arguments = {"certificates": part.certificates}
                signed = self._admin.transaction("identity", "register_many", arguments, budget=PART_BUDGET)
                self._registering[signed.id] = part
                self._queue.put_nowait(signed)

    async def _source(self) -> AsyncIterator[Signed]:
        while (signed := await self._queue.get()) is not None:
            yield signed

    def _committed(self, outcome: Outcome) -> None:
        """Registered: hang them. Hung: count them, and end with the last."""
        _require(outcome)
        part = self._registering.pop(outcome.transaction_id, None)
        if part is not None:
            signed = self._houses(part)
            self._hanging[signed.id] = len(part.public_keys)
            self._queue.put_nowait(signed)
            return
        self._room.release()
        self._hung += self._hanging.pop(outcome.transaction_id)
        self._progress(self._hung, self._plan.meters)
        if self._hung == self._plan.meters:
            self._queue.put_nowait(None)

    def _houses(self, part: Part) -> Signed:
        plan = self._plan
        points = [plan.point(place) for place in range(part.first, part.first + len(part.public_keys))]
        houses = [
            {"premises": point, "point": point, "customer": point, "meter": {"id": identity_id(key).hex()}}
            for point, key in zip(points, part.public_keys, strict=True)
        ]
        feeder = f"{plan.organisation}:{plan.name}-{part.first // AREA}"
        ratings = {"import_rating_w": RATING_W, "export_rating_w": RATING_W}
        arguments = {"feeder": feeder, "houses": houses, **ratings}
        return self._admin.transaction("registry", "add_houses", arguments, budget=PART_BUDGET)


def _require(outcome: Outcome) -> None:
    if not outcome.succeeded and outcome.code not in _KNOWN:
        raise typed(outcome.code, outcome.message)
