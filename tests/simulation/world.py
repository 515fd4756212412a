"""A network of engines under one seeded clock: what the driver does for real, played by the rules of chance.

Everything that may happen to validators happens here: delay, loss, duplication, reordering, partitions,
crashes between any two durable writes, restarts, and members that lie. A schedule is a pure function
of its seed, so every failure can be played again.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from ledgernode.consensus.certifier import Certifier, Vote, check_certificate
from ledgernode.consensus.engine import (
    CaughtUp,
    Certified,
    Engine,
    Event,
    LogEntry,
    MiningJob,
    ProposalAvailable,
    Ready,
    Received,
    Started,
    Ticked,
    Validated,
    WorkWaiting,
)
from ledgernode.consensus.pbft.core import Pbft, Timing
from ledgernode.consensus.pbft.messages import Scope, Stable
from ledgernode.consensus.pbft.view_change import Rules
from ledgernode.errors import BadProof
from ledgernode.wire.block import Batch, Header, header_hash
from ledgernode.wire.types import ZERO_HASH, ChainId, Epoch, Height, IdentityId, TimeMs
from ledgernode.wire.validators import (
    Certificate,
    Validator,
    ValidatorSet,
    encode_certificate,
    parse_certificate,
    set_hash,
    vote_bytes,
)

CHAIN = ChainId(sha256(b"simulation").digest())
SCOPE = Scope(CHAIN, Epoch(0))
GENESIS_MS = TimeMs(1_000)
BASE = Stable(0, ZERO_HASH, b"")
BATCH_LIMIT = 20
CERTIFY_AGAIN = 4


class Violation(AssertionError):
    """A rule of agreement was broken; the text says which, where and when."""


def sign_as(position: int, message: bytes) -> bytes:
    """A signature scheme that only its owner's code uses: enough for a simulation, and fast."""
    once = sha256(b"%d/" % position + message).digest()
    return once + sha256(once).digest()


def verify(position: int, message: bytes, signature: bytes) -> bool:
    return sign_as(position, message) == signature


@dataclass
class Links:
    """What the network does to a message."""

    random: random.Random
    delay_ms: tuple[int, int] = (1, 40)
    loss: float = 0.0
    duplication: float = 0.0
    cut: set[tuple[int, int]] = field(default_factory=set)

    def deliveries(self, sender: int, receiver: int) -> list[int]:
        """The delays after which copies of a message arrive; none when it is lost."""
        if (sender, receiver) in self.cut or self.random.random() < self.loss:
            return []
        copies = 2 if self.random.random() < self.duplication else 1
        return [self.random.randint(*self.delay_ms) for _ in range(copies)]


@dataclass
class Block:
    header: Header
    batch: Batch
    certificate: Certificate | None = None


class Node:
    """One validator: an engine, its disk, the chain it has executed, and what waits in its mempool."""

    def __init__(self, world: World, position: int) -> None:
        self.world = world
        self.position = position
        self.log: dict[bytes, bytes] = {}
        self.chain: list[Block] = []
        self.waiting: dict[bytes, None] = {}
        self.proposed: set[bytes] = set()
        self.offered: tuple[bytes, ...] = ()
        self.done: set[bytes] = set()
        self.up = False
        self.skew_ms = 0
        self.generation = 0
        self.crash_at_persist: int | None = None
        self.persists = 0
        self.next_tick_ms: int | None = None
        self.ask_again_ms = 0
        self.view_changes = 0

    # ------------------------------------------------------------ life

    def start(self) -> None:
        self.up = True
        self.generation += 1
        self.next_tick_ms = None
        self.proposed = set()
        self.offered = ()
        self.engine = self.world.make_engine(self.position)
        self.certifier = Certifier(CHAIN, self.world.validators, self.world.verify_key)
        for block in self.chain:
            if block.certificate is None:
                self.certifier.executed(block.header.height, header_hash(block.header))
        height = Height(len(self.chain))
        time_ms = self.chain[-1].header.time_ms if self.chain else GENESIS_MS
        entries = tuple(LogEntry(key, record) for key, record in self.log.items())
        self.step(Started(self.now(), height, time_ms, entries))
        for block in self.chain:
            self.announce(block)
        self.restabilise()

    def crash(self) -> None:
        self.up = False
        self.generation += 1

    def wipe(self) -> None:
        self.log, self.chain, self.done = {}, [], set()

    def now(self) -> TimeMs:
        return TimeMs(self.world.now_ms + self.skew_ms)

    # ------------------------------------------------------------ the driver's loop

    def step(self, event: Event) -> None:
        if not self.up:
            return
        before = self.world.view_of(self.engine)
        ready = self.engine.step(event)
        self.view_changes += self.world.view_of(self.engine) != before
        self.world.events += 1
        self.perform(ready)

    def perform(self, ready: Ready) -> None:
        for entry in ready.persist:
            self.persists += 1
            if self.crash_at_persist is not None and self.persists >= self.crash_at_persist:
                self.crash_at_persist = None
                self.world.crash(self.position)
                return
            if entry.record:
                self.log[entry.key] = entry.record
            else:
                self.log.pop(entry.key, None)
        for send in ready.send:
            self.world.send(self.position, send.receivers, send.message)
        for batch in ready.deliver:
            self.execute(batch)
        for check in ready.validate:
            self.world.later(1, self, lambda check=check: self.step(Validated(self.now(), check.digest, True)))
        for evidence in ready.evidence:
            self.world.evidence.add(evidence.position)
        if ready.behind > len(self.chain) and self.world.now_ms >= self.ask_again_ms:
            self.ask_again_ms = self.world.now_ms + 300
            self.world.catch_up(self, ready.behind)
        if ready.next_tick_ms is not None and (self.next_tick_ms is None or ready.next_tick_ms < self.next_tick_ms):
            due_ms = self.next_tick_ms = ready.next_tick_ms
            self.world.later(max(1, due_ms - self.now()), self, lambda: self.tick(due_ms))
        if ready.took_proposal:
            self.proposed.update(self.offered)
        if ready.released:
            self.proposed.clear()
            self.offered = ()
        if ready.halt:
            self.world.halts[self.position] = ready.halt
        self.world.mine(self, ready.mine)
        if ready.wants_proposal:
            self.offer()

    def tick(self, due_ms: int) -> None:
        if self.next_tick_ms == due_ms:  # not replaced by an earlier one
            self.next_tick_ms = None
            self.step(Ticked(self.now()))
            for block in [block for block in self.chain if block.certificate is None][:CERTIFY_AGAIN]:
                self.announce(block)

    def offer(self) -> None:
        batch = tuple(item for item in self.waiting if item not in self.proposed)[:BATCH_LIMIT]
        if batch and batch != self.offered:
            self.offered = batch
            self.world.later(0, self, lambda: self.step(ProposalAvailable(self.now(), batch)))

    def take(self, envelope: bytes) -> None:
        """A transaction arrives in the mempool."""
        if self.up and envelope not in self.done and envelope not in self.waiting:
            self.waiting[envelope] = None
            self.step(WorkWaiting(self.now(), True))

    # ------------------------------------------------------------ execution and certificates

    def execute(self, batch: Batch) -> None:
        height = len(self.chain) + 1
        if batch.height != height:
            raise Violation(f"node {self.position} was given height {batch.height} after {height - 1}")
        parent = header_hash(self.chain[-1].header) if self.chain else ZERO_HASH
        if self.chain and batch.time_ms <= self.chain[-1].header.time_ms:
            raise Violation(f"time does not increase at height {height}")
        fresh = [item for item in dict.fromkeys(batch.envelopes) if item not in self.done]
        root = sha256(b"".join(fresh)).digest()
        header = Header(
            CHAIN,
            Epoch(0),
            batch.height,
            parent,
            root,
            root,
            root,
            batch.time_ms,
            self.world.set_hash,
            self.world.set_hash,
            len(fresh),
            0,
        )
        block = Block(header, batch)
        self.chain.append(block)
        self.world.check_block(self, block)
        self.done.update(batch.envelopes)
        for item in batch.envelopes:
            self.waiting.pop(item, None)
        self.certify(self.certifier.executed(batch.height, header_hash(header)), batch.height)
        self.announce(block)
        self.step(WorkWaiting(self.now(), bool(self.waiting)))

    def announce(self, block: Block) -> None:
        """Sign our result and say it, also again for blocks that lack their certificate."""
        hashed = header_hash(block.header)
        message = vote_bytes(CHAIN, Epoch(0), block.header.height, hashed)
        vote = Vote(block.header.height, self.position, hashed, sign_as(self.position, message))
        self.certified_vote(vote)
        for other in range(self.world.members):
            if other != self.position:
                self.world.transmit(self.position, other, lambda node, vote=vote: node.certified_vote(vote))

    def certified_vote(self, vote: Vote) -> None:
        certificate = self.chain[vote.height - 1].certificate if vote.height <= len(self.chain) else None
        if certificate is None:
            self.certify(self.certifier.voted(vote), vote.height)
        elif vote.position != self.position:  # whoever still votes has yet to see the certificate
            self.world.transmit(self.position, vote.position, lambda node: node.given(vote.height, certificate))

    def given(self, height: Height, certificate: Certificate) -> None:
        """A peer sends the certificate of a block that we may hold without one."""
        block = self.chain[height - 1] if height <= len(self.chain) else None
        if block is not None and block.certificate is None and self.world.certifies(certificate, block.header):
            self.certify(certificate, height)

    def certify(self, certificate: Certificate | None, height: Height) -> None:
        if certificate is None:
            return
        block = self.chain[height - 1]
        block.certificate = certificate
        self.world.acknowledge(block)
        self.restabilise()

    def restabilise(self) -> None:
        """Tell the engine the highest certified height that we have executed."""
        block = next((block for block in reversed(self.chain) if block.certificate), None)
        if block is not None and block.certificate is not None:
            proof = encode_certificate(block.certificate)
            self.step(Certified(self.now(), block.header.height, header_hash(block.header), proof))

    def adopt(self, blocks: list[Block]) -> None:
        """Catch up with certified blocks of a peer."""
        for block in blocks:
            if block.header.height != len(self.chain) + 1:
                continue
            check_certificate(block.header, block.certificate, self.world.validators, self.world.verify_key)
            self.chain.append(Block(block.header, block.batch, block.certificate))
            self.world.check_block(self, block)
            self.done.update(block.batch.envelopes)
            for item in block.batch.envelopes:
                self.waiting.pop(item, None)
        if self.chain:
            self.step(CaughtUp(self.now(), Height(len(self.chain)), self.chain[-1].header.time_ms))
            self.step(WorkWaiting(self.now(), bool(self.waiting)))
            self.restabilise()


class World:
    """Validators that order by PBFT. `tests.simulation.mining` has the world of miners."""

    def __init__(self, seed: int, members: int, timing: Timing, window: int = 32) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.members = members
        self.timing = timing
        self.window = window
        self.now_ms = 0
        self.events = 0
        self.links = Links(self.random)
        self.queue: list[tuple[int, int, Callable[[], None]]] = []
        self.order = 0
        self.canonical: dict[int, bytes] = {}
        self.acknowledged: dict[bytes, int] = {}
        self.evidence: set[int] = set()
        self.halts: dict[int, str] = {}
        self.faulty: set[int] = set()
        self.trace: list[str] = []
        self.validators = ValidatorSet.of(
            Epoch(0),
            [Validator(IdentityId(bytes([n]) * 32), f"org{n}", b"\x04" + bytes([n]) * 64) for n in range(members)],
        )
        self.set_hash = set_hash(self.validators)
        self.nodes = [Node(self, position) for position in range(members)]

    # ------------------------------------------------------------ parts

    def make_engine(self, position: int) -> Engine:
        rules = Rules(SCOPE, self.members, self.window, verify, self.stable_holds)
        return Pbft(rules, position, lambda message: sign_as(position, message), BASE, self.timing)

    def view_of(self, engine: Engine) -> int:
        return engine.view if isinstance(engine, Pbft) else 0

    def mine(self, node: Node, job: MiningJob | None) -> None:
        """Nobody mines here."""

    def verify_key(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        return verify(public_key[1], message, signature)

    def certifies(self, certificate: Certificate, header: Header) -> bool:
        try:
            check_certificate(header, certificate, self.validators, self.verify_key)
        except BadProof:
            return False
        return True

    def stable_holds(self, stable: Stable) -> bool:
        if stable == BASE:
            return True
        try:
            certificate = parse_certificate(stable.certificate)
        except BadProof:
            return False
        message = vote_bytes(CHAIN, Epoch(0), Height(stable.height), stable.header_hash)
        valid = {p for p, signature in certificate.signatures if p < self.members and verify(p, message, signature)}
        return len(valid) >= Rules(SCOPE, self.members, self.window, verify, self.stable_holds).quorum

    # ------------------------------------------------------------ time and network

    def at(self, time_ms: int, action: Callable[[], None]) -> None:
        self.order += 1
        heapq.heappush(self.queue, (time_ms, self.order, action))

    def later(self, delay_ms: int, node: Node, action: Callable[[], None]) -> None:
        """Do it unless the node has crashed or restarted by then."""
        generation = node.generation

        def run() -> None:
            if node.generation == generation and node.up:
                action()

        self.at(self.now_ms + delay_ms, run)

    def transmit(self, sender: int, receiver: int, action: Callable[[Node], None]) -> None:
        node = self.nodes[receiver]
        for delay in self.links.deliveries(sender, receiver):
            self.at(self.now_ms + delay, lambda: action(node) if node.up else None)

    def send(self, sender: int, receivers: tuple[int, ...], message: bytes) -> None:
        for receiver in receivers or range(self.members):
            if receiver != sender:
                self.transmit(sender, receiver, lambda node: node.step(Received(node.now(), sender, message)))

    def catch_up(self, node: Node, height: int) -> None:
        peer = self.nodes[self.random.randrange(self.members)]

        def answer(giver: Node) -> None:
            blocks = [block for block in giver.chain[len(node.chain) : height] if block.certificate]
            if blocks:
                self.transmit(giver.position, node.position, lambda taker: taker.adopt(blocks))

        self.transmit(node.position, peer.position, answer)

    def run(self, until_ms: int, finished: Callable[[], bool] = lambda: False) -> bool:
        """Play until then, or until finished; says whether it finished."""
        while self.queue and self.queue[0][0] <= until_ms:
            self.now_ms, _, action = heapq.heappop(self.queue)
            action()
            if finished():
                return True
        self.now_ms = until_ms
        return finished()

    # ------------------------------------------------------------ faults and work

    def crash(self, position: int) -> None:
        self.note(f"crash {position}")
        self.nodes[position].crash()

    def restart(self, position: int) -> None:
        if not self.nodes[position].up:
            self.note(f"restart {position}")
            self.nodes[position].start()

    def submit(self, envelope: bytes) -> None:
        """A client hands a transaction to all validators, as the mempools' gossip does."""
        for node in self.nodes:
            for delay in self.links.deliveries(-1, node.position):
                self.at(self.now_ms + delay, lambda node=node: node.take(envelope))

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now_ms:>8} {text}")

    # ------------------------------------------------------------ checkers

    def check_block(self, node: Node, block: Block) -> None:
        """No two blocks at one height."""
        hashed = header_hash(block.header)
        known = self.canonical.setdefault(block.header.height, hashed)
        if known != hashed:
            raise Violation(f"node {node.position} has another block at height {block.header.height}")

    def acknowledge(self, block: Block) -> None:
        for item in block.batch.envelopes:
            self.acknowledged.setdefault(item, block.header.height)

    def check_end(self) -> None:
        """Every honest chain is the same and holds all that was acknowledged, once."""
        honest = [node for node in self.nodes if node.position not in self.faulty]
        lengths = {len(node.chain) for node in honest}
        if len(lengths) != 1:
            raise Violation(f"chains end at different heights: {sorted(lengths)}")
        held = {item for block in honest[0].chain for item in block.batch.envelopes}
        missing = [item for item in self.acknowledged if item not in held]
        if missing:
            raise Violation(f"{len(missing)} acknowledged transactions are lost")
