"""A network of engines under one seeded clock: what the driver does for real, played by the rules of chance.

Everything that may happen to validators happens here: delay, loss, duplication, reordering, partitions,
crashes between any two durable writes, restarts, and members that lie. A schedule is a pure function
of its seed, so every failure can be played again.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import islice

from ledgernode.consensus.certifier import Certifier, check_certificate
from ledgernode.consensus.certifier import Vote as BlockVote
from ledgernode.consensus.engine import (
    CaughtUp,
    Certified,
    Engine,
    Event,
    Evidence,
    LogEntry,
    MiningJob,
    ProposalAvailable,
    Ready,
    Received,
    Started,
    Ticked,
    Validate,
    Validated,
    WorkWaiting,
)
from ledgernode.consensus.pbft.core import Pbft, Timing
from ledgernode.consensus.pbft.messages import PrePrepare, Scope, Stable, ViewChange, Vote, decode
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
STARTS_MS = 1_700_000_000_000
GENESIS_MS = TimeMs(STARTS_MS - 1_000)
BASE = Stable(0, ZERO_HASH, b"")
BATCH_LIMIT = 20
CERTIFY_AGAIN = 4
TRACE_LINES = 60

Lie = Callable[[bytes, int], list[bytes]]
"""(message, receiver) -> what is sent instead."""
Filter = Callable[[int, int, bytes], bool]
"""(sender, receiver, message) -> is it stopped?"""


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

    def deliveries(self, sender: int, receiver: int) -> tuple[int, ...]:
        """The delays after which copies of a message arrive; none when it is lost."""
        if (sender, receiver) in self.cut:
            return ()
        draw = self.random.random
        if self.loss and draw() < self.loss:
            return ()
        least_ms, most_ms = self.delay_ms
        first = least_ms + int(draw() * (most_ms - least_ms + 1))
        if self.duplication and draw() < self.duplication:
            return first, least_ms + int(draw() * (most_ms - least_ms + 1))
        return (first,)


@dataclass
class Block:
    header: Header
    batch: Batch
    certificate: Certificate | None = None


class Node:
    """One validator: an engine, its disk, the chain it has executed, and what waits in its mempool.

    A lying one has `lies`: each says what really goes to a receiver instead of a message. A twin, a second
    machine with the same key, `hears` only some of the others, and only they hear it.
    """

    def __init__(self, world: World, position: int, hears: frozenset[int] | None = None) -> None:
        self.world = world
        self.position = position
        self.hears = hears
        self.lies: list[Lie] = []
        self.backup: tuple[dict[bytes, bytes], list[Block]] | None = None
        self.log: dict[bytes, bytes] = {}
        self.chain: list[Block] = []
        self.waiting: dict[bytes, None] = {}
        self.proposed: set[bytes] = set()
        self.offering = False
        self.kept_in_mind: tuple[bytes, ...] = ()
        self.done: set[bytes] = set()
        self.up = False
        self.skew_ms = 0
        self.generation = 0
        self.crash_at_persist: int | None = None
        self.persists = 0
        self.sends_first = False
        self.check_ms = 1
        self.write_ms = 0
        self.busy_until_ms = 0
        self.put_off: deque[Callable[[], None]] = deque()
        self.next_tick_ms: int | None = None
        self.ask_again_ms = 0
        self.view_changes = 0

    # ------------------------------------------------------------ life

    def start(self) -> None:
        self.up = True
        self.generation += 1
        self.next_tick_ms = None
        self.proposed = set()
        self.offering = False
        self.kept_in_mind = ()
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
        self.busy_until_ms = 0
        self.put_off.clear()

    def is_busy_for(self, for_ms: int) -> None:
        """Its loop is taken up: whatever comes meanwhile, time-outs too, is met afterwards, in order."""
        if self.up:
            self.busy_until_ms = max(self.busy_until_ms, self.world.now_ms + for_ms)
            self.world.at(self.busy_until_ms, self.go_on)

    def go_on(self) -> None:
        while self.put_off and self.busy_until_ms <= self.world.now_ms:
            self.put_off.popleft()()

    def meet(self, action: Callable[[], None]) -> None:
        """Something comes: at once, or in its turn, or never when the node is down."""
        if self.busy_until_ms > self.world.now_ms:
            self.put_off.append(action)
        elif self.up:
            action()

    def wipe(self) -> None:
        """A new disk: log, chain and mempool are gone."""
        self.log, self.chain, self.done, self.waiting = {}, [], set(), {}

    def save_disk(self) -> None:
        self.backup = dict(self.log), [Block(block.header, block.batch, block.certificate) for block in self.chain]

    def restore_disk(self) -> None:
        """The disk as it was when it was saved."""
        assert self.backup is not None, "save it first"
        self.wipe()
        log, chain = self.backup
        self.log, self.chain = dict(log), list(chain)
        self.done = {item for block in chain for item in block.batch.envelopes}

    def now(self) -> TimeMs:
        """What its clock says, which is right but for its skew."""
        return TimeMs(STARTS_MS + self.world.now_ms + self.skew_ms)

    # ------------------------------------------------------------ the driver's loop

    def step(self, event: Event) -> None:
        if not self.up:
            return
        before = self.world.standing_of(self.engine)
        ready = self.engine.step(event)
        after = self.world.standing_of(self.engine)
        if after != before:
            self.view_changes += after[0] != before[0]
            self.note(f"leaves for view {after[0]}" if after[1] else f"is in view {after[0]}")
        self.world.events += 1
        if isinstance(event, ProposalAvailable) and (ready.took_proposal or not ready.wants_proposal):
            self.kept_in_mind = ()
            if ready.took_proposal:
                self.proposed.update(event.envelopes)
        self.perform(ready)

    def perform(self, ready: Ready) -> None:
        first, second = (self.send, self.persist) if self.sends_first else (self.persist, self.send)
        if not first(ready) or not second(ready):
            return
        for batch in ready.deliver:
            self.execute(batch)
        for check in ready.validate:
            self.world.later(self.check_ms, self, partial(self.validated, check))
        for evidence in ready.evidence:
            self.world.accuse(evidence)
        if ready.behind > len(self.chain) and self.world.now_ms >= self.ask_again_ms:
            self.ask_again_ms = self.world.now_ms + 300
            self.world.catch_up(self, ready.behind)
        if ready.next_tick_ms is not None and (self.next_tick_ms is None or ready.next_tick_ms < self.next_tick_ms):
            due_ms = self.next_tick_ms = ready.next_tick_ms
            self.world.later(max(1, due_ms - self.now()), self, lambda: self.tick(due_ms))
        if ready.released:
            self.proposed.clear()
        if ready.halt:
            self.world.halts[self.position] = ready.halt
            self.note(f"halts: {ready.halt}")
        self.world.mine(self, ready.mine)
        if ready.wants_proposal:
            self.offer()

    def persist(self, ready: Ready) -> bool:
        """Entry by entry, so that a crash may fall between any two; False when it did."""
        for entry in ready.persist:
            self.persists += 1
            if self.crash_at_persist is not None and self.persists >= self.crash_at_persist:
                self.crash_at_persist = None
                self.note("crashes while it writes its log")
                self.crash()
                return False
            if entry.record:
                self.log[entry.key] = entry.record
            else:
                self.log.pop(entry.key, None)
        return True

    def send(self, ready: Ready) -> bool:
        if self.write_ms and ready.send:
            self.world.later(self.write_ms, self, partial(self.say, ready))
        else:
            self.say(ready)
        return True

    def say(self, ready: Ready) -> None:
        for send in ready.send:
            self.world.send(self, send.receivers, send.message)

    def note(self, text: str) -> None:
        self.world.note(f"node {self.position}  {text}")

    def tick(self, due_ms: int) -> None:
        if self.next_tick_ms == due_ms:  # not replaced by an earlier one
            self.next_tick_ms = None
            self.step(Ticked(self.now()))
            for block in [block for block in self.chain if block.certificate is None][:CERTIFY_AGAIN]:
                self.announce(block)

    def validated(self, check: Validate) -> None:
        """The driver's verdict: here only envelopes that say so are bad."""
        holds = not any(item.startswith(b"bad") for item in check.envelopes)
        self.step(Validated(self.now(), check.digest, holds))

    def offer(self) -> None:
        """Once what is at hand is dealt with: the oldest of what waits and is not under way."""
        if not self.offering and self.waiting:
            self.offering = True
            self.world.later(0, self, self.propose)

    def propose(self) -> None:
        self.offering = False
        batch = tuple(islice((item for item in self.waiting if item not in self.proposed), BATCH_LIMIT))
        if batch and batch != self.kept_in_mind:
            self.kept_in_mind = batch  # a miner keeps what it is offered, and wants to hear of more
            self.step(ProposalAvailable(self.now(), batch))

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
        self.note(f"delivers block {batch.height} of {len(batch.envelopes)} transactions")
        self.world.check_block(self, block)
        if any(item.startswith(b"bad") for item in batch.envelopes):
            raise Violation(f"node {self.position} was given an invalid envelope at height {batch.height}")
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
        vote = BlockVote(block.header.height, self.position, hashed, sign_as(self.position, message))
        self.certified_vote(vote)
        for other in range(self.world.members):
            if other != self.position:
                self.world.transmit(self, other, lambda node, vote=vote: node.certified_vote(vote))

    def certified_vote(self, vote: BlockVote) -> None:
        certificate = self.chain[vote.height - 1].certificate if vote.height <= len(self.chain) else None
        if certificate is None:
            self.certify(self.certifier.voted(vote), vote.height)
        elif vote.position != self.position:  # whoever still votes has yet to see the certificate
            self.world.transmit(self, vote.position, lambda node: node.given(vote.height, certificate))

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
        self.voted: dict[tuple[int, int, int, int], bytes] = {}
        self.left: dict[int, int] = {}
        self.forgetful: set[int] = set()
        self.halts: dict[int, str] = {}
        self.faulty: set[int] = set()
        self.trace: deque[str] = deque(maxlen=TRACE_LINES)
        self.faults = 0
        self.validators = ValidatorSet.of(
            Epoch(0),
            [Validator(IdentityId(bytes([n]) * 32), f"org{n}", b"\x04" + bytes([n]) * 64) for n in range(members)],
        )
        self.set_hash = set_hash(self.validators)
        self.nodes = [Node(self, position) for position in range(members)]
        self.twins: dict[int, Node] = {}
        self.filters: list[Filter] = []

    # ------------------------------------------------------------ parts

    def make_engine(self, position: int) -> Engine:
        rules = Rules(SCOPE, self.members, self.window, verify, self.stable_holds)
        return Pbft(rules, position, partial(sign_as, position), BASE, self.timing)

    def standing_of(self, engine: Engine) -> tuple[int, bool]:
        return (engine.view, engine.changing) if isinstance(engine, Pbft) else (0, False)

    def is_silent(self, engine: Engine) -> bool:
        return isinstance(engine, Pbft) and engine.silent

    def check_word(self, node: Node, message: bytes) -> None:
        """An honest member says one thing for each phase, view and sequence, and nothing of a view it has left."""
        said = decode(message)
        vote = said.vote if isinstance(said, PrePrepare) else said
        if isinstance(vote, Vote):
            key = node.position, vote.phase, vote.view, vote.sequence
            if self.voted.setdefault(key, vote.digest) != vote.digest:
                raise Violation(f"node {node.position} has voted twice: {vote.phase.name}, view {vote.view}")
            if vote.view < self.left.get(node.position, 0):
                raise Violation(f"node {node.position} votes in view {vote.view}, which it has left")
        elif isinstance(said, ViewChange):
            self.left[node.position] = max(self.left.get(node.position, 0), said.view)

    def is_honest(self, position: int) -> bool:
        return position not in self.faulty and position not in self.forgetful

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
            if node.generation == generation:
                node.meet(action)

        self.at(self.now_ms + delay_ms, run)

    def transmit(self, sender: Node, receiver: int, action: Callable[[Node], None]) -> None:
        for node in self.machines(receiver):
            if (sender.hears is None or receiver in sender.hears) and (
                node.hears is None or sender.position in node.hears
            ):
                for delay in self.links.deliveries(sender.position, receiver):
                    self.at(self.now_ms + delay, partial(node.meet, partial(action, node)))

    def machines(self, position: int) -> tuple[Node, ...]:
        """One, or two with the same key."""
        twin = self.twins.get(position)
        return (self.nodes[position],) if twin is None else (self.nodes[position], twin)

    def send(self, sender: Node, receivers: tuple[int, ...], message: bytes) -> None:
        if self.is_honest(sender.position):
            self.check_word(sender, message)
        for receiver in receivers or range(self.members):
            if receiver == sender.position:
                continue
            said = [message]
            for lie in sender.lies:
                said = [told for truth in said for told in lie(truth, receiver)]
            for told in said:
                self.carry(sender, receiver, told)

    def carry(self, sender: Node, receiver: int, message: bytes) -> None:
        """One message on its way, unless a scenario stops it."""
        if self.filters and any(stops(sender.position, receiver, message) for stops in self.filters):
            return
        position = sender.position
        self.transmit(sender, receiver, lambda node: node.step(Received(node.now(), position, message)))

    def catch_up(self, node: Node, height: int) -> None:
        peer = self.nodes[self.random.randrange(self.members)]

        def answer(giver: Node) -> None:
            blocks = [block for block in giver.chain[len(node.chain) : height] if block.certificate]
            if blocks:
                self.transmit(giver, node.position, lambda taker: taker.adopt(blocks))

        self.transmit(node, peer.position, answer)

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

    def start(self) -> None:
        for node in self.nodes:
            node.start()

    def crash(self, position: int) -> None:
        self.fault(f"node {position}  crashes")
        for node in self.machines(position):
            node.crash()

    def restart(self, position: int) -> None:
        for node in self.machines(position):
            if not node.up:
                self.note(f"node {position}  starts")
                node.start()

    def add_twin(self, position: int, hears: Iterable[int]) -> None:
        """A second machine with this key: each is heard by its own part of the network."""
        side = frozenset(hears)
        self.faulty.add(position)
        self.nodes[position].hears = frozenset(range(self.members)) - side
        self.twins[position] = Node(self, position, side)

    def submit(self, envelope: bytes) -> None:
        """A client hands a transaction to all validators, as the mempools' gossip does."""
        for node in (*self.nodes, *self.twins.values()):
            for delay in self.links.deliveries(-1, node.position):
                self.at(self.now_ms + delay, partial(node.take, envelope))

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now_ms:>8} ms  {text}")

    def fault(self, text: str) -> None:
        self.faults += 1
        self.note(text)

    # ------------------------------------------------------------ checkers

    def check_block(self, node: Node, block: Block) -> None:
        """No two blocks at one height."""
        hashed = header_hash(block.header)
        if node.position in self.faulty:
            return
        known = self.canonical.setdefault(block.header.height, hashed)
        if known != hashed:
            raise Violation(f"node {node.position} has another block at height {block.header.height}")

    def accuse(self, evidence: Evidence) -> None:
        """Two votes that contradict each other: only a liar can have cast them."""
        self.note(f"node {evidence.position}  is seen to have voted twice")
        self.evidence.add(evidence.position)
        if self.is_honest(evidence.position):
            raise Violation(f"node {evidence.position} is honest and accused")

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

    def story(self) -> str:
        """What happened last, a line each: when, who, what."""
        return "\n".join(self.trace)
