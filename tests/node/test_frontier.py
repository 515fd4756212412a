"""The frontier of linearizable reads: a law over sets, answers and lies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ledgernode.node.frontier import honest_answers
from ledgernode.wire.quorum import faulty_limit, quorum


@given(st.data())
def test_what_was_acknowledged_is_never_above_the_height_that_is_read_at(data: st.DataObject) -> None:
    """Whoever answers, whatever f liars say: the k-th highest answer is at least the acknowledged height."""
    members = data.draw(st.integers(1, 13))
    faulty, needed = faulty_limit(members), quorum(members)
    acknowledged = 100
    signers = data.draw(st.permutations(range(members)))[:needed]
    liars = set(data.draw(st.permutations(range(members)))[:faulty])
    answering = data.draw(st.permutations(range(members)))[: data.draw(st.integers(needed, members))]
    answers = []
    for member in answering:
        if member in liars:
            answers.append(data.draw(st.integers(0, 10_000)))
        elif member in signers:
            answers.append(data.draw(st.integers(acknowledged, 200)))
        else:
            answers.append(data.draw(st.integers(0, 200)))
    sure = honest_answers(members, len(answers))
    assert sure >= 1
    assert sorted(answers, reverse=True)[sure - 1] >= acknowledged


@given(st.integers(1, 128))
def test_too_few_answers_are_not_enough(members: int) -> None:
    """One answer less than a quorum may miss what was acknowledged, where N = 3f+1."""
    if members == 3 * faulty_limit(members) + 1:
        assert honest_answers(members, quorum(members) - 1) < 1
    assert honest_answers(members, quorum(members)) >= 1
