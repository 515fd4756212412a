"""Proof of work: what single miners can try, and why it does not help them."""

from __future__ import annotations

import random
from functools import partial

import msgspec
import pytest

from ledgernode.consensus.engine import (
    EpochEnds,
    MiningJob,
    ProposalAvailable,
    Ready,
    Received,
    Validated,
    WorkWaiting,
)
from ledgernode.consensus.pow.header import MAX_TARGET, WorkBlock, WorkHeader, batch_digest, meets, work_hash
from ledgernode.consensus.pow.messages import Ask, Below, HeadAt, encode
from ledgernode.consensus.pow.retarget import WorkRules
from ledgernode.wire.types import ZERO_HASH, Epoch
from tests.simulation.liars import withholding
from tests.simulation.membership import CHAIN, STARTS_MS, adds, rotates, sign_as
from tests.simulation.mining import EASY, RULES, Miner, MiningWorld
from tests.simulation.node import Node


def started(
    members: int = 4,
    *,
    seed: int = 1,
    rules: WorkRules = RULES,
    hashes_per_second: float = 2.0,
    ends: tuple[int, ...] = (),
) -> MiningWorld:
    world = MiningWorld(seed, members, rules, hashes_per_second, ends)
    world.start()
    return world


def mine_on(world: MiningWorld, number: int, every_ms: int = 1_500) -> None:
    """So many transactions, one after another, are delivered everywhere."""
    items = {b"tx%d-%d" % (world.now_ms, count) for count in range(number)}
    for count, item in enumerate(sorted(items)):
        world.at(world.now_ms + count * every_ms, lambda item=item: world.submit(item))
    honest = [node for node in world.nodes if node.position not in world.faulty]
    assert world.run(world.now_ms + 2_000_000, lambda: all(items <= node.done for node in honest)), world.story()


def mined_by(
    position: int,
    world: MiningWorld,
    *,
    signer: int | None = None,
    envelopes: tuple[bytes, ...] = (b"mine",),
    **changes: object,
) -> WorkBlock:
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
    return WorkBlock(header, sign_as(position if signer is None else signer, header.hash), envelopes)


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


def test_competing_blocks_are_settled_at_once() -> None:
    """Two blocks at one height, each seen first by half: who knows both takes the one with the lower hash."""
    world = started()
    world.links.delay_ms = (1, 40)
    one, other = mined_by(2, world), mined_by(3, world)
    assert one.header.hash != other.header.hash
    for node in world.nodes:
        first, second = (one, other) if node.position % 2 else (other, one)
        for block in (first, second):
            node.step(Received(node.now(), block.header.miner ^ 1, msgspec.msgpack.encode(block)))
    world.run(world.now_ms + 5)
    assert {node.engine._tree.head for node in world.nodes} == {min(one.header.hash, other.header.hash)}
    mine_on(world, 5)
    assert not world.halts
    world.check_end()


def test_two_who_found_a_block_at_once_do_not_wait_for_each_other() -> None:
    """One of four is down, and two of the rest find the next block: on either branch it would be the other's turn."""
    world = started()
    world.crash(3)
    world.faulty.add(3)
    below = mined_by(2, world, batch=ZERO_HASH, envelopes=())
    for node in world.nodes[:3]:
        hears(node, [below])
    one, other = (alone(world, 1, miner=miner, parent=below) for miner in (0, 1))
    for node in world.nodes[:3]:
        hears(node, [*one, *other] if node.position == 0 else [*other, *one])
    mine_on(world, 3)


@pytest.mark.parametrize("seed", range(5))
def test_withholding_within_the_depth_divides_nobody(seed: int) -> None:
    """A selfish miner with a quarter of the work keeps its blocks back: some work is wasted, no history is."""
    world = started(seed=seed)
    world.faulty.add(3)
    world.nodes[3].lies.append(withholding(world, world.nodes[3], random.Random(seed)))
    mine_on(world, 15)
    assert not world.halts
    heights = [len(node.chain) for node in world.nodes[:3]]
    assert min(heights) > 3


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
    two = mined_by(2, world, parent=one.header.hash, height=2, time_ms=one.header.time_ms + 1)
    three = mined_by(0, world, parent=two.header.hash, height=3, time_ms=one.header.time_ms + 2)
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
    assert len(node.engine._orphans) <= 2 * node.engine._reach


def test_a_head_that_nobody_has_changes_nothing() -> None:
    """A miner that claims a head it does not show is asked, and no more."""
    world = started()
    node = world.nodes[1]
    ready = node.engine.step(Received(node.now(), 3, msgspec.msgpack.encode(HeadAt(b"\x05" * 32, 100))))
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


# ---------------------------------------------------------------- footing: what work a miner stands on


HEIGHT_AT = 24 + 32 + 8
"""Where a work header has its height: after tag, chain and epoch."""


def jobs_of(world: MiningWorld, position: int) -> list[int]:
    """Collects the heights this miner searches for from now on."""
    heights: list[int] = []
    mine = world.mine

    def listen(node: Node, job: MiningJob | None) -> None:
        if node.position == position and job is not None and job != world.jobs[position]:
            heights.append(int.from_bytes(job.prefix[HEIGHT_AT : HEIGHT_AT + 8], "big"))
        mine(node, job)

    world.mine = listen
    return heights


def cut_off(world: MiningWorld, position: int) -> None:
    for other in range(world.members):
        world.links.cut |= {(position, other), (other, position)}


def fetches(world: MiningWorld, taker: int, giver: int) -> None:
    world.nodes[taker].adopt([block for block in world.nodes[giver].chain if block.certificate])


def test_who_has_fetched_blocks_does_not_build_below_them() -> None:
    """A miner knows of certified blocks and not of the work behind them: what it mined there would be a second history.

    It begins an epoch, or restarts, with its tree at the base, its chain above it, and work waiting.
    """
    world = started()
    cut_off(world, 3)
    mine_up_to(world, 8, without=3)
    heights = jobs_of(world, 3)
    fetches(world, 3, 0)
    fetched = len(world.nodes[3].chain)
    assert fetched > RULES.depth
    for restarts in range(2):
        world.nodes[3].take(b"late%d" % restarts)
        world.run(world.now_ms + 60_000)
        assert heights == []
        assert len(world.nodes[3].chain) == fetched
        world.crash(3)
        world.restart(3)
    world.links.cut.clear()
    world.submit(b"late1")
    mine_on(world, 4)
    assert heights
    assert min(heights) > fetched
    world.check_end()


def mine_up_to(world: MiningWorld, height: int, *, without: int | None = None) -> None:
    """Transactions one by one until so many blocks are delivered everywhere, but here."""
    absent = set() if without is None else {without}
    world.faulty |= absent
    while len(world.nodes[0].chain) < height:
        mine_on(world, 1)
    world.faulty -= absent


def test_a_wiped_miner_comes_back() -> None:
    """Chain and log are gone: it fetches what is certified, asks what work stands behind it, and mines again."""
    world = started()
    mine_on(world, 12)
    world.crash(2)
    world.nodes[2].wipe()
    world.restart(2)
    heights = jobs_of(world, 2)
    mine_on(world, 6)
    assert not world.halts
    assert heights
    assert min(heights) > 12 // 2
    world.check_end()


def test_a_wiped_miner_comes_back_to_an_idle_network() -> None:
    """Nobody mines, so nothing is heard but where the others stand: that is enough."""
    world = started()
    mine_on(world, 12)
    world.run(world.now_ms + 60_000)
    world.crash(2)
    world.nodes[2].wipe()
    world.restart(2)
    world.run(world.now_ms + 30_000)
    world.check_end()
    mine_on(world, 1)
    world.check_end()


def test_a_miner_behind_by_more_than_the_kept_blocks_comes_back() -> None:
    """The others keep 256 blocks: whoever is further behind cannot ask for one after the other, and fetches."""
    world = started(rules=WorkRules(first_target=MAX_TARGET // 4, interval_ms=500, window=8, depth=3))
    world.crash(3)
    world.faulty.add(3)
    while len(world.nodes[0].chain) < 300:
        mine_on(world, 20, every_ms=1_200)
    world.faulty.discard(3)
    world.restart(3)
    mine_on(world, 5)
    assert not world.halts
    world.check_end()


def lost(world: MiningWorld, position: int = 3) -> Miner:
    """A miner that has fetched and not yet heard from anybody what stands there."""
    cut_off(world, position)
    mine_up_to(world, 8, without=position)
    fetches(world, position, 0)
    return world.nodes[position]


def says_below(world: MiningWorld, node: Miner, sender: int, below: Below) -> Ready:
    return node.engine.step(Received(node.now(), sender, encode(below)))


def test_one_word_about_the_footing_counts_for_nothing() -> None:
    """Up to f may lie: a starting point is taken when f+1 different members say the same, whatever one repeats."""
    world = started()
    node = lost(world)
    truth = world.nodes[0].engine._past.below(len(node.chain))
    forged = msgspec.structs.replace(truth, root=b"\x07" * 32)
    for _ in range(3):
        says_below(world, node, 2, forged)
    says_below(world, node, 0, truth)
    assert not node.engine._footing
    says_below(world, node, 1, msgspec.structs.replace(truth, height=truth.height - 1))
    assert not node.engine._footing
    ready = says_below(world, node, 1, truth)
    assert node.engine._tree.root == truth.root
    assert [entry.record for entry in ready.persist[:1]] == [encode(truth)], "it is durable before what is built on it"


def test_work_that_contradicts_what_was_executed_halts() -> None:
    """f+1 members have delivered another block at the height that we executed: two histories, loudly."""
    world = started()
    node = lost(world)
    truth = world.nodes[0].engine._past.below(len(node.chain))
    other = msgspec.structs.replace(truth, time_ms=truth.time_ms + 1)
    says_below(world, node, 0, other)
    assert "another block" in says_below(world, node, 1, other).halt


def test_the_starting_points_of_all_miners_are_the_same() -> None:
    """Whoever is asked, delivered the block itself, restarted, or came back: one height, one answer, marks and all."""
    world = started()
    mine_on(world, 25)
    world.crash(1)
    world.restart(1)
    world.crash(2)
    world.nodes[2].wipe()
    world.restart(2)
    fetches(world, 2, 0)
    mine_on(world, 12)
    lowest = world.nodes[2].engine._past._base.height
    assert lowest > 0
    for height in range(lowest, len(world.nodes[0].chain) + 1):
        assert len({node.engine._past.below(height) for node in world.nodes}) == 1


def alone(world: MiningWorld, length: int, *, miner: int = 3, parent: WorkBlock | None = None) -> list[WorkBlock]:
    """A branch of empty blocks by one miner."""
    branch: list[WorkBlock] = []
    for _ in range(length):
        below = branch[-1] if branch else parent
        place = {} if below is None else {"parent": below.header.hash, "height": below.header.height + 1}
        at_ms = STARTS_MS + len(branch) if below is None else below.header.time_ms + 1
        branch.append(mined_by(miner, world, batch=ZERO_HASH, envelopes=(), time_ms=at_ms, **place))
    return branch


def hears(node: Miner, blocks: list[WorkBlock]) -> list[Ready]:
    return [node.engine.step(Received(node.now(), 3, encode(block))) for block in blocks]


def test_nobody_mines_again_before_half_of_the_others_have() -> None:
    """Two blocks of others lie between two of one miner of four: what comes too early is refused, whatever its work."""
    world = started()
    node = world.nodes[1]
    branch = alone(world, 1, miner=3)
    hears(node, branch)
    for miner, comes_early in ((3, True), (2, False), (2, True), (3, True), (0, False), (2, True), (3, False)):
        following = alone(world, 1, miner=miner, parent=branch[-1])
        hears(node, following)
        assert (following[0].header.hash in node.engine._tree) is not comes_early
        branch += [] if comes_early else following
    assert node.engine.head_height == 4


def test_a_miner_rests_until_it_is_its_turn() -> None:
    """It searches for nothing that the others would refuse."""
    world = started()
    world.run(world.now_ms + 1_000)
    node = world.nodes[1]
    node.engine.step(WorkWaiting(node.now(), True))
    branch = alone(world, 1, miner=1)
    told = hears(node, branch)
    for miner in (2, 3):
        branch += alone(world, 1, miner=miner, parent=branch[-1])
        told += hears(node, branch[-1:])
    assert [ready.mine is not None for ready in told] == [False, False, True]


def test_a_part_with_half_of_the_miners_cannot_build_a_branch() -> None:
    """Cut in halves for far longer than k blocks: both stand still, nothing is promised to anyone, and they heal."""
    world = started()
    mine_up_to(world, 3)
    for one in (0, 1):
        for other in (2, 3):
            world.links.cut |= {(one, other), (other, one)}
    for node in world.nodes:
        node.engine._others.enough = 1  # so that only the turns keep them from mining
    before = max(node.engine.head_height for node in world.nodes)
    for count in range(60):
        world.at(world.now_ms + count * 2_000, partial(world.submit, b"apart%d" % count))
    world.run(world.now_ms + 200_000)
    assert max(node.engine.head_height for node in world.nodes) <= before + 2
    world.links.cut.clear()
    mine_on(world, 5)
    assert not world.halts
    world.check_end()


def test_turns_are_taken_across_what_is_delivered_and_after_a_restart() -> None:
    """Every chain that is delivered shows it: any three blocks in a row are of three miners of four."""
    world = started()
    mine_on(world, 10)
    world.crash(1)
    world.restart(1)
    mine_on(world, 10)
    for node in world.nodes:
        miners = [block.header.miner for block in node.engine._past._blocks.values()]
        assert len(miners) > 10
        assert all(len(set(miners[at : at + 3])) == 3 for at in range(len(miners) - 2))


# ---------------------------------------------------------------- a transaction once


def test_no_transaction_is_mined_twice() -> None:
    """What is delivered, or lies in our branch, is not put into another block, however long it stays on offer."""
    world = started()
    node = world.nodes[0]
    world.run(world.now_ms + 1_000)
    one = mined_by(3, world)
    told(world, one)
    node.step(Received(node.now(), 3, msgspec.msgpack.encode(one)))
    world.run(world.now_ms + 5)
    node.engine.step(WorkWaiting(node.now(), True))
    ready = node.engine.step(ProposalAvailable(node.now(), (b"mine", b"other")))
    assert ready.under_way == (b"mine",)
    assert node.engine._job[2] == (b"other",)
    mine_on(world, 12)
    node.engine.step(WorkWaiting(node.now(), True))
    assert node.engine._job is None or b"mine" not in node.engine._job[2]
    world.check_end()


def test_what_lies_in_our_branch_is_under_way_until_the_branch_is_left() -> None:
    """The driver offers it no more; when a heavier branch without it wins, it is released, and that one's is held."""
    world = started()
    node = world.nodes[1]
    one = mined_by(3, world)
    other = mined_by(2, world, batch=ZERO_HASH, envelopes=())
    above = mined_by(
        0, world, batch=ZERO_HASH, envelopes=(), parent=other.header.hash, height=2, time_ms=other.header.time_ms + 1
    )
    hear = [node.engine.step(Received(node.now(), 2, msgspec.msgpack.encode(one)))]
    hear.append(node.engine.step(Validated(node.now(), one.header.batch, True)))
    assert (hear[1].under_way, hear[1].released) == ((b"mine",), False)
    left = [node.engine.step(Received(node.now(), 2, msgspec.msgpack.encode(block))) for block in (other, above)]
    assert [ready.under_way for ready in left] == [(), ()]
    assert sum(ready.released for ready in left) == 1


# ---------------------------------------------------------------- epochs


def test_an_epoch_is_handed_over() -> None:
    """The last block is buried under empty ones, which die with the epoch; what waits goes into the next one."""
    world = started(ends=(5, 9, 14))
    mine_up_to(world, 16)
    assert {node.membership.epoch for node in world.nodes} == {3}
    assert not world.halts
    world.check_end()


def test_the_target_goes_on_into_the_next_epoch() -> None:
    """The work of the members is known: an epoch begins with the target that the one before has arrived at."""
    world = started(ends=(60,), hashes_per_second=48.0)
    mine_on(world, 40)
    mine_up_to(world, 61)
    assert {node.membership.epoch for node in world.nodes} == {1}
    (base,) = {node.engine._past.below(60) for node in world.nodes}
    assert len(base.marks) == world.rules.marks
    assert int.from_bytes(base.marks[-1].target, "big") < EASY // 2
    assert world.nodes[0].engine.target < EASY // 2
    world.check_end()


def test_who_missed_the_end_of_an_epoch_learns_its_target_from_the_others() -> None:
    """It fetched the last block, so it has no marks of its own: it asks, and mines nothing before it knows."""
    world = started(ends=(6,))
    world.crash(3)
    world.faulty.add(3)
    mine_on(world, 14)
    world.faulty.discard(3)
    heights = jobs_of(world, 3)
    world.restart(3)
    mine_on(world, 4)
    assert world.nodes[3].membership.epoch == 1
    assert min(heights, default=9) > 6
    assert len({node.engine.target for node in world.nodes}) == 1
    world.check_end()


def test_the_marks_of_a_base_are_taken_from_the_others_though_the_base_is_known() -> None:
    """Who fetched the very last block of an epoch knows its hash, and not its target: blocks above it must wait."""
    world = started(ends=(6,))
    cut_off(world, 3)
    mine_up_to(world, 7, without=3)
    node, other = world.nodes[3], world.nodes[0]
    node.adopt([block for block in other.chain[:6] if block.certificate])
    assert (node.membership.epoch, node.engine._footing) == (1, False)
    node.hear(0, Epoch(1), encode(other.engine._past.get(other.engine._past._at[7])))
    assert node.engine.head_height == 6
    base = other.engine._past.below(6)
    for sender in (0, 1):
        node.hear(sender, Epoch(1), encode(base))
    assert node.engine._past.below(6) == base
    assert node.engine._tree.marks(base.root) == base.marks
    world.run(world.now_ms + 10)
    assert node.engine.head_height == 7, "what has waited is in the tree now"


def test_a_crash_while_the_next_epoch_begins_loses_no_footing() -> None:
    """All of them stop when the last block is executed, before the next epoch has written anything."""
    world = started(ends=(6,))
    for node in world.nodes:
        node.hand_over = lambda: None
    for count in range(60):
        world.at(count * 1_000, lambda count=count: world.submit(b"more%d" % count))
    assert world.run(400_000, lambda: all(len(node.chain) == 6 for node in world.nodes))
    world.run(world.now_ms + 5_000)
    for position in range(4):
        world.crash(position)
        del world.nodes[position].hand_over
    for position in range(4):
        world.restart(position)
    mine_on(world, 6)
    assert {node.membership.epoch for node in world.nodes} == {1}
    world.check_end()


def test_an_epoch_ends_only_with_a_certificate() -> None:
    """Two of four have the last block and the others do not: those can still get it, because nobody has gone on."""
    world = started(ends=(5,))
    for count in range(60):
        world.at(count * 1_000, lambda count=count: world.submit(b"more%d" % count))
    assert world.run(400_000, lambda: sum(len(node.chain) == 5 for node in world.nodes) == 2)
    late = [node.position for node in world.nodes if len(node.chain) < 5]
    for position in late:
        world.crash(position)
    world.run(world.now_ms + 20_000)
    assert {node.membership.epoch for node in world.nodes} == {0}
    for position in late:
        world.restart(position)
    mine_on(world, 6)
    assert {node.membership.epoch for node in world.nodes} == {1}
    world.check_end()


def test_a_member_joins_and_the_key_of_another_is_replaced() -> None:
    """Each set change begins an epoch; a machine that was no member until then fetched its way there, and now mines."""
    world = started()
    world.changes_sets = True
    for node in world.nodes:
        node.watch()
    for position, change in ((4, adds(4)), (5, rotates(0, 5))):
        newcomer = world.expects(position)
        newcomer.start()
        world.submit(change)
        heights = jobs_of(world, position)
        while position not in world.nodes[1].membership.places:
            mine_on(world, 1)
        begun = world.nodes[1].base.height
        mine_on(world, 8)
        assert not world.halts
        assert min(heights) > begun
        world.check_end()
    assert world.nodes[1].membership.epoch == 2
