"""One validator of the simulation: an engine, its disk, the chain it has executed, and what waits in its mempool.

It does what the driver does for real: persist, then send, then deliver; vote for results until they have their
certificates; fetch certified blocks when others are ahead; and hand over from one epoch's engine to the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ledgernode.consensus.certifier import Certifier, check_certificate
from ledgernode.consensus.certifier import Vote as BlockVote
from ledgernode.consensus.engine import (
    CaughtUp,
    Certified,
    Engine,
    EpochEnds,
    Event,
    LogEntry,
    ProposalAvailable,
    Ready,
    Received,
    Started,
    Ticked,
    Validate,
    Validated,
    WorkWaiting,
)
from ledgernode.consensus.pbft.messages import Stable
from ledgernode.wire.block import Batch, Header, header_hash
from ledgernode.wire.types import ZERO_HASH, Epoch, Height, TimeMs
from ledgernode.wire.validators import Certificate, encode_certificate, parse_certificate, vote_bytes
from tests.simulation.membership import CHAIN, GENESIS_MS, STARTS_MS, Membership, decided, sign_as, verify_key

if TYPE_CHECKING:
    from tests.simulation.world import World

BASE = Stable(0, ZERO_HASH, b"")
BATCH_LIMIT = 20
CERTIFY_AGAIN = 4
ASK_AGAIN_MS = 300
WATCH_MS = 1_000

Lie = Callable[[bytes, int], list[bytes]]
"""(message, receiver) -> what is sent instead."""


class Violation(AssertionError):
    """A rule of agreement was broken; the text says which, where and when."""


@dataclass
class Block:
    header: Header
    batch: Batch
    certificate: Certificate | None = None


class Coming(NamedTuple):
    """A decided set change: after this height the next set orders."""

    last_height: int
    membership: Membership


class Node:
    """A machine with a key. The first set has the machines 0, 1, 2, ...; later ones may have others.

    A lying one has `lies`: each says what really goes to a receiver instead of a message. One that `hoards` tells
    nobody of its results, nor of the certificates and blocks it has. A twin, a second
    machine with the same key, `hears` only some of the others, and only they hear it.
    """

    engine: Engine
    certifier: Certifier

    def __init__(self, world: World, position: int, hears: frozenset[int] | None = None) -> None:
        self.world = world
        self.position = position
        self.hears = hears
        self.lies: list[Lie] = []
        self.hoards = False
        self.backup: tuple[dict[bytes, bytes], list[Block]] | None = None
        self.log: dict[bytes, bytes] = {}
        self.chain: list[Block] = []
        self.membership = world.founders
        self.base = BASE
        self.coming: Coming | None = None
        self.waiting: dict[bytes, None] = {}
        self.proposed: set[bytes] = set()
        self.offering = False
        self.kept_in_mind: tuple[bytes, ...] = ()
        self.done: set[bytes] = set()
        self.up = False
        self.takes_part = False
        self.skew_ms = 0
        self.generation = 0
        self.crash_at_persist: int | None = None
        self.persists = 0
        self.sends_first = False
        self.check_ms = 1
        self.write_ms = 0
        self.written_ms = 0
        self.held_back = 0
        self.busy_until_ms = 0
        self.put_off: deque[Callable[[], None]] = deque()
        self.next_tick_ms: int | None = None
        self.ask_again_ms = 0
        self.others_at = 0
        self.watched_at = 0
        self.standing = (0, False)
        self.view_changes = 0

    # ------------------------------------------------------------ life

    def start(self) -> None:
        self.up = True
        self.generation += 1
        self.world.stirred = True
        self.put_off.clear()
        self.busy_until_ms = 0
        self.offering = False
        self.read_chain()
        self.begin()
        for block in self.uncertified():
            self.certifier.executed(block.header.height, header_hash(block.header))
            self.announce(block)
        self.restabilise()
        if self.world.changes_sets:
            self.watch()

    def begin(self) -> None:
        """The engine of the present epoch, from disk; an observer of it has none."""
        self.next_tick_ms = None
        self.proposed = set()
        self.kept_in_mind = ()
        self.certifier = Certifier(CHAIN, self.membership.validators, verify_key)
        self.takes_part = self.position in self.membership.places
        if not self.takes_part:
            return
        self.engine = self.world.make_engine(self)
        self.standing = (0, False)
        entries = tuple(LogEntry(key, record) for key, record in self.log.items())
        time_ms = self.chain[-1].header.time_ms if self.chain else GENESIS_MS
        self.step(Started(self.now(), Height(len(self.chain)), time_ms, entries))
        self.tell_end()
        if self.waiting:
            self.step(WorkWaiting(self.now(), True))

    def crash(self) -> None:
        self.up = False
        self.written_ms = self.held_back = 0
        self.generation += 1
        self.busy_until_ms = 0
        self.put_off.clear()
        self.world.stirred = True

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
        self.read_chain()

    def save_disk(self) -> None:
        self.backup = dict(self.log), [Block(block.header, block.batch, block.certificate) for block in self.chain]

    def restore_disk(self) -> None:
        """The disk as it was when it was saved."""
        assert self.backup is not None, "save it first"
        self.wipe()
        log, chain = self.backup
        self.log, self.chain = dict(log), list(chain)
        self.done = {item for block in chain for item in block.batch.envelopes}
        self.read_chain()

    def now(self) -> TimeMs:
        """What its clock says, which is right but for its skew."""
        return TimeMs(STARTS_MS + self.world.now_ms + self.skew_ms)

    # ------------------------------------------------------------ the driver's loop

    def hear(self, sender: int, epoch: Epoch, message: bytes) -> None:
        """A message of this epoch from a machine; of another epoch, or from no member of ours, it is dropped."""
        if self.busy_until_ms > self.world.now_ms:
            self.put_off.append(partial(self.hear, sender, epoch, message))
        elif self.up and self.takes_part and epoch == self.membership.epoch:
            place = self.membership.places.get(sender)
            if place is not None:
                self.step(Received(TimeMs(STARTS_MS + self.world.now_ms + self.skew_ms), place, message))

    def step(self, event: Event) -> None:
        if not (self.up and self.takes_part):
            return
        ready = self.engine.step(event)
        if ready.persist:  # a view is never left or entered without
            self.observe()
        self.world.events += 1
        if isinstance(event, ProposalAvailable) and (ready.took_proposal or not ready.wants_proposal):
            self.kept_in_mind = ()
            if ready.took_proposal:
                self.proposed.update(event.envelopes)
        self.perform(ready)

    def observe(self) -> None:
        standing = self.world.standing_of(self.engine)
        if standing != self.standing:
            self.view_changes += standing[0] != self.standing[0]
            self.standing = standing
            self.note(f"leaves for view {standing[0]}" if standing[1] else f"is in view {standing[0]}")

    def perform(self, ready: Ready) -> None:
        if ready.persist or ready.send:
            first, second = (self.send, self.persist) if self.sends_first else (self.persist, self.send)
            if not first(ready) or not second(ready):
                return
        if ready.deliver:
            ends = self.coming.last_height if self.coming else None
            for batch in ready.deliver:
                if ends is not None and batch.height > ends:
                    raise Violation(f"node {self.position} was given height {batch.height}, its epoch ends at {ends}")
                self.execute(batch)
        for check in ready.validate:
            self.world.later(self.check_ms, self, partial(self.validated, check))
        for evidence in ready.evidence:
            self.world.accuse(self.membership, evidence)
        if ready.shown is not None:
            self.given(ready.shown.height, parse_certificate(ready.shown.certificate))
        if ready.behind > len(self.chain):
            self.ask_for(ready.behind)
        if ready.next_tick_ms is not None and (self.next_tick_ms is None or ready.next_tick_ms < self.next_tick_ms):
            due_ms = self.next_tick_ms = ready.next_tick_ms
            self.world.later(max(1, due_ms - self.now()), self, partial(self.tick, due_ms))
        if ready.released:
            self.proposed.clear()
        if ready.under_way:
            self.proposed.update(ready.under_way)
        if ready.halt:
            self.world.halts[self.position] = ready.halt
            self.note(f"halts: {ready.halt}")
        if self.world.mines:
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
        """What a write under way holds back is sent when that is done, in order."""
        if ready.send:
            if self.write_ms or self.held_back:
                self.held_back += 1
                self.written_ms = max(self.written_ms, self.world.now_ms + self.write_ms)
                self.world.later(
                    self.written_ms - self.world.now_ms, self, partial(self.written, ready, self.membership)
                )
            else:
                self.say(ready, self.membership)
        return True

    def written(self, ready: Ready, membership: Membership) -> None:
        self.held_back -= 1
        self.say(ready, membership)

    def say(self, ready: Ready, membership: Membership) -> None:
        for send in ready.send:
            self.world.send(self, membership, send.receivers, send.message)

    def note(self, text: str) -> None:
        self.world.note(f"node {self.position}  {text}")

    def tick(self, due_ms: int) -> None:
        if self.next_tick_ms == due_ms:  # not replaced by an earlier one
            self.next_tick_ms = None
            self.step(Ticked(self.now()))
            for block in self.uncertified()[:CERTIFY_AGAIN]:
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
            self.world.stirred = True
            self.waiting[envelope] = None
            self.step(WorkWaiting(self.now(), True))

    # ------------------------------------------------------------ execution

    def execute(self, batch: Batch) -> None:
        height = len(self.chain) + 1
        if self.coming is not None and height > self.coming.last_height:
            return  # decided before the end of the epoch was known: it belongs to nobody
        if batch.height != height:
            raise Violation(f"node {self.position} was given height {batch.height} after {height - 1}")
        parent = header_hash(self.chain[-1].header) if self.chain else ZERO_HASH
        if self.chain and batch.time_ms <= self.chain[-1].header.time_ms:
            raise Violation(f"time does not increase at height {height}")
        fresh = tuple(item for item in dict.fromkeys(batch.envelopes) if item not in self.done)
        coming = self.what_comes(height, fresh)
        set_hash = self.membership.set_hash
        last = coming is not None and coming.last_height == height
        root = sha256(b"".join(fresh)).digest()
        header = Header(
            CHAIN,
            self.membership.epoch,
            batch.height,
            parent,
            root,
            root,
            root,
            batch.time_ms,
            set_hash,
            coming.membership.set_hash if last and coming is not None else set_hash,
            len(fresh),
            0,
        )
        block = Block(header, batch)
        self.append(block, coming)
        self.note(f"delivers block {batch.height} of {len(batch.envelopes)} transactions")
        if any(item.startswith(b"bad") for item in batch.envelopes):
            raise Violation(f"node {self.position} was given an invalid envelope at height {batch.height}")
        self.certify(self.certifier.executed(batch.height, header_hash(header)), batch.height)
        self.announce(block)
        self.step(WorkWaiting(self.now(), bool(self.waiting)))

    def append(self, block: Block, coming: Coming | None) -> None:
        """The block stands: what it decides is known, and its transactions wait no more."""
        self.world.stirred = True
        self.chain.append(block)
        self.world.check_block(self, block)
        self.done.update(block.batch.envelopes)
        for item in block.batch.envelopes:
            self.waiting.pop(item, None)
        if coming is not self.coming:
            self.coming = coming
            self.tell_end()

    def what_comes(self, height: int, fresh: tuple[bytes, ...]) -> Coming | None:
        """One change at a time: while one is decided and not yet in force, others are refused."""
        if self.coming is not None:
            return self.coming
        membership = decided(fresh, self.membership)
        return Coming(height + self.world.set_window, membership) if membership else None

    def tell_end(self) -> None:
        if self.coming is not None:
            self.step(EpochEnds(self.now(), Height(self.coming.last_height)))

    # ------------------------------------------------------------ from epoch to epoch

    def read_chain(self) -> None:
        """Which epochs the chain on disk has seen, and what it has decided since."""
        self.membership, self.base, self.coming = self.world.founders, BASE, None
        seen: set[bytes] = set()
        certified = True
        for block in self.chain:
            fresh = tuple(item for item in dict.fromkeys(block.batch.envelopes) if item not in seen)
            seen.update(fresh)
            self.coming = self.what_comes(block.header.height, fresh)
            certified = certified and block.certificate is not None
            if certified and self.ends_with(block):
                self.enter_epoch(block)

    def ends_with(self, block: Block) -> bool:
        return self.coming is not None and block.header.height == self.coming.last_height

    def enter_epoch(self, last: Block) -> None:
        assert self.coming is not None, "a set change ends an epoch"
        self.membership, self.coming = self.coming.membership, None
        self.base = Stable(last.header.height, header_hash(last.header), b"")

    def hand_over(self) -> None:
        """The epoch's blocks are here with their certificates: whoever lacks one can fetch it, the engine may go."""
        last = self.chain[-1]
        if self.ends_with(last) and not self.uncertified():
            self.enter_epoch(last)
            self.world.handed_over(self)
            self.begin()

    # ------------------------------------------------------------ certificates

    def uncertified(self) -> list[Block]:
        """Our own blocks that lack their certificates: all of the present epoch."""
        return [block for block in self.chain[self.base.height :] if block.certificate is None]

    def announce(self, block: Block) -> None:
        """Sign our result and say it, also again for blocks that lack their certificate."""
        place = self.membership.places.get(self.position)
        if place is None:
            return
        epoch, hashed = block.header.epoch, header_hash(block.header)
        message = vote_bytes(CHAIN, epoch, block.header.height, hashed)
        vote = BlockVote(block.header.height, place, hashed, sign_as(self.position, message))
        self.certified_vote(self.position, epoch, vote)
        for other in self.membership.keys:
            if other != self.position and not self.hoards:
                self.world.transmit(self, other, lambda node: node.certified_vote(self.position, epoch, vote))

    def certified_vote(self, by: int, epoch: Epoch, vote: BlockVote) -> None:
        certificate = self.chain[vote.height - 1].certificate if vote.height <= len(self.chain) else None
        if certificate is not None:
            if by != self.position and not self.hoards:  # whoever still votes has yet to see it
                self.world.transmit(self, by, lambda node: node.given(vote.height, certificate))
        elif epoch == self.membership.epoch:
            self.certify(self.certifier.voted(vote), vote.height)

    def given(self, height: Height, certificate: Certificate) -> None:
        """A peer sends the certificate of a block that we may hold without one."""
        block = self.chain[height - 1] if height <= len(self.chain) else None
        if block is None or block.certificate is not None:
            return
        if self.membership.certifies(certificate, block.header):
            self.certifier.settled(height)
            self.certify(certificate, height)

    def certify(self, certificate: Certificate | None, height: Height) -> None:
        if certificate is None:
            return
        block = self.chain[height - 1]
        block.certificate = certificate
        self.world.acknowledge(block)
        self.restabilise()
        if self.coming is not None and self.ends_with(self.chain[-1]):
            self.world.later(0, self, self.hand_over)

    def restabilise(self) -> None:
        """Tell the engine how far the chain stands, as the driver does: up to there no block lacks its certificate."""
        standing = None
        for block in self.chain[self.base.height :]:
            if block.certificate is None:
                break
            standing = block
        if standing is not None and standing.certificate is not None:
            proof = encode_certificate(standing.certificate)
            header = standing.header
            self.step(Certified(self.now(), header.height, header_hash(header), proof))

    # ------------------------------------------------------------ catching up

    def ask_for(self, height: int) -> None:
        """Blocks up to this height, of some other; not too often."""
        if self.world.now_ms >= self.ask_again_ms:
            self.ask_again_ms = self.world.now_ms + ASK_AGAIN_MS
            self.world.catch_up(self, height)

    def adopt(self, blocks: list[Block]) -> None:
        """Catch up with certified blocks of a peer, through as many epochs as they have seen."""
        height = len(self.chain)
        for block in blocks:
            if block.header.height != len(self.chain) + 1 or block.header.epoch != self.membership.epoch:
                continue
            assert block.certificate is not None, "only certified blocks are given"
            check_certificate(block.header, block.certificate, self.membership.validators, verify_key)
            fresh = tuple(item for item in dict.fromkeys(block.batch.envelopes) if item not in self.done)
            coming = self.what_comes(block.header.height, fresh)
            self.append(Block(block.header, block.batch, block.certificate), coming)
            self.hand_over()
        if len(self.chain) > height:
            self.step(CaughtUp(self.now(), Height(len(self.chain)), self.chain[-1].header.time_ms))
            self.step(WorkWaiting(self.now(), bool(self.waiting)))
            self.restabilise()

    def watch(self) -> None:
        """Say how far we are; who stands still while others are ahead has missed something, or observes."""
        height = len(self.chain)
        for other in self.world.nodes:
            if other is not self:
                self.world.transmit(self, other.position, lambda node: node.is_told(height))
        if self.others_at > height == self.watched_at or not self.takes_part:
            self.ask_for(self.others_at)
        self.watched_at = height
        self.world.later(WATCH_MS, self, self.watch)

    def is_told(self, height: int) -> None:
        self.others_at = max(self.others_at, height)
