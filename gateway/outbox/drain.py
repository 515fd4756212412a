"""From the outbox to the ledger: one stream of batches, and what comes back.

A ledger that does not answer costs nothing but patience: what was on its way goes back to its lane, and is sent again
after a pause that grows. A node that keeps silent is passed by the client itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import structlog

from gateway.outbox.entry import Entry
from gateway.outbox.outbox import Outbox
from gateway.outbox.verdict import Verdict
from ledgernode.client import LedgerClient, Outcome, Signed, Stage
from ledgernode.errors import LedgerError, SequenceReplayed
from ledgernode.logs import says_all
from ledgernode.wire.types import TimeMs, TransactionId


class Drain:
    """Runs until it is cancelled, or told to `finish`: then it ends with the answers of what is on its way."""

    def __init__(self, outbox: Outbox, connect: Callable[[], LedgerClient]) -> None:
        self._outbox = outbox
        self._connect = connect
        self._on_its_way: dict[bytes, list[Entry]] = {}
        self._finishing = asyncio.Event()
        self._log: Any = structlog.get_logger("gateway.drain")
        self.answered = 0

    def finish(self) -> None:
        self._finishing.set()

    async def run(self) -> None:
        limits = self._outbox.limits
        pause_ms = limits.drain_pause_start_ms
        while not self._finishing.is_set():
            before = self.answered
            try:
                async with self._connect() as client:
                    await self._stream(client)
            except LedgerError as error:
                if self.answered > before:
                    pause_ms = limits.drain_pause_start_ms
                self._log.warning("the ledger does not take what waits", code=error.code, reason=str(error))
                await self._pause(pause_ms)
                pause_ms = min(2 * pause_ms, limits.drain_pause_limit_ms)
            finally:
                self._on_its_way.clear()
                self._outbox.dropped()

    async def _pause(self, pause_ms: int) -> None:
        try:
            async with asyncio.timeout(pause_ms / 1_000):
                await self._finishing.wait()
        except TimeoutError:
            return

    async def _stream(self, client: LedgerClient) -> None:
        async with aclosing(client.submit_batches(self._source())) as batches:
            async for outcomes in batches:
                for outcome in outcomes:
                    self._answer(await _first(client, outcome))

    def _answer(self, outcome: Outcome) -> None:
        for entry in self._on_its_way.pop(outcome.transaction_id, ()):
            self.answered += 1
            verdict = self._outbox.answered(entry, outcome)
            if verdict is not Verdict.SETTLED and says_all():
                named, code = entry.id.hex(), outcome.code
                self._log.debug("not taken by the ledger", transaction=named, code=code, verdict=verdict.name.lower())

    async def _source(self) -> AsyncIterator[Signed]:
        """Batches as they become worth sending. One transaction that two senders brought is sent once."""
        while not self._finishing.is_set():
            batch = asyncio.ensure_future(self._outbox.batch())
            ending = asyncio.ensure_future(self._finishing.wait())
            try:
                await asyncio.wait((batch, ending), return_when=asyncio.FIRST_COMPLETED)
                if not batch.done():
                    return
                entries = batch.result()
            finally:
                batch.cancel()
                ending.cancel()
            for entry in self._registered(entries):
                yield Signed(TransactionId(entry.id), entry.envelope, TimeMs(0))

    def _registered(self, entries: list[Entry]) -> list[Entry]:
        """Those that are to be sent: of one transaction the first."""
        first: list[Entry] = []
        for entry in entries:
            same = self._on_its_way.setdefault(entry.id, [])
            same.append(entry)
            if len(same) == 1:
                first.append(entry)
        return first


async def _first(client: LedgerClient, outcome: Outcome) -> Outcome:
    """What became of this transaction when it came for the first time, where it has come twice.

    A number that was used may have been used by this very transaction: by way of another gateway, or by a node that was
    given it when the first one kept silent. Then its first receipt stands, and is the answer.
    """
    if outcome.code != SequenceReplayed.code:
        return outcome
    try:
        found = await client.status_of(outcome.transaction_id, wait_ms=0)
    except LedgerError:
        return outcome
    return found if found.stage is Stage.COMMITTED else outcome
