"""The ledger's events, from a stored position on, into the inbox.

The position is kept with the commands. A ledger that is away is waited for; one that has pruned what was not read yet
is an error of operation: the follower goes on from what there is, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from gateway.commands.evidence import evidence_of
from gateway.commands.inbox import COMMANDS, NAMES, POSITION, Facts, Inbox, Status, commands_in
from gateway.outbox.outbox import Outbox
from ledgernode.client import LedgerClient
from ledgernode.errors import BadProof, LedgerError, Pruned
from ledgernode.wire.answers import NumberedEvent

if TYPE_CHECKING:
    from gateway.commands.traced import TracedCommands


class Follower:
    """Runs until it is cancelled. `changed` is called when there may be something to tell."""

    def __init__(
        self,
        inbox: Inbox,
        outbox: Outbox,
        connect: Callable[[], LedgerClient],
        *,
        changed: Callable[[], None],
        publish: Callable[[str], None],
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._connect = connect
        self._changed = changed
        self._publish = publish
        self._proof: tuple[bytes, bytes] = (b"", b"")
        self._log: Any = structlog.get_logger("gateway.commands")
        inbox.load(outbox.store.fact(POSITION), [fact for _, fact in outbox.store.facts(COMMANDS)])

    async def run(self) -> None:
        limits = self._outbox.limits
        pause_ms = limits.drain_pause_start_ms
        from_height, pruned = self._inbox.position.height, False
        while True:
            before = self._inbox.position
            try:
                async with self._connect() as client:
                    if pruned:
                        from_height, pruned = int((await client.facts()).height), False
                        self._log.error("earlier events are pruned: lost here", from_height=from_height)
                    await self._follow(client, from_height)
            except Pruned:
                pruned = True
            except LedgerError as error:
                self._log.warning("the ledger's events do not come", code=error.code, reason=str(error))
                pause_ms = limits.drain_pause_start_ms if self._inbox.position > before else 2 * pause_ms
                pause_ms = min(pause_ms, limits.drain_pause_limit_ms)
            await asyncio.sleep(pause_ms / 1_000)
            from_height = max(from_height, self._inbox.position.height)

    async def _follow(self, client: LedgerClient, from_height: int) -> None:
        async for event in client.events(from_height, names=NAMES):
            traces = self._inbox.traces
            heard_ns = 0 if traces is None else traces.now_ns()
            evidence, place = await self._proven(client, event) if self._inbox.wanted(event) else (b"", 0)
            facts = self._inbox.event(event, evidence, place)
            if traces is not None:
                self._trace(traces, event, facts, heard_ns)
            if facts:
                self._outbox.remember(facts)
                self._changed()
            lines, self._inbox.lines = self._inbox.lines, []
            for line in lines:
                self._publish(line)

    def _trace(self, traces: TracedCommands, event: NumberedEvent, facts: Facts, heard_ns: int) -> None:
        """The commands that the event has begun or ended."""
        for command in commands_in(facts):
            if command.status is Status.PENDING and command.transaction_id == event.transaction_id:
                traces.commanded(command, heard_ns)
            elif command.status in (Status.ACKNOWLEDGED, Status.TIMED_OUT):
                traces.ended(command, event, acknowledged=command.status is Status.ACKNOWLEDGED)

    async def _proven(self, client: LedgerClient, event: NumberedEvent) -> tuple[bytes, int]:
        """What shows the event to a device. One transaction may tell many devices: its proof is asked for once."""
        try:
            if self._proof[0] != event.transaction_id:
                self._proof = (event.transaction_id, await client.proof(event.transaction_id))
            return evidence_of(self._proof[1], event)
        except (BadProof, Pruned) as error:
            self._log.error("a command cannot be shown to its device", name=event.name, reason=str(error))
            return b"", 0
