"""How many organisations decide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import GovernanceRefused
from ledgernode.identity.policy import approvals_needed


@given(st.integers(1, 200))
def test_a_majority_is_more_than_half_and_no_more_than_needed(organisations: int) -> None:
    """Two majorities always share a member; one less would not."""
    needed = approvals_needed("majority", organisations)
    assert 2 * needed > organisations >= 2 * (needed - 1)


@given(st.integers(1, 200), st.data())
def test_all_and_counted_policies_say_their_number(organisations: int, data) -> None:
    """`all` is everyone; `N of M` is N."""
    assert approvals_needed("all", organisations) == organisations
    needed = data.draw(st.integers(1, organisations))
    assert approvals_needed(f"{needed} of {organisations}", organisations) == needed


@pytest.mark.parametrize(
    ("policy", "organisations"),
    [
        ("3 of 2", 2),
        ("0 of 2", 2),
        ("2 of 3", 4),
        ("2 of 3", 2),
        ("2 of 3 ", 3),
        ("02 of 3", 3),
        ("٢ of 3", 3),
        ("half", 4),
        ("", 4),
        ("majority", 0),
        ("all", 0),
    ],
)
def test_policies_that_can_never_be_satisfied_are_refused(policy: str, organisations: int) -> None:
    """Nobody is locked out of their own ledger."""
    with pytest.raises(GovernanceRefused):
        approvals_needed(policy, organisations)
