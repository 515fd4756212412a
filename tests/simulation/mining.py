"""A world of miners: a nonce is really searched for, at a target so easy that only the simulated time is long."""

from __future__ import annotations

from ledgernode.consensus.engine import Engine, Mined, MiningJob
from ledgernode.consensus.pbft.core import Timing
from ledgernode.consensus.pow.core import Below, ProofOfWork
from ledgernode.consensus.pow.header import meets, work_hash, work_of
from ledgernode.consensus.pow.retarget import WorkRules
from ledgernode.wire.types import ZERO_HASH, Epoch
from tests.simulation.world import CHAIN, GENESIS_MS, Node, World, sign_as, verify

EASY = (1 << 256) // 16
RULES = WorkRules(first_target=EASY, interval_ms=2_000, window=8, depth=6)
BASE = Below(ZERO_HASH, 0, GENESIS_MS, ())


class MiningWorld(World):
    """Each miner finds a block after a time drawn from its hash rate and the target."""

    mines = True

    def __init__(self, seed: int, members: int, rules: WorkRules = RULES, hashes_per_second: float = 2.0) -> None:
        super().__init__(seed, members, Timing())
        self.rules = rules
        self.hash_rate = [hashes_per_second] * members
        self.jobs: dict[int, MiningJob | None] = {}

    def make_engine(self, node: Node) -> Engine:
        position = node.position
        self.jobs[position] = None
        return ProofOfWork(
            chain_id=CHAIN,
            epoch=Epoch(0),
            rules=self.rules,
            position=position,
            sign=lambda message: sign_as(position, message),
            verify=verify,
            base=BASE,
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
