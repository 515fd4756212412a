"""Ledgers that are played back: blocks of a chain in this process, as a connection would give them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from ledgernode.errors import NodeUnreachable
from ledgernode.store.chain import ChainStore
from ledgernode.wire.answers import Block, LedgerFacts
from ledgernode.wire.block import encode_header, parse_header
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import Epoch, Height
from ledgernode.wire.validators import ValidatorSet, encode_certificate


def blocks_of(chain: ChainStore) -> list[Block]:
    """Every block from 0 on; block 0 has no certificate."""
    return [_block(chain, Height(height)) for height in range(chain.head.height + 1)]


def _block(chain: ChainStore, height: Height) -> Block:
    certificate = encode_certificate(chain.certificate(height)) if height else b""
    envelopes = tuple(chain.envelopes(height)) if height else ()
    receipts = tuple(chain.receipts(height)) if height else ()
    return Block(encode_header(chain.header(height)), envelopes, receipts, certificate)


class Played:
    """A source that has these blocks, perhaps only so many of them yet, and fails where it is told to."""

    def __init__(self, blocks: Sequence[Block], *, until: int | None = None, fails_at: int | None = None) -> None:
        self.blocks_kept = list(blocks)
        self.until = len(blocks) - 1 if until is None else until
        self.fails_at = fails_at
        self.sets: dict[int, ValidatorSet] = {}
        self.connected = 0
        self.is_away = False

    def __call__(self) -> Played:
        """A connection to it."""
        self.connected += 1
        return self

    async def blocks(self, from_height: int = 0, *, to_height: int = 0) -> AsyncIterator[Block]:
        height = from_height
        while not to_height or height <= to_height:
            if height > self.until:
                await asyncio.sleep(0.005)
                continue
            if height == self.fails_at:
                self.fails_at = None
                raise NodeUnreachable("the node went away")
            yield self.blocks_kept[height]
            height += 1

    async def facts(self) -> LedgerFacts:
        if self.is_away:
            raise NodeUnreachable("no node answers")
        header = parse_header(self.blocks_kept[self.until].header)
        return LedgerFacts(
            ledger="test",
            chain_id=header.chain_id,
            height=header.height,
            time_ms=header.time_ms,
            epoch=Epoch(0),
            engine="solo",
            parameters=Parameters(),
            validators=1,
            header_hash=b"",
        )

    async def members_in(self, epoch: int) -> ValidatorSet:
        return self.sets[epoch]

    async def close(self) -> None:
        """Nothing is open."""
