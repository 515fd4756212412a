"""The miner's state machine: events in, one `Ready` out.

Theory of operation. A miner extends the heaviest branch it knows with what waits in its mempool, searches
for a nonce, and tells everyone. A received block is checked (target, work, time, signature, envelopes)
before it enters the tree; a missing parent is asked for. A block that lies `depth` deep in the heaviest
branch, with more than half of the miners at work from it to the head, is delivered, and never taken back: a
heavier branch that parts below it halts the node, loudly, because then two histories have been promised.

Footing. The tree stands on the block that was delivered last. A miner that fetched certified blocks instead
(it was away, or wiped, or a new epoch began with them) knows what was executed, and not which work stands
behind it, nor, where an epoch begins, which target follows. Until f+1 others say the same about that height it
neither mines nor delivers: whatever it built would be a branch of its own. For the same reason nobody mines who
has not heard from f+1 others lately, or whom f+1 others are far ahead of.

Turns. Between two blocks of one miner in a branch lie blocks of half of the members, so a branch that grows has more
than half of them at work: a part of the network with fewer cannot build one, however long it is apart, and a machine
that is slow to hear waits for the others instead of running away from them.

Nobody mines without a reason: while transactions wait, or lie in a block that is not deep enough yet, there is
work; after the last one `depth` empty blocks follow, then mining pauses. At the end of an epoch the blocks above
its last height are empty: they bury that one, and die with the epoch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

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
from ledgernode.consensus.pow.journal import Journal
from ledgernode.consensus.pow.messages import Ask, Below, BelowAt, HeadAt, Message, decode, encode
from ledgernode.consensus.pow.others import Others
from ledgernode.consensus.pow.past import KEPT, Past
from ledgernode.consensus.pow.retarget import WorkRules
from ledgernode.consensus.pow.tree import Tree
from ledgernode.wire.block import Batch
from ledgernode.wire.types import ChainId, Epoch, Height, TimeMs

Sign = Callable[[bytes], bytes]
Verify = Callable[[int, bytes, bytes], bool]

REACH_BLOCKS: Final = KEPT // 2
"""Whoever lacks more delivered blocks than these does not ask for one after the other: the driver fetches them."""
STANDING_MS: Final = 2_000
SEARCHING_MS: Final = 500
"""How often a miner says where it stands, and how often while it looks for the others."""


class ProofOfWork:
    def __init__(
        self,
        *,
        chain_id: ChainId,
        epoch: Epoch,
        rules: WorkRules,
        members: int,
        position: int,
        sign: Sign,
        verify: Verify,
        base: Below,
    ) -> None:
        """`base` is the block before the epoch; its marks are found in the log, or asked for, after the first."""
        self._chain_id = chain_id
        self._epoch = epoch
        self._rules = rules = msgspec.structs.replace(rules, others_between=members // 2)
        self._position = position
        self._sign = sign
        self._verify = verify
        self._base = base
        self._reach = rules.depth + REACH_BLOCKS
        self._journal = Journal(epoch)
        self._others = Others(members)
        self._tree = Tree(base.root, base.height, base.time_ms, base.marks, rules)
        self._past = Past(base, rules)
        self._rooted = False
        self._footing = False
        self._delivered, self._delivered_ms = int(base.height), int(base.time_ms)
        self._uncertified: deque[tuple[int, list[bytes]]] = deque()
        self._orphans: dict[bytes, WorkBlock] = {}
        self._checking: dict[bytes, list[WorkBlock]] = {}
        self._last_height: int | None = None
        self._offer: tuple[bytes, ...] = ()
        self._waiting = False
        self._line: _Line | None = None
        self._told_head = base.root
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
        self._under_way: tuple[bytes, ...] = ()
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
        parted = self._follow_head()
        return Ready(
            persist=tuple(self._persist),
            send=tuple(self._send),
            deliver=tuple(self._deliver),
            validate=tuple(self._validate),
            behind=self._behind,
            mine=None if self._halt else self._mining_job(),
            halt=self._halt,
            wants_proposal=not self._halt,
            released=parted,
            under_way=self._under_way,
            next_tick_ms=None if self._halt else TimeMs(self._next_standing_ms),
        )

    def _handle(self, event: Event) -> None:
        match event:
            case Received(sender=sender, message=raw):
                self._receive(sender, raw)
            case Ticked():
                self._tick()
            case ProposalAvailable(envelopes=envelopes):
                held = self._branch().held
                self._under_way = tuple(envelope for envelope in envelopes if envelope in held)
                self._consider(envelope for envelope in envelopes if envelope not in held)
            case WorkWaiting(waiting=waiting):
                self._waiting = waiting
                if not waiting:
                    self._consider(())
            case Mined(job=job, nonce=nonce):
                self._mined(job, nonce)
            case Validated(digest=digest, holds=holds):
                for block in self._checking.pop(digest, []):
                    if holds:
                        self._insert(block)
            case Certified(height=height):
                self._stabilise(height)
            case CaughtUp(height=height, time_ms=time_ms):
                self._caught_up(height, time_ms)
            case EpochEnds(last_height=last_height):
                self._last_height = last_height
            case Started():
                self._start(event)

    # ------------------------------------------------------------ messages in

    def _receive(self, sender: int, raw: bytes) -> None:
        message = decode(raw)
        if message is None:
            return
        self._others.heard(sender, self._now)
        match message:
            case WorkBlock() as block:
                self._take(sender, block)
            case Ask(hash=hashed):
                known = self._tree.get(hashed) or self._past.get(hashed)
                if known is not None:
                    self._tell(known, sender)
            case HeadAt() as head:
                self._compare(sender, head)
            case BelowAt(height=height):
                below = self._past.below(height) if self._footing else None
                if below is not None:
                    self._tell(below, sender)
            case Below() as below:
                self._hear_of_footing(sender, below)

    def _compare(self, sender: int, head: HeadAt) -> None:
        """Another's head: ask for it, tell it of ours, or have the driver fetch what lies between."""
        self._others.stands(sender, head)
        self._look_behind()
        if self._is_in_reach(head.height) and head.hash not in self._tree and head.hash not in self._past:
            self._ask_below(head.hash, sender)
        if head.asks or (head.height < self._tree.head_height and self._tree.head != self._tree.root):
            self._tell(HeadAt(self._tree.head, self._tree.head_height), sender)

    def _is_in_reach(self, height: int) -> bool:
        """Is it worth to ask for block after block up to there?"""
        return self._footing and self._tree.root_height < height <= self._tree.head_height + self._reach

    def _look_behind(self) -> None:
        """Others are out of reach: what enough of them have delivered is certified, or will be."""
        theirs = self._others.height()
        if theirs > max(self._tree.head_height, self._delivered) + self._reach:
            self._behind = Height(theirs - self._rules.depth)

    # ------------------------------------------------------------ blocks in

    def _take(self, sender: int, block: WorkBlock) -> None:
        """Check what can be checked without the parent, then the rest once it is here."""
        hashed = block.header.hash
        if hashed in self._orphans:
            self._ask_below(hashed, sender)
        if hashed in self._tree or hashed in self._past or hashed in self._orphans or not self._sound(block, hashed):
            return
        if block.header.parent not in self._tree or not self._rooted:
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
        """Does it follow from its parent: height, target, time, turn?"""
        header = block.header
        return (
            header.height == self._tree.height(header.parent) + 1
            and header.time_ms > self._tree.time_ms(header.parent)
            and int.from_bytes(header.target, "big") == self._tree.target_after(header.parent)
            and self._tree.has_turn(header.parent, header.miner)
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
        self._persist.append(self._journal.keep(hashed, block))
        self._tell(block)
        self._take_orphans_of(hashed)

    def _take_orphans_of(self, hashed: bytes) -> None:
        for child in [orphan for orphan in self._orphans.values() if orphan.header.parent == hashed]:
            del self._orphans[child.header.hash]
            if self._fits(child):
                self._check_envelopes(child)

    def _keep_orphan(self, sender: int, hashed: bytes, block: WorkBlock) -> None:
        if len(self._orphans) >= 2 * self._reach:
            del self._orphans[min(self._orphans, key=lambda known: self._orphans[known].header.height)]
        self._orphans[hashed] = block
        if not self._footing:
            return
        if block.header.height <= self._tree.root_height + 1:
            self._judge_other_history(block)
        elif self._is_in_reach(block.header.height):
            self._ask_below(hashed, sender)

    def _ask_below(self, hashed: bytes, sender: int) -> None:
        """Ask for the first ancestor that is missing; an answer may have been lost before."""
        while hashed in self._orphans:
            hashed = self._orphans[hashed].header.parent
        if hashed not in self._tree and hashed not in self._past:
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
        if not (self._has_reason() and self._may_mine()):
            self._job = None
            return None
        parent, envelopes = self._tree.head, self._fresh_envelopes()
        if self._job is not None and self._job[1].parent == parent and self._job[2] == envelopes:
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
        return self._waiting or bool(self._branch().held)

    def _may_mine(self) -> bool:
        """Only on what everybody builds on."""
        return (
            self._footing
            and not self._is_over()
            and self._branch().turn
            and self._others.are_there(self._now)
            and not self._others.are_ahead(self._tree, self._past, self._rules.depth)
        )

    def _fresh_envelopes(self) -> tuple[bytes, ...]:
        """What is offered and not in the branch we extend; nothing above the end of the epoch.

        A part of an offer fits a block, because the offer does.
        """
        if self._last_height is not None and self._tree.head_height >= self._last_height:
            return ()
        return self._branch().fresh

    def _branch(self) -> _Line:
        """What the branch we extend holds, and what of the offer it does not: looked through again when it changes."""
        line = self._line
        if line is None or line.head != self._tree.head or line.root != self._tree.root:
            held = frozenset(envelope for block in self._tree.line(self._tree.head) for envelope in block.envelopes)
            fresh = tuple(envelope for envelope in self._offer if envelope not in held)
            turn = self._tree.has_turn(self._tree.head, self._position)
            line = self._line = _Line(self._tree.root, self._tree.head, held, fresh, turn)
        return line

    def _consider(self, offer: Iterable[bytes]) -> None:
        self._offer, self._line = tuple(offer), None

    def _mined(self, job: bytes, nonce: int) -> None:
        if self._job is None or self._job[0].prefix != job:
            return
        header = msgspec.structs.replace(self._job[1], nonce=nonce)
        hashed = work_hash(job, nonce)
        if meets(hashed, self._job[0].target):
            self._insert(WorkBlock(header, self._sign(hashed), self._job[2]))

    def _follow_head(self) -> bool:
        """Tell the driver what lies in the branch of the head now; True when another branch was left for it."""
        head, told = self._tree.head, self._told_head
        if head == told:
            return False
        self._told_head = head
        added: list[bytes] = []
        for block in self._tree.line(head):
            if block.header.hash == told:
                break
            added += block.envelopes
        else:
            told = told if told in self._past else b""
        self._under_way = (*self._under_way, *added)
        return not told

    # ------------------------------------------------------------ delivery

    def _deliver_deep(self) -> None:
        while self._footing and not self._is_over() and (hashed := self._deep()) is not None:
            block = self._advance(hashed)
            header = block.header
            self._persist.append(self._journal.deliver(header.height, hashed))
            self._delivered, self._delivered_ms = header.height, header.time_ms
            batch = Batch(self._epoch, Height(header.height), TimeMs(header.time_ms), block.envelopes, header.miner)
            self._deliver.append(batch)

    def _deep(self) -> bytes | None:
        """What is to be delivered next: k deep, and not the work of so few that the others may be elsewhere."""
        return self._tree.deep(self._others.majority)

    def _advance(self, hashed: bytes) -> WorkBlock:
        """This child of the root is delivered: it becomes the root."""
        block = self._tree.get(hashed)
        assert block is not None, "what the tree advances to is in it"
        dead = self._tree.advance(hashed)
        self._uncertified.append((block.header.height, dead))
        forgotten = self._past.append(hashed, block)
        if forgotten is not None:
            self._persist.append(self._journal.drop(forgotten))
        if block.envelopes:
            gone = set(block.envelopes)
            self._consider(envelope for envelope in self._offer if envelope not in gone)
        return block

    def _is_over(self) -> bool:
        """Is the last block of this epoch delivered?"""
        return self._last_height is not None and self._tree.root_height >= self._last_height

    def _stabilise(self, height: int) -> None:
        """The block is executed and certified: the log may begin above it."""
        stable: list[tuple[int, list[bytes]]] = []
        while self._uncertified and self._uncertified[0][0] <= height:
            stable.append(self._uncertified.popleft())
        below = self._past.below(stable[-1][0]) if stable else None
        if below is not None:
            self._persist.append(self._journal.stand_on(below))
        for at, dead in stable:
            self._persist.append(self._journal.undo_deliver(at))
            self._persist += [self._journal.drop(hashed) for hashed in dead]

    # ------------------------------------------------------------ footing

    def _caught_up(self, height: int, time_ms: int) -> None:
        """Blocks up to there were fetched. If we have not delivered them ourselves, we have lost our footing."""
        if height <= self._delivered:
            return
        self._delivered, self._delivered_ms = height, time_ms
        self._footing = False
        self._consider(())
        self._others.forget_answers()
        self._seek_footing()

    def _seek_footing(self) -> None:
        self._next_standing_ms = min(self._next_standing_ms, self._now + SEARCHING_MS)
        self._tell(BelowAt(self._delivered))

    def _hear_of_footing(self, sender: int, below: Below) -> None:
        if self._footing or below.height != self._delivered:
            return
        agreed = self._others.answers(sender, below)
        if agreed is None:
            return
        if agreed.time_ms != self._delivered_ms:
            self._halt = f"height {agreed.height} was executed here, and others have delivered another block there"
            return
        self._stand_on(agreed)

    def _stand_on(self, below: Below) -> None:
        """The tree moves to the block that was delivered; what does not grow from there is forgotten."""
        self._persist.append(self._journal.stand_on(below))
        if self._rooted and below.root in self._tree:
            path = [block.header.hash for block in self._tree.line(below.root)]
            for hashed in reversed(path):
                self._advance(hashed)
        else:
            forgotten = [*self._tree, *self._past.hashes]
            self._tree = Tree(below.root, below.height, below.time_ms, below.marks, self._rules)
            self._past = Past(below, self._rules)
            self._persist += [self._journal.drop(hashed) for hashed in forgotten]
        self._rooted = self._footing = True
        self._stabilise(below.height)
        self._others.forget_answers()
        self._orphans = {h: orphan for h, orphan in self._orphans.items() if orphan.header.height > below.height}
        self._take_orphans_of(below.root)
        self._tell(HeadAt(self._tree.head, self._tree.head_height, asks=True))

    # ------------------------------------------------------------ time and restart

    def _tick(self) -> None:
        if self._now < self._next_standing_ms:
            return
        present = self._others.are_there(self._now)
        self._next_standing_ms = self._now + (STANDING_MS if present and self._footing else SEARCHING_MS)
        self._tell(HeadAt(self._tree.head, self._tree.head_height, asks=not present))
        self._look_behind()
        if not self._footing:
            self._seek_footing()

    def _start(self, started: Started) -> None:
        """Stand where the log leads to: on what we have delivered ourselves, as far as that was executed."""
        self._delivered, self._delivered_ms = started.height, started.time_ms
        self._persist += self._journal.read(started.persisted)
        root = self._journal.root or self._known_base(started.former)
        if root is not None:
            self._rooted = True
            self._tree, self._past = self._journal.recall(root, started.height, self._rules)
            self._footing = self._tree.root_height == started.height
            self._uncertified.extend((height, []) for height in range(root.height + 1, self._tree.root_height + 1))
            self._persist += self._journal.tidy(self._tree, self._past)
        self._told_head = self._tree.root
        if not self._footing:
            self._seek_footing()

    def _known_base(self, former: tuple[LogEntry, ...]) -> Below | None:
        """Where the epoch begins, with the marks of the one before, if we have lived through its end."""
        base: Below | None = self._base
        if self._epoch and self._others.enough:
            journal = Journal(Epoch(self._epoch - 1))
            journal.read(former)
            past = journal.recall(journal.root, self._base.height, self._rules)[1] if journal.root else None
            ended = past.below(self._base.height) if past is not None else None
            base = self._carried(ended) if ended is not None else None
        if base is not None:
            self._persist.append(self._journal.stand_on(base))
        return base

    def _carried(self, ended: Below) -> Below:
        """The targets go on, the turns of another set's miners do not."""
        marks = (msgspec.structs.replace(mark, miner=None) for mark in ended.marks[-self._rules.target_marks :])
        return msgspec.structs.replace(self._base, marks=tuple(marks))

    def _tell(self, message: Message, *receivers: int) -> None:
        self._send.append(Send(encode(message), receivers))


class _Line(msgspec.Struct, frozen=True):
    """The branch from a root to a head: the envelopes it holds, those of the offer that it does not; is it our turn?"""

    root: bytes
    head: bytes
    held: frozenset[bytes]
    fresh: tuple[bytes, ...]
    turn: bool
