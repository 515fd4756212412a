"""The mempool: bounded, first in first out, keyed by transaction id."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.config import ENTRY_TURN, RETRY_ADVICE_MS
from ledgernode.errors import MempoolFull
from ledgernode.node.mempool import Mempool
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import TimeMs
from tests.node.envelopes import other_creator, transaction, valid_until

LIMITS = Parameters()


def test_first_in_is_first_out() -> None:
    """Transactions are taken in the order of their arrival."""
    mempool = Mempool()
    waiting = [transaction() for _ in range(5)]
    for one in waiting:
        assert mempool.add(one)
    assert mempool.take(LIMITS) == waiting


def test_what_is_taken_stays_until_it_is_committed() -> None:
    """A resend meets the first sending until the block that holds it is announced."""
    mempool = Mempool()
    first, second = transaction(), transaction()
    mempool.add(first)
    mempool.add(second)
    mempool.take(LIMITS)
    assert first.id in mempool
    mempool.remove([first.id, None])
    assert mempool.take(LIMITS) == [second]
    assert mempool.by_envelope(first.envelope_hash) is None
    assert mempool.by_envelope(second.envelope_hash) is second


def test_the_same_id_waits_once() -> None:
    """A second arrival of an id is not added, and takes no room."""
    mempool, one = Mempool(), transaction()
    assert mempool.add(one)
    size = mempool.size_bytes
    assert not mempool.add(one)
    assert (len(mempool), mempool.size_bytes) == (1, size)


def test_full_by_count_refuses_with_advice() -> None:
    """At the limit of transactions a further one is refused, and says when to come again."""
    mempool = Mempool(transactions=2)
    mempool.add(transaction())
    mempool.add(transaction())
    with pytest.raises(MempoolFull) as refusal:
        mempool.add(transaction())
    assert refusal.value.facts["retry_ms"] == RETRY_ADVICE_MS
    assert len(mempool) == 2


def test_full_by_bytes_refuses_until_there_is_room() -> None:
    """The limit of bytes counts whole envelopes, and what leaves makes room."""
    one, other = transaction(text="a" * 100), transaction(text="b" * 100)
    mempool = Mempool(size_bytes=len(one.raw) + 10)
    mempool.add(one)
    with pytest.raises(MempoolFull):
        mempool.add(other)
    mempool.remove([one.id])
    assert mempool.add(other)


def test_a_full_mempool_still_knows_what_waits() -> None:
    """A resend is no new transaction: it is not refused for want of room."""
    mempool, one = Mempool(transactions=1), transaction()
    mempool.add(one)
    assert not mempool.add(one)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (msgspec.structs.replace(LIMITS, block_transactions=3), 3),
        (msgspec.structs.replace(LIMITS, block_budget=2_500), 2),
        (msgspec.structs.replace(LIMITS, block_bytes=5_000), 4),
    ],
)
def test_a_block_ends_at_the_first_limit(limits: Parameters, expected: int) -> None:
    """Count, declared budgets and bytes each bound a block."""
    mempool = Mempool()
    for _ in range(10):
        mempool.add(transaction(text="t" * 850, budget=1_000))
    assert len(mempool.take(limits)) == expected


def test_the_oldest_is_always_taken() -> None:
    """One that is larger than the limits does not block the others for ever."""
    mempool = Mempool()
    mempool.add(transaction(budget=5_000))
    assert len(mempool.take(msgspec.structs.replace(LIMITS, block_budget=1_000))) == 1


def test_what_chain_time_has_passed_is_dropped() -> None:
    """Only those whose validity lies before chain time go; at its very end one still holds."""
    mempool = Mempool()
    early, late, forever = valid_until(1_000), valid_until(2_000), transaction(sequence=1)
    for one in (late, early, forever):
        mempool.add(one)
    assert mempool.drop_expired(TimeMs(1_000)) == []
    assert mempool.drop_expired(TimeMs(1_001)) == [early]
    assert mempool.drop_expired(TimeMs(2_000)) == []
    assert mempool.drop_expired(TimeMs(2_001)) == [late]
    assert mempool.take(LIMITS) == [forever]


def test_what_no_block_may_carry_any_more_is_dropped() -> None:
    """Lowered limits of a transaction are applied to those that wait."""
    mempool = Mempool()
    small, dear, long = transaction(budget=10), transaction(budget=900), transaction(budget=10, text="t" * 3_000)
    for one in (small, dear, long):
        mempool.add(one)
    assert mempool.drop_oversized(msgspec.structs.replace(LIMITS, budget=100, body_bytes=2_000)) == [dear, long]
    assert mempool.take(LIMITS) == [small]


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 40)), max_size=12), st.integers(1, 100))
def test_what_is_taken_never_exceeds_a_limit(sizes: list[tuple[int, int]], budget_limit: int) -> None:
    """Beyond its first, a block keeps its limits, and it is a prefix of what waits."""
    mempool = Mempool()
    waiting = [transaction(budget=budget, text="x" * length) for budget, length in sizes]
    for one in waiting:
        mempool.add(one)
    taken = mempool.take(msgspec.structs.replace(LIMITS, block_budget=budget_limit))
    assert taken == waiting[: len(taken)]
    assert len(taken) <= 1 or sum(one.body.budget for one in taken) <= budget_limit
    assert len(taken) == len(waiting) or sum(one.body.budget for one in waiting[: len(taken) + 1]) > budget_limit


# ---------------------------------------------------------------- entries


def test_entries_are_served_in_turn() -> None:
    """A flood through one validator does not delay what came through another."""
    mempool = Mempool()
    flood = [transaction() for _ in range(3 * ENTRY_TURN)]
    for one in flood:
        mempool.add(one, b"flooding")
    quiet = transaction()
    mempool.add(quiet, b"quiet")
    taken = mempool.take(LIMITS)
    assert taken.index(quiet) <= ENTRY_TURN
    assert [one for one in taken if one is not quiet] == flood


def test_what_is_under_way_is_not_taken_again_until_released() -> None:
    """Then it comes in the order of its arrival, but for what is under way for certain."""
    mempool = Mempool()
    first, second, third = (transaction() for _ in range(3))
    for one in (first, second, third):
        mempool.add(one)
    mempool.take_up([first, second])
    assert (mempool.take(LIMITS), mempool.fresh, len(mempool)) == ([third], 1, 3)
    mempool.release(but=[first])
    assert mempool.take(LIMITS) == [second, third]


def test_while_room_is_short_an_entry_has_its_share() -> None:
    """One that holds more than its share is refused, another is not."""
    mempool = Mempool(transactions=8)
    mempool.share_among(4)
    for _ in range(4):
        mempool.add(transaction(), b"greedy")
    with pytest.raises(MempoolFull, match="fair share"):
        mempool.add(transaction(), b"greedy")
    assert mempool.add(other_creator(), b"modest")


def test_what_left_lately_is_known() -> None:
    """A forwarding that was slower than the block must not bring it back."""
    mempool, one = Mempool(), transaction()
    mempool.add(one)
    assert not mempool.is_gone(one.id)
    mempool.remove([one.id])
    assert mempool.is_gone(one.id)
