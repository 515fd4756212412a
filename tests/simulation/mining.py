"""A world of miners: a nonce is really searched for, at a target so easy that only the simulated time is long.

Epochs end at given heights, with the same members: what is handed over is the engine, its log, and the target.
"""

from __future__ import annotations

import msgspec

from ledgernode.consensus.engine import (
    Engine,
    EpochEnds,
    Event,
    LogEntry,
    Mined,
    MiningJob,
    Received,
    Started,
    WorkWaiting,
)
from ledgernode.consensus.pbft.core import Timing
from ledgernode.consensus.pow.core import ProofOfWork
from ledgernode.consensus.pow.header import meets, work_hash, work_of
from ledgernode.consensus.pow.messages import Below
from ledgernode.consensus.pow.retarget import WorkRules
from ledgernode.wire.block import Batch, header_hash
from ledgernode.wire.types import ZERO_HASH, Epoch, Height
from ledgernode.wire.validators import Certificate
from tests.simulation.world import CHAIN, GENESIS_MS, Block, Node, Violation, World, sign_as, verify

EASY = (1 << 256) // 16
RULES = WorkRules(first_target=EASY, interval_ms=2_000, window=8, depth=6)
BASE = Below(ZERO_HASH, 0, GENESIS_MS, ())
SET_CHANGE_WINDOW = 2
"""So many blocks before its last one an epoch is told its end."""


class Miner(Node):
    """A node whose engine lives for an epoch."""

    world: MiningWorld
    epoch = Epoch(0)
    stood_at = 0

    def start(self) -> None:
        super().start()
        self._tell_epoch_end()

    def step(self, event: Event) -> None:
        if not isinstance(event, Started):
            super().step(event)
            return
        former = b"%d/" % (self.epoch - 1)
        entries = [LogEntry(key, record) for key, record in self.log.items()]
        left = tuple(entry for entry in entries if entry.key.startswith(former))
        own = tuple(entry for entry in entries if not entry.key.startswith(former))
        super().step(msgspec.structs.replace(event, persisted=own, former=left))
        if self.up:  # removed with the first writes of this epoch
            self.log = {key: record for key, record in self.log.items() if not key.startswith(former)}

    def execute(self, batch: Batch) -> None:
        super().execute(batch)
        self._after_block()

    def adopt(self, blocks: list[Block]) -> None:
        """Epoch by epoch: the blocks of the next one are executed when it has begun."""
        ends = self._end()
        if any(self._contradicts(block) for block in blocks):
            self.world.halts[self.position] = (
                "a certified block does not follow ours: executed, it gives another header"
            )
            self.crash()
            return
        super().adopt([block for block in blocks if ends is None or block.header.height <= ends])
        self._after_block()
        following = [block for block in blocks if block.header.height > len(self.chain)]
        if ends is not None and len(self.chain) == ends and following:
            self._hand_over()
            self.adopt(following)

    def _contradicts(self, block: Block) -> bool:
        """Executing what follows another history gives another header than the certified one: the driver halts."""
        below = block.header.height - 1
        return 0 < below <= len(self.chain) and block.header.parent_hash != header_hash(self.chain[below - 1].header)

    def tick(self, due_ms: int) -> None:
        """Who stands still while others are ahead, in another epoch perhaps, fetches what they have certified."""
        super().tick(due_ms)
        ahead = max(len(node.chain) for node in self.world.nodes)
        if ahead > len(self.chain) == self.stood_at:
            self.world.catch_up(self, ahead)
        self.stood_at = len(self.chain)

    def certify(self, certificate: Certificate | None, height: Height) -> None:
        super().certify(certificate, height)
        self._after_block()

    def _after_block(self) -> None:
        """The next epoch begins when the last block of this one is certified."""
        if len(self.chain) == self._end() and self.chain[-1].certificate is not None:
            self.world.later(0, self, self._hand_over)
        else:
            self._tell_epoch_end()

    def _end(self) -> int | None:
        """The last height of the epoch under way."""
        return self.world.ends[self.epoch] if self.epoch < len(self.world.ends) else None

    def _tell_epoch_end(self) -> None:
        ends = self._end()
        if ends is not None and ends - SET_CHANGE_WINDOW <= len(self.chain) < ends:
            self.step(EpochEnds(self.now(), Height(ends)))

    def _hand_over(self) -> None:
        if len(self.chain) == self._end():
            self.engine = self.world.make_engine(self.position)
            self.note(f"is in epoch {self.epoch}")
            self.next_tick_ms = None
            self.kept_in_mind, self.proposed = (), set()
            self.step(Started(self.now(), Height(len(self.chain)), self.chain[-1].header.time_ms, ()))
            self.step(WorkWaiting(self.now(), bool(self.waiting)))


class MiningWorld(World):
    """Each miner finds a block after a time drawn from its hash rate and the target."""

    nodes: list[Miner]

    def __init__(
        self,
        seed: int,
        members: int,
        rules: WorkRules = RULES,
        hashes_per_second: float = 2.0,
        ends: tuple[int, ...] = (),
    ) -> None:
        super().__init__(seed, members, Timing())
        self.nodes = [Miner(self, position) for position in range(members)]
        self.rules = rules
        self.ends = ends
        self.hash_rate = [hashes_per_second] * members
        self.jobs: dict[int, MiningJob | None] = {}

    def make_engine(self, position: int) -> Engine:
        self.jobs[position] = None
        node = self.nodes[position]
        over = [height for height in self.ends if height <= len(node.chain) and node.chain[height - 1].certificate]
        node.epoch = Epoch(len(over))
        base = BASE
        if over:
            header = node.chain[over[-1] - 1].header
            base = Below(header_hash(header), header.height, header.time_ms, ())
        return ProofOfWork(
            chain_id=CHAIN,
            epoch=node.epoch,
            rules=self.rules,
            members=self.members,
            position=position,
            sign=lambda message: sign_as(position, message),
            verify=verify,
            base=base,
        )

    def carry(self, sender: Node, receiver: int, message: bytes) -> None:
        """A message concerns only those who are in the same epoch."""
        if self.filters and any(stops(sender.position, receiver, message) for stops in self.filters):
            return
        position, epoch = sender.position, self.nodes[sender.position].epoch

        def arrive(node: Node) -> None:
            if self.nodes[node.position].epoch == epoch:
                node.step(Received(node.now(), position, message))

        self.transmit(sender, receiver, arrive)

    def mine(self, node: Node, job: MiningJob | None) -> None:
        if job == self.jobs[node.position]:
            return
        self.jobs[node.position] = job
        if job is None:
            return
        mean_ms = work_of(job.target) * 1_000 / self.hash_rate[node.position]
        found_ms = max(1, round(self.random.expovariate(1 / mean_ms)))
        self.later(found_ms, node, lambda: self.found(node, job))

    def found(self, node: Node, job: MiningJob) -> None:
        if self.jobs[node.position] != job:
            return  # the search was stopped for another one
        nonce = next(nonce for nonce in range(1 << 32) if meets(work_hash(job.prefix, nonce), job.target))
        node.step(Mined(node.now(), job.prefix, nonce))

    def check_block(self, node: Node, block: Block) -> None:
        """Besides: what was delivered once is not put into another block."""
        super().check_block(node, block)
        again = [item for item in block.batch.envelopes if item in node.done]
        if again:
            raise Violation(f"node {node.position} has {again} a second time, at height {block.header.height}")
