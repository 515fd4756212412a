"""What runs beside the loop. Whatever fails there is not lost: it is told, and what is no refusal ends the play."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from ledgernode.errors import LedgerError


class Tasks:
    """Started here, ended here. `problems` are told at the end, `stopping` ends the play."""

    def __init__(self, problems: list[str], stopping: asyncio.Event) -> None:
        self._problems = problems
        self._stopping = stopping
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, running: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(running)
        self._running.add(task)
        task.add_done_callback(self._over)

    async def end(self) -> None:
        """Whatever still runs is cancelled."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._problems.append(f"{type(error).__name__}: {error}")
            if not isinstance(error, LedgerError):
                self._stopping.set()
