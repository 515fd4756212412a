"""Proof of work: what single miners can try, and why it does not help them."""

from __future__ import annotations

import random

import msgspec
import pytest

from ledgernode.consensus.engine import EpochEnds, Received
from ledgernode.consensus.pow.core import Ask, HeadAt
from ledgernode.consensus.pow.header import MAX_TARGET, WorkBlock, WorkHeader, batch_digest, meets, work_hash
from ledgernode.consensus.pow.retarget import WorkRules
from ledgernode.wire.types import ZERO_HASH, Epoch
from tests.simulation.liars import withholding
from tests.simulation.mining import EASY, RULES, MiningWorld
from tests.simulation.world import CHAIN, STARTS_MS, sign_as


def started(
    members: int = 4, *, seed: int = 1, rules: WorkRules = RULES, hashes_per_second: float = 2.0
) -> MiningWorld:
    world = MiningWorld(seed, members, rules, hashes_per_second)
    world.start()
    return world


def mine_on(world: MiningWorld, number: int, every_ms: int = 1_500) -> None:
    """So many transactions, one after another, are delivered everywhere."""
    items = {b"tx%d-%d" % (world.now_ms, count) for count in range(number)}
    for count, item in enumerate(sorted(items)):
        world.at(world.now_ms + count * every_ms, lambda item=item: world.submit(item))
    honest = [node for node in world.nodes if node.position not in world.faulty]
    assert world.run(world.now_ms + 2_000_000, lambda: all(items <= node.done for node in honest)), world.story()


def mined_by(position: int, world: MiningWorld, *, signer: int | None = None, **changes: object) -> WorkBlock:
    """A block on genesis with a real nonce, altered as the scenario wants."""
    fields = {
        "chain_id": CHAIN,
        "epoch": Epoch(0),
        "height": 1,
        "parent": ZERO_HASH,
        "batch": batch_digest((b"mine",)),
        "time_ms": STARTS_MS + world.now_ms,
        "target": EASY.to_bytes(32, "big"),
        "miner": position,
        "nonce": 0,
        **changes,
    }
    header = WorkHeader(**fields)
    target = int.from_bytes(header.target, "big")
    nonce = next(nonce for nonce in range(1 << 32) if meets(work_hash(header.prefix, nonce), target))
    header = msgspec.structs.replace(header, nonce=nonce)
    return WorkBlock(header, sign_as(position if signer is None else signer, header.hash), (b"mine",))


def told(world: MiningWorld, block: WorkBlock) -> int:
    """Another miner hears of the block; how high is its heaviest branch then?"""
    node = world.nodes[1]
    node.step(Received(node.now(), 3, msgspec.msgpack.encode(block)))
    world.run(world.now_ms + 5)
    return node.engine.head_height


def test_a_good_block_is_taken() -> None:
    """The yardstick for the tests below: unaltered, the same block is accepted."""
    world = started()
    assert told(world, mined_by(3, world)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"target": MAX_TARGET.to_bytes(32, "big")},
        {"target": (EASY // 2).to_bytes(32, "big")},
        {"height": 2},
        {"epoch": Epoch(1)},
        {"chain_id": bytes(32)},
        {"batch": ZERO_HASH},
        {"time_ms": STARTS_MS - 1_000},
        {"time_ms": STARTS_MS + 60_000},
    ],
    ids=["easier", "harder", "height", "epoch", "chain", "batch", "not later than its parent", "in the future"],
)
def test_tampering_is_refused(changes: dict[str, object]) -> None:
    """The target follows from the chain, and every other field is checked: altered, a worked block is worth nothing."""
    world = started()
    assert told(world, mined_by(3, world, **changes)) == 0


def test_a_block_signed_by_another_is_refused() -> None:
    """Only the miner that the header names can have mined it."""
    world = started()
    assert told(world, mined_by(3, world, signer=2)) == 0


def test_a_block_without_its_work_is_refused() -> None:
    """The hash must meet the target that the header claims."""
    world = started()
    block = mined_by(3, world)
    nonce = next(nonce for nonce in range(1 << 32) if not meets(work_hash(block.header.prefix, nonce), EASY))
    header = msgspec.structs.replace(block.header, nonce=nonce)
    assert told(world, WorkBlock(header, sign_as(3, header.hash), block.envelopes)) == 0


def test_malformed_work_is_dropped() -> None:
    """Numbers out of range, hashes of another length, bytes that are no message: nothing happens."""
    world = started()
    node = world.nodes[1]
    header = mined_by(3, world).header
    fields = list(msgspec.structs.astuple(header))
    for at, value in ((2, -1), (3, bytes(33)), (6, bytes(40)), (7, 1 << 17), (5, -5)):
        altered = [*fields[:at], value, *fields[at + 1 :]]
        node.step(Received(node.now(), 3, msgspec.msgpack.encode([1, altered, bytes(64), [b"mine"]])))
    for raw in (b"", b"\xc1", b"\x95" * 1_000):
        node.step(Received(node.now(), 3, raw))
    assert node.engine.head_height == 0
    assert not node.engine._orphans


def test_competing_blocks_are_settled_by_the_next() -> None:
    """Two blocks at one height, each seen first by half: whichever branch grows first is everyone's."""
    world = started()
    world.links.delay_ms = (1, 40)
    one, other = mined_by(2, world), mined_by(3, world)
    assert one.header.hash != other.header.hash
    for node in world.nodes:
        first, second = (one, other) if node.position % 2 else (other, one)
        for block in (first, second):
            node.step(Received(node.now(), block.header.miner ^ 1, msgspec.msgpack.encode(block)))
    world.run(world.now_ms + 5)
    assert len({node.engine._tree.head for node in world.nodes}) == 2
    mine_on(world, 5)
    assert not world.halts
    world.check_end()


@pytest.mark.parametrize("seed", range(5))
def test_withholding_within_the_depth_divides_nobody(seed: int) -> None:
    """A selfish miner with a quarter of the work keeps its blocks back: some work is wasted, no history is."""
    world = started(seed=seed)
    world.faulty.add(3)
    world.nodes[3].lies.append(withholding(world, world.nodes[3], random.Random(seed)))
    mine_on(world, 15)
    assert not world.halts
    heights = [len(node.chain) for node in world.nodes[:3]]
    assert min(heights) > 15 // 2


def test_the_target_follows_the_work_up_and_down() -> None:
    """Twice the miners' speed halves the target within a few windows; back at the old speed it returns."""
    rules = WorkRules(first_target=EASY, interval_ms=2_000, window=8, depth=6)
    world = started(rules=rules, hashes_per_second=2.0)
    mine_on(world, 60)
    settled = world.nodes[0].engine.target
    world.hash_rate = [16.0] * 4
    mine_on(world, 120, every_ms=500)
    faster = world.nodes[0].engine.target
    world.hash_rate = [2.0] * 4
    mine_on(world, 60)
    assert faster < settled / 2
    assert world.nodes[0].engine.target > faster * 2


def test_a_lost_ancestor_is_asked_for_again() -> None:
    """The answer to a question was lost: the next word about that branch asks again for what is missing."""
    world = started()
    node = world.nodes[1]
    one = mined_by(3, world)
    two = mined_by(3, world, parent=one.header.hash, height=2, time_ms=one.header.time_ms + 1)
    three = mined_by(3, world, parent=two.header.hash, height=3, time_ms=one.header.time_ms + 2)
    for _ in range(2):
        for block in (three, two):
            ready = node.engine.step(Received(node.now(), 3, msgspec.msgpack.encode(block)))
        assert msgspec.msgpack.encode(Ask(one.header.hash)) in [send.message for send in ready.send]
    assert told(world, one) >= 1
    world.run(world.now_ms + 50)
    assert node.engine.head_height == 3


def test_orphans_do_not_pile_up() -> None:
    """Blocks whose parents never come are held up to a bound."""
    world = started()
    node = world.nodes[1]
    for number in range(400):
        block = mined_by(3, world, parent=b"%032d" % number, height=2 + number)
        node.engine.step(Received(node.now(), 3, msgspec.msgpack.encode(block)))
    assert len(node.engine._orphans) <= 256


def test_a_head_that_nobody_has_changes_nothing() -> None:
    """A miner that claims a head it does not show is asked, and no more."""
    world = started()
    node = world.nodes[1]
    ready = node.engine.step(Received(node.now(), 3, msgspec.msgpack.encode(HeadAt(b"\x05" * 32, 1_000))))
    assert [send.receivers for send in ready.send] == [(3,)]
    assert node.engine.head_height == 0


def test_nothing_is_delivered_above_the_end_of_the_epoch() -> None:
    """The last block of an epoch is buried under empty ones, and then mining stops, whatever waits."""
    world = started()
    for node in world.nodes:
        node.step(EpochEnds(node.now(), 4))
    for count in range(20):
        world.at(count * 2_000, lambda count=count: world.submit(b"tx%d" % count))
    world.run(400_000)
    assert {len(node.chain) for node in world.nodes} == {4}
    assert not any(world.jobs.values())


def test_a_restarted_miner_goes_on_where_it_was() -> None:
    """The tree comes from its log, also when a record of it cannot be read; nothing is delivered twice."""
    world = started()
    mine_on(world, 5)
    world.crash(2)
    log = world.nodes[2].log
    damaged = next(key for key in log if b"/block/" in key)
    log[damaged] = b"\xc1"
    log[b"9/block/old"] = b"of another epoch"
    world.restart(2)
    assert b"9/block/old" not in log
    mine_on(world, 5)
    assert not world.halts
    world.check_end()


def test_a_late_miner_finds_its_way_though_all_the_others_have_restarted() -> None:
    """Delivered blocks stay in the log for those who are behind: nobody goes on alone from where it stopped."""
    world = started()
    world.crash(3)
    world.faulty.add(3)
    mine_on(world, 12)
    for position in (0, 1, 2):
        world.crash(position)
        world.restart(position)
    world.faulty.discard(3)
    world.restart(3)
    mine_on(world, 4)
    assert not world.halts
    world.check_end()
