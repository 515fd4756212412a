"""Snapshots beside a running ledger: when they are made, which are kept, how they are read; a ledger begun from one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ledgernode.errors import BadRequest, NodeStopping, Pruned, UnknownSnapshot, UnknownTransaction
from ledgernode.execution.genesis import genesis_block
from ledgernode.execution.replay import remembered
from ledgernode.logs import logger
from ledgernode.node.ledger import ServedLedger
from ledgernode.node.shelf import Shelf
from ledgernode.node.snapshots import Snapshots, Upkeep, next_height
from ledgernode.node.waiting import Progress
from ledgernode.store.chain import ChainStore
from ledgernode.store.incoming import Incoming
from ledgernode.store.memory import MemoryStore
from ledgernode.store.snapshot import MANIFEST_FILE, chunk_file, create_snapshot
from ledgernode.wire.answers import Stage, Wait
from ledgernode.wire.frames import HeaderVote
from ledgernode.wire.types import Epoch, Height, TimeMs, TransactionId
from tests.node.conftest import House
from tests.store.blocks import CHAIN, START_MS, Builder, check

EVERY = 5


class Ledger:
    """A chain that grows by the block, and its snapshots."""

    def __init__(self, folder: Path, **upkeep: Any) -> None:
        self.builder = Builder()
        self.chain = ChainStore.create(MemoryStore(), self.builder.genesis)
        self.progress = Progress(Height(0), TimeMs(START_MS))
        self.shelf = Shelf("test", CHAIN, folder / "own", folder / "operators")
        self.lag = 0
        self.database_bytes = 1
        self.snapshots = Snapshots(
            self.chain,
            self.progress,
            self.shelf,
            Upkeep(**({"every_blocks": EVERY, "kept": 2} | upkeep)),
            database_bytes=lambda: self.database_bytes,
            lag=lambda: self.lag,
            log=logger(),
        )

    def grow(self, blocks: int) -> None:
        for _ in range(blocks):
            sealed = self.builder.block([{f"key {number}": bytes(50) for number in range(20)}])
            height = sealed.header.height
            self.chain.append([sealed], {height: self.builder.certificate(height)})
            self.progress.advance(height, sealed.header.time_ms)

    @property
    def heights(self) -> list[int]:
        return [found.height for found in self.shelf.look()]

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(2_000):
            if condition():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"there are {self.heights}")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    made = Ledger(tmp_path)
    running = asyncio.create_task(made.snapshots.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await made.snapshots.close()


# ---------------------------------------------------------------- when one is made


async def test_one_is_made_at_every_multiple_and_the_newest_are_kept(ledger: Ledger, tmp_path: Path) -> None:
    """Whatever height is reached when it is noticed: all nodes make it of the same one."""
    for blocks, heights in ((4, []), (3, [5]), (4, [10, 5]), (4, [15, 10])):
        ledger.grow(blocks)
        await ledger.until(lambda wanted=heights: ledger.heights == wanted)  # type: ignore[misc]
    await ledger.until(lambda: {path.name for path in (tmp_path / "own").iterdir()} == {"test-10", "test-15"})
    checked = Incoming(tmp_path / "in", ledger.builder.genesis, check).check(
        (tmp_path / "own" / "test-15" / MANIFEST_FILE).read_bytes()
    )
    assert checked.header == ledger.builder.blocks[15].header


async def test_a_height_that_lies_far_back_is_left_out(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here, where a snapshot would cost much, or with the others, whom it would not help."""
    monkeypatch.setattr("ledgernode.node.snapshots.SNAPSHOT_LATE_BLOCKS", 1)
    await asyncio.sleep(0.05)  # it waits for block 5
    ledger.grow(8)
    await asyncio.sleep(0.05)
    ledger.lag = 2
    ledger.grow(2)
    await asyncio.sleep(0.05)
    ledger.lag = 0
    ledger.grow(6)
    await ledger.until(lambda: ledger.heights == [15])


async def test_a_restart_makes_the_last_one_only_if_it_is_missing(ledger: Ledger, tmp_path: Path) -> None:
    """What stands on disk is not made again; half of one is thrown away with the next."""
    ledger.grow(7)
    await ledger.until(lambda: ledger.heights == [5])
    written_ns = (tmp_path / "own" / "test-5" / MANIFEST_FILE).stat().st_mtime_ns
    await ledger.snapshots.close()
    (tmp_path / "own" / "test-6").mkdir()
    again = Ledger(tmp_path)
    again.builder, again.chain, again.progress = ledger.builder, ledger.chain, ledger.progress
    again.snapshots._chain, again.snapshots._progress = ledger.chain, ledger.progress
    running = asyncio.create_task(again.snapshots.run())
    again.grow(4)
    await again.until(lambda: again.heights == [10, 5])
    assert (tmp_path / "own" / "test-5" / MANIFEST_FILE).stat().st_mtime_ns == written_ns
    assert not (tmp_path / "own" / "test-6").exists()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await again.snapshots.close()


async def test_a_disk_that_may_become_full_is_left_alone(ledger: Ledger) -> None:
    """It is said, and tried again at the next height."""
    ledger.database_bytes = 1 << 60
    with capture_logs() as logged:
        ledger.grow(6)
        await ledger.until(lambda: any(line["event"] == "no snapshot was made" for line in logged))
    ledger.database_bytes = 1
    ledger.grow(5)
    await ledger.until(lambda: ledger.heights == [10])


async def test_closing_gives_up_what_is_being_made(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing reads the database afterwards, and nothing of it is taken for a snapshot."""
    monkeypatch.setattr("ledgernode.config.SNAPSHOT_CHUNK_BYTES", 100)
    monkeypatch.setattr("ledgernode.node.snapshots.SNAPSHOT_SHARE_PERCENT", 0.000001)  # then it rests for hours
    ledger.grow(6)
    await ledger.until(lambda: ledger.shelf.place(Height(5)).exists())
    await asyncio.wait_for(ledger.snapshots.close(), 10)
    assert ledger.heights == []
    with pytest.raises(NodeStopping):
        await ledger.snapshots.offered()


def test_which_height_is_next() -> None:
    """The multiple that was passed last, unless it was made or lies at the beginning; else the one after."""

    def due(made: int, certified: int, base: int = 0) -> int:
        return next_height(10, Height(made), Height(certified), Height(base))

    assert [due(0, 0), due(0, 9), due(0, 10), due(0, 37), due(30, 37), due(20, 37)] == [10, 10, 10, 30, 40, 30]
    assert [due(0, 37, 30), due(0, 37, 31), due(0, 37, 25)] == [40, 40, 30]


async def test_an_interval_of_nothing_makes_none(tmp_path: Path) -> None:
    """And returns at once."""
    await asyncio.wait_for(Ledger(tmp_path, every_blocks=0).snapshots.run(), 5)


# ---------------------------------------------------------------- what can be read


async def test_pieces_make_up_the_files(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifest and chunks, of the node's own and of its operator's; nothing beyond their ends."""
    monkeypatch.setattr("ledgernode.node.shelf.SNAPSHOT_PIECE_BYTES", 100)
    ledger.grow(3)
    async with aclosing(ledger.snapshots.write(tmp_path / "operators")) as progress:
        last = [step async for step in progress][-1]
    assert last.path == str(tmp_path / "operators" / "test-3")
    (found,) = await ledger.snapshots.offered()
    assert (found.height, found.chunks) == (3, 1)
    for chunk, file in ((None, MANIFEST_FILE), (0, "chunk-000000")):
        whole, pieces = (Path(last.path) / file).read_bytes(), b""
        while piece := await ledger.snapshots.piece(found.id, chunk, len(pieces)):
            assert len(piece) <= 100
            pieces += piece
        assert pieces == whole
    assert await ledger.snapshots.piece(found.id, 0, 1 << 63) == b""
    with pytest.raises(BadRequest):
        await ledger.snapshots.piece(found.id, 1, 0)
    with pytest.raises(UnknownSnapshot):
        await ledger.snapshots.piece(b"another", None, 0)
    shutil.rmtree(last.path)
    with pytest.raises(UnknownSnapshot):
        await ledger.snapshots.piece(found.id, 0, 0)


def test_what_is_no_snapshot_of_this_ledger_is_not_shown(tmp_path: Path) -> None:
    """Another ledger's, half of one, rubbish; and nothing of its operator's is ever thrown away."""
    made = Ledger(tmp_path)
    made.grow(2)
    for folder in ("own", "operators"):
        create_snapshot(made.chain, tmp_path / folder / "test-2")
        create_snapshot(made.chain, tmp_path / folder / "other-2")
        foreign = ChainStore.create(MemoryStore(), Builder(chain_id=type(CHAIN)(bytes(32))).genesis)
        create_snapshot(foreign, tmp_path / folder / "test-0")
        (tmp_path / folder / "test-9").mkdir()
        (tmp_path / folder / "test-7").mkdir()
        (tmp_path / folder / "test-7" / MANIFEST_FILE).write_bytes(b"{")
    assert made.heights == [2]
    made.shelf.throw_away(1)
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["test-2"]
    assert len(list((tmp_path / "operators").iterdir())) == 5


# ---------------------------------------------------------------- a ledger that began from one


@pytest.fixture
async def begun(house: House) -> AsyncIterator[tuple[House, TransactionId, TransactionId]]:
    """A ledger whose disk was lost, opened on what state sync had left whole beside it; an old and a recent id."""
    served = house.open()
    served.start()
    old = house.remark("old")
    await served.submissions.submit(old.envelope, Wait.COMMITTED, 20)
    house.clock.move(200_000)
    recent = house.remark("recent")
    await served.submissions.submit(recent.envelope, Wait.COMMITTED, 20)
    steps = [step async for step in served.snapshot(house.network.directory / "taken")]
    await served.stop()
    house.close()
    shutil.rmtree(house.network.data)
    taken = Path(steps[-1].path)
    incoming = Incoming(
        house.network.data.parent / "incoming", genesis_block(house.network.genesis_bytes), lambda *_: None
    )
    with incoming.opened(incoming.begin((taken / MANIFEST_FILE).read_bytes())) as restoration:
        while restoration.next is not None:
            restoration.add(chunk_file(taken, restoration.done).read_bytes())
        restoration.complete(remembered)
    with capture_logs() as logged:
        house.open().start()
    assert [line["height"] for line in logged if line["event"] == "snapshot installed"] == [2]
    yield house, old.id, recent.id
    await house.served.stop()
    house.close()


async def test_it_goes_on_and_says_where_it_began(begun: tuple[House, TransactionId, TransactionId]) -> None:
    """The next block follows; nothing is left of what was put in place."""
    house, *_ = begun
    outcome = await house.served.submissions.submit(house.remark("new").envelope, Wait.COMMITTED, 20)
    assert outcome.height == 3
    status = house.served.status()
    assert (status.base_height, status.height, status.sync) == (2, 3, None)
    assert not (house.network.data.parent / "incoming").exists()


async def test_it_never_says_never_of_what_it_cannot_know(begun: tuple[House, TransactionId, TransactionId]) -> None:
    """An old transaction may have been committed: PRUNED. One that was valid at the beginning is known for certain."""
    house, old, recent = begun
    served = house.served
    house.clock.move(300_000)
    await served.submissions.submit(house.remark("later").envelope, Wait.COMMITTED, 20)
    base_ms = served.chain.header(Height(2)).time_ms
    with pytest.raises(Pruned):
        await served.submissions.status(old, base_ms - 80_000, 5)
    with pytest.raises(Pruned):
        await served.submissions.status(recent, base_ms + 120_000, 5)  # it is known, but its block is not kept
    never = await served.submissions.status(TransactionId(bytes(32)), base_ms + 1_000, 5)
    assert never.stage is Stage.NEVER
    for missing in (old, recent, TransactionId(bytes(32))):
        with pytest.raises(Pruned):
            served.lookups.transaction(missing)


async def test_a_vote_for_a_block_before_its_beginning_does_no_harm(
    begun: tuple[House, TransactionId, TransactionId],
) -> None:
    """Who repeats one is given no certificate, since there is none here; nor for genesis, which never has one."""
    house, *_ = begun
    for height in (0, 0, 1, 1):
        house.served.driver.voted(b"a member", HeaderVote(Epoch(0), Height(height), bytes(32), bytes(64)))
    outcome = await house.served.submissions.submit(house.remark("still").envelope, Wait.COMMITTED, 20)
    assert outcome.height == 3


async def test_an_unknown_id_is_unknown_where_every_block_is(house: House, served: ServedLedger) -> None:
    """A node with the whole chain says so."""
    with pytest.raises(UnknownTransaction):
        served.lookups.transaction(TransactionId(bytes(32)))
