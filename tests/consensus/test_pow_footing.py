"""What a miner can say of the past, whom it believes, and what its log leads back to."""

from __future__ import annotations

from ledgernode.consensus.engine import LogEntry
from ledgernode.consensus.pow.header import MAX_TARGET, WorkBlock, WorkHeader
from ledgernode.consensus.pow.journal import Journal
from ledgernode.consensus.pow.messages import Below, HeadAt
from ledgernode.consensus.pow.others import LATELY_MS, Others
from ledgernode.consensus.pow.past import KEPT, Past
from ledgernode.consensus.pow.retarget import WorkRules
from ledgernode.wire.types import ZERO_HASH, ChainId, Epoch

RULES = WorkRules(first_target=MAX_TARGET, interval_ms=1_000, window=4, depth=2)
GENESIS = Below(ZERO_HASH, 0, 1_000, ())


def line(length: int) -> list[WorkBlock]:
    blocks: list[WorkBlock] = []
    parent = ZERO_HASH
    for height in range(1, length + 1):
        target = MAX_TARGET.to_bytes(32, "big")
        header = WorkHeader(ChainId(bytes(32)), 0, height, parent, ZERO_HASH, 1_000 + height, target, 0, 0)
        blocks.append(WorkBlock(header, b"", ()))
        parent = header.hash
    return blocks


def test_a_starting_point_is_the_same_from_the_beginning_and_from_a_later_base() -> None:
    """Who began at genesis, and who began at a base with its marks, say the same of every height both know."""
    blocks = line(40)
    one = Past(GENESIS, RULES)
    for block in blocks[:20]:
        one.append(block.header.hash, block)
    base = one.below(20)
    assert base is not None
    assert len(base.marks) == RULES.marks
    other = Past(base, RULES)
    for block in blocks[20:]:
        one.append(block.header.hash, block)
        other.append(block.header.hash, block)
    assert other.below(19) is None
    assert all(one.below(height) == other.below(height) for height in range(20, 41))
    assert one.below(41) is None


def test_the_past_is_bounded_and_still_answers_for_all_it_keeps() -> None:
    """The oldest block goes with each new one; for those that are kept the marks are whole."""
    past, blocks = Past(GENESIS, RULES), line(KEPT + 50)
    forgotten = [past.append(block.header.hash, block) for block in blocks]
    assert [hashed for hashed in forgotten if hashed] == [block.header.hash for block in blocks[:50]]
    assert past.below(50) is None
    lowest = past.below(51)
    assert lowest is not None
    assert len(lowest.marks) == RULES.marks


def test_one_more_than_may_lie_are_believed() -> None:
    """Of seven members two may lie: the third highest head counts, and three must have been heard of lately."""
    others = Others(7)
    for sender, height in ((1, 9_999), (2, 9_999), (3, 40), (4, 30)):
        others.heard(sender, 1_000)
        others.stands(sender, HeadAt(b"\x01" * 32, height))
    assert others.height() == 40
    assert others.are_there(1_000 + LATELY_MS - 1)
    assert not others.are_there(1_000 + LATELY_MS)
    assert not Others(7).are_there(0)
    assert Others(1).are_there(0)


def test_answers_must_be_the_same_and_of_different_members() -> None:
    """A member that repeats itself, or corrects itself, has one voice."""
    others = Others(4)
    lie = Below(b"\x01" * 32, 5, 1, ())
    truth = Below(b"\x02" * 32, 5, 1, ())
    assert others.answers(1, lie) is None
    assert others.answers(1, lie) is None
    assert others.answers(1, truth) is None
    assert others.answers(2, lie) is None
    assert others.answers(3, truth) == truth


def test_the_log_leads_as_far_as_was_delivered() -> None:
    """Blocks without a record of their delivery stay in the tree; what cannot be read is removed."""
    blocks, journal = line(6), Journal(Epoch(0))
    entries = [journal.stand_on(GENESIS), *(journal.keep(block.header.hash, block) for block in blocks)]
    entries += [journal.deliver(block.header.height, block.header.hash) for block in blocks[:4]]
    damaged = [
        LogEntry(b"0/block/" + bytes(32), b"\xc1"),
        LogEntry(b"0/delivered/x", bytes(32)),
        LogEntry(b"7/root", b""),
    ]
    again = Journal(Epoch(0))
    assert again.read([*entries, *damaged]) == [LogEntry(entry.key, b"") for entry in damaged]
    assert again.root == GENESIS
    tree, past = again.recall(GENESIS, 3, RULES)
    assert (tree.root_height, tree.head_height) == (3, 6)
    assert past.below(3) is not None
    assert again.tidy(tree, past) == [journal.undo_deliver(4)]
    tree, _ = again.recall(GENESIS, 6, RULES)
    assert tree.root_height == 4
