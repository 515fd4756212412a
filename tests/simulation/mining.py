"""A world of miners: a nonce is really searched for, at a target so easy that only the simulated time is long."""

from __future__ import annotations

from functools import lru_cache, partial

import msgspec

from ledgernode.consensus.engine import Engine, Event, LogEntry, Mined, MiningJob, Started
from ledgernode.consensus.pbft.core import Timing
from ledgernode.consensus.pow.core import ProofOfWork
from ledgernode.consensus.pow.header import meets, work_hash, work_of
from ledgernode.consensus.pow.messages import Below
from ledgernode.consensus.pow.retarget import WorkRules
from ledgernode.wire.block import header_hash
from ledgernode.wire.types import Epoch
from tests.simulation.membership import CHAIN, GENESIS_MS, Membership, sign_as
from tests.simulation.node import Block, Coming, Node, Violation
from tests.simulation.world import World

EASY = (1 << 256) // 16
RULES = WorkRules(first_target=EASY, interval_ms=2_000, window=8, depth=6)
SET_CHANGE_WINDOW = 2
"""So many blocks before its last one an epoch is told its end."""


class Miner(Node):
    """A node of such a world. Its epochs end where sets change, or with the same members at the world's `ends`."""

    world: MiningWorld
    stood_at = 0

    def step(self, event: Event) -> None:
        """An engine that starts sees its own log, and what the epoch before has left until it writes."""
        if not isinstance(event, Started):
            super().step(event)
            return
        former = b"%d/" % (self.membership.epoch - 1)
        left = tuple(LogEntry(key, record) for key, record in self.log.items() if key.startswith(former))
        own = tuple(entry for entry in event.persisted if not entry.key.startswith(former))
        super().step(msgspec.structs.replace(event, persisted=own, former=left))
        if self.up:
            self.log = {key: record for key, record in self.log.items() if not key.startswith(former)}

    def what_comes(self, height: int, fresh: tuple[bytes, ...]) -> Coming | None:
        epoch, ends = self.membership.epoch, self.world.ends
        if self.coming is None and epoch < len(ends) and height >= ends[epoch] - SET_CHANGE_WINDOW:
            return Coming(ends[epoch], following(self.membership))
        return super().what_comes(height, fresh)

    def adopt(self, blocks: list[Block]) -> None:
        """What follows another history gives another header than the certified one: the driver halts."""
        if any(self.contradicts(block) for block in blocks):
            self.world.halts[self.position] = (
                "a certified block does not follow ours: executed, it gives another header"
            )
            self.crash()
        else:
            super().adopt(blocks)

    def contradicts(self, block: Block) -> bool:
        below = block.header.height - 1
        return 0 < below <= len(self.chain) and block.header.parent_hash != header_hash(self.chain[below - 1].header)

    def tick(self, due_ms: int) -> None:
        """Who stands still while others are ahead, in another epoch perhaps, fetches what they have certified."""
        super().tick(due_ms)
        ahead = max(len(node.chain) for node in self.world.nodes)
        if ahead > len(self.chain) == self.stood_at:
            self.ask_for(ahead)
        self.stood_at = len(self.chain)


class MiningWorld(World):
    """Each miner finds a block after a time drawn from its hash rate and the target."""

    mines = True
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
        self.ends = ends
        self.nodes = [Miner(self, position) for position in range(members)]
        self.rules = rules
        self.hash_rate = [hashes_per_second] * members
        self.jobs: dict[int, MiningJob | None] = {}

    def expects(self, position: int) -> Miner:
        """A machine that is to join, as strong as the first."""
        self.changes_sets = True
        while len(self.nodes) <= position:
            self.nodes.append(Miner(self, len(self.nodes)))
            self.hash_rate.append(self.hash_rate[0])
        return self.nodes[position]

    def make_engine(self, node: Node) -> Engine:
        self.jobs[node.position] = None
        membership, base = node.membership, node.base
        time_ms = node.chain[base.height - 1].header.time_ms if base.height else GENESIS_MS
        return ProofOfWork(
            chain_id=CHAIN,
            epoch=membership.epoch,
            rules=self.rules,
            members=len(membership.keys),
            position=membership.places[node.position],
            sign=partial(sign_as, node.position),
            verify=membership.verify,
            base=Below(base.header_hash, base.height, time_ms, ()),
        )

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


@lru_cache(maxsize=64)
def following(membership: Membership) -> Membership:
    """The same members for another epoch; one object for one set."""
    return Membership(Epoch(membership.epoch + 1), membership.seats)
