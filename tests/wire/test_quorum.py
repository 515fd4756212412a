"""Quorum arithmetic, for every size a set may have."""

from __future__ import annotations

import pytest

from ledgernode.wire.quorum import faulty_limit, quorum

SIZES = range(1, 101)


@pytest.mark.parametrize("n", SIZES)
def test_any_two_quorums_share_an_honest_member(n: int) -> None:
    """The smallest overlap of two quorums is 2q - N; it is at least f + 1."""
    assert 2 * quorum(n) - n >= faulty_limit(n) + 1


@pytest.mark.parametrize("n", SIZES)
def test_the_honest_members_make_a_quorum_by_themselves(n: int) -> None:
    """With f silent, the rest still decide."""
    assert quorum(n) <= n - faulty_limit(n)


@pytest.mark.parametrize("n", SIZES)
def test_no_smaller_quorum_would_be_safe(n: int) -> None:
    """One fewer, and two quorums could share faulty members only."""
    assert 2 * (quorum(n) - 1) - n < faulty_limit(n) + 1


@pytest.mark.parametrize("f", range(33))
def test_with_three_f_plus_one_a_quorum_is_two_f_plus_one(f: int) -> None:
    """The familiar case."""
    assert (faulty_limit(3 * f + 1), quorum(3 * f + 1)) == (f, 2 * f + 1)


@pytest.mark.parametrize("n", [0, -1])
def test_nobody_is_no_validator_set(n: int) -> None:
    """Our own mistake."""
    with pytest.raises(ValueError, match="at least one"):
        quorum(n)
