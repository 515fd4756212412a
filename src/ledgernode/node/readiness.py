"""This validator's word on the ledger of how far its software goes, kept true by the node itself.

While the rules in force are the newest that this software has, and nothing else was said before, there is nothing to
say: so a ledger of one version's age hears nothing. After an upgrade each validator says that it is ready for the next
version; after going back to an older program it takes its word back. And when a height is decided from which on this
software will not do, its operator is told, long before the node stops there.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ledgernode.config import READY_BUDGET, READY_LOOK_MS, READY_PAUSE_LIMIT_MS
from ledgernode.errors import LedgerError
from ledgernode.identity.records import GOVERNANCE, ExecutionRecord
from ledgernode.node.head import Head
from ledgernode.node.speaking import Speaker, Submit
from ledgernode.wire import versions
from ledgernode.wire.answers import Stage
from ledgernode.wire.types import Height


def what_to_say(in_force: int, said: int, newest: int) -> int | None:
    """The version to tell the ledger; None where what it has been told, or takes for granted (0), is so."""
    return newest if newest >= in_force and newest != (said or in_force) else None


def too_old_for(found: ExecutionRecord, height: Height, newest: int) -> bool:
    """Is a height decided, and yet to come, that this software cannot pass?"""
    return found.next_height > height and found.next_version > newest


class Readiness:
    """Of one ledger."""

    def __init__(self, head: Head, speaker: Speaker, submit: Submit, log: Any) -> None:
        self._head = head
        self._speaker = speaker
        self._submit = submit
        self._log = log
        self._warned = 0

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        pause_ms = READY_LOOK_MS
        while True:
            self._warn()
            try:
                wanted = await self._say()
            except LedgerError as refusal:
                self._log.debug("readiness was not taken", reason=str(refusal))
                wanted = True
            pause_ms = min(2 * pause_ms, READY_PAUSE_LIMIT_MS) if wanted else READY_LOOK_MS
            await asyncio.sleep(pause_ms / 1_000)

    async def _say(self) -> bool:
        """Was there anything to say that was not taken?"""
        identity, in_force = self._speaker.identity, self._head.execution.at(self._head.height + 1)
        if identity is None:
            return False
        version = what_to_say(in_force, self._head.ready(identity.hex()), versions.EXECUTION_NEWEST)
        if version is None:
            return False
        raw = self._speaker.transaction(GOVERNANCE, "ready", {"version": version}, READY_BUDGET)
        assert raw is not None, "it has a seat"
        outcome = await self._submit(raw)
        taken = outcome.stage is Stage.COMMITTED and outcome.code == "OK"
        if taken:
            self._log.info("told the ledger how far this software goes", execution_version=version)
        return not taken

    def _warn(self) -> None:
        found = self._head.execution
        if too_old_for(found, self._head.height, versions.EXECUTION_NEWEST) and self._warned != found.next_height:
            self._warned = found.next_height
            self._log.error(
                "this software will stop: install a newer one before",
                height=found.next_height,
                execution_version=found.next_version,
                newest_known=versions.EXECUTION_NEWEST,
            )
