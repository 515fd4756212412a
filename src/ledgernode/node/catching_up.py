"""Coming forward: a node that is new, was away, lost messages, or only observes.

A little behind, it fetches certified blocks. Far behind, or where nobody has those blocks any more, it takes a
snapshot (`node.state_sync`) if some peer has one that is far ahead, and goes on with blocks from there; while no peer
has one, blocks do, however many.

A peer's word counts for nothing: envelopes and receipts must be those of the header, and the driver executes a block
only when its set has certified it, and compares the result. The receipts say who mined the block, which no header does:
a lie about it is refused here, and never becomes another result. A peer that gives anything else, or nothing for a
while, is left for the next one.

What lacks is what is not certified here: also a block that was executed, when its signatures were lost. A member that
has left, or has a new key, signs nothing for it, and hears of its certificate in no other way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Protocol, cast

from ledgernode.config import CATCH_UP_PAUSE_MS, SYNC_ASK_MS, WATCH_MS
from ledgernode.errors import BadProof, LedgerError, LedgerHalted, Pruned
from ledgernode.execution.reward import miner_of
from ledgernode.node.executing import Fetched
from ledgernode.node.neighbours import Neighbour, Neighbours
from ledgernode.wire.answers import Block, SyncStatus
from ledgernode.wire.block import parse_header
from ledgernode.wire.roots import receipts_root, transaction_root
from ledgernode.wire.types import Height, sha256
from ledgernode.wire.validators import parse_certificate


class Follower(Protocol):
    """What executes the blocks: the driver."""

    @property
    def certified(self) -> Height: ...

    @property
    def halted(self) -> LedgerHalted | None: ...

    def fetched(self, block: Fetched) -> None: ...

    async def room(self) -> None: ...


class Syncing(Protocol):
    """What takes a snapshot: `node.state_sync.StateSync`."""

    @property
    def status(self) -> SyncStatus | None: ...

    @property
    def was_answered(self) -> bool: ...

    async def attempt(self, above: Height) -> bool: ...


class CatchingUp:
    """Of one ledger. `heard` and `wanted` say how far others are; `run` does the rest.

    `faulty` says how many of the validators may lie, `observes` whether this node is none of them. Further behind than
    `far_blocks` it takes a snapshot; 0 means never.
    """

    def __init__(
        self,
        driver: Follower,
        neighbours: Neighbours,
        state_sync: Syncing,
        *,
        observes: Callable[[], bool],
        faulty: Callable[[], int],
        far_blocks: int,
        log: Any,
    ) -> None:
        self._driver = driver
        self._neighbours = neighbours
        self._state_sync = state_sync
        self._observes = observes
        self._faulty = faulty
        self._far_blocks = far_blocks
        self._log = log
        self._heard: dict[bytes, Height] = {}
        self._fruitless: dict[bytes, bool] = {}
        self._certified = Height(0)
        self._target = Height(0)
        self._turn = 0
        self._ask_again_s = 0.0
        self._came_s = time.monotonic()
        self._wake = asyncio.Event()
        self.outgrown = asyncio.Event()
        """Set when a whole snapshot stands beside the database: close the ledger, and open it again."""

    @property
    def lag(self) -> int:
        """How many blocks are certified elsewhere, or said to be, and not here."""
        return max(0, max(self._certified, self._ahead()) - self._driver.certified)

    def _ahead(self) -> Height:
        """How far others are: of the peers' own words one that is not a liar's, as far as enough have spoken."""
        words = sorted(self._heard.values(), reverse=True)
        return words[min(self._faulty(), len(words) - 1)] if words else Height(0)

    @property
    def is_far_behind(self) -> bool:
        return 0 < self._far_blocks < self.lag

    @property
    def status(self) -> SyncStatus | None:
        """How this node comes forward; None while it is not behind."""
        if self._state_sync.status is not None or not self.lag:
            return self._state_sync.status
        idle_ms = int((time.monotonic() - self._came_s) * 1_000)
        return SyncStatus("blocks", Height(self._driver.certified + self.lag), idle_ms=idle_ms)

    def heard(self, public_key: bytes, height: Height) -> None:
        """A peer says how far it is."""
        if not self.lag:
            self._came_s = time.monotonic()
        self._heard[public_key] = height

    def heights(self) -> dict[bytes, Height]:
        return dict(self._heard)

    def wanted(self, height: Height) -> None:
        """Blocks up to this height are certified, and not here."""
        if not self.lag:
            self._came_s = time.monotonic()
        self._certified = max(self._certified, height)
        self._aim(height)

    def _aim(self, height: Height) -> None:
        self._target = max(self._certified, height)
        self._wake.set()

    async def run(self) -> None:
        """Fetch whatever is wanted, until cancelled, or until a snapshot has made this ledger old."""
        if self._observes():
            await self._ask_heights()
        watching = asyncio.create_task(self._watch())
        try:
            while self._driver.halted is None:
                self._wake.clear()
                if self._wants_snapshot() and await self._take_snapshot():
                    return
                if self._observes() or self._target > self._driver.certified:
                    await self._fetch_from_one()
                    await asyncio.sleep(CATCH_UP_PAUSE_MS / 1_000)
                else:
                    await self._wake.wait()
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        """Who stands still while others are ahead has missed something."""
        before = self._driver.certified
        while True:
            await asyncio.sleep(WATCH_MS / 1_000)
            self._neighbours.stand()
            if self._observes():
                await self._ask_heights()
            ahead = max(self._ahead(), self._certified)
            if ahead > self._driver.certified == before or self._observes() or self.is_far_behind:
                self._aim(ahead)
            before = self._driver.certified

    async def _ask_heights(self) -> None:
        """Nobody dials who only observes, so it hears of heights only when it asks."""
        asked = self._neighbours.all()
        answers = await asyncio.gather(*(one.height() for one in asked), return_exceptions=True)
        for one, answer in zip(asked, answers, strict=True):
            if isinstance(answer, int):
                self.heard(one.public_key, answer)

    # ------------------------------------------------------------ by snapshot

    def _wants_snapshot(self) -> bool:
        due = self._far_blocks > 0 and time.monotonic() >= self._ask_again_s
        return due and (self.is_far_behind or self._is_pruned_everywhere())

    async def _take_snapshot(self) -> bool:
        """True when one stands ready. One that would save few blocks is worth it only where there are no blocks."""
        skipped = 0 if self._is_pruned_everywhere() else self._far_blocks
        whole = await self._state_sync.attempt(Height(self._driver.certified + skipped))
        pause_ms = SYNC_ASK_MS if self._state_sync.was_answered else WATCH_MS
        self._ask_again_s = time.monotonic() + pause_ms / 1_000
        if whole:
            self.outgrown.set()
        elif not skipped:
            self._log.warning("no peer has the next blocks any more, nor a snapshot", after=self._driver.certified)
        return whole

    def _is_pruned_everywhere(self) -> bool:
        """Has everyone been asked since a block last came, and were the answers that came all PRUNED?"""
        keys = {one.public_key for one in self._neighbours.all()}
        return any(self._fruitless.values()) and keys <= self._fruitless.keys()

    # ------------------------------------------------------------ by blocks

    async def _fetch_from_one(self) -> None:
        everyone = self._neighbours.all()
        asked = [one for one in everyone if self._may_have(one.public_key)]
        if not asked and self._observes():
            asked = list(everyone)
        if not asked:
            return
        self._turn += 1
        neighbour = asked[self._turn % len(asked)]
        first = self._driver.certified
        count = 0
        try:
            count = await self._fetch(neighbour, Height(first + 1))
        finally:
            if count:
                self._log.info("fetched blocks", peer=neighbour.address, after=first, blocks=count)

    async def _fetch(self, neighbour: Neighbour, first: Height) -> int:
        """As many as it gives; stops where a snapshot should be looked for instead."""
        last = Height(0) if self._observes() else self._target
        count, pruned = 0, False
        blocks = cast("AsyncGenerator[Block, None]", neighbour.blocks(first, last))
        try:
            async with aclosing(blocks):
                async for block in blocks:
                    self._driver.fetched(checked(block))
                    count += 1
                    self._came_s = time.monotonic()
                    await self._driver.room()
                    if self._wants_snapshot():
                        break
        except LedgerError as error:
            pruned = isinstance(error, Pruned)
            self._log.debug("no more blocks from this peer", peer=neighbour.address, reason=str(error)[:200])
        if count:
            self._fruitless.clear()
        else:
            self._fruitless[neighbour.public_key] = pruned
        return count

    def _may_have(self, public_key: bytes) -> bool:
        """A peer that has said it is behind what we want is not asked."""
        return self._heard.get(public_key, self._target) > self._driver.certified


def checked(block: Block) -> Fetched:
    """Refuses (BadProof) envelopes or receipts that are not those of the header, and what is no block at all."""
    try:
        header, certificate = parse_header(block.header), parse_certificate(block.certificate)
        miner = miner_of(block.receipts)
    except LedgerError as error:
        raise BadProof(f"this is no block: {error}") from error
    if transaction_root([sha256(raw) for raw in block.envelopes]) != header.transaction_root:
        raise BadProof(f"block {header.height} came with other transactions than its header names")
    if receipts_root(block.receipts) != header.receipts_root:
        raise BadProof(f"block {header.height} came with other receipts than its header names")
    return Fetched(header, block.envelopes, certificate, miner)
