"""Writing a snapshot beside the running ledger: a thread writes, the caller hears how far it has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from ledgernode.store.chain import ChainStore
from ledgernode.store.snapshot import create_snapshot
from ledgernode.wire.answers import SnapshotProgress


async def write_snapshot(chain: ChainStore, folder: Path, name: str) -> AsyncIterator[SnapshotProgress]:
    """A snapshot of the newest certified block in `folder`/`name`-`height`; its path comes with the last progress.

    Raises what `create_snapshot` refuses with.
    """
    height = chain.certified_height
    directory = folder / f"{name}-{height}"
    loop, moved = asyncio.get_running_loop(), asyncio.Event()
    latest = SnapshotProgress(0, 0)

    def progress(done: int, total: int) -> None:
        nonlocal latest
        latest = SnapshotProgress(done, total)
        loop.call_soon_threadsafe(moved.set)

    writing = loop.run_in_executor(None, lambda: create_snapshot(chain, directory, height=height, progress=progress))
    writing.add_done_callback(lambda _: moved.set())
    while not writing.done():
        await moved.wait()
        moved.clear()
        if not writing.done():
            yield latest
    writing.result()
    yield SnapshotProgress(latest.chunks_total, latest.chunks_total, str(directory), height)
