"""Telling a leader that leaves someone out from one that is busy."""

from __future__ import annotations

from ledgernode.config import PASSED_OVER_BLOCKS
from ledgernode.node.mempool import Mempool
from ledgernode.node.overlooked import Overlooked
from ledgernode.wire.types import TimeMs
from tests.node.envelopes import transaction

PATIENCE_MS = 2_000


def play(*, leaves_out: bool, blocks: int, every_ms: int = 500) -> bool:
    """One transaction waits longest; each block takes an older or a younger one. Is the leader suspected?"""
    mempool = Mempool()
    overlooked = Overlooked(mempool, members=4, patience_ms=PATIENCE_MS)
    older = [transaction() for _ in range(blocks)]
    for one in older if not leaves_out else ():
        mempool.add(one, b"peer")
    mempool.add(transaction(), b"victim")
    younger = [transaction() for _ in range(blocks)]
    for one in younger:
        mempool.add(one, b"peer")
    suspected = False
    for number, one in enumerate(younger if leaves_out else older):
        suspected = overlooked.block(0, [one.id], TimeMs(number * every_ms)) or suspected
        mempool.remove([one.id])
    return suspected


def test_who_is_left_out_while_younger_ones_are_taken_suspects() -> None:
    """Through enough blocks and for long enough."""
    assert play(leaves_out=True, blocks=PASSED_OVER_BLOCKS + 2)


def test_a_few_blocks_are_no_sign() -> None:
    """An honest leader's order differs a little from ours."""
    assert not play(leaves_out=True, blocks=PASSED_OVER_BLOCKS - 1)


def test_many_quick_blocks_are_no_sign() -> None:
    """Gossip takes its time: nobody is suspected before half a view time-out."""
    assert not play(leaves_out=True, blocks=PASSED_OVER_BLOCKS + 2, every_ms=10)


def test_overload_is_no_sign() -> None:
    """While older ones are taken, who waits is merely next."""
    assert not play(leaves_out=False, blocks=PASSED_OVER_BLOCKS + 2)


def test_a_new_leader_begins_with_a_clean_sheet() -> None:
    """What the one before did is not held against it."""
    mempool = Mempool()
    overlooked = Overlooked(mempool, members=4, patience_ms=PATIENCE_MS)
    mempool.add(transaction(), b"victim")
    for number in range(4 * PASSED_OVER_BLOCKS):
        one = transaction()
        mempool.add(one, b"peer")
        assert not overlooked.block(number // (PASSED_OVER_BLOCKS - 1), [one.id], TimeMs(number * 1_000))
        mempool.remove([one.id])
