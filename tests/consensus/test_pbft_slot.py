"""One sequence: who is counted, what contradicts, and what adds up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ledgernode.config import PROPOSALS_PER_SLOT
from ledgernode.consensus.pbft.messages import Phase, Proposal, Vote
from ledgernode.consensus.pbft.slot import Slot, agreement

DIGESTS = (b"\x01" * 32, b"\x02" * 32)


def vote(phase: Phase, view: int, digest: bytes, position: int) -> Vote:
    return Vote(phase, view, 1, digest, position, bytes(64))


commits = st.builds(vote, st.just(Phase.COMMIT), st.integers(0, 3), st.sampled_from(DIGESTS), st.integers(0, 6))


@given(st.lists(commits, max_size=40))
def test_commits_decide_exactly_when_q_members_last_said_the_same_in_one_view(votes: list[Vote]) -> None:
    """Of each member its first word in its latest view counts, once."""
    slot = Slot(1)
    counted: dict[int, Vote] = {}
    for each in votes:
        slot.count(each)
        if each.position not in counted or counted[each.position].view < each.view:
            counted[each.position] = each
    agreed = {
        digest
        for digest in DIGESTS
        for view in range(4)
        if sum((said.view, said.digest) == (view, digest) for said in counted.values()) >= 5
    }
    deciding = slot.deciding(5)
    assert {each.digest for each in deciding} == agreed
    assert len({each.position for each in deciding}) == len(deciding) in (0, 5, 6, 7)
    assert len({each.view for each in deciding}) <= 1


def test_what_decided_is_kept_when_its_authors_commit_again_in_later_views() -> None:
    """Commits of different views prove nothing together: whoever lacks the decision is given those that made it."""
    slot = Slot(1)
    for position in range(3):
        slot.count(vote(Phase.COMMIT, 3, DIGESTS[0], position))
    slot.decision = slot.deciding(3)
    for position in range(2):
        slot.count(vote(Phase.COMMIT, 4, DIGESTS[0], position))
    assert slot.deciding(3) == ()
    assert agreement(slot.reasons(4), 3) == slot.decision


@given(st.lists(commits, max_size=40))
def test_a_vote_that_is_known_changes_nothing(votes: list[Vote]) -> None:
    """What `knows` answers is what counting it again would do."""
    slot = Slot(1)
    for each in votes:
        before = dict(slot.commits)
        known = slot.knows(each)
        contradicted = slot.count(each)
        if known:
            assert slot.commits == before
        assert slot.knows(each)
        if contradicted is not None:
            assert not known
            assert (contradicted.view, contradicted.position) == (each.view, each.position)
            assert contradicted.digest != each.digest


def test_a_contradiction_is_told_once() -> None:
    """The first contradiction of a member is evidence; repeating it adds nothing."""
    slot = Slot(1)
    first, second = (vote(Phase.PREPARE, 0, digest, 2) for digest in DIGESTS)
    assert slot.count(first) is None
    assert slot.count(second) == first
    assert slot.knows(second)


def test_prepares_of_the_leader_do_not_count_beside_its_pre_prepare() -> None:
    """The leader's word is its pre-prepare: its prepare is no second vote."""
    slot = Slot(1)
    slot.count(vote(Phase.PRE_PREPARE, 0, DIGESTS[0], 0))
    for position in (0, 1):
        slot.count(vote(Phase.PREPARE, 0, DIGESTS[0], position))
    assert slot.prepare_certificate(3) is None
    slot.count(vote(Phase.PREPARE, 0, DIGESTS[0], 2))
    certificate = slot.prepare_certificate(3)
    assert certificate is not None
    assert [each.position for each in certificate.votes] == [0, 1, 2]


def test_contents_are_bounded_and_what_is_needed_stays() -> None:
    """The oldest content that nobody needs goes for a new one."""
    slot = Slot(1)
    needed = bytes(32)
    for number in range(3 * PROPOSALS_PER_SLOT):
        slot.keep(bytes([number]) * 32, Proposal(1, number, ()), {needed})
    assert len(slot.proposals) == PROPOSALS_PER_SLOT
    assert needed in slot.proposals
