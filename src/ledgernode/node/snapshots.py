"""Snapshots of a running ledger: one by itself every so many blocks, and one whenever its operator asks.

They are made from one view of the database in a thread beside the ledger, which works a share of the time only, so
that blocks go on. At heights that every node knows, the multiples of an interval, all nodes make the same one: a
peer that needs it can take its parts from any of them.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ledgernode.config import SNAPSHOT_LATE_BLOCKS, SNAPSHOT_SHARE_PERCENT
from ledgernode.errors import DiskFull, LedgerError, NodeStopping
from ledgernode.node.shelf import Shelf
from ledgernode.node.waiting import Progress
from ledgernode.store.chain import ChainStore
from ledgernode.store.snapshot import create_snapshot
from ledgernode.wire.answers import SnapshotFacts, SnapshotProgress
from ledgernode.wire.types import Height

_Result = TypeVar("_Result")


class Upkeep(msgspec.Struct, frozen=True):
    """What a node's operator decides about what is kept. An interval of 0 makes no snapshots, a distance of 0 takes
    none; of blocks the newest `keep_blocks` are kept, or all where it is 0, and `archives` are nodes that keep all.
    """

    every_blocks: int = 0
    kept: int = 2
    behind_blocks: int = 0
    keep_blocks: int = 0
    archives: tuple[str, ...] = ()


class Snapshots:
    """Of one ledger. `database_bytes` says how much disk one may need at most, `lag` how far behind this node is."""

    def __init__(
        self,
        chain: ChainStore,
        progress: Progress,
        shelf: Shelf,
        upkeep: Upkeep,
        *,
        database_bytes: Callable[[], int],
        lag: Callable[[], int],
        log: Any,
    ) -> None:
        self._chain = chain
        self._progress = progress
        self._shelf = shelf
        self._upkeep = upkeep
        self._database_bytes = database_bytes
        self._lag = lag
        self._log = log
        self._stopping = threading.Event()
        self._threads: set[asyncio.Future[Any]] = set()

    async def run(self) -> None:
        """Make one at every multiple of the interval, until the ledger makes no more blocks.

        Not of a height that lies far back here, or with the others: nobody would take it.
        """
        every = self._upkeep.every_blocks
        if not every:
            return
        made = await self._in_thread(self._shelf.newest_own)
        while not self._stopping.is_set():
            due = next_height(every, made, self._progress.height, self._chain.base)
            try:
                await self._progress.beyond(due - 1)
            except LedgerError:
                return  # no block will follow
            made = due
            if max(self._chain.head.height - due, self._lag()) <= SNAPSHOT_LATE_BLOCKS:
                await self._make(due)

    async def write(self, folder: Path) -> AsyncIterator[SnapshotProgress]:
        """One of the newest certified block, in this folder; its path comes with the last progress.

        Raises what `create_snapshot` refuses with.
        """
        height = self._chain.certified_height
        directory = self._shelf.place(height, folder)
        loop, moved = asyncio.get_running_loop(), asyncio.Event()
        latest = SnapshotProgress(0, 0)

        def progress(done: int, total: int) -> None:
            nonlocal latest
            self._require_going_on()
            latest = SnapshotProgress(done, total)
            loop.call_soon_threadsafe(moved.set)

        creating = partial(create_snapshot, self._chain, directory, height=height, progress=progress)
        writing = asyncio.ensure_future(self._in_thread(creating))
        writing.add_done_callback(lambda _: moved.set())
        while not writing.done():
            await moved.wait()
            moved.clear()
            if not writing.done():
                yield latest
        writing.result()
        yield SnapshotProgress(latest.chunks_total, latest.chunks_total, str(directory), height)

    async def offered(self) -> tuple[SnapshotFacts, ...]:
        """What this node can give to a peer."""
        return await self._in_thread(self._shelf.look)

    async def piece(self, snapshot: bytes, chunk: int | None, offset: int) -> bytes:
        """Refuses as `Shelf.read`."""
        return await self._in_thread(partial(self._shelf.read, snapshot, chunk, offset))

    async def close(self) -> None:
        """Nothing of it reads the database any more; what was being made is given up."""
        self._stopping.set()
        await asyncio.gather(*self._threads, return_exceptions=True)

    async def _make(self, height: Height) -> None:
        """What fails is said, and tried again at the next interval: the ledger is not to suffer from it."""
        begun_s = time.monotonic()
        try:
            await self._in_thread(partial(self._create, height))
        except NodeStopping:
            return
        except LedgerError as error:
            self._log.warning("no snapshot was made", height=height, code=error.code, reason=str(error))
        else:
            seconds = round(time.monotonic() - begun_s, 1)
            self._log.info("snapshot made", height=height, seconds=seconds)

    def _create(self, height: Height) -> None:
        self._shelf.throw_away(self._upkeep.kept)
        directory = self._shelf.place(height)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        needed, free = self._database_bytes(), shutil.disk_usage(directory).free
        if free < 2 * needed:  # a ledger whose disk is full halts
            raise DiskFull(f"{directory}: {free} bytes are free, and a snapshot may need {needed} of them")
        create_snapshot(self._chain, directory, height=height, progress=self._leisurely())
        self._shelf.throw_away(self._upkeep.kept)

    def _leisurely(self) -> Callable[[int, int], None]:
        """Rests after each chunk for as long as the ledger is to have the processor."""
        begun_s = time.monotonic()

        def progress(_done: int, _total: int) -> None:
            nonlocal begun_s
            worked_s = time.monotonic() - begun_s
            self._stopping.wait(worked_s * (100 - SNAPSHOT_SHARE_PERCENT) / SNAPSHOT_SHARE_PERCENT)
            self._require_going_on()
            begun_s = time.monotonic()

        return progress

    def _require_going_on(self) -> None:
        if self._stopping.is_set():
            raise NodeStopping("the node is shutting down: the snapshot was not finished")

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        """Not given up half-way: the database may be closed only when nothing reads it (`close`)."""
        self._require_going_on()
        thread = asyncio.get_running_loop().run_in_executor(None, work)
        self._threads.add(thread)
        thread.add_done_callback(self._threads.discard)
        return await asyncio.shield(thread)


def next_height(every: int, made: Height, certified: Height, base: Height) -> Height:
    """Of the next snapshot: the last multiple that was passed, unless it was made or lies below, or the one after."""
    passed = certified // every * every
    return Height(passed if passed > max(made, base) else passed + every)
