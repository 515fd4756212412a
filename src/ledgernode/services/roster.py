"""The ledgers of one process: each is opened, run and closed by itself, so that none stands or falls with another.

What is to be served is a list of names in the node's file, and a running node follows it: a name that is added is
opened while the others go on, one that is taken out is drained and closed. A ledger that cannot be opened, or whose
task breaks, is put aside with the reason; the process ends only when nothing is left that it could serve. A ledger
that has halted stays open, as its operator wants to ask it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, Protocol, TypeVar


class Runnable(Protocol):
    """What is needed of a ledger here."""

    def start(self) -> object: ...
    async def outgrown(self) -> None: ...
    async def stop(self, drain_ms: int = ...) -> None: ...
    def close(self) -> None: ...


L = TypeVar("L", bound=Runnable)


class Roster(Generic[L]):
    """`ledgers` are those that are open, `names` all that are to be, `failed` says why the others are not."""

    def __init__(self, open_ledger: Callable[[str], L], forget: Callable[[str], None], log: Any) -> None:
        """`forget`: whatever else the process knew of a ledger that it serves no more."""
        self._open_ledger = open_ledger
        self._forget = forget
        self._log = log
        self._running: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._broken = asyncio.Event()
        self.names: list[str] = []
        self.ledgers: dict[str, L] = {}
        self.failed: dict[str, Exception] = {}

    def open(self, names: Iterable[str]) -> None:
        """Before anything runs. Raises what the first one refused, when there are some and none can be served."""
        for name in names:
            self._open(name)
        if self.failed and not self.ledgers:
            raise next(iter(self.failed.values()))

    def start(self) -> None:
        for name in self.ledgers:
            self._start(name)

    async def follow(self, names: Iterable[str]) -> None:
        """Serve these from now on."""
        wanted = tuple(dict.fromkeys(names))
        for name in [name for name in self.names if name not in wanted]:
            await self._drop(name)
        for name in wanted:
            if name not in self.names:
                self._open(name)
                if name in self.ledgers:
                    self._start(name)
                    self._log.info("ledger added", ledger=name)

    async def broken(self) -> None:
        """Return when nothing is left of what was to be served."""
        await self._broken.wait()

    async def stop(self) -> None:
        """All at the same time: each drains."""
        await asyncio.gather(*(self._end(name) for name in list(self._running)))

    def close(self) -> None:
        for ledger in self.ledgers.values():
            ledger.close()

    def require_any(self) -> None:
        """Raises why, when nothing is left of what was to be served."""
        if self._broken.is_set():
            raise next(iter(self.failed.values()))

    # ------------------------------------------------------------ one ledger

    def _open(self, name: str) -> None:
        self.names.append(name)
        try:
            self.ledgers[name] = self._open_ledger(name)
        except Exception as error:  # noqa: BLE001  # whatever is wrong with this one, the others are served
            self._fail(name, error)

    def _start(self, name: str) -> None:
        stopping = asyncio.Event()
        self._running[name] = (asyncio.create_task(self._serve(name, stopping), name=f"serving {name}"), stopping)

    async def _serve(self, name: str, stopping: asyncio.Event) -> None:
        """Run it until it is dropped or the node stops; one that was brought forward by a snapshot is closed and opened
        again on it. Who calls meanwhile is told to ask again.
        """
        try:
            while not stopping.is_set():
                ledger = self.ledgers[name]
                ledger.start()
                await _either(stopping.wait(), ledger.outgrown())
                if stopping.is_set():
                    await ledger.stop()
                    return
                await ledger.stop(drain_ms=0)
                ledger.close()
                self.ledgers[name] = self._open_ledger(name)
        except Exception as error:  # noqa: BLE001  # the others go on
            self.ledgers.pop(name).close()
            self._fail(name, error)
            if not self.ledgers:
                self._broken.set()

    async def _end(self, name: str) -> None:
        task, stopping = self._running.pop(name)
        stopping.set()
        await task

    async def _drop(self, name: str) -> None:
        """What waits for it is told why."""
        ledger = self.ledgers.get(name)
        if name in self._running:
            await self._end(name)
        self.ledgers.pop(name, None)
        if ledger is not None:
            ledger.close()
        self.names.remove(name)
        self.failed.pop(name, None)
        self._forget(name)
        self._log.info("ledger dropped", ledger=name)

    def _fail(self, name: str, error: Exception) -> None:
        self.failed[name] = error
        self._log.critical("ledger not served", ledger=name, reason=str(error), exc_info=error)


async def _either(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when one of them has, and give up the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
