"""The miner's state machine: events in, one `Ready` out.

Theory of operation. A miner extends the heaviest branch it knows with what waits in its mempool, searches
for a nonce, and tells everyone. A received block is checked (target, work, time, signature, envelopes)
before it enters the tree; a missing parent is asked for. A block that lies `depth` deep in the heaviest
branch is delivered, and never taken back: a heavier branch that parts below it halts the node, loudly,
because then two histories have been promised.

Nobody mines without a reason: while transactions wait, or lie in a block that is not deep enough yet,
there is work; after the last one `depth` empty blocks follow, then mining pauses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from ledgernode.config import MESSAGE_BYTES
from ledgernode.consensus.engine import (
    CaughtUp,
    Certified,
    EpochEnds,
    Event,
    LogEntry,
    Mined,
    MiningJob,
    ProposalAvailable,
    Ready,
    Received,
    Send,
    Started,
    Ticked,
    Validate,
    Validated,
    WorkWaiting,
)
from ledgernode.consensus.pow.header import WorkBlock, WorkHeader, batch_digest, meets, work_hash, work_of
from ledgernode.consensus.pow.retarget import Mark, WorkRules
from ledgernode.consensus.pow.tree import Tree
from ledgernode.wire.block import Batch
from ledgernode.wire.types import ChainId, Epoch, Height, TimeMs

Sign = Callable[[bytes], bytes]
Verify = Callable[[int, bytes, bytes], bool]

ORPHANS: Final = 256
"""Blocks kept without their parent, and delivered ones kept, in the log too, for peers who are behind or apart."""
STANDING_MS: Final = 2_000
_BELOW_KEY: Final = b"below"


class Ask(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Send me the block with this hash."""

    hash: bytes


class HeadAt(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """My heaviest branch ends here."""

    hash: bytes
    height: int


class Below(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The delivered block that the tree stands on, and the marks retargeting needs."""

    root: bytes
    height: int
    time_ms: int
    marks: tuple[Mark, ...]


Message = WorkBlock | Ask | HeadAt | Below
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)


class ProofOfWork:
    def __init__(
        self,
        *,
        chain_id: ChainId,
        epoch: Epoch,
        rules: WorkRules,
        position: int,
        sign: Sign,
        verify: Verify,
        base: Below,
    ) -> None:
        self._chain_id = chain_id
        self._epoch = epoch
        self._log_prefix = b"%d/" % epoch
        self._rules = rules
        self._position = position
        self._sign = sign
        self._verify = verify
        self._tree = Tree(base.root, base.height, base.time_ms, base.marks, rules)
        self._delivered = int(base.height)
        self._unstable: deque[tuple[Below, list[bytes]]] = deque()
        self._delivered_blocks: dict[bytes, WorkBlock] = {}
        self._orphans: dict[bytes, WorkBlock] = {}
        self._checking: dict[bytes, list[WorkBlock]] = {}
        self._last_height: int | None = None
        self._envelopes: tuple[bytes, ...] = ()
        self._waiting = False
        self._job: tuple[MiningJob, WorkHeader, tuple[bytes, ...]] | None = None
        self._next_standing_ms = 0
        self._now = TimeMs(0)
        self._halt = ""
        self._begin()

    def _begin(self) -> None:
        self._persist: list[LogEntry] = []
        self._send: list[Send] = []
        self._deliver: list[Batch] = []
        self._validate: list[Validate] = []
        self._behind = Height(0)

    # ------------------------------------------------------------ what operators see

    @property
    def head_height(self) -> int:
        return self._tree.head_height

    @property
    def target(self) -> int:
        return self._tree.target_after(self._tree.head)

    # ------------------------------------------------------------ the one door

    def step(self, event: Event) -> Ready:
        self._now = event.now_ms
        self._begin()
        if self._halt:
            return Ready(halt=self._halt)
        self._handle(event)
        self._deliver_deep()
        return Ready(
            persist=tuple(self._persist),
            send=tuple(self._send),
            deliver=tuple(self._deliver),
            validate=tuple(self._validate),
            behind=self._behind,
            mine=None if self._halt else self._mining_job(),
            halt=self._halt,
            wants_proposal=not self._halt,
            next_tick_ms=None if self._halt else TimeMs(self._next_standing_ms),
        )

    def _handle(self, event: Event) -> None:
        match event:
            case Received(sender=sender, message=raw):
                self._receive(sender, raw)
            case Ticked():
                self._tick()
            case ProposalAvailable(envelopes=envelopes):
                self._envelopes = envelopes
            case WorkWaiting(waiting=waiting):
                self._waiting = waiting
                if not waiting:
                    self._envelopes = ()
            case Mined(job=job, nonce=nonce):
                self._mined(job, nonce)
            case Validated(digest=digest, holds=holds):
                for block in self._checking.pop(digest, []):
                    if holds:
                        self._insert(block)
            case Certified(height=height):
                self._stabilise(height)
            case CaughtUp(height=height):
                self._delivered = max(self._delivered, height)
            case EpochEnds(last_height=last_height):
                self._last_height = last_height
            case Started(height=height, persisted=persisted):
                self._delivered = height
                self._restart(persisted)

    # ------------------------------------------------------------ blocks in

    def _receive(self, sender: int, raw: bytes) -> None:
        match self._decode(raw):
            case WorkBlock() as block:
                self._take(sender, block)
            case Ask(hash=hashed):
                known = self._tree.get(hashed) or self._delivered_blocks.get(hashed)
                if known is not None:
                    self._tell(known, sender)
            case HeadAt(hash=hashed, height=height):
                if hashed not in self._tree and height >= self._tree.head_height:
                    self._tell(Ask(hashed), sender)
                elif height < self._tree.head_height and self._tree.head != self._tree.root:
                    self._tell(HeadAt(self._tree.head, self._tree.head_height), sender)

    def _take(self, sender: int, block: WorkBlock) -> None:
        """Check what can be checked without the parent, then the rest once it is here."""
        hashed = block.header.hash
        if hashed in self._orphans:
            self._ask_below(hashed, sender)
        if hashed in self._tree or hashed in self._orphans or not self._sound(block, hashed):
            return
        if block.header.parent not in self._tree:
            self._keep_orphan(sender, hashed, block)
            return
        if self._fits(block):
            self._check_envelopes(block)

    def _sound(self, block: WorkBlock, hashed: bytes) -> bool:
        header = block.header
        return (
            header.chain_id == self._chain_id
            and header.epoch == self._epoch
            and header.batch == batch_digest(block.envelopes)
            and meets(hashed, int.from_bytes(header.target, "big"))
            and header.time_ms <= self._now + self._rules.clock_skew_ms
            and self._verify(header.miner, hashed, block.signature)
        )

    def _fits(self, block: WorkBlock) -> bool:
        """Does it follow from its parent: height, target, time?"""
        header = block.header
        return (
            header.height == self._tree.height(header.parent) + 1
            and header.time_ms > self._tree.time_ms(header.parent)
            and int.from_bytes(header.target, "big") == self._tree.target_after(header.parent)
        )

    def _check_envelopes(self, block: WorkBlock) -> None:
        if not block.envelopes:
            self._insert(block)
            return
        waiting = self._checking.setdefault(block.header.batch, [])
        waiting.append(block)
        if len(waiting) == 1:
            self._validate.append(Validate(block.header.batch, block.envelopes))

    def _insert(self, block: WorkBlock) -> None:
        """Into the tree with it, and with every orphan that waited for it."""
        hashed = block.header.hash
        if hashed in self._tree or block.header.parent not in self._tree:
            return
        self._tree.add(hashed, block)
        self._persist.append(LogEntry(self._block_key(hashed), _ENCODER.encode(block)))
        self._tell(block)
        for child in [orphan for orphan in self._orphans.values() if orphan.header.parent == hashed]:
            del self._orphans[child.header.hash]
            if self._fits(child):
                self._check_envelopes(child)

    def _keep_orphan(self, sender: int, hashed: bytes, block: WorkBlock) -> None:
        if len(self._orphans) >= ORPHANS:
            del self._orphans[min(self._orphans, key=lambda known: self._orphans[known].header.height)]
        self._orphans[hashed] = block
        if block.header.height <= self._tree.root_height + 1:
            self._judge_other_history(block)
            return
        self._ask_below(hashed, sender)

    def _ask_below(self, hashed: bytes, sender: int) -> None:
        """Ask for the first ancestor that is missing; an answer may have been lost before."""
        while hashed in self._orphans:
            hashed = self._orphans[hashed].header.parent
        if hashed not in self._tree:
            self._tell(Ask(hashed), sender)

    def _judge_other_history(self, lowest: WorkBlock) -> None:
        """A branch that parts below what we delivered: if it is heavier, two histories were promised."""
        work, line = 0, lowest
        children = {orphan.header.parent: orphan for orphan in self._orphans.values()}
        while True:
            if line.header.height > self._tree.root_height:
                work += work_of(int.from_bytes(line.header.target, "big"))
            following = children.get(line.header.hash)
            if following is None:
                break
            line = following
        if work > self._tree.work(self._tree.head) - self._tree.work(self._tree.root):
            self._halt = (
                f"a heavier branch parts below height {self._tree.root_height}, which is delivered: "
                f"the network was divided for more than {self._rules.depth} blocks"
            )

    # ------------------------------------------------------------ mining

    def _mining_job(self) -> MiningJob | None:
        """What to search for now; the same job as long as parent and batch are the same."""
        if self._is_over() or not self._has_reason():
            self._job = None
            return None
        parent = self._tree.head
        envelopes = self._fresh_envelopes()
        if self._job is not None and (self._job[1].parent, self._job[2]) == (parent, envelopes):
            return self._job[0]
        target = self._tree.target_after(parent)
        header = WorkHeader(
            self._chain_id,
            self._epoch,
            Height(self._tree.height(parent) + 1),
            parent,
            batch_digest(envelopes),
            TimeMs(max(self._now, self._tree.time_ms(parent) + 1)),
            target.to_bytes(32, "big"),
            self._position,
            0,
        )
        self._job = (MiningJob(header.prefix, target), header, envelopes)
        return self._job[0]

    def _has_reason(self) -> bool:
        return self._waiting or any(block.envelopes for block in self._tree.line(self._tree.head))

    def _fresh_envelopes(self) -> tuple[bytes, ...]:
        """What is offered, less what the branch we extend holds already; nothing above the end of the epoch."""
        if self._last_height is not None and self._tree.head_height >= self._last_height:
            return ()
        held = {envelope for block in self._tree.line(self._tree.head) for envelope in block.envelopes}
        return tuple(envelope for envelope in self._envelopes if envelope not in held)

    def _mined(self, job: bytes, nonce: int) -> None:
        if self._job is None or self._job[0].prefix != job:
            return
        header = msgspec.structs.replace(self._job[1], nonce=nonce)
        hashed = work_hash(job, nonce)
        if meets(hashed, self._job[0].target):
            self._insert(WorkBlock(header, self._sign(hashed), self._job[2]))

    # ------------------------------------------------------------ delivery

    def _deliver_deep(self) -> None:
        while not self._is_over() and (advanced := self._tree.advance()) is not None:
            block, dead = advanced
            root = self._tree.root
            marks = self._tree.marks(root)
            below = Below(root, self._tree.root_height, self._tree.root_time_ms, marks)
            self._delivered_blocks[root] = block
            self._unstable.append((below, [hashed for hashed in dead if hashed not in self._delivered_blocks]))
            if len(self._delivered_blocks) > ORPHANS:
                oldest = next(iter(self._delivered_blocks))
                del self._delivered_blocks[oldest]
                self._persist.append(LogEntry(self._block_key(oldest), b""))
            header = block.header
            if header.height > self._delivered:
                self._delivered = header.height
                batch = Batch(self._epoch, Height(header.height), TimeMs(header.time_ms), block.envelopes)
                self._deliver.append(batch)

    def _is_over(self) -> bool:
        """Is the last block of this epoch delivered?"""
        return self._last_height is not None and self._tree.root_height >= self._last_height

    def _stabilise(self, height: int) -> None:
        """The block is executed and certified: the log may begin above it."""
        while self._unstable and self._unstable[0][0].height <= height:
            below, dead = self._unstable.popleft()
            self._persist.append(LogEntry(self._log_prefix + _BELOW_KEY, _ENCODER.encode(below)))
            self._persist += [LogEntry(self._block_key(hashed), b"") for hashed in dead]

    # ------------------------------------------------------------ time and restart

    def _tick(self) -> None:
        if self._now >= self._next_standing_ms:
            self._next_standing_ms = self._now + STANDING_MS
            self._tell(HeadAt(self._tree.head, self._tree.head_height))

    def _restart(self, persisted: tuple[LogEntry, ...]) -> None:
        messages = []
        for entry in persisted:
            known = self._decode(entry.record) if entry.key.startswith(self._log_prefix) else None
            if known is None:  # of an earlier epoch, or damaged: what is missing our peers still have
                self._persist.append(LogEntry(entry.key, b""))
            else:
                messages.append(known)
        for message in messages:
            if isinstance(message, Below):
                self._tree = Tree(message.root, message.height, message.time_ms, message.marks, self._rules)
        blocks = [message for message in messages if isinstance(message, WorkBlock)]
        for block in sorted(blocks, key=lambda block: block.header.height):
            if block.header.height <= self._tree.root_height:
                self._delivered_blocks[block.header.hash] = block
            elif block.header.parent in self._tree:
                self._tree.add(block.header.hash, block)

    def _tell(self, message: Message, *receivers: int) -> None:
        self._send.append(Send(_ENCODER.encode(message), receivers))

    def _block_key(self, hashed: bytes) -> bytes:
        return self._log_prefix + b"block/" + hashed

    @staticmethod
    def _decode(raw: bytes) -> Message | None:
        """The message or record, or None when the bytes are none, or too many."""
        if len(raw) > MESSAGE_BYTES:
            return None
        try:
            return _DECODER.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
