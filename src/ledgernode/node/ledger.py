"""One ledger that this node serves: its database, its engine, and what the services call.

It owns the database from `open` to `close`. A halted ledger still answers look-ups, questions and streams
of what stands; it refuses everything that would need a new block.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path

from ledgernode.consensus.engine import Send
from ledgernode.execution.block import Executor
from ledgernode.execution.contracts import Contracts
from ledgernode.execution.genesis import genesis_block
from ledgernode.identity.founding import check_genesis
from ledgernode.identity.keys import PrivateKey
from ledgernode.node.admission import Admission
from ledgernode.node.announcement import Announcement
from ledgernode.node.door import Door
from ledgernode.node.driver import Driver
from ledgernode.node.endorsement import Endorsement
from ledgernode.node.engine_log import EngineLog
from ledgernode.node.engines import make_engine
from ledgernode.node.head import Head
from ledgernode.node.lookups import Lookups
from ledgernode.node.mempool import Mempool
from ledgernode.node.questions import Questions
from ledgernode.node.snapshots import write_snapshot
from ledgernode.node.submissions import Submissions
from ledgernode.node.subscriptions import Subscriptions
from ledgernode.node.telemetry import logger
from ledgernode.node.waiting import Progress, Waiters
from ledgernode.store.chain import ChainStore, holds_chain
from ledgernode.store.kv import KeyValueStore
from ledgernode.store.lmdb import LmdbStore
from ledgernode.wire.answers import LedgerStatus, SnapshotProgress
from ledgernode.wire.block import header_hash
from ledgernode.wire.genesis import Genesis, chain_id
from ledgernode.wire.types import TimeMs

Clock = Callable[[], TimeMs]


def open_chain(kv: KeyValueStore, genesis_bytes: bytes) -> ChainStore:
    """The chain of this genesis: begun in an empty store, opened in one that holds it.

    Refuses a genesis that does not hold, another ledger's store, and a damaged one.
    """
    check_genesis(genesis_bytes)
    if holds_chain(kv):
        return ChainStore.open(kv, chain_id(genesis_bytes))
    return ChainStore.create(kv, genesis_block(genesis_bytes))


class ServedLedger:
    """The parts of one ledger, wired together. Make it inside the event loop that runs it.

    Refuses a database that another process holds, that belongs to another ledger, or that is damaged.
    """

    def __init__(
        self,
        directory: Path,
        genesis_bytes: bytes,
        key: PrivateKey,
        clock_ms: Clock,
        *,
        mempool: Mempool | None = None,
    ) -> None:
        self._directory = directory
        self.mempool = Mempool() if mempool is None else mempool
        self._kv = LmdbStore(directory)
        try:
            self._assemble(genesis_bytes, key, clock_ms)
        except BaseException:
            self._kv.close()
            raise

    def _assemble(self, genesis_bytes: bytes, key: PrivateKey, clock_ms: Clock) -> None:
        self.genesis: Genesis = check_genesis(genesis_bytes)
        self.name = self.genesis.name
        self.chain = open_chain(self._kv, genesis_bytes)
        self.head = Head(self.chain)
        contracts, waiters = Contracts(), Waiters()
        certified = self.chain.header(self.chain.certified_height)
        self.progress = Progress(certified.height, certified.time_ms)
        admission = Admission(self.chain.chain_id, lambda: self.head.parameters)
        self.announcement = Announcement(self.mempool, waiters, self.progress)
        engine_log = EngineLog(self._kv)
        self.endorsement = Endorsement(self.chain.chain_id, key, self.chain.validator_set(self.chain.head.next_set))
        self.driver = Driver(
            chain=self.chain,
            executor=Executor(self.chain, contracts),
            head=self.head,
            make_engine=partial(make_engine, self.genesis.engine),
            engine_log=engine_log,
            send=_no_peers,
            endorsement=self.endorsement,
            admission=admission,
            mempool=self.mempool,
            announcement=self.announcement,
            clock_ms=clock_ms,
            log=logger(ledger=self.name),
        )
        self.submissions = Submissions(
            admission=admission,
            door=Door(self.chain, contracts, clock_ms),
            mempool=self.mempool,
            driver=self.driver,
            waiters=waiters,
            progress=self.progress,
            chain=self.chain,
        )
        self.questions = Questions(
            chain=self.chain,
            contracts=contracts,
            admission=admission,
            head=self.head,
            progress=self.progress,
            clock_ms=clock_ms,
        )
        self.lookups = Lookups(self.chain, self.head, self.progress, self.genesis, genesis_bytes)
        self.subscriptions = Subscriptions(self.chain, self.progress)
        self._running: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin to make blocks. The task ends when the ledger was stopped or has halted."""
        self._running = asyncio.create_task(self.driver.run(), name=f"driver of {self.name}")
        return self._running

    async def stop(self) -> None:
        """Commit what is admitted, for a bounded time; afterwards no block follows."""
        self.driver.stop()
        if self._running is not None:
            await self._running

    def status(self) -> LedgerStatus:
        """What an operator looks at first."""
        head = self.chain.head
        halted = self.driver.halted
        return LedgerStatus(
            ledger=self.name,
            chain_id=self.chain.chain_id,
            engine=self.genesis.engine.name,
            height=head.height,
            certified_height=self.chain.certified_height,
            time_ms=head.time_ms,
            epoch=self.endorsement.validators.epoch,
            mempool_transactions=len(self.mempool),
            mempool_bytes=self.mempool.size_bytes,
            database_bytes=sum(file.stat().st_size for file in self._directory.iterdir()),
            committed_transactions=self.announcement.transactions,
            halted=halted is not None,
            halt_reason=str(halted or ""),
            validators=self.lookups.validators(self.endorsement.public_key),
            header_hash=header_hash(head),
        )

    def snapshot(self, folder: Path) -> AsyncIterator[SnapshotProgress]:
        """Write a snapshot of the newest certified block, and say how far it has come."""
        return write_snapshot(self.chain, folder, self.name)

    def close(self) -> None:
        """Give the database back. Nothing of this ledger may be called afterwards."""
        self.questions.close()
        self._kv.close()


def _no_peers(messages: Sequence[Send]) -> None:
    raise AssertionError(f"a single validator has nobody to send {len(messages)} messages to")
