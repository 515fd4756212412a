"""The driver of one ledger: hands events to the engine and performs what it answers, in order.

    engine ──Ready──▶ persist ─▶ send ─▶ deliver: execute ─▶ durable ─▶ vote ─▶ certificate ─▶ announce

Rules it keeps:

* Everything that happens is an event in one queue, and the engine sees one at a time. What it promises is
  durable before it is sent; a block is durable before our vote for it leaves; nobody is told "committed" before
  the block is durable here and has its certificate.
* Several heights are under way at once, and votes for results are off the critical path: the next block is
  ordered and executed while the last one is written and certified.
* Without work there is no block; a due contract timer is work.
* Execution and signature checks run on the event loop, a block or a chunk between two turns (a busy thread
  beside it would slow both down); writes hop to one thread, because a disk can be slow.
* Whatever fails inside, a diverging result, a full disk, a damaged database or a fault of our own, halts the
  ledger: nothing more is admitted or announced, every waiter hears the reason, and the process stays up so
  that its operator can ask.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from ledgernode.config import CATCH_UP_BLOCKS, DRAIN_MS, EVENTS_WAITING, OWN_FIRST_MS, TIMER_RECHECK_MS
from ledgernode.consensus.engine import (
    CaughtUp,
    Certified,
    Engine,
    EpochEnds,
    Event,
    MiningJob,
    PassedOver,
    ProposalAvailable,
    Ready,
    Received,
    Send,
    Started,
    Ticked,
    Validated,
    WorkWaiting,
)
from ledgernode.consensus.pbft.core import Pbft
from ledgernode.errors import LedgerError, LedgerHalted, NodeStopping
from ledgernode.execution.block import Executor
from ledgernode.node.announcement import Announcement
from ledgernode.node.certifying import Accuse, Certifying
from ledgernode.node.checking import Checker
from ledgernode.node.endorsement import Endorsement, position_of
from ledgernode.node.engine_log import EngineLog
from ledgernode.node.executing import Executing, Fetched
from ledgernode.node.head import Head
from ledgernode.node.measures import Measures
from ledgernode.node.mempool import Mempool
from ledgernode.node.offering import Offering
from ledgernode.node.overlooked import Overlooked
from ledgernode.node.turns import Turn, Turns
from ledgernode.node.writing import Writer
from ledgernode.store.chain import ChainStore
from ledgernode.store.sealed import SealedBlock
from ledgernode.wire.block import header_hash
from ledgernode.wire.frames import HeaderVote
from ledgernode.wire.transaction import Transaction
from ledgernode.wire.types import Height, TimeMs, sha256
from ledgernode.wire.validators import Certificate, ValidatorSet, encode_certificate


class Network(Protocol):
    """The other validators, as the driver sees them. `node.peers` reaches them; a single one has none."""

    def begin(self, validators: ValidatorSet) -> None:
        """From now on positions are those of this set."""
        ...

    def send(self, sends: Sequence[Send]) -> None: ...
    def vote(self, vote: HeaderVote) -> None: ...
    def give(self, public_key: bytes, height: Height, certificate: Certificate) -> None: ...
    def fetch(self, height: Height) -> None:
        """Blocks up to this height are certified elsewhere and not here."""
        ...

    def mine(self, job: MiningJob | None) -> None:
        """Search for this, and for nothing else."""
        ...


MakeEngine = Callable[[ValidatorSet], Engine | None]
"""The engine of this set's epoch; None where this node is no member and observes."""


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
        network: Network,
        endorsement: Endorsement,
        checker: Checker,
        mempool: Mempool,
        announcement: Announcement,
        accuse: Accuse,
        clock_ms: Callable[[], TimeMs],
        log: Any,
        measures: Measures | None = None,
        turn: Turn | None = None,
        order_first: bool = False,
    ) -> None:
        """With `order_first` each validator orders what its own clients brought, and is asked by no other one."""
        measures = measures or Measures()
        self._traces = measures.traces
        self._turn_of = turn or Turns().of("alone")
        self._own_first_ms = OWN_FIRST_MS if order_first else 0
        self._chain = chain
        self._head = head
        self._make_engine = make_engine
        self._engine_log = engine_log
        self._network = network
        self._endorsement = endorsement
        self._checker = checker
        self._mempool = mempool
        self._announcement = announcement
        self._accuse = accuse
        self._clock_ms = clock_ms
        self._log = log

        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._writer = Writer(chain, self._wake.set, measures)
        self._certifying = Certifying(
            chain=chain,
            endorsement=endorsement,
            announcement=announcement,
            give=network.give,
            accuse=accuse,
            stands=self._tell_certified,
            measures=measures,
        )
        self._executing = Executing(
            executor=executor,
            endorsement=endorsement,
            certifying=self._certifying,
            writer=self._writer,
            executed=Height(chain.head.height),
            log=log,
            measures=measures,
            order_first=order_first,
        )
        self._offering = Offering(mempool, own_first_ms=self._own_first_ms)
        self._inbox: deque[Callable[[], None]] = deque()
        self._wants_proposal = False
        self._work_told = False
        self._tick_ms: TimeMs | None = None
        self._drain_until_ms: TimeMs | None = None
        self.halted: LedgerHalted | None = None
        self.engine: Engine | None = None
        self._views_of_former_epochs = 0
        checker.limits_now(head.parameters)

    # ------------------------------------------------------------ what others call

    @property
    def stopping(self) -> bool:
        return self._drain_until_ms is not None

    @property
    def executed(self) -> Height:
        """How far this node has executed."""
        return self._executing.executed

    @property
    def certified(self) -> Height:
        """How far this node knows certificates."""
        return self._certifying.certified

    @property
    def view_changes(self) -> int:
        """How often a leader was replaced, in this epoch since its beginning and in those before since our start."""
        return self._views_of_former_epochs + (self.engine.view if isinstance(self.engine, Pbft) else 0)

    @property
    def writing_ms(self) -> int:
        """How long the write to the disk that is under way has lasted."""
        return self._writer.writing_ms

    async def room(self) -> None:
        """Wait until there is not more to do than there should be: whoever brings more is slowed down."""
        while not self._has_room():
            self._room.clear()
            await self._room.wait()

    def _has_room(self) -> bool:
        little = len(self._inbox) < EVENTS_WAITING and len(self._executing) < CATCH_UP_BLOCKS
        return little or self.halted is not None

    def require_open(self) -> None:
        """Refuses when no block will follow: the ledger halted, or the node is stopping."""
        if self.halted is not None:
            raise self.halted
        if self.stopping:
            raise NodeStopping("the node is shutting down: ask another one")

    def work_arrived(self) -> None:
        """Something was added to the mempool."""
        self._wake.set()

    def happened(self, event: Event) -> None:
        """Let the engine see this in its turn, if it is still the same then."""
        self._in_turn(partial(self._step_of, self.engine, event))

    def _in_turn(self, action: Callable[[], None]) -> None:
        self._inbox.append(action)
        self._wake.set()

    def received(self, public_key: bytes, message: bytes) -> None:
        """An engine's message from a member of the set under way; from others it is dropped."""
        position = position_of(self._endorsement.validators, public_key)
        if position is not None:
            self.happened(Received(self._clock_ms(), position, message))

    def voted(self, public_key: bytes, vote: HeaderVote) -> None:
        """A member's vote for a block; whoever repeats one for a block that has its certificate is given it."""
        self._in_turn(partial(self._certifying.count, public_key, vote))

    def given(self, height: Height, raw: bytes) -> None:
        """A certificate from a peer, for a block that we may hold without one."""
        self._in_turn(partial(self._certifying.take, height, raw))

    def fetched(self, block: Fetched) -> None:
        """A certified block that follows those before it; one that is executed already may lack its certificate."""
        if block.header.height <= self.executed:
            self._in_turn(partial(self._certifying.compare, block.header, block.certificate))
            return
        self._executing.fetched(block, [self._checker.agreed(raw) for raw in block.envelopes])
        self._wake.set()

    def stop(self, drain_ms: int = DRAIN_MS) -> None:
        """Commit what is admitted, for a bounded time, then return from `run`."""
        self._drain_until_ms = TimeMs(self._clock_ms() + drain_ms)
        self._wake.set()

    async def run(self) -> None:
        """Order, execute and announce until stopped or halted."""
        try:
            self._head.require_known()
            self._certifying.reopen()
            self._begin()
            while not self._drained():
                executed, began_s = self.executed, time.thread_time()
                more = self._turn()
                worked = self.executed > executed
                pause_s = self._turn_of.pause_s(time.thread_time() - began_s, worked=worked)
                if more or pause_s:
                    await asyncio.sleep(pause_s)
                else:
                    await self._idle()
            self._announcement.stop(NodeStopping("the node is shutting down: ask another one"))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever it is, this ledger must not go on
            self._halt(error)
        finally:
            self._turn_of.leave()
            self._writer.close()

    # ------------------------------------------------------------ one turn

    def _turn(self) -> bool:
        """A bounded piece of everything there is to do; says whether there is more."""
        for _ in range(len(self._inbox)):
            self._inbox.popleft()()
        self._tick()
        self._say_work()
        self._offer()
        self._writer.start()
        for verdict in self._checker.go_on():
            self.happened(Validated(self._clock_ms(), verdict.digest, verdict.holds))
        voided = self._executing.voided
        self._executing.execute_next()
        if self._executing.voided != voided:
            self._mempool.release(self._executing.waiting())
        written = self._writer.finished()
        if written is not None:
            self._network.send(written.sends)
            if written.sealed:
                self._stored(written.sealed)
        self._hand_over()
        self._writer.start()
        if self._has_room():
            self._room.set()
        return bool(self._inbox or self._checker) or self._executing.has_next()

    def _drained(self) -> bool:
        if self._drain_until_ms is None:
            return False
        quiet = not (len(self._mempool) or len(self._executing) or self._endorsement.open_blocks) and self._writer.idle
        return quiet or self._clock_ms() >= self._drain_until_ms

    async def _idle(self) -> None:
        """Until something happens or is due. The clock may be set, so it is asked again."""
        now_ms = self._clock_ms()
        due = [at for at in (self._tick_ms, self._offer_due_ms(), self._drain_until_ms) if at is not None]
        if self._head.timer_due_ms is not None and self._head.timer_due_ms > now_ms:
            due.append(min(self._head.timer_due_ms, TimeMs(now_ms + TIMER_RECHECK_MS)))
        try:
            async with asyncio.timeout(max(min(due) - now_ms, 1) / 1_000 if due else None):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    # ------------------------------------------------------------ the engine

    def _begin(self) -> None:
        """An epoch: its engine, from what the disk holds."""
        validators = self._endorsement.validators
        self._network.begin(validators)
        self._mempool.share_among(len(validators.members))
        self._mempool.release(self._executing.waiting())
        self._offering = Offering(self._mempool, own_first_ms=self._own_first_ms)
        self._overlooked = Overlooked(
            self._mempool, members=len(validators.members), patience_ms=self._head.parameters.view_timeout_ms // 2
        )
        self._executing.begin_epoch()
        self._tick_ms, self._work_told, self._wants_proposal = None, False, False
        self._writer.promise(self._engine_log.begin(validators.epoch), ())
        self._views_of_former_epochs = self.view_changes
        self.engine = self._make_engine(validators)
        for vote in self._endorsement.votes_again():
            self._network.vote(vote)
        head = self._chain.head
        records, former = self._engine_log.records(), self._engine_log.former()
        self._step(Started(self._clock_ms(), head.height, head.time_ms, records, former))
        self._tell_certified()
        self._tell_epoch_end()

    def _step_of(self, engine: Engine | None, event: Event) -> None:
        """What was meant for the engine of an epoch that is over concerns nobody."""
        if engine is self.engine:
            self._step(event)

    def _step(self, event: Event) -> None:
        if self.engine is None:
            return
        ready = self.engine.step(event)
        if ready.persist or not self._writer.idle:
            self._writer.promise(self._engine_log.writes(ready.persist), ready.send)
        elif ready.send:
            self._network.send(ready.send)
        self._perform(ready)

    def _perform(self, ready: Ready) -> None:
        for batch in ready.deliver:
            transactions = [self._checker.agreed(raw) for raw in batch.envelopes]
            self._mempool.take_up(transactions)
            if self._traces is not None:
                self._traces.decided(batch.height, transactions)
            self._executing.decided(batch, transactions)
        for check in ready.validate:
            self._checker.ask(check)
        for evidence in ready.evidence:
            self._accuse(self._endorsement.validators.members[evidence.position], evidence.contradiction)
        if ready.released:
            self._mempool.release(self._executing.waiting())
            self._mempool.take_up(self._unsaved())
            self._offering.forget()
        if ready.shown is not None:
            self._certifying.take(ready.shown.height, ready.shown.certificate)
        held = [self._mempool.by_envelope(sha256(raw)) for raw in ready.under_way]
        under_way = [transaction for transaction in held if transaction is not None]
        self._mempool.take_up(under_way)
        if self._traces is not None:
            self._traces.taken_up(under_way)
        if ready.behind > self._executing.executed:
            self._network.fetch(ready.behind)
        if ready.next_tick_ms is not None and (self._tick_ms is None or ready.next_tick_ms < self._tick_ms):
            self._tick_ms = ready.next_tick_ms
        self._wants_proposal = ready.wants_proposal
        self._network.mine(ready.mine)
        if ready.halt:
            raise LedgerHalted(ready.halt)

    def _unsaved(self) -> list[Transaction]:
        found = map(self._mempool.by_id, self._certifying.unsaved())
        return [transaction for transaction in found if transaction is not None]

    def _tick(self) -> None:
        now_ms = self._clock_ms()
        if self._tick_ms is not None and now_ms >= self._tick_ms:
            self._tick_ms = None
            self._step(Ticked(now_ms))
            for vote in self._endorsement.votes_again():
                self._network.vote(vote)

    # ------------------------------------------------------------ work and offers

    def _timer_is_due(self) -> bool:
        due_ms = self._head.timer_due_ms
        return due_ms is not None and due_ms <= self._clock_ms()

    def _say_work(self) -> None:
        waiting = len(self._mempool) > 0 or self._timer_is_due()
        if waiting != self._work_told:
            self._work_told = waiting
            if not waiting:
                self._offering.forget()
            self._step(WorkWaiting(self._clock_ms(), waiting))

    def _offer(self) -> None:
        if not self._wants_proposal or self.engine is None:
            return
        now_ms = self._clock_ms()
        offer = self._offering.next(self._turn_of.limits(self._head.parameters), now_ms, timer_due=self._timer_is_due())
        if offer is None:
            return
        ready = self.engine.step(ProposalAvailable(now_ms, tuple(transaction.raw for transaction in offer)))
        self._offering.offered(offer, now_ms, taken=ready.took_proposal or bool(ready.deliver))
        if self._traces is not None and ready.took_proposal:
            self._traces.taken_up(offer)
        if ready.persist or not self._writer.idle:
            self._writer.promise(self._engine_log.writes(ready.persist), ready.send)
        elif ready.send:
            self._network.send(ready.send)
        self._perform(ready)

    def _offer_due_ms(self) -> TimeMs | None:
        if not self._wants_proposal or not self._mempool.fresh:
            return None
        earliest_ms = self._offering.earliest_ms(self._turn_of.limits(self._head.parameters))
        return TimeMs(earliest_ms) if earliest_ms > self._clock_ms() else None

    # ------------------------------------------------------------ what has become durable

    def _stored(self, sealed: Sequence[SealedBlock]) -> None:
        """The blocks are durable: say what we found, and take up what they changed."""
        limits = self._head.parameters
        self._head.refresh()
        for block in sealed:
            self._watch_leader(block)
            self._announcement.stored(block)
            if self._traces is not None:
                self._traces.stored(block.header.height)
            vote = self._endorsement.say(block.header.height)
            if vote is not None:
                self._network.vote(vote)
            self._log.debug("block", height=block.header.height, transactions=block.header.transactions)
        self._offering.forget()
        self._certifying.let_go()
        self._checker.limits_now(self._head.parameters)
        if self._head.parameters != limits:
            self._announcement.limits_changed(self._head.parameters)
        last = sealed[-1]
        if self._executing.adopted_up_to(last.header.height):
            self.happened(CaughtUp(self._clock_ms(), last.header.height, last.header.time_ms))
        self._certifying.announce()
        self._tell_epoch_end()

    def _watch_leader(self, block: SealedBlock) -> None:
        """Suspect a leader who keeps passing someone over."""
        if not isinstance(self.engine, Pbft) or self.engine.leader == self._endorsement.position:
            return
        now_ms = self._clock_ms()
        if self._overlooked.block(self.engine.view, block.transaction_ids, now_ms):
            self._log.warning("the leader passes transactions over", view=self.engine.view)
            self.happened(PassedOver(now_ms))

    def _hand_over(self) -> None:
        """The last block of an epoch is certified: the next one begins.

        Until then its engine goes on: others may need what only this one can tell them to get there.
        """
        last = self._chain.head
        is_last = last.next_set != last.current_set and last.epoch == self._endorsement.validators.epoch
        if is_last and self.certified == last.height:
            following = self._chain.validator_set(last.next_set)
            self._endorsement.begin(following)
            self._log.info("epoch begins", epoch=following.epoch, validators=len(following.members))
            self._begin()

    def _tell_epoch_end(self) -> None:
        ends = self._head.epoch_ends
        if ends is not None:
            self._step(EpochEnds(self._clock_ms(), ends))

    def _tell_certified(self) -> None:
        """The newest block that stands is the engine's stable checkpoint, if it is of the epoch under way."""
        height = self._certifying.certified
        if height:
            header = self._chain.header(height)
            if header.epoch == self._endorsement.validators.epoch:
                proof = encode_certificate(self._chain.certificate(height))
                self.happened(Certified(self._clock_ms(), height, header_hash(header), proof))

    # ------------------------------------------------------------ when it cannot go on

    def _halt(self, error: BaseException) -> None:
        known = isinstance(error, LedgerError)
        reason = f"{error.code}: {error}" if isinstance(error, LedgerError) else f"unexpected {type(error).__name__}"
        self.halted = LedgerHalted(f"this node halted the ledger: {reason}")
        self._room.set()
        self._log.critical("ledger halted", reason=reason, exc_info=None if known else error)
        self._announcement.stop(self.halted)
