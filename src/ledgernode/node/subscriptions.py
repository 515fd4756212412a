"""Blocks and events from a height on, out of the store first and live after it.

A subscriber has no queue: it reads the next height from the store when it is ready for it, so a slow one
costs nothing and misses nothing, and where it stopped is where it resumes. What live subscribers share is
the events of recent blocks, unpacked once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

import msgspec

from ledgernode.config import EVENTS_MARKER_BLOCKS, RECENT_BLOCKS, RETRY_ADVICE_MS, SUBSCRIBERS
from ledgernode.errors import RateLimited
from ledgernode.node.waiting import Progress
from ledgernode.store.chain import ChainStore
from ledgernode.wire.answers import Block, NumberedEvent
from ledgernode.wire.block import encode_header
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.types import Height
from ledgernode.wire.validators import encode_certificate

Cut: TypeAlias = Callable[[Sequence[NumberedEvent]], list[NumberedEvent]]
EveryName: Final[frozenset[str]] = frozenset()


class EventFilter(msgspec.Struct, frozen=True):
    """Which events are wanted; empty means of every contract, of every name."""

    contract: str = ""
    names: frozenset[str] = EveryName

    def wants(self, event: NumberedEvent) -> bool:
        return (not self.contract or event.contract == self.contract) and (not self.names or event.name in self.names)


class Subscriptions:
    """What one ledger's subscribers read."""

    def __init__(self, chain: ChainStore, progress: Progress, *, limit: int = SUBSCRIBERS) -> None:
        self._chain = chain
        self._progress = progress
        self._limit = limit
        self._open = 0
        self._events: dict[Height, tuple[NumberedEvent, ...]] = {}

    async def blocks(
        self, from_height: int, to_height: int = 0, *, headers_only: bool = False
    ) -> AsyncGenerator[Block, None]:
        """Every block from a height on, that one included; with `to_height` it ends there."""
        with self._place():
            height = Height(from_height)
            while not to_height or height <= to_height:
                await self._progress.beyond(height - 1)
                yield read_block(self._chain, height, headers_only=headers_only)
                height = Height(height + 1)

    async def events(
        self, from_height: int, wanted: EventFilter, *, after_number: int = 0, cut: Cut | None = None
    ) -> AsyncGenerator[tuple[Height, list[NumberedEvent]], None]:
        """The wanted events of each block, with its height; a bare height now and then while none are found.

        `cut` leaves those that are for this subscriber; None: all of them.
        """
        with self._place():
            height, told = Height(from_height), from_height - 1
            while True:
                await self._progress.beyond(height - 1)
                skip = after_number if height == from_height else 0
                found = [event for event in self._events_of(height) if event.number > skip and wanted.wants(event)]
                if found and cut is not None:
                    found = cut(found)
                if found or height == self._progress.height or height - told >= EVENTS_MARKER_BLOCKS:
                    told = height
                    yield height, found
                height = Height(height + 1)

    def _events_of(self, height: Height) -> tuple[NumberedEvent, ...]:
        known = self._events.get(height)
        if known is None:
            known = read_events(self._chain, height)
            if len(self._events) >= RECENT_BLOCKS:
                del self._events[next(iter(self._events))]
            self._events[height] = known
        return known

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._open >= self._limit:
            raise RateLimited(f"{self._limit} subscribers are served already", retry_ms=RETRY_ADVICE_MS)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


def read_block(chain: ChainStore, height: Height, *, headers_only: bool = False) -> Block:
    """A block as it is sent. Genesis has no certificate: its hash is what everyone holds."""
    certificate = encode_certificate(chain.certificate(height)) if height else b""
    header = encode_header(chain.header(height))
    if headers_only:
        return Block(header, (), (), certificate)
    return Block(header, tuple(chain.envelopes(height)), tuple(chain.receipts(height)), certificate)


def read_events(chain: ChainStore, height: Height) -> tuple[NumberedEvent, ...]:
    """Every event of a block, numbered from 1 in the order of its receipts."""
    time_ms = chain.header(height).time_ms
    found: list[NumberedEvent] = []
    for raw in chain.receipts(height):
        receipt = parse_receipt(raw)
        for event in receipt.events:
            found.append(
                NumberedEvent(height, len(found) + 1, time_ms, receipt.id, event.contract, event.name, event.payload)
            )
    return tuple(found)
