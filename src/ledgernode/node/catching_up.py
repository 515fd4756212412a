"""Fetching certified blocks from peers: a node that was away, that lost messages, or that only observes.

A peer's word counts for nothing: the envelopes must be those of the header, and the driver executes a block only
when its set has certified it, and compares the result. A peer that gives anything else, or nothing for a while,
is left for the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

from ledgernode.config import CATCH_UP_PAUSE_MS, CATCH_UP_TIMEOUT_MS, WATCH_MS
from ledgernode.errors import BadProof, LedgerError
from ledgernode.node.driver import Driver
from ledgernode.node.executing import Fetched
from ledgernode.node.peers import Peers
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.v1.ledger_pb2_grpc import LedgerServiceStub
from ledgernode.wire.block import parse_header
from ledgernode.wire.protobuf import read_block
from ledgernode.wire.roots import transaction_root
from ledgernode.wire.types import Height, sha256
from ledgernode.wire.validators import parse_certificate


class CatchingUp:
    """Of one ledger. `heard` and `wanted` say how far others are; `run` does the rest."""

    def __init__(self, ledger: str, driver: Driver, peers: Peers, *, observes: Callable[[], bool], log: Any) -> None:
        self._ledger = ledger
        self._driver = driver
        self._peers = peers
        self._observes = observes
        self._log = log
        self._heard: dict[bytes, Height] = {}
        self._target = Height(0)
        self._turn = 0
        self._wake = asyncio.Event()

    @property
    def lag(self) -> int:
        """How many blocks the highest of our peers is ahead, by its own word."""
        return max(0, max(self._heard.values(), default=0) - self._driver.executed)

    def heard(self, public_key: bytes, height: Height) -> None:
        """A peer says how far it is."""
        self._heard[public_key] = height

    def heights(self) -> dict[bytes, Height]:
        return dict(self._heard)

    def wanted(self, height: Height) -> None:
        """Blocks up to this height are certified, and not here."""
        self._target = max(self._target, height)
        self._wake.set()

    async def run(self) -> None:
        """Fetch whatever is wanted, until cancelled."""
        watching = asyncio.create_task(self._watch())
        try:
            while self._driver.halted is None:
                self._wake.clear()
                if self._observes() or self._target > self._driver.executed:
                    await self._fetch_from_one()
                    await asyncio.sleep(CATCH_UP_PAUSE_MS / 1_000)
                else:
                    await self._wake.wait()
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        """Who stands still while others are ahead has missed something."""
        before = self._driver.executed
        while True:
            await asyncio.sleep(WATCH_MS / 1_000)
            self._peers.stand()
            ahead = max(self._heard.values(), default=Height(0))
            if ahead > self._driver.executed == before or self._observes():
                self.wanted(ahead)
            before = self._driver.executed

    async def _fetch_from_one(self) -> None:
        links = [link for key, link in sorted(self._peers.links.items()) if self._may_have(key)]
        if not links:
            return
        self._turn += 1
        link = links[self._turn % len(links)]
        target = 0 if self._observes() else self._target
        stub: Any = LedgerServiceStub(link.channel)
        call = stub.Blocks(
            pb.BlocksRequest(ledger=self._ledger, from_height=self._driver.executed + 1, to_height=target)
        )
        first, count = self._driver.executed, 0
        try:
            while True:
                async with asyncio.timeout(CATCH_UP_TIMEOUT_MS / 1_000):
                    answer = await call.read()
                if answer is grpc.aio.EOF:
                    break
                self._driver.fetched(_checked(answer.block))
                count += 1
                await self._driver.room()
        except (grpc.aio.AioRpcError, TimeoutError, LedgerError) as error:
            self._log.debug("no more blocks from this peer", peer=link.address, reason=str(error)[:200])
        finally:
            call.cancel()
        if count:
            self._log.info("fetched blocks", peer=link.address, after=first, blocks=count)

    def _may_have(self, public_key: bytes) -> bool:
        """A peer that has said it is behind what we want is not asked."""
        return self._heard.get(public_key, self._target) > self._driver.executed or self._observes()


def _checked(message: pb.Block) -> Fetched:
    """Refuses (BadProof) envelopes that are not those of the header."""
    block = read_block(message)
    header = parse_header(block.header)
    if transaction_root([sha256(raw) for raw in block.envelopes]) != header.transaction_root:
        raise BadProof(f"block {header.height} came with other transactions than its header names")
    return Fetched(header, block.envelopes, parse_certificate(block.certificate))
