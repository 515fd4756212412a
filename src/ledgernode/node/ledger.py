"""One ledger that this node serves: its database, its engine, and what the services call.

It owns the database from `open` to `close`. A halted ledger still answers look-ups, questions and streams
of what stands; it refuses everything that would need a new block.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec.structs import replace

from ledgernode.config import DRAIN_MS, MAP_SIZE_LIMIT, REPORT_WAIT_MS
from ledgernode.consensus.certifier import check_certificate
from ledgernode.consensus.engine import Engine, Mined, Received
from ledgernode.consensus.jetstream.core import Jetstream
from ledgernode.consensus.jetstream.messages import CUT_OVERHEAD, LOG
from ledgernode.consensus.pbft.core import Pbft
from ledgernode.consensus.pow.core import ProofOfWork
from ledgernode.consensus.pow.header import work_of
from ledgernode.errors import BadRequest, NodeStopping, ProtocolUnsupported
from ledgernode.execution.block import Executor
from ledgernode.execution.contracts import Contracts
from ledgernode.execution.genesis import genesis_block
from ledgernode.identity.founding import check_genesis
from ledgernode.identity.home import Nats
from ledgernode.identity.keys import verify
from ledgernode.identity.signing import SigningKey
from ledgernode.identity.tls import Trust
from ledgernode.logs import logger
from ledgernode.node.accusing import Accuser
from ledgernode.node.admission import Admission
from ledgernode.node.announcement import Announcement
from ledgernode.node.catching_up import CatchingUp
from ledgernode.node.checking import Checker
from ledgernode.node.clocks import Clocks, Skew
from ledgernode.node.door import Door
from ledgernode.node.driver import Driver
from ledgernode.node.endorsement import Endorsement
from ledgernode.node.engine_log import EngineLog
from ledgernode.node.engines import Founding, make_engine
from ledgernode.node.frontier import Frontier
from ledgernode.node.head import Head
from ledgernode.node.health import Condition
from ledgernode.node.intake import Intake
from ledgernode.node.links import Link
from ledgernode.node.log_reader import LogReader
from ledgernode.node.lookups import Lookups
from ledgernode.node.measures import Measures
from ledgernode.node.mempool import Mempool
from ledgernode.node.mining import Miner
from ledgernode.node.neighbours import DialledNeighbours
from ledgernode.node.order_first import OrderFirstChecker
from ledgernode.node.peers import Peers, introduction_holds
from ledgernode.node.pruning import Archives, Pruning
from ledgernode.node.questions import Questions
from ledgernode.node.readiness import Readiness
from ledgernode.node.shelf import Shelf
from ledgernode.node.snapshots import Snapshots, Upkeep
from ledgernode.node.speaking import Speaker
from ledgernode.node.state_sync import StateSync
from ledgernode.node.submissions import Submissions
from ledgernode.node.subscriptions import Subscriptions
from ledgernode.node.surroundings import Alone, Among
from ledgernode.node.turns import Turns
from ledgernode.node.waiting import Progress, Waiters
from ledgernode.store.chain import ChainStore, holds_chain
from ledgernode.store.incoming import Incoming
from ledgernode.store.kv import KeyValueStore
from ledgernode.store.lmdb import LmdbStore, StoreFacts
from ledgernode.store.migrating import migrate
from ledgernode.wire import versions
from ledgernode.wire.answers import (
    LedgerFacts,
    LedgerStatus,
    Outcome,
    PruneProgress,
    SnapshotProgress,
    ValidatorStatus,
    Wait,
)
from ledgernode.wire.block import Header, header_hash
from ledgernode.wire.frames import (
    CertificateFrame,
    EngineFrame,
    Forwarded,
    Frame,
    HeaderVote,
    Introduction,
    Standing,
)
from ledgernode.wire.genesis import Genesis, GenesisEngine, chain_id
from ledgernode.wire.protocol import Spoken, common
from ledgernode.wire.quorum import faulty_limit
from ledgernode.wire.types import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Height, IdentityId, TimeMs
from ledgernode.wire.validators import Certificate, ValidatorSet

if TYPE_CHECKING:
    from ledgernode.node.tracing import TracedLedger
    from ledgernode.observe.traces import Tracer

Clock = Callable[[], TimeMs]
_MOST: Final = (1 << 64) - 1
_ENVELOPE_EXTRA_BYTES: Final = PUBLIC_KEY_BYTES + SIGNATURE_BYTES


def open_chain(kv: KeyValueStore, genesis_bytes: bytes) -> ChainStore:
    """The chain of this genesis: begun in an empty store, opened in one that holds it, migrated where it is older.

    Refuses a genesis that does not hold, another ledger's store, and a damaged one.
    """
    check_genesis(genesis_bytes)
    if holds_chain(kv):
        migrate(kv)
        return ChainStore.open(kv, chain_id(genesis_bytes))
    return ChainStore.create(kv, genesis_block(genesis_bytes))


class PeerFacts(NamedTuple):
    """What is known of another validator; `organisation` is empty for one that leaves the set."""

    organisation: str
    link: Link
    height: Height | None
    skew: Skew | None


class ServedLedger:
    """The parts of one ledger, wired together. Make it inside the event loop that runs it.

    Refuses a database that another process holds, that belongs to another ledger, or that is damaged.
    """

    def __init__(
        self,
        directory: Path,
        genesis_bytes: bytes,
        key: SigningKey,
        clock_ms: Clock,
        *,
        mempool: Mempool | None = None,
        tls: Trust | None = None,
        upkeep: Upkeep | None = None,
        operators_snapshots: Path | None = None,
        tracer: Tracer | None = None,
        store_bytes: int = MAP_SIZE_LIMIT,
        turns: Turns | None = None,
        nats: Nats | None = None,
        home: Path = Path(),
    ) -> None:
        """`nats` says where the log is, for a ledger that is ordered by one; its paths are relative to `home`."""
        self._nats = nats
        self._home = home
        self.directory = directory
        self.mempool = Mempool() if mempool is None else mempool
        self._tls = tls
        self._turns = turns or Turns()
        self._upkeep = upkeep or Upkeep()
        self._operators_snapshots = operators_snapshots
        self._tracer = tracer
        self._tasks: list[asyncio.Task[None]] = []
        self.is_closed = False
        self._incoming = Incoming(directory.parent / "incoming", genesis_block(genesis_bytes), _require_certified)
        self._installed = self._incoming.install(directory)
        self._kv = LmdbStore(directory, map_size_limit=store_bytes)
        try:
            self._assemble(genesis_bytes, key, clock_ms)
        except BaseException:
            self._kv.close()
            raise

    def _assemble(self, genesis_bytes: bytes, key: SigningKey, clock_ms: Clock) -> None:
        self.genesis: Genesis = check_genesis(genesis_bytes)
        self.name = self.genesis.name
        self.chain = open_chain(self._kv, genesis_bytes)
        self.head = Head(self.chain, self._trust)
        contracts, waiters = Contracts(), Waiters()
        self.waiters = waiters
        certified = self.chain.header(self.chain.certified_height)
        self.progress = Progress(certified.height, certified.time_ms)
        self.measures = Measures(traces=self._traced())
        self.admission = admission = Admission(self.chain.chain_id, lambda: self.head.parameters)
        self.announcement = Announcement(self.mempool, waiters, self.progress, self.measures)
        self.log = logger(ledger=self.name)
        turn = self._turns.of(self.name)
        if self._installed is not None:
            self.log.info("snapshot installed", height=self._installed.height)
        self.alone = self.genesis.engine.name == "solo"
        self.order_first = self.genesis.engine.name == "jetstream"
        # the set that certifies the first block which has no certificate yet
        self.endorsement = Endorsement(
            self.chain.chain_id, key, self.chain.validator_set(certified.next_set), observes=not self.alone
        )
        self.peers = self._make_peers(key)
        self.clocks = None if self.peers is None else Clocks(self._linked, self.peers.time_of, clock_ms)
        self.miner = Miner(self._mined)
        self.log_reader = self._make_log_reader()
        among = Among(self.peers, self.miner, self.log_reader) if self.peers is not None else None
        self.clock_ms = clock_ms
        self.accuser = Accuser(
            chain=self.chain,
            key=key,
            validators=lambda: self.endorsement.validators,
            parameters=lambda: self.head.parameters,
            submit=self._say,
            clock_ms=clock_ms,
            log=self.log,
        )
        speaker = Speaker(self.chain, key, lambda: self.endorsement.validators, lambda: self.head.parameters, clock_ms)
        self.readiness = Readiness(self.head, speaker, self._say, self.log)
        self.executor = Executor(self.chain, contracts)
        self.driver = Driver(
            chain=self.chain,
            executor=self.executor,
            head=self.head,
            make_engine=self._make_engine,
            engine_log=EngineLog(self._kv),
            network=among or Alone(),
            endorsement=self.endorsement,
            checker=self._make_checker(admission),
            mempool=self.mempool,
            announcement=self.announcement,
            accuse=self.accuser.notice,
            clock_ms=clock_ms,
            log=self.log,
            measures=self.measures,
            turn=turn,
            order_first=self.order_first,
        )
        self.catching_up: CatchingUp | None = None
        if among is not None and self.peers is not None:
            self.catching_up = among.catching_up = self._make_catching_up(self.peers)
        self.intake = Intake(
            admission=admission,
            mempool=self.mempool,
            arrived=self.driver.work_arrived,
            clock_ms=clock_ms,
            traces=self.measures.traces,
            turn=turn,
        )
        self.submissions = Submissions(
            admission=admission,
            door=Door(self.chain, contracts, clock_ms),
            mempool=self.mempool,
            driver=self.driver,
            waiters=waiters,
            progress=self.progress,
            chain=self.chain,
            forward=self.peers.forward if self.peers is not None else None,
            measures=self.measures,
            log=self.log,
            turn=turn,
        )
        self.questions = Questions(
            chain=self.chain,
            contracts=contracts,
            admission=admission,
            head=self.head,
            progress=self.progress,
            clock_ms=clock_ms,
            frontier=self._make_frontier(),
        )
        self.lookups = Lookups(self.chain, self.head, self.progress, self.genesis, genesis_bytes)
        self.subscriptions = Subscriptions(self.chain, self.progress)
        own = self.directory.parent / "snapshots"
        self.snapshots = Snapshots(
            self.chain,
            self.progress,
            Shelf(self.name, self.chain.chain_id, own, self._operators_snapshots),
            self._upkeep,
            database_bytes=self.database_bytes,
            lag=lambda: 0 if self.catching_up is None else self.catching_up.lag,
            log=self.log,
        )
        self.pruning = Pruning(
            self.chain, self.progress, self.snapshots.offered, self._upkeep.keep_blocks, log=self.log
        )
        self.archives = Archives(self._upkeep.archives, self._oldest_blocks)
        self._oldest: dict[bytes, int] = {}
        self._unspoken: dict[bytes, str] = {}
        self._running: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin to make blocks. The task ends when the ledger was stopped or has halted."""
        self._running = asyncio.create_task(self.driver.run(), name=f"driver of {self.name}")
        self._tasks = [
            asyncio.create_task(self.intake.run(), name=f"intake of {self.name}"),
            asyncio.create_task(self.accuser.run(), name=f"accuser of {self.name}"),
            asyncio.create_task(self.pruning.run(), name=f"pruning of {self.name}"),
            asyncio.create_task(self.readiness.run(), name=f"readiness of {self.name}"),
        ]
        if self.log_reader is not None:
            self._tasks.append(asyncio.create_task(self.log_reader.run(), name=f"log of {self.name}"))
        if self.clocks is not None:
            self._tasks.append(asyncio.create_task(self.clocks.run(), name=f"clocks of {self.name}"))
        if self.catching_up is not None:
            self._tasks.append(asyncio.create_task(self.catching_up.run(), name=f"catching up of {self.name}"))
            self._tasks.append(asyncio.create_task(self.snapshots.run(), name=f"snapshots of {self.name}"))
        return self._running

    async def outgrown(self) -> None:
        """Return when a whole snapshot stands beside the database: to be closed, and opened again on it."""
        if self.catching_up is None:
            await asyncio.Event().wait()
        else:
            await self.catching_up.outgrown.wait()

    def require_running(self) -> None:
        """Refuses when nothing that is heard would be acted upon any more: halted, or closed."""
        if self._running is not None and self._running.done():
            raise self.driver.halted or NodeStopping("this node has closed the ledger: ask again, or another one")

    @property
    def is_ready(self) -> bool:
        """Does it make blocks, and is it where the others are, or near?"""
        return self.driver.halted is None and not (self.catching_up is not None and self.catching_up.is_far_behind)

    async def stop(self, drain_ms: int = DRAIN_MS) -> None:
        """Commit what is admitted, for a bounded time; afterwards no block follows, and nothing reads the database."""
        self.driver.stop(drain_ms)
        if self._running is not None:
            await self._running
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.snapshots.close()
        await self.miner.close()
        if self.peers is not None:
            await self.peers.close()

    def heard(self, public_key: bytes, frame: Frame) -> None:
        """A validator of this ledger says something."""
        match frame:
            case EngineFrame(epoch, message):
                if epoch == self.endorsement.validators.epoch:
                    self.driver.received(public_key, message)
            case HeaderVote():
                self.driver.voted(public_key, frame)
            case CertificateFrame(height, certificate):
                self.driver.given(height, certificate)
            case Forwarded(envelopes):
                self.intake.take(public_key, envelopes)
            case Standing(height, oldest_block):
                self._oldest[public_key] = oldest_block
                if self.catching_up is not None:
                    self.catching_up.heard(public_key, height)

    def knows(self, introduction: Introduction, certificate_pem: str) -> bool:
        """Is this a validator of the epoch under way, on the connection that it signed for?"""
        return self.endorsement.includes(introduction.public_key) and introduction_holds(
            introduction, self.chain.chain_id, certificate_pem
        )

    def meet(self, public_key: bytes, spoken: Spoken) -> int:
        """The protocol version to use with a validator. Refuses (ProtocolUnsupported); our operator is told once."""
        try:
            protocol = common(spoken, "the validator that calls")
        except ProtocolUnsupported as refusal:
            if self._unspoken.get(public_key) != str(refusal):
                self._unspoken[public_key] = str(refusal)
                self.log.warning("a validator cannot be spoken to", key=public_key.hex()[:16], reason=str(refusal))
            raise
        self._unspoken.pop(public_key, None)
        return protocol

    async def _say(self, raw: bytes) -> Outcome:
        """What this node itself brings to the ledger, and what became of it."""
        return await self.submissions.submit(raw, Wait.COMMITTED, REPORT_WAIT_MS / 1_000)

    def _trust(self, roots: tuple[str, ...]) -> None:
        """These are the roots of the ledger's organisations now."""
        if self._tls is not None:
            self._tls.name(self.name, roots)

    def _traced(self) -> TracedLedger | None:
        if self._tracer is None:
            return None
        from ledgernode.node.tracing import TracedLedger  # loaded where traces are written, and nowhere else

        return TracedLedger(self.name, self._tracer)

    def _linked(self) -> list[bytes]:
        return [] if self.peers is None else list(self.peers.links)

    def _make_peers(self, key: SigningKey) -> Peers | None:
        if self.alone or self._tls is None:
            return None
        return Peers(
            ledger=self.name,
            chain_id=self.chain.chain_id,
            key=key,
            tls=self._tls,
            members=self.head.members,
            standing=lambda: Standing(self.progress.height, self.chain.base + 1),
            log=self.log,
        )

    def _make_checker(self, admission: Admission) -> Checker:
        if self.order_first:
            return OrderFirstChecker(self.chain.chain_id, self.mempool, self.measures.traces)
        return Checker(admission, self.mempool, self.measures.traces)

    def _make_log_reader(self) -> LogReader | None:
        """Refuses (BadRequest) a ledger that is ordered by a log, where node.json names none."""
        if not self.order_first:
            return None
        if self._nats is None or not self._nats.servers:
            raise BadRequest(f"ledger {self.name} is ordered by NATS: node.json says nothing of it under `nats`")
        return LogReader(
            self._nats,
            self._home,
            self.chain.chain_id,
            hear=self._hear_log,
            room=lambda: self.driver.room(),  # noqa: PLW0108  # the driver is made after its network
            least_payload_bytes=self.head.parameters.body_bytes + CUT_OVERHEAD + _ENVELOPE_EXTRA_BYTES,
            log=self.log,
        )

    def _hear_log(self, raw: bytes) -> None:
        if self.driver.halted is None:
            self.driver.happened(Received(self.clock_ms(), LOG, raw))

    def _make_catching_up(self, peers: Peers) -> CatchingUp:
        def faulty() -> int:
            return faulty_limit(len(self.endorsement.validators.members))

        neighbours = DialledNeighbours(self.name, peers)
        sync = StateSync(self._incoming, neighbours, self.chain, faulty=faulty, log=self.log)
        return CatchingUp(
            self.driver,
            neighbours,
            sync,
            observes=lambda: self.endorsement.position is None,
            faulty=faulty,
            far_blocks=self._upkeep.behind_blocks,
            log=self.log,
        )

    def _make_frontier(self) -> Frontier | None:
        if self.peers is None:
            return None
        return Frontier(self.peers, lambda: self.endorsement.validators, lambda: self.driver.executed)

    def _make_engine(self, validators: ValidatorSet) -> Engine | None:
        return self._make_engine_of(self.genesis.engine, validators)

    def _make_engine_of(self, chosen: GenesisEngine, validators: ValidatorSet) -> Engine | None:
        """Begun from the block that handed over to this set; None for a set that this node is no member of."""
        if self.endorsement.position is None:
            return None
        changes = [self.chain.header(height) for height in self.chain.set_changes()]
        handed_over = [header for header in changes if header.epoch < validators.epoch]
        base = handed_over[-1] if handed_over else self.chain.header(Height(0))
        return make_engine(
            Founding(
                chosen=chosen,
                chain_id=self.chain.chain_id,
                validators=validators,
                position=self.endorsement.position,
                key=self.endorsement.key,
                parameters=self.head.parameters,
                base_height=base.height,
                base_hash=header_hash(base),
                base_time_ms=base.time_ms,
            )
        )

    def _mined(self, prefix: bytes, nonce: int) -> None:
        self.driver.happened(Mined(self.clock_ms(), prefix, nonce))

    @property
    def has_ended(self) -> bool:
        """Is the loop that makes its blocks over?"""
        return self._running is not None and self._running.done()

    def condition(self, still_ms: int = 0) -> Condition:
        """What its health is judged by; `still_ms` is how long nothing has moved that should have."""
        height, catching_up = self.driver.certified, self.catching_up
        heights = {} if catching_up is None else catching_up.heights()
        links = {} if self.peers is None else self.peers.links
        member = self.endorsement.position is not None
        up = {key for key, link in links.items() if link.up}
        # who only observes is let in by nobody, and hears of heights by asking
        ahead = sum(said > height for key, said in heights.items() if key in up or not member)
        return Condition(
            height=height,
            running=not self.is_closed and self._running is not None,
            stopping=self.driver.stopping,
            halted=str(self.driver.halted or ""),
            alone=self.alone,
            member=member,
            members=len(self.endorsement.validators.members),
            connected=len(up),
            heard=len(heights),
            ahead=ahead,
            lag=0 if catching_up is None else catching_up.lag,
            sync=None if catching_up is None else catching_up.status,
            still_ms=still_ms,
            writing_ms=self.driver.writing_ms,
        )

    def mark(self) -> tuple[int, ...]:
        """Another one whenever anything has moved."""
        sync = None if self.catching_up is None else self.catching_up.status
        parts = () if sync is None else (sync.chunks_done, sync.height if sync.by == "snapshot" else 0)
        return (self.driver.certified, self.driver.executed, *parts)

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
            database_bytes=self.database_bytes(),
            committed_transactions=self.announcement.transactions,
            halted=halted is not None,
            halt_reason=str(halted or ""),
            validators=self._validators(),
            header_hash=header_hash(head),
            lag=0 if self.catching_up is None else self.catching_up.lag,
            sync=None if self.catching_up is None else self.catching_up.status,
            base_height=self.chain.base,
            **self._rules(),
            **self._standing(),
        )

    def _rules(self) -> dict[str, Any]:
        """By which version of the rules the next block is executed, which is decided to follow, and what we know."""
        found, following = self.head.execution, Height(self.head.height + 1)
        version = found.at(following)
        decided = found.next_height > following
        return {
            "execution_version": version,
            "execution_newest": versions.EXECUTION_NEWEST,
            "next_execution_version": found.next_version if decided else 0,
            "next_execution_height": found.next_height if decided else 0,
        }

    def facts(self) -> LedgerFacts:
        """What a client needs to know, and who leads."""
        found = self.lookups.facts()
        return replace(found, **self._standing()) if isinstance(self.driver.engine, Pbft) else found

    def store_facts(self) -> StoreFacts:
        """Of its database."""
        return self._kv.facts()

    def database_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.directory.iterdir())

    def _standing(self) -> dict[str, Any]:
        """Where the engine is, by what it shows of itself."""
        match self.driver.engine:
            case Pbft() as replica:
                leader = self.endorsement.validators.members[replica.leader].identity
                return {"view": replica.view, "leader": leader}
            case ProofOfWork() as miner:
                return {"branch_height": miner.head_height, "block_hashes": min(work_of(miner.target), _MOST)}
            case Jetstream() as follower:
                return {"branch_height": follower.log_height}
            case _:
                return {}

    @property
    def role(self) -> str:
        """What it does for the order of blocks."""
        if self.endorsement.position is None:
            return "observer"
        match self.driver.engine:
            case Pbft() as replica:
                return "leader" if replica.leader == self.endorsement.position else "backup"
            case ProofOfWork():
                return "miner"
            case _:
                return "validator"

    def peer_facts(self) -> list[PeerFacts]:
        """Of each other validator that is dialled."""
        members = {bytes.fromhex(member.public_key): member.organisation for member in self.head.members()}
        links = {} if self.peers is None else self.peers.links
        heights = {} if self.catching_up is None else self.catching_up.heights()
        skews = {} if self.clocks is None else self.clocks.found
        return [PeerFacts(members.get(key, ""), link, heights.get(key), skews.get(key)) for key, link in links.items()]

    def _validators(self) -> tuple[ValidatorStatus, ...]:
        heights = {} if self.catching_up is None else self.catching_up.heights()
        links = {} if self.peers is None else self.peers.links
        faults = self.head.faults()
        return tuple(
            ValidatorStatus(
                IdentityId(bytes.fromhex(member.identity)),
                member.organisation,
                member.endpoint,
                self=key == self.endorsement.public_key,
                connected=key in links and links[key].up,
                height=heights.get(key, Height(0)),
                contradictions=self.accuser.noticed[key],
                faults=faults[member.identity],
                refusal=(links[key].refusal if key in links else "") or self._unspoken.get(key, ""),
                ready=self.head.ready(member.identity) or self.head.execution.at(self.head.height + 1),
            )
            for member in self.head.members()
            for key in (bytes.fromhex(member.public_key),)
        )

    def _oldest_blocks(self) -> dict[str, int]:
        """By address, the oldest block that a peer says it has whole; 0 of one that does not say."""
        links = {} if self.peers is None else self.peers.links
        return {link.address: self._oldest.get(key, 0) for key, link in links.items() if link.up}

    def prune(self, below: Height) -> AsyncIterator[PruneProgress]:
        """Forget every block below this one, and say how far that is."""
        return self.pruning.ask(below)

    def snapshot(self, folder: Path) -> AsyncIterator[SnapshotProgress]:
        """Write a snapshot of the newest certified block, and say how far it has come."""
        return self.snapshots.write(folder)

    def close(self) -> None:
        """Give the database back, once. What is called afterwards is refused with a reason to ask again."""
        if not self.is_closed:
            self.is_closed = True
            self.questions.close()
            self._kv.close()


def _require_certified(header: Header, certificate: Certificate, validators: ValidatorSet) -> None:
    check_certificate(header, certificate, validators, verify)
