"""Being brought forward by a snapshot: real snapshots on disk, given by fake peers, some of which lie."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from ledgernode.errors import LedgerError, NodeUnreachable, RateLimited, UnknownSnapshot
from ledgernode.identity.keys import PrivateKey
from ledgernode.logs import logger
from ledgernode.node.neighbours import Neighbour
from ledgernode.node.shelf import Shelf
from ledgernode.node.state_sync import StateSync, candidates
from ledgernode.store import failpoint
from ledgernode.store.chain import ChainStore
from ledgernode.store.failpoint import Action
from ledgernode.store.incoming import Incoming
from ledgernode.store.lattice import EMPTY, Lattice
from ledgernode.store.manifest import Manifest, encode_manifest
from ledgernode.store.memory import MemoryStore
from ledgernode.store.snapshot import MANIFEST_FILE, chunk_file, create_snapshot
from ledgernode.wire.answers import Block, SnapshotFacts
from ledgernode.wire.types import Height
from tests.store.blocks import CHAIN, Builder, check

HEIGHT = Height(8)


@pytest.fixture(autouse=True)
def small_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledgernode.config.SNAPSHOT_CHUNK_BYTES", 700)
    monkeypatch.setattr("ledgernode.node.shelf.SNAPSHOT_PIECE_BYTES", 256)
    monkeypatch.setattr("ledgernode.node.state_sync.SYNC_PAUSE_MS", 1)
    monkeypatch.setattr("ledgernode.node.state_sync.SYNC_TOLD_MS", 0)


@pytest.fixture
def builder() -> Builder:
    """Nine blocks by four validators, who change once."""
    made = Builder([PrivateKey.generate() for _ in range(4)])
    for height in range(1, 10):
        made.block(
            [{f"key {number:03d}": b"%d" % height * 20 for number in range(height, 60, 3)}],
            next_keys=[PrivateKey.generate() for _ in range(4)] if height == 3 else (),
        )
    return made


def chain_of(builder: Builder, height: int = 9) -> ChainStore:
    made = ChainStore.create(MemoryStore(), builder.genesis)
    certificates = {Height(at): builder.certificate(at) for at in range(1, height + 1)}
    made.append(builder.blocks[1 : height + 1], certificates)
    return made


class Peer:
    """Gives what stands in its folder; `lie` may change what it gives."""

    def __init__(self, number: int, folder: Path) -> None:
        self.public_key = b"peer %d" % number
        self.address = f"peer-{number}"
        self.folder = folder
        self.given: Counter[int | None] = Counter()
        self.failure: LedgerError | None = None
        self.lie: Callable[[int | None, bytes], bytes] = lambda _, piece: piece
        self._shelf = Shelf("test", CHAIN, folder)

    async def height(self) -> Height:
        return HEIGHT

    async def blocks(self, first: Height, last: Height) -> AsyncIterator[Block]:
        raise AssertionError("blocks are fetched elsewhere")
        yield

    async def snapshots(self) -> tuple[SnapshotFacts, ...]:
        if self.failure is not None:
            raise self.failure
        return self._shelf.look()

    async def piece(self, snapshot: bytes, chunk: int | None, offset: int) -> bytes:
        if self.failure is not None:
            raise self.failure
        await asyncio.sleep(0)
        if not offset:
            self.given[chunk] += 1
        return self.lie(chunk, self._shelf.read(snapshot, chunk, offset))

    @property
    def chunks_given(self) -> int:
        return sum(count for chunk, count in self.given.items() if chunk is not None)


class Scene:
    """Four peers with the same snapshot, and a node that stands at genesis."""

    def __init__(self, builder: Builder, folder: Path) -> None:
        self.builder, self.folder = builder, folder
        chain = chain_of(builder)
        self.peers = [Peer(number, folder / f"peer-{number}") for number in range(4)]
        for peer in self.peers:
            create_snapshot(chain, peer.folder / f"test-{HEIGHT}", height=HEIGHT)
        self.own = chain_of(builder, 0)
        self.incoming = Incoming(folder / "incoming", builder.genesis, check)
        self.sync = self.again()

    def again(self) -> StateSync:
        """As after a restart."""
        self.sync = StateSync(self.incoming, self, self.own, faulty=lambda: 1, log=logger())
        return self.sync

    def all(self) -> list[Neighbour]:
        return list(self.peers)

    def stand(self) -> None:
        pass

    @property
    def chunks(self) -> int:
        return len(list((self.peers[0].folder / f"test-{HEIGHT}").glob("chunk-*")))

    def require_whole(self, height: int = HEIGHT) -> None:
        """What came is the certified state."""
        assert self.incoming.install(self.folder / "data") == self.builder.blocks[height].header


@pytest.fixture
def scene(builder: Builder, tmp_path: Path) -> Scene:
    return Scene(builder, tmp_path)


async def test_a_snapshot_comes_from_all_peers_in_turn(scene: Scene) -> None:
    """Each gives its share, and each part is given once."""
    assert scene.chunks >= 4
    assert await scene.sync.attempt(Height(0))
    given = [peer.chunks_given for peer in scene.peers]
    assert sum(given) == scene.chunks
    assert max(given) - min(given) <= 1
    assert sum(peer.given[None] for peer in scene.peers) == 1
    assert scene.sync.status is None
    scene.require_whole()


async def test_nothing_is_taken_that_is_not_high_enough(scene: Scene) -> None:
    """Nor from peers that have none, or do not answer."""
    assert not await scene.sync.attempt(HEIGHT)
    for peer in scene.peers[:2]:
        peer.failure = NodeUnreachable("no answer")
    for peer in scene.peers[2:]:
        shutil.rmtree(peer.folder)
    assert not await scene.sync.attempt(Height(0))
    assert not scene.incoming.directory.exists()


async def test_progress_is_seen_while_it_lasts(scene: Scene) -> None:
    """Which height, how many chunks, and how long nothing came."""
    seen: list[tuple[str, int, int, int]] = []

    def look(_: int | None, piece: bytes) -> bytes:
        status = scene.sync.status
        assert status is not None
        assert status.idle_ms < 10_000
        seen.append((status.by, status.height, status.chunks_done, status.chunks_total))
        return piece

    for peer in scene.peers:
        peer.lie = look
    with capture_logs() as logged:
        assert await scene.sync.attempt(Height(0))
    assert seen[0] == ("snapshot", HEIGHT, 0, 0)
    assert seen[-1] == ("snapshot", HEIGHT, scene.chunks - 1, scene.chunks)
    told = [line["chunks_done"] for line in logged if line["event"] == "state sync"]
    assert told == list(range(scene.chunks + 1))


# ---------------------------------------------------------------- peers that lie


def altered(chunk: int | None, piece: bytes) -> bytes:
    return piece if chunk is None else piece[:-1] + bytes([piece[-1] ^ 1])


def cut(chunk: int | None, piece: bytes) -> bytes:
    return piece if chunk is None else b""


def longer(chunk: int | None, piece: bytes) -> bytes:
    return piece if chunk is None else piece * 1_000


@pytest.mark.parametrize("lie", [altered, cut, longer], ids=lambda one: one.__name__)
async def test_a_peer_that_gives_a_wrong_chunk_is_left(scene: Scene, lie: Callable[[int | None, bytes], bytes]) -> None:
    """It is asked for nothing more, the log says who it is, and the next one gives the part."""
    scene.peers[2].lie = lie
    with capture_logs() as logged:
        assert await scene.sync.attempt(Height(0))
    scene.require_whole()
    assert scene.peers[2].chunks_given == 1
    (line,) = [line for line in logged if "does not hold" in line["event"]]
    assert line["peer"] == "peer-2"


async def test_a_wrong_manifest_costs_its_giver_and_nobody_else(scene: Scene) -> None:
    """Whoever is asked for it first."""
    for liar in scene.peers[:3]:
        liar.lie = lambda chunk, piece: piece if chunk is not None else piece.replace(b'"height": 8', b'"height": 7')
    with capture_logs() as logged:
        assert await scene.sync.attempt(Height(0))
    scene.require_whole()
    assert scene.peers[3].chunks_given == scene.chunks - sum(peer.chunks_given for peer in scene.peers[:3])
    left = [line["peer"] for line in logged if "does not hold" in line["event"]]
    assert set(left) <= {"peer-0", "peer-1", "peer-2"}


async def test_false_facts_about_an_honest_snapshot_hurt_only_who_says_them(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A liar gives an honest snapshot's name a greater height, or another length: the honest are believed as before."""
    first, second = scene.peers[0], scene.peers[1]
    (honest,) = await first.snapshots()

    def says(peer: Peer, **changes: int) -> None:
        async def snapshots() -> tuple[SnapshotFacts, ...]:
            return (msgspec.structs.replace(honest, **changes),)

        monkeypatch.setattr(peer, "snapshots", snapshots)

    says(first, height=Height(9_999))
    says(second, manifest_bytes=honest.manifest_bytes + 1)
    with capture_logs() as logged:
        assert await scene.sync.attempt(Height(0))
    scene.require_whole()
    assert {line["peer"] for line in logged if "does not hold" in line["event"]} <= {"peer-0", "peer-1"}


def forge(directory: Path) -> None:
    """Change a record, and move the difference of the sums to the last chunk: the manifest adds up."""
    manifest = msgspec.json.decode((directory / MANIFEST_FILE).read_bytes(), type=Manifest)
    chunks = list(manifest.chunks)
    pairs = msgspec.msgpack.decode(chunk_file(directory, 0).read_bytes(), type=list[tuple[bytes, bytes]])
    pairs[0] = (pairs[0][0], pairs[0][1] + b"0")
    raw = msgspec.msgpack.encode(pairs)
    chunk_file(directory, 0).write_bytes(raw)
    before, after = (
        [int.from_bytes(one.sum[at : at + 2], "little") for at in range(0, 2_048, 2)]
        for one in (Lattice(chunks[0].lattice_sum), EMPTY.updated((), pairs))
    )
    last = [int.from_bytes(chunks[-1].lattice_sum[at : at + 2], "little") for at in range(0, 2_048, 2)]
    moved = b"".join(
        ((lane + old - new) % 65_536).to_bytes(2, "little") for lane, old, new in zip(last, before, after, strict=True)
    )
    replace = msgspec.structs.replace
    sha256 = hashlib.sha256(raw).digest()
    chunks[0] = replace(
        chunks[0], size_bytes=len(raw), sha256=sha256, lattice_sum=EMPTY.updated((), pairs).sum, records=len(pairs)
    )
    chunks[-1] = replace(chunks[-1], lattice_sum=moved)
    (directory / MANIFEST_FILE).write_bytes(encode_manifest(replace(manifest, chunks=tuple(chunks))))


async def test_a_forged_snapshot_that_adds_up_ends_with_its_forger(scene: Scene) -> None:
    """It alone offers it, higher than the others'; its last chunk cannot fit, what came of it is dropped."""
    forger = scene.peers[1]
    shutil.rmtree(forger.folder)
    create_snapshot(chain_of(scene.builder), forger.folder / "test-9", height=Height(9))
    forge(forger.folder / "test-9")
    for honest in (scene.peers[0], scene.peers[2], scene.peers[3]):
        honest.failure = NodeUnreachable("not yet")
    with capture_logs() as logged:
        assert not await scene.sync.attempt(Height(0))
    assert [line["peer"] for line in logged if "does not hold" in line["event"]] == ["peer-1"]
    assert not scene.incoming.directory.exists()
    for honest in (scene.peers[0], scene.peers[2], scene.peers[3]):
        honest.failure = None
    assert await scene.sync.attempt(Height(0))
    scene.require_whole()


async def test_what_more_have_than_can_lie_comes_before_what_is_higher(scene: Scene) -> None:
    """The one forger of four is not even tried."""
    forger = scene.peers[1]
    shutil.rmtree(forger.folder)
    create_snapshot(chain_of(scene.builder), forger.folder / "test-9", height=Height(9))
    forge(forger.folder / "test-9")
    assert await scene.sync.attempt(Height(0))
    assert not forger.given
    scene.require_whole()


async def test_a_history_that_is_not_our_own_is_refused(scene: Scene, builder: Builder) -> None:
    """Certified by validators of another line: the one that our chain has is what we trust."""
    scene.own = chain_of(builder, 5)
    assert await scene.again().attempt(Height(5))
    scene.incoming.discard()
    other = Builder(builder.keys)
    other.blocks[:], other.states[:], other.signers[:] = builder.blocks[:1], builder.states[:1], builder.signers[:1]
    other.set, other.keys = builder.signers[1]
    for height in range(1, 9):  # the founders hand over to others, at another height
        other.block([{"key": b"%d" % height}], next_keys=[PrivateKey.generate()] * 1 if height == 2 else ())
    for peer in scene.peers:
        shutil.rmtree(peer.folder)
        create_snapshot(chain_of(other, 8), peer.folder / "test-8")
    with capture_logs() as logged:
        assert not await scene.again().attempt(Height(5))
    reasons = [line["reason"] for line in logged if "does not hold" in line["event"]]
    assert len(reasons) == 4
    assert all("our own chain" in reason for reason in reasons)
    scene.own = chain_of(builder, 0)
    assert await scene.again().attempt(Height(5)), "with the genesis file alone it cannot be told from the true one"


# ---------------------------------------------------------------- peers that fall silent, nodes that are cut short


async def test_silent_and_busy_peers_delay_nothing_for_long(scene: Scene) -> None:
    """Who fails is left after a few times, who is busy is asked again later, who has thrown it away is not."""
    silent, busy, gone, _ = scene.peers

    def refuse_sometimes(chunk: int | None, piece: bytes) -> bytes:
        if busy.given.total() % 2:
            raise RateLimited("later", retry_ms=1)
        return piece

    def forget(chunk: int | None, piece: bytes) -> bytes:
        raise UnknownSnapshot("no longer")

    def fail(chunk: int | None, piece: bytes) -> bytes:
        raise NodeUnreachable("no answer")

    silent.lie, busy.lie, gone.lie = fail, refuse_sometimes, forget
    with capture_logs() as logged:
        assert await scene.sync.attempt(Height(0))
    scene.require_whole()
    assert not [line for line in logged if "does not hold" in line["event"]]
    assert silent.given.total() <= 3
    assert gone.given.total() == 1


async def test_what_was_checked_is_not_fetched_again(scene: Scene) -> None:
    """All peers go while it lasts; later, and after a restart, the rest comes from whoever has it."""

    def two_only(chunk: int | None, piece: bytes) -> bytes:
        if chunk is not None and chunk >= 2:
            raise NodeUnreachable("no answer")
        return piece

    for peer in scene.peers:
        peer.lie = two_only
    assert not await scene.sync.attempt(Height(0))
    assert scene.incoming.begun() is not None
    before = Counter({number: peer.chunks_given for number, peer in enumerate(scene.peers)})
    for peer in scene.peers:
        peer.lie, peer.given = lambda _, piece: piece, Counter()
    for peer in scene.peers[1:]:
        create_snapshot(chain_of(scene.builder), peer.folder / "test-9")  # a newer one is no reason to begin anew
    with capture_logs() as logged:
        assert await scene.again().attempt(Height(0))
    assert [line["chunks_done"] for line in logged if line["event"] == "state sync goes on"] == [2]
    assert sum(peer.chunks_given for peer in scene.peers) == scene.chunks - 2
    assert sum(before.values()) >= 2
    scene.require_whole()


async def test_one_that_nobody_has_any_more_gives_way_to_a_newer(scene: Scene) -> None:
    """What was there of it is dropped."""
    raw = (scene.peers[0].folder / f"test-{HEIGHT}" / MANIFEST_FILE).read_bytes()
    checked = scene.incoming.begin(raw)
    with scene.incoming.opened(checked) as restoration:
        restoration.add(chunk_file(scene.peers[0].folder / f"test-{HEIGHT}", 0).read_bytes())
    for peer in scene.peers:
        shutil.rmtree(peer.folder)
        create_snapshot(chain_of(scene.builder), peer.folder / "test-9")
    assert await scene.sync.attempt(Height(0))
    scene.require_whole(9)


async def test_a_full_disk_ends_it_and_the_ledger_goes_on(scene: Scene) -> None:
    """What was taken is given back, and it is not tried again until a restart."""
    failpoint.arm("store.before_commit", 2, Action.FULL)
    try:
        with capture_logs() as logged:
            assert not await scene.sync.attempt(Height(0))
    finally:
        failpoint.disarm()
    assert [line["code"] for line in logged if line["log_level"] == "error"] == ["DISK_FULL"]
    assert not scene.incoming.directory.exists()
    assert not await scene.sync.attempt(Height(0))
    assert await scene.again().attempt(Height(0))


async def test_a_disk_without_room_is_not_filled(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked before anything is taken: a ledger whose disk is full halts."""
    monkeypatch.setattr(scene.incoming, "free_bytes", lambda: 1_000)
    assert not await scene.sync.attempt(Height(0))
    assert not any(peer.chunks_given for peer in scene.peers)


async def test_a_node_that_stops_meanwhile_closes_what_it_had_open(scene: Scene) -> None:
    """What is there stays, and can be opened at once."""
    reached = asyncio.Event()

    def tell(chunk: int | None, piece: bytes) -> bytes:
        if chunk == 2:
            reached.set()
        return piece

    for peer in scene.peers:
        peer.lie = tell
    attempt = asyncio.create_task(scene.sync.attempt(Height(0)))
    await reached.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    checked = scene.incoming.begun()
    assert checked is not None
    with scene.incoming.opened(checked) as restoration:
        assert restoration.done >= 2
    assert scene.sync.status is None


# ---------------------------------------------------------------- choosing


def facts(name: bytes, height: int) -> SnapshotFacts:
    return SnapshotFacts(name, Height(height), 1, 1, 1)


def test_choosing_among_what_is_offered() -> None:
    """Begun first; then what more than f have; then the highest, then what most have. Low ones never."""
    offers = {
        b"1": [facts(b"low", 90), facts(b"many", 200), facts(b"begun", 150)],
        b"2": [facts(b"low", 90), facts(b"many", 200), facts(b"high", 300)],
        b"3": [facts(b"more", 200), facts(b"far", 1 << 63)],
    }

    def chosen(begun: tuple[bytes, Height] | None, faulty: int) -> list[bytes]:
        found = candidates(offers, above=Height(100), faulty=faulty, begun=begun)
        return [one.name[0] for one in found]

    assert chosen((b"begun", Height(150)), 1) == [b"begun", b"many", b"high", b"more"]
    assert chosen(None, 1) == [b"many", b"high", b"more", b"begun"]
    assert chosen(None, 2) == [b"high", b"many", b"more", b"begun"]
