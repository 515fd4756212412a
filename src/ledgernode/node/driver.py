"""The driver of one ledger: hands events to the engine and performs what it answers, in order.

    engine ──Ready──▶ persist ─▶ send ─▶ deliver: execute ─▶ sign ─▶ one durable write ─▶ announce

Rules it keeps:

* A proposal is cut at once when idle. While a block is being written others gather, so blocks grow with
  load up to the ledger's limits. Without work there is no block; a due contract timer is work.
* The blocks of one `Ready` become durable in one write, with their certificates. Only then, in one step a
  block, is anyone told.
* Execution runs on the event loop (a busy thread beside it would slow both down); the write hops to one
  thread, because a disk can be slow.
* Whatever fails inside, a diverging result, a full disk, a damaged database or a fault of our own, halts the
  ledger: nothing more is admitted or announced, every waiter hears the reason, and the process stays up so
  that its operator can ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ledgernode.config import DRAIN_MS, TIMER_RECHECK_MS
from ledgernode.consensus.engine import Engine, Event, ProposalAvailable, Ready, Send, Started
from ledgernode.errors import LedgerError, LedgerHalted, NodeStopping
from ledgernode.execution.block import Executor
from ledgernode.node.admission import Admission
from ledgernode.node.announcement import Announcement
from ledgernode.node.endorsement import Endorsement
from ledgernode.node.engine_log import EngineLog
from ledgernode.node.head import Head
from ledgernode.node.mempool import Mempool
from ledgernode.store.chain import ChainStore
from ledgernode.store.sealed import SealedBlock
from ledgernode.wire.block import Batch
from ledgernode.wire.transaction import Transaction
from ledgernode.wire.types import Height, TimeMs, sha256
from ledgernode.wire.validators import Certificate, ValidatorSet

Peers = Callable[[Sequence[Send]], None]
MakeEngine = Callable[[ValidatorSet], Engine]


class Driver:
    """Runs until it is stopped, or halts; then `halted` says why."""

    def __init__(
        self,
        *,
        chain: ChainStore,
        executor: Executor,
        head: Head,
        make_engine: MakeEngine,
        engine_log: EngineLog,
        send: Peers,
        endorsement: Endorsement,
        admission: Admission,
        mempool: Mempool,
        announcement: Announcement,
        clock_ms: Callable[[], TimeMs],
        log: Any,
    ) -> None:
        self._chain = chain
        self._executor = executor
        self._head = head
        self._make_engine = make_engine
        self._engine_log = engine_log
        self._send = send
        self._endorsement = endorsement
        self._admission = admission
        self._mempool = mempool
        self._announcement = announcement
        self._clock_ms = clock_ms
        self._log = log
        self._engine = make_engine(endorsement.validators)
        self._wake = asyncio.Event()
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="append")
        self._drain_until_ms: TimeMs | None = None
        self.halted: LedgerHalted | None = None

    @property
    def stopping(self) -> bool:
        return self._drain_until_ms is not None

    def require_open(self) -> None:
        """Refuses when no block will follow: the ledger halted, or the node is stopping."""
        if self.halted is not None:
            raise self.halted
        if self.stopping:
            raise NodeStopping("the node is shutting down: ask another one")

    def work_arrived(self) -> None:
        """Something was added to the mempool."""
        self._wake.set()

    def stop(self) -> None:
        """Commit what is admitted, for a bounded time, then return from `run`."""
        self._drain_until_ms = TimeMs(self._clock_ms() + DRAIN_MS)
        self._wake.set()

    async def run(self) -> None:
        """Order, execute and announce until stopped or halted."""
        try:
            await self._begin()
            while not self._drained():
                if self._work_waits():
                    envelopes = tuple(waiting.raw for waiting in self._mempool.take(self._head.parameters))
                    await self._step(ProposalAvailable(self._clock_ms(), envelopes))
                else:
                    await self._idle()
            self._announcement.stop(NodeStopping("the node is shutting down: ask another one"))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever it is, this ledger must not go on
            self._halt(error)
        finally:
            self._writer.shutdown()

    # ------------------------------------------------------------ when there is work

    def _work_waits(self) -> bool:
        due_ms = self._head.timer_due_ms
        return len(self._mempool) > 0 or (due_ms is not None and due_ms <= self._clock_ms())

    def _drained(self) -> bool:
        if self._drain_until_ms is None:
            return False
        return not len(self._mempool) or self._clock_ms() >= self._drain_until_ms

    async def _idle(self) -> None:
        """Until something is admitted or a timer is due. The clock may be set, so it is asked again."""
        self._wake.clear()
        due_ms = self._head.timer_due_ms
        wait_s = None if due_ms is None else min(due_ms - self._clock_ms(), TIMER_RECHECK_MS) / 1_000
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    # ------------------------------------------------------------ what the engine answers

    async def _begin(self) -> None:
        head = self._chain.head
        await self._step(Started(self._clock_ms(), head.height, head.time_ms, self._engine_log.records()))

    async def _step(self, event: Event) -> None:
        await self._perform(self._engine.step(event))

    async def _perform(self, ready: Ready) -> None:
        if ready.persist:
            self._engine_log.persist(ready.persist)
        if ready.send:
            self._send(ready.send)
        if ready.deliver:
            await self._deliver(ready.deliver)

    async def _deliver(self, batches: Sequence[Batch]) -> None:
        sealed, certificates = list[SealedBlock](), dict[Height, Certificate]()
        for batch in batches:
            block = self._executor.execute(batch, [self._checked(raw) for raw in batch.envelopes])
            certificate = self._endorsement.sign(block.header)
            assert certificate is not None, "a set of one validator certifies with one signature"
            sealed.append(block)
            certificates[block.header.height] = certificate
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._writer, self._chain.append, sealed, certificates)
        await self._follow(sealed)

    def _checked(self, raw: bytes) -> Transaction:
        """The envelope as it was checked at admission, or checked now where another node admitted it."""
        return self._mempool.by_envelope(sha256(raw)) or self._admission.check(raw)

    async def _follow(self, sealed: Sequence[SealedBlock]) -> None:
        """The blocks are durable: tell everyone, and take up what they changed."""
        limits = self._head.parameters
        self._head.refresh()
        for block in sealed:
            self._announcement.block(block)
            self._log.debug("block", height=block.header.height, transactions=block.header.transactions)
        if self._head.parameters != limits:
            self._announcement.limits_changed(self._head.parameters)
        last = sealed[-1]
        if last.header.next_set != last.header.current_set:
            self._endorsement.begin(last.next_set)
            self._engine = self._make_engine(last.next_set)
            await self._begin()

    # ------------------------------------------------------------ when it cannot go on

    def _halt(self, error: BaseException) -> None:
        known = isinstance(error, LedgerError)
        reason = f"{error.code}: {error}" if isinstance(error, LedgerError) else f"unexpected {type(error).__name__}"
        self.halted = LedgerHalted(f"this node halted the ledger: {reason}")
        self._log.critical("ledger halted", reason=reason, exc_info=None if known else error)
        self._announcement.stop(self.halted)
