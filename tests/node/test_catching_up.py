"""Coming forward, by blocks or by a snapshot; only the network is a fake one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from ledgernode.errors import BadProof, LedgerError, LedgerHalted, NodeUnreachable, Pruned
from ledgernode.identity.keys import PrivateKey
from ledgernode.logs import logger
from ledgernode.node.catching_up import CatchingUp, checked
from ledgernode.node.executing import Fetched
from ledgernode.node.neighbours import Neighbour
from ledgernode.wire.answers import Block, SnapshotFacts, SyncStatus
from ledgernode.wire.block import encode_header
from ledgernode.wire.roots import transaction_root
from ledgernode.wire.types import Height, sha256
from ledgernode.wire.validators import encode_certificate
from tests.store.blocks import Builder

FAR = 10


def as_sent(builder: Builder, height: int) -> Block:
    sealed = builder.blocks[height]
    root = transaction_root([sha256(raw) for raw in sealed.envelopes])
    header = encode_header(msgspec.structs.replace(sealed.header, transaction_root=root))
    return Block(header, sealed.envelopes, sealed.receipts, encode_certificate(builder.certificate(height)))


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    """Thirty, as a peer sends them; the first is genesis."""
    builder = Builder([PrivateKey.generate()])
    for height in range(1, 31):
        builder.block([{"key": b"%d" % height}])
    return [as_sent(builder, height) for height in range(31)]


class Follower:
    """Executes at once whatever follows."""

    def __init__(self) -> None:
        self.certified = Height(0)
        self.halted: LedgerHalted | None = None

    def fetched(self, block: Fetched) -> None:
        if block.header.height == self.certified + 1:
            self.certified = block.header.height

    async def room(self) -> None:
        await asyncio.sleep(0)


class Peer:
    """Has blocks from `base` on."""

    def __init__(self, number: int, blocks: list[Block], base: int = 0) -> None:
        self.public_key = b"peer %d" % number
        self.address = f"peer-{number}"
        self.base = base
        self.failure: LedgerError | None = None
        self.asked = 0
        self._blocks = blocks

    async def height(self) -> Height:
        if self.failure is not None:
            raise self.failure
        return Height(len(self._blocks) - 1)

    async def blocks(self, first: Height, last: Height) -> AsyncIterator[Block]:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        if first <= self.base:
            raise Pruned(f"from {self.base} on")
        for block in self._blocks[first : last + 1 if last else None]:
            yield block
        if not last:
            await asyncio.Event().wait()

    async def snapshots(self) -> tuple[SnapshotFacts, ...]:
        return ()

    async def piece(self, snapshot: bytes, chunk: int | None, offset: int) -> bytes:
        raise AssertionError("state sync is a fake here")


class Peers:
    def __init__(self, *peers: Peer) -> None:
        self.peers = peers
        self.stood = 0

    def all(self) -> list[Neighbour]:
        return list(self.peers)

    def stand(self) -> None:
        self.stood += 1


class Sync:
    """A snapshot at this height, or none."""

    def __init__(self, height: int = 0) -> None:
        self.height = height
        self.above: list[int] = []
        self.was_answered = True
        self.status: SyncStatus | None = None

    async def attempt(self, above: Height) -> bool:
        self.above.append(above)
        return self.height > above


class Scene:
    def __init__(self, *peers: Peer, sync: Sync | None = None, observes: bool = False, far: int = FAR) -> None:
        self.follower, self.peers, self.sync = Follower(), Peers(*peers), sync or Sync()
        self.catching_up = CatchingUp(
            self.follower,
            self.peers,
            self.sync,
            observes=lambda: observes,
            faulty=lambda: 1,
            far_blocks=far,
            log=logger(),
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        """Run it until this holds."""
        running = asyncio.create_task(self.catching_up.run())
        try:
            for _ in range(4_000):
                if condition():
                    return
                await asyncio.sleep(0.005)
            raise AssertionError("it does not come to that")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds takes milliseconds."""
    for name, value in {"CATCH_UP_PAUSE_MS": 5, "WATCH_MS": 20, "SYNC_ASK_MS": 20}.items():
        monkeypatch.setattr(f"ledgernode.node.catching_up.{name}", value)


async def test_what_is_wanted_is_fetched_and_no_more(blocks: list[Block]) -> None:
    """Up to the height that is certified elsewhere, whoever is asked."""
    scene = Scene(Peer(1, blocks), Peer(2, blocks))
    scene.catching_up.wanted(Height(7))
    await scene.until(lambda: scene.follower.certified == 7)
    assert scene.sync.above == []
    assert scene.catching_up.status is None


async def test_who_stands_still_while_others_are_ahead_notices(blocks: list[Block]) -> None:
    """Nobody needs to tell it more than a height."""
    scene = Scene(Peer(1, blocks))
    scene.catching_up.heard(b"peer 1", Height(5))
    assert (scene.catching_up.lag, scene.catching_up.is_far_behind) == (5, False)
    status = scene.catching_up.status
    assert status is not None
    assert (status.by, status.height) == ("blocks", 5)
    await scene.until(lambda: scene.follower.certified == 5)
    assert scene.peers.stood > 0


async def test_a_peer_that_fails_is_left_for_the_next(blocks: list[Block]) -> None:
    """Silent, or with blocks that are none."""
    silent, liar = Peer(1, blocks), Peer(2, [*blocks[:3], Block(b"no header", (), (), b""), *blocks[4:]])
    silent.failure = NodeUnreachable("no answer")
    scene = Scene(silent, liar, Peer(3, blocks))
    scene.catching_up.wanted(Height(9))
    await scene.until(lambda: scene.follower.certified == 9)


async def test_a_peer_that_lies_about_receipts_is_left_for_the_next(blocks: list[Block]) -> None:
    """What a block did, and who mined it, stands under its header's root: nothing else is handed on."""
    given = [msgspec.structs.replace(block, receipts=block.receipts[:-1]) for block in blocks]
    liar = Peer(1, given)
    scene = Scene(liar)
    scene.catching_up.wanted(Height(9))
    await scene.until(lambda: liar.asked > 2)
    assert scene.follower.certified == 0
    scene.peers.peers = (liar, Peer(2, blocks))
    await scene.until(lambda: scene.follower.certified == 9)


async def test_a_peer_that_is_behind_itself_is_not_asked(blocks: list[Block]) -> None:
    """By its own word it has nothing for us."""
    behind = Peer(1, blocks[:1])
    scene = Scene(behind, Peer(2, blocks))
    scene.catching_up.heard(behind.public_key, Height(0))
    scene.catching_up.wanted(Height(4))
    await scene.until(lambda: scene.follower.certified == 4)
    assert behind.asked == 0


async def test_who_is_far_behind_takes_a_snapshot_first(blocks: list[Block]) -> None:
    """One that is more than the distance above; then this ledger is outgrown, and nothing more is fetched."""
    scene = Scene(Peer(1, blocks), sync=Sync(25))
    scene.catching_up.heard(b"peer 1", Height(30))
    scene.catching_up.wanted(Height(30))
    assert scene.catching_up.is_far_behind
    await scene.until(scene.catching_up.outgrown.is_set)
    assert scene.sync.above == [FAR]
    assert scene.follower.certified == 0


@pytest.mark.parametrize(("far", "asked"), [(FAR, True), (0, False)])
async def test_while_nobody_has_a_snapshot_blocks_do(blocks: list[Block], far: int, asked: bool) -> None:
    """It is asked for again now and then; with a distance of 0, never."""
    scene = Scene(Peer(1, blocks), far=far)
    scene.catching_up.heard(b"peer 1", Height(30))
    await scene.until(lambda: scene.follower.certified == 30)
    assert bool(scene.sync.above) == asked
    assert not scene.catching_up.outgrown.is_set()


async def test_what_is_certified_far_ahead_is_far_enough(blocks: list[Block]) -> None:
    """No peer's word is needed where the engine has seen a certificate."""
    scene = Scene(Peer(1, blocks), sync=Sync(25))
    scene.catching_up.wanted(Height(30))
    await scene.until(scene.catching_up.outgrown.is_set)
    assert scene.follower.certified == 0


async def test_while_no_peer_answers_it_is_asked_again_soon(
    blocks: list[Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that has just started is still dialling: blocks must not win for that."""
    monkeypatch.setattr("ledgernode.node.catching_up.SYNC_ASK_MS", 3_600_000)
    scene = Scene(Peer(1, blocks[:1]), sync=Sync(0))
    scene.sync.was_answered = False
    scene.catching_up.wanted(Height(30))
    await scene.until(lambda: len(scene.sync.above) > 2)
    scene.sync.was_answered = True
    asked = len(scene.sync.above)
    await scene.until(lambda: len(scene.sync.above) > asked)
    await asyncio.sleep(0.1)
    assert len(scene.sync.above) == asked + 1


async def test_blocks_are_left_when_a_snapshot_could_be_had(blocks: list[Block]) -> None:
    """A long stream of old blocks ends for a look at what peers have by now."""
    scene = Scene(Peer(1, blocks), sync=Sync(0))
    room = scene.follower.room

    async def slowly() -> None:
        await asyncio.sleep(0.02)
        scene.sync.height = 29
        await room()

    scene.follower.room = slowly  # type: ignore[method-assign]
    scene.catching_up.heard(b"peer 1", Height(30))
    await scene.until(scene.catching_up.outgrown.is_set)
    assert 0 < scene.follower.certified < 30 - FAR


async def test_where_everyone_has_pruned_the_blocks_any_snapshot_ahead_will_do(blocks: list[Block]) -> None:
    """However little it saves: there is no other way."""
    scene = Scene(Peer(1, blocks, base=4), Peer(2, blocks, base=6), sync=Sync(5))
    scene.catching_up.wanted(Height(8))
    await scene.until(scene.catching_up.outgrown.is_set)
    assert scene.sync.above == [0]
    assert all(peer.asked for peer in scene.peers.peers)


async def test_one_that_has_the_blocks_is_enough(blocks: list[Block]) -> None:
    """Others that have pruned them are no reason for a snapshot."""
    scene = Scene(Peer(1, blocks, base=4), Peer(2, blocks), Peer(3, blocks, base=6), sync=Sync(5))
    scene.catching_up.wanted(Height(8))
    await scene.until(lambda: scene.follower.certified == 8)
    assert scene.sync.above == []


async def test_an_observer_asks_how_far_the_others_are(blocks: list[Block]) -> None:
    """Nobody dials it; who does not answer says nothing. It follows without end."""
    silent = Peer(2, blocks)
    silent.failure = NodeUnreachable("no answer")
    scene = Scene(Peer(1, blocks), silent, observes=True, far=0)
    await scene.until(lambda: scene.follower.certified == 30)
    assert scene.catching_up.heights() == {b"peer 1": 30}
    far = Scene(Peer(1, blocks), sync=Sync(25), observes=True)
    await far.until(far.catching_up.outgrown.is_set)
    assert far.follower.certified == 0


async def test_one_liar_makes_nobody_seem_behind(blocks: list[Block]) -> None:
    """Of what peers say, the second highest counts where one may lie; what is certified counts whoever says what."""
    scene = Scene(Peer(1, blocks))
    for number, height in enumerate((1 << 40, 3, 2)):
        scene.catching_up.heard(b"peer %d" % number, Height(height))
    assert (scene.catching_up.lag, scene.catching_up.is_far_behind) == (3, False)
    scene.catching_up.wanted(Height(30))
    assert (scene.catching_up.lag, scene.catching_up.is_far_behind) == (30, True)
    alone = Scene(Peer(1, blocks))
    alone.catching_up.heard(b"peer 1", Height(30))
    assert alone.catching_up.is_far_behind


async def test_a_halted_ledger_comes_forward_no_more(blocks: list[Block]) -> None:
    """Whatever is wanted."""
    scene = Scene(Peer(1, blocks))
    scene.follower.halted = LedgerHalted("a full disk")
    scene.catching_up.wanted(Height(7))
    await asyncio.wait_for(scene.catching_up.run(), 5)
    assert scene.follower.certified == 0


def test_a_block_with_other_envelopes_is_refused(blocks: list[Block]) -> None:
    """And one with other receipts, or whose header, certificate or receipts cannot be read."""
    assert checked(blocks[3]).header.height == 3
    changes: list[dict[str, Any]] = [
        {"envelopes": (b"another",)},
        {"receipts": ()},
        {"receipts": blocks[4].receipts},
        {"receipts": (*blocks[3].receipts, *blocks[4].receipts)},
        {"receipts": (b"no receipt",)},
        {"header": b"x"},
        {"certificate": b"\x00\x01"},
    ]
    for change in changes:
        with pytest.raises(BadProof):
            checked(msgspec.structs.replace(blocks[3], **change))
