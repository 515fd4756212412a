"""Pruning a running ledger: asked for, by itself, cut short; and who is named for what is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext

import pytest

from ledgernode.errors import NodeStopping, Pruned, PruneRefused
from ledgernode.logs import logger
from ledgernode.node.ledger import ServedLedger
from ledgernode.node.pruning import Archives, Pruning
from ledgernode.node.waiting import Progress
from ledgernode.proof import build_transaction_proof, check_proof
from ledgernode.store.chain import ChainStore
from ledgernode.store.memory import MemoryStore
from ledgernode.verification import verify_chain
from ledgernode.wire.answers import PruneProgress, SnapshotFacts, Wait
from ledgernode.wire.types import Height, TimeMs, TransactionId
from tests.conditions import eventually
from tests.node.conftest import House
from tests.store.blocks import CHAIN, START_MS, Builder


class Grown:
    """A chain whose blocks come when the test says so, with snapshots where it says they stand."""

    def __init__(self, blocks: int, keep_blocks: int = 0, snapshots: Sequence[int] = ()) -> None:
        self.builder, self.kv, self.stand = Builder(), MemoryStore(), list(snapshots)
        self.chain = ChainStore.create(self.kv, self.builder.genesis)
        self.progress = Progress(Height(0), TimeMs(START_MS))
        self.grow(blocks)
        self.begin(keep_blocks)

    def begin(self, keep_blocks: int = 0) -> None:
        """As a node that has just been started."""
        self.chain = ChainStore.open(self.kv, CHAIN)
        self.pruning = Pruning(self.chain, self.progress, self.offered, keep_blocks, log=logger())
        self.running = asyncio.create_task(self.pruning.run())

    def grow(self, blocks: int) -> None:
        for _ in range(blocks):
            sealed = self.builder.block([{"key": b"x"}])
            height = sealed.header.height
            self.chain.append([sealed], {height: self.builder.certificate(height)})
            self.progress.advance(height, sealed.header.time_ms)

    async def offered(self) -> list[SnapshotFacts]:
        return [SnapshotFacts(bytes(32), Height(height), 1, 1, 1) for height in self.stand]

    async def ask(self, below: int) -> list[PruneProgress]:
        return [step async for step in self.pruning.ask(Height(below))]

    async def end(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


async def test_an_operator_is_told_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """By pieces; the last word is the new base, and asking again changes nothing."""
    monkeypatch.setattr(ChainStore.prune_on, "__defaults__", (3,))
    grown = Grown(20, snapshots=[18])
    steps = await grown.ask(16)
    assert [step.blocks_done for step in steps] == sorted(step.blocks_done for step in steps)
    assert len(steps) > 3
    assert steps[-1] == PruneProgress(15, 15, Height(15)) == PruneProgress(15, 15, grown.chain.base)
    assert await grown.ask(10) == [PruneProgress(0, 0, Height(15))]
    grown.grow(2)
    assert grown.chain.envelopes(Height(22))
    await grown.end()


@pytest.mark.parametrize(("snapshots", "said"), [([], "there is no snapshot here"), ([4, 9], "here is of block 9")])
async def test_nothing_above_the_newest_snapshot_is_forgotten(snapshots: list[int], said: str) -> None:
    """Who is behind could not come forward: the blocks after a snapshot are what it goes on with."""
    grown = Grown(20, snapshots=snapshots)
    with pytest.raises(PruneRefused, match=said):
        await grown.ask(11)
    assert grown.chain.base == 0
    await grown.end()


async def test_a_node_keeps_as_many_as_it_is_to() -> None:
    """The newest so many, or more where no snapshot is new enough."""
    grown = Grown(20, keep_blocks=5)
    grown.stand = [12]
    grown.grow(4)
    await eventually(lambda: grown.chain.base == 12)
    grown.stand = [12, 23]
    grown.grow(4)
    await eventually(lambda: grown.chain.base >= 22)
    assert grown.chain.base <= 28 - 5
    await grown.end()


async def test_what_was_begun_goes_on_with_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when nobody asks again; and who asked the node that stopped is told so."""
    monkeypatch.setattr(ChainStore.prune_on, "__defaults__", (1,))
    grown = Grown(20, snapshots=[18])
    asking = asyncio.create_task(grown.ask(16))
    await eventually(lambda: grown.chain.base == 15)
    await grown.end()
    with pytest.raises(NodeStopping):
        await asking
    grown.begin()
    await eventually(lambda: grown.chain.prune_on() == 0)
    with pytest.raises(Pruned):
        grown.chain.receipts(Height(15))
    await grown.end()


def test_who_has_it_is_named_once() -> None:
    """Whom the operator names first; then peers whose oldest block is old enough, and say so."""
    peers = {"b:1": 7, "a:1": 1, "old:1": 0, "archive:1": 1}
    archives = Archives(("archive:1",), lambda: peers)
    assert archives.of(None) == ("archive:1", "a:1")
    assert archives.of(7) == ("archive:1", "a:1", "b:1")
    assert archives.of(6) == ("archive:1", "a:1")
    assert Archives((), dict).of(3) == ()


# ---------------------------------------------------------------- a real ledger


async def test_proofs_of_an_archive_hold_and_the_rest_reads_the_same(house: House, served: ServedLedger) -> None:
    """Before and after: proofs of what is kept are the same to the byte, of what is gone an archive has them; the
    state answers the same, and the chain verifies from where it begins.
    """
    sent = []
    for number in range(12):
        signed = house.remark(f"number {number}")
        house.clock.move(1_000)
        outcome = await served.submissions.submit(signed.envelope, Wait.COMMITTED, 20)
        sent.append((signed.id, outcome.height))
    genesis, chain = house.network.genesis_bytes, served.chain

    def proofs() -> dict[TransactionId, bytes | str]:
        found: dict[TransactionId, bytes | str] = {}
        for named, _ in sent:
            try:
                found[named] = build_transaction_proof(chain, genesis, named)
            except Pruned as refusal:
                found[named] = refusal.code
        return found

    before = proofs()
    with chain.state() as state:
        records = list(state.scan(b"", None))
    taken = [step async for step in served.snapshot(house.network.data.parent / "snapshots")]
    assert taken[-1].height == chain.certified_height
    steps = [step async for step in served.prune(Height(8))]
    assert steps[-1].base_height == 7 == served.status().base_height
    after = proofs()
    for named, height in sent:
        assert after[named] == (before[named] if height > 7 else Pruned.code)
        proof = before[named]
        assert isinstance(proof, bytes)
        assert check_proof(proof, genesis).height == height
        with pytest.raises(Pruned) if height <= 7 else nullcontext():
            served.lookups.transaction(named)
    with chain.state() as state:
        assert list(state.scan(b"", None)) == records
    report = verify_chain(chain, genesis)
    assert (report.from_height, report.re_executed, report.head.height) == (7, True, 12)
    outcome = await served.submissions.submit(house.remark("and on").envelope, Wait.COMMITTED, 20)
    assert outcome.height == 13
