"""Order before checks: what a log has ordered is judged alike by all, and each offers what its own clients brought."""

from __future__ import annotations

import msgspec
import pytest

from ledgernode.config import OWN_FIRST_MS
from ledgernode.consensus.engine import Validate
from ledgernode.node.mempool import Mempool
from ledgernode.node.offering import Offering
from ledgernode.node.order_first import WIDEST, OrderFirstChecker, fits
from ledgernode.wire.parameters import LIMITS, Parameters
from tests.node.envelopes import CHAIN, envelope, transaction

PEER = b"peer"
NOW_MS = 100_000


def verdict(raw: bytes, *, limits: Parameters) -> bool:
    checker = OrderFirstChecker(CHAIN, Mempool())
    for _ in range(20):
        checker.limits_now(limits)
    checker.ask(Validate(b"digest", (raw,)))
    (found,) = checker.go_on()
    return found.holds


@pytest.mark.parametrize("limits", [Parameters(), Parameters(budget=10_000), WIDEST])
def test_the_limits_of_the_moment_do_not_change_a_verdict(limits: Parameters) -> None:
    """Validators check at different moments: one that has just started knows no limits of before."""
    assert verdict(envelope(budget=400_000), limits=limits)
    good = envelope()
    assert not verdict(good[:-1] + bytes([good[-1] ^ 1]), limits=limits)
    assert not verdict(b"noise", limits=limits)


def test_the_widest_limits_are_the_highest_of_each() -> None:
    """Nothing that any ledger may allow is refused before it is executed."""
    assert msgspec.structs.asdict(WIDEST) == {name: highest for name, (_, highest) in LIMITS.items()}


def test_what_fits_is_a_function_of_the_limits_at_its_height() -> None:
    """Count, bytes, budgets together; one alone may fill a block, within its own limits."""
    two = [transaction(budget=6_000, text=str(number)) for number in range(2)]
    assert fits(two, Parameters())
    assert fits([], Parameters())
    assert not fits(two, Parameters(block_transactions=1))
    tight = msgspec.structs.replace(Parameters(), block_budget=11_000)
    assert not fits(two, tight)
    assert fits(two[:1], tight)
    assert not fits(two[:1], msgspec.structs.replace(Parameters(), budget=5_000))
    deep = transaction(nested={"a": {"b": {"c": {"d": {"e": 1}}}}})
    assert not fits([deep], msgspec.structs.replace(Parameters(), arguments_depth=4))


def test_each_offers_its_own_and_leaves_to_the_others_what_they_forwarded() -> None:
    """For a while: whoever forwarded it may be gone."""
    mempool = Mempool()
    offering = Offering(mempool, own_first_ms=OWN_FIRST_MS)
    theirs, ours = transaction(), transaction()
    mempool.add(theirs, PEER)
    assert offering.next(Parameters(), NOW_MS, timer_due=False) is None
    mempool.add(ours)
    assert offering.next(Parameters(), NOW_MS + 10, timer_due=False) == [ours]
    offering.offered([ours], NOW_MS + 10, taken=True)
    found = [offering.next(Parameters(), NOW_MS + later, timer_due=False) for later in range(100, OWN_FIRST_MS, 100)]
    assert found == [None] * len(found)
    assert offering.next(Parameters(), NOW_MS + 2 * OWN_FIRST_MS, timer_due=False) == [theirs]


def test_a_due_timer_is_offered_while_only_forwarded_ones_wait() -> None:
    """A block for a timer does not wait for anyone's transactions."""
    mempool = Mempool()
    offering = Offering(mempool, own_first_ms=OWN_FIRST_MS)
    mempool.add(transaction(), PEER)
    assert offering.next(Parameters(), NOW_MS, timer_due=True) == []
