"""The law of votes: what any count must hold, whatever the policy and whoever votes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import GovernanceRefused
from ledgernode.execution.system.policy import Tally, tally
from ledgernode.identity.policy import approvals_needed

NAMES = [f"org{number}" for number in range(9)]
voters = st.sets(st.sampled_from(NAMES[:7]), min_size=1)
anyone = st.sets(st.sampled_from(NAMES))


@st.composite
def votes(draw: st.DrawFn) -> tuple[str, set[str], set[str], set[str]]:
    """A policy that the active organisations can satisfy, and votes of anyone."""
    active = draw(voters)
    counted = f"{draw(st.integers(1, len(active)))} of {len(active)}"
    policy = draw(st.sampled_from(["majority", "all", counted]))
    return policy, active, draw(anyone), draw(anyone)


@given(votes(), anyone)
def test_one_more_approval_never_undoes_a_decision(
    vote: tuple[str, set[str], set[str], set[str]], more: set[str]
) -> None:
    """Satisfaction is monotone in approvals."""
    policy, active, approvals, _ = vote
    if tally(policy, active, approvals).satisfied:
        assert tally(policy, active, approvals | more).satisfied


@given(votes(), anyone)
def test_one_more_rejection_never_revives_a_proposal(
    vote: tuple[str, set[str], set[str], set[str]], more: set[str]
) -> None:
    """Reachability is monotone the other way in rejections."""
    policy, active, approvals, rejections = vote
    if not tally(policy, active, approvals, rejections).reachable:
        assert not tally(policy, active, approvals, rejections | more).reachable


@given(votes())
def test_a_satisfied_proposal_is_reachable(vote: tuple[str, set[str], set[str], set[str]]) -> None:
    """Nothing is enacted and defeated at once."""
    counted = tally(*vote)
    assert counted.reachable or not counted.satisfied


@given(votes())
def test_every_policy_in_force_can_be_satisfied(vote: tuple[str, set[str], set[str], set[str]]) -> None:
    """All approving is always enough, and none approving never is."""
    policy, active, _, _ = vote
    assert tally(policy, active, active).satisfied
    assert not tally(policy, active, ()).satisfied


@given(votes())
def test_votes_of_those_who_are_not_active_do_not_count(vote: tuple[str, set[str], set[str], set[str]]) -> None:
    """Strangers and suspended organisations change nothing, for or against."""
    policy, active, approvals, rejections = vote
    assert tally(policy, active, approvals, rejections) == tally(
        policy, active, approvals & active, rejections & active
    )


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), *[st.sets(st.sampled_from(NAMES[:n]))] * 2)))
def test_two_majorities_share_an_organisation(case: tuple[int, set[str], set[str]]) -> None:
    """So that two contrary decisions need someone who wanted both."""
    size, one, other = case
    active = NAMES[:size]
    if tally("majority", active, one).satisfied and tally("majority", active, other).satisfied:
        assert one & other


def test_a_tally_says_how_many_are_missing() -> None:
    """The numbers a person is shown."""
    assert tally("2 of 3", ["a", "b", "c"], ["a", "z"], ["b"]) == Tally(active=3, needed=2, approving=1, rejecting=1)
    assert tally("2 of 3", ["a", "b", "c"], ["a"], ["b", "c"]).reachable is False


@pytest.mark.parametrize(("policy", "organisations"), [("3 of 2", 2), ("2 of 3", 2), ("majority", 0), ("most", 3)])
def test_a_policy_that_can_never_be_satisfied_is_refused(policy: str, organisations: int) -> None:
    """Counting under it would be meaningless."""
    with pytest.raises(GovernanceRefused):
        approvals_needed(policy, organisations)
    with pytest.raises(GovernanceRefused):
        tally(policy, NAMES[:organisations], ())
