"""Forgetting old blocks of a running ledger: when its operator asks, and by itself where it is to keep so many only.

Rules it keeps:

* nothing above the newest snapshot that stands here is forgotten: whoever is behind must be brought forward by someone;
* blocks are removed by bounded pieces, in a thread that works a share of the time, so that new ones go on; what was
  begun when the node stopped goes on with the next start;
* who asks for what is gone is answered PRUNED, and told who has it (`Archives`): nodes that their operator names, and
  peers that say they do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from ledgernode.config import PRUNING_SHARE_PERCENT, PRUNING_SLACK_BLOCKS
from ledgernode.errors import LedgerError, NodeStopping, PruneRefused
from ledgernode.node.state_sync import in_thread
from ledgernode.node.waiting import Progress
from ledgernode.store.chain import ChainStore
from ledgernode.wire.answers import PruneProgress, SnapshotFacts
from ledgernode.wire.types import Height


class Pruning:
    """Of one ledger. It keeps the newest `keep_blocks`, or all where that is 0; `offered` are the snapshots here."""

    def __init__(
        self,
        chain: ChainStore,
        progress: Progress,
        offered: Callable[[], Awaitable[Sequence[SnapshotFacts]]],
        keep_blocks: int,
        *,
        log: Any,
    ) -> None:
        self._chain = chain
        self._progress = progress
        self._offered = offered
        self._keep_blocks = keep_blocks
        self._log = log
        self._asked = Height(0)
        self._left = 0
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._over = False

    async def run(self) -> None:
        """Remove what is to be removed, until cancelled. A full disk is said, and tried again at the next occasion."""
        try:
            while True:
                self._wake.clear()
                seen = self._progress.height
                try:
                    await self._prune()
                except LedgerError as error:
                    self._log.error("no blocks were pruned", code=error.code, reason=str(error))
                    self._asked = Height(0)
                    self._tell()
                await self._occasion(seen)
        finally:
            self._over = True
            self._tell()

    def below(self, keep_blocks: int) -> Height:
        """The lowest block of the newest so many."""
        return Height(max(1, self._progress.height - keep_blocks + 1))

    async def ask(self, below: Height) -> AsyncIterator[PruneProgress]:
        """Forget every block below this one, and say how far that is. Refuses with PruneRefused."""
        newest = await self._newest_snapshot()
        if below - 1 > newest:
            what = f"the newest snapshot here is of block {newest}" if newest else "there is no snapshot here"
            raise PruneRefused(
                f"{what}: who is behind could not be brought forward without the blocks after it. "
                "Make one first: ledgernode snapshot create"
            )
        total = max(0, below - 1 - self._chain.base)
        self._asked = max(self._asked, below)
        self._wake.set()
        while self._chain.base < below - 1 or self._left:
            if self._over:
                raise NodeStopping("the node is shutting down: it goes on with the next start")
            if self._asked < below and self._chain.base < below - 1:
                raise PruneRefused("the blocks could not be removed: the node's log says why")
            await self._moved.wait()
            yield PruneProgress(max(0, total - self._left), total, self._chain.base)
        yield PruneProgress(total, total, self._chain.base)

    # ------------------------------------------------------------ one occasion

    async def _prune(self) -> None:
        below = max(self._asked, await self._surplus())
        if below - 1 > self._chain.base:
            self._left = below - 1 - self._chain.base
            await in_thread(partial(self._chain.prune, Height(below)))
            self._log.info("pruning", below=below)
        removed = False
        while True:  # ends: each turn leaves less
            began_s = time.monotonic()
            self._left = await in_thread(self._chain.prune_on)
            removed = removed or self._left > 0
            self._tell()
            if not self._left:
                break
            worked_s = time.monotonic() - began_s
            await asyncio.sleep(worked_s * (100 - PRUNING_SHARE_PERCENT) / PRUNING_SHARE_PERCENT)
        if removed:
            self._log.info("pruned", base=self._chain.base)

    async def _surplus(self) -> Height:
        """Below this nothing need be kept: as its operator wants it, and as the newest snapshot allows."""
        if not self._keep_blocks:
            return Height(0)
        wanted = self.below(self._keep_blocks)
        if wanted <= self._chain.base + 1:
            return Height(0)
        return min(wanted, Height(await self._newest_snapshot() + 1))

    async def _newest_snapshot(self) -> Height:
        certified = self._chain.certified_height
        return max((one.height for one in await self._offered() if one.height <= certified), default=Height(0))

    async def _occasion(self, seen: Height) -> None:
        """Return when an operator asks, or when so much has come since `seen` that it is worth it."""
        if not self._keep_blocks:
            await self._wake.wait()
            return
        slack = max(1, min(PRUNING_SLACK_BLOCKS, self._keep_blocks // 8))
        asked = asyncio.create_task(self._wake.wait())
        grown = asyncio.create_task(self._progress.beyond(seen + slack - 1))
        try:
            await asyncio.wait({asked, grown}, return_when=asyncio.FIRST_COMPLETED)
            if grown.done() and grown.exception() is not None:
                await asked  # no block will follow
        finally:
            for task in (asked, grown):
                task.cancel()
            await asyncio.gather(asked, grown, return_exceptions=True)

    def _tell(self) -> None:
        """Whoever waits for progress looks again."""
        self._moved.set()
        self._moved = asyncio.Event()


class Archives(msgspec.Struct, frozen=True):
    """Who has what is pruned here: `named` by the operator; `oldest` says of peers, by address, their oldest block."""

    named: tuple[str, ...]
    oldest: Callable[[], Mapping[str, int]]

    def of(self, height: int | None) -> tuple[str, ...]:
        """Those that have the block of this height, or every block where it is not known; each once."""
        needed = 1 if height is None else max(height, 1)
        peers = sorted(address for address, oldest in self.oldest().items() if 0 < oldest <= needed)
        return tuple(dict.fromkeys((*self.named, *peers)))
