"""A meter's memory of identifiers, against a list that forgets nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import TokenTooOld, TokenUsed
from ledgernode.sts.memory import REMEMBERED, TidMemory, accept, forgotten
from ledgernode.sts.tid import Tid


@given(st.lists(st.integers(0, 40).map(Tid), max_size=120), st.integers(1, 8))
def test_nothing_is_accepted_twice_and_what_is_refused_is_refused_rightly(entered: list[Tid], capacity: int) -> None:
    """Used: it is remembered. Old: the memory is full and all in it is newer. Everything else is accepted."""
    memory, accepted = TidMemory(capacity=capacity), list[Tid]()
    for tid in entered:
        newest = sorted(accepted)[-capacity:]
        try:
            memory = accept(memory, tid)
        except TokenUsed:
            assert tid in newest
        except TokenTooOld:
            assert len(newest) == capacity
            assert tid < newest[0]
        else:
            assert tid not in accepted
            accepted.append(tid)
        assert memory.tids == tuple(sorted(accepted)[-capacity:])


def test_a_token_is_good_once() -> None:
    """The second time it is used, and the memory stays."""
    memory = accept(TidMemory(), Tid(480))
    with pytest.raises(TokenUsed, match="480") as refused:
        accept(memory, Tid(480))
    assert refused.value.facts == {"tid": 480}


def test_tokens_may_be_entered_late_and_out_of_order() -> None:
    """Bought on Monday, Tuesday and Wednesday, entered backwards."""
    memory = TidMemory()
    for tid in (3_000, 2_000, 1_000):
        memory = accept(memory, Tid(tid))
    assert memory.tids == (1_000, 2_000, 3_000)


def test_what_is_older_than_all_that_is_remembered_is_refused() -> None:
    """After fifty newer ones nobody can tell whether it was used."""
    memory = TidMemory()
    for tid in range(100, 100 + REMEMBERED):
        memory = accept(memory, Tid(tid))
    with pytest.raises(TokenTooOld, match="all 50 this meter remembers, the oldest is 100"):
        accept(memory, Tid(99))
    memory = accept(memory, Tid(1_000))
    assert len(memory.tids) == REMEMBERED
    with pytest.raises(TokenTooOld):
        accept(memory, Tid(100))  # it was used, and is now too old to be remembered


def test_a_memory_that_is_not_full_knows_no_age() -> None:
    """A new meter takes whatever it has not seen."""
    assert accept(TidMemory((Tid(5_000),)), Tid(0)).tids == (0, 5_000)


def test_a_change_of_base_date_leaves_an_empty_memory_of_the_same_size() -> None:
    """Numbers begin anew."""
    assert forgotten(TidMemory((Tid(1), Tid(2)), capacity=7)) == TidMemory((), 7)
