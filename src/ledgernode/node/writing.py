"""One durable write at a time; whatever is to be written meanwhile shares the next one.

What an engine promises and what it delivers goes through here in order, so a block is never durable before the
votes that led to it, and nothing is sent before what it promises is. At rest a write begins at once; under load
many promises, blocks and certificates share one sync.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from ledgernode.consensus.engine import Send
from ledgernode.node.measures import Measures
from ledgernode.store.chain import ChainStore
from ledgernode.store.kv import Write
from ledgernode.store.sealed import SealedBlock


class Written(msgspec.Struct, frozen=True):
    """What a write has made true: these may be sent, these stand."""

    sends: tuple[Send, ...]
    sealed: tuple[SealedBlock, ...]


class Writer:
    """Writes of one ledger. `wake` is called whenever one has ended."""

    def __init__(self, chain: ChainStore, wake: Callable[[], None], measures: Measures | None = None) -> None:
        self._measures = measures or Measures()
        self._chain = chain
        self._wake = wake
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="write")
        self._beside: list[Write] = []
        self._sends: list[Send] = []
        self._sealed: list[SealedBlock] = []
        self._under_way: tuple[asyncio.Future[None], Written] | None = None
        self._begun_s = 0.0

    @property
    def idle(self) -> bool:
        """Is nothing gathered, and nothing being written?"""
        return self._under_way is None and not (self._beside or self._sends or self._sealed)

    @property
    def writing_ms(self) -> int:
        """How long the write that is under way has lasted."""
        return 0 if self._under_way is None else int((time.monotonic() - self._begun_s) * 1_000)

    def promise(self, writes: Sequence[Write], sends: Sequence[Send]) -> None:
        """Send these once what was promised here, and all before it, is durable."""
        self._beside += writes
        self._sends += sends

    def append(self, sealed: SealedBlock) -> None:
        self._sealed.append(sealed)

    def start(self) -> None:
        """Begin to write what has gathered, unless a write is under way."""
        if self._under_way is not None or not (self._beside or self._sealed or self._sends or self._chain.held):
            return
        written = Written(tuple(self._sends), tuple(self._sealed))
        beside = self._beside
        known = self._chain.head.height + len(self._sealed)
        certificates = {height: held for height, held in self._chain.held.items() if height <= known}
        self._beside, self._sends, self._sealed = [], [], []

        def write() -> None:
            began_s = time.perf_counter()
            self._chain.append(written.sealed, certificates, beside=beside)
            self._measures.write_s.add(time.perf_counter() - began_s)

        writing = asyncio.get_running_loop().run_in_executor(self._thread, write)
        writing.add_done_callback(lambda _: self._wake())
        self._under_way = writing, written
        self._begun_s = time.monotonic()

    def finished(self) -> Written | None:
        """What the last write has made true, once; None while it lasts. Raises what made it fail."""
        if self._under_way is None or not self._under_way[0].done():
            return None
        (writing, written), self._under_way = self._under_way, None
        writing.result()
        return written

    def close(self) -> None:
        """Wait for the write under way."""
        self._thread.shutdown()
