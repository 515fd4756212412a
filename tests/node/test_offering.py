"""Offers: at once when idle, larger when busy, and never the same twice."""

from __future__ import annotations

from ledgernode.config import OFFER_AGAIN_MS, PROPOSAL_LINGER_MS
from ledgernode.node.mempool import Mempool
from ledgernode.node.offering import Offering
from ledgernode.wire.parameters import Parameters
from tests.node.envelopes import transaction

LIMITS = Parameters()
SMALL = Parameters(block_transactions=2)


def test_what_waits_is_offered_at_once_when_nothing_is_under_way() -> None:
    """An idle ledger answers without delay."""
    mempool = Mempool()
    offering, one = Offering(mempool), transaction()
    assert offering.next(LIMITS, 1_000, timer_due=False) is None
    mempool.add(one)
    assert offering.next(LIMITS, 1_000, timer_due=False) == [one]


def busy(under_way: int) -> tuple[Mempool, Offering]:
    """So many were offered and taken at 1,000 ms."""
    mempool = Mempool()
    for _ in range(under_way):
        mempool.add(transaction())
    offering = Offering(mempool)
    offering.offered(mempool.take(LIMITS), 1_000, taken=True)
    return mempool, offering


def test_what_comes_while_others_are_under_way_gathers_but_not_for_long() -> None:
    """Blocks grow with load."""
    mempool, offering = busy(3)
    other = transaction()
    mempool.add(other)
    assert offering.next(LIMITS, 1_000 + PROPOSAL_LINGER_MS - 1, timer_due=False) is None
    assert offering.next(LIMITS, 1_000 + PROPOSAL_LINGER_MS, timer_due=False) == [other]


def test_as_much_as_is_under_way_is_offered_at_once() -> None:
    """More under way, more is gathered before the next: a few large blocks, not many small ones."""
    mempool, offering = busy(3)
    for _ in range(2):
        mempool.add(transaction())
        assert offering.next(LIMITS, 1_001, timer_due=False) is None
    mempool.add(transaction())
    assert len(offering.next(LIMITS, 1_001, timer_due=False) or ()) == 3


def test_a_full_block_is_offered_at_once() -> None:
    """What fills a block does not wait for more, however much is under way."""
    mempool, offering = busy(9)
    mempool.add(transaction())
    assert offering.next(SMALL, 1_001, timer_due=False) is None
    mempool.add(transaction())
    assert len(offering.next(SMALL, 1_001, timer_due=False) or ()) == 2


def test_what_was_not_taken_is_not_offered_again_unchanged() -> None:
    """A miner knows already; when more waits it is told, but not for every transaction."""
    mempool = Mempool()
    offering, one, other = Offering(mempool), transaction(), transaction()
    mempool.add(one)
    offering.offered([one], 1_000, taken=False)
    assert offering.next(LIMITS, 9_000, timer_due=False) is None
    mempool.add(other)
    assert offering.next(LIMITS, 1_000 + OFFER_AGAIN_MS - 1, timer_due=False) is None
    assert offering.next(LIMITS, 1_000 + OFFER_AGAIN_MS, timer_due=False) == [one, other]


def test_a_due_timer_alone_is_offered_once_a_block() -> None:
    """It needs a block without transactions; one is enough."""
    offering = Offering(Mempool())
    assert offering.next(LIMITS, 1_000, timer_due=True) == []
    offering.offered([], 1_000, taken=True)
    assert offering.next(LIMITS, 9_000, timer_due=True) is None
    offering.forget()
    assert offering.next(LIMITS, 9_000, timer_due=True) == []
