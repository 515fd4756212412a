"""The law that agreement rests on: whatever was decided, every q view changes carry on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ledgernode.consensus.pbft.messages import Phase, Prepared, Scope, Stable, ViewChange, Vote, no_op
from ledgernode.consensus.pbft.view_change import outcome
from ledgernode.wire.quorum import faulty_limit, quorum
from ledgernode.wire.types import ZERO_HASH, ChainId, Epoch

SCOPE = Scope(ChainId(b"\x07" * 32), Epoch(3))
BASE = Stable(0, ZERO_HASH, b"")
DECIDED = b"\xdd" * 32


def prepared(view: int, sequence: int, digest: bytes) -> Prepared:
    return Prepared(view, sequence, digest, (Vote(Phase.PRE_PREPARE, view, sequence, digest, 0, bytes(64)),))


def change(position: int, certificates: tuple[Prepared, ...], stable: Stable = BASE) -> ViewChange:
    return ViewChange(9, position, stable, certificates, bytes(64))


@given(st.data())
def test_what_was_decided_is_required_whichever_members_are_heard(data: st.DataObject) -> None:
    """q members prepared it, f of all lie about it: any q view changes still require it, over older certificates."""
    members = data.draw(st.integers(4, 13))
    view = data.draw(st.integers(1, 8))
    everyone = list(range(members))
    deciders = set(data.draw(st.permutations(everyone))[: quorum(members)])
    liars = set(data.draw(st.permutations(everyone))[: faulty_limit(members)])
    changes = []
    for position in everyone:
        if position in deciders and position not in liars:
            held = (prepared(data.draw(st.integers(view, 8)), 1, DECIDED),)
        else:  # has seen nothing, or something older; a liar has forgotten
            older = data.draw(st.none() | st.integers(0, view - 1))
            held = () if older is None else (prepared(older, 1, bytes([older]) * 32),)
        changes.append(change(position, held))
    heard = data.draw(st.permutations(changes))[: quorum(members)]
    assert outcome(heard, SCOPE).required == {1: DECIDED}


@given(st.sets(st.integers(1, 32)), st.permutations(range(4)))
def test_every_sequence_up_to_the_last_prepared_is_filled(sequences: set[int], order: list[int]) -> None:
    """What nobody prepared becomes a no-op, nothing is required above the last, in whatever order it is told."""
    certificates = {sequence: prepared(1, sequence, bytes([sequence]) * 32) for sequence in sequences}
    changes = [
        change(position, tuple(certificates[sequence] for sequence in sorted(sequences) if sequence % 4 == position))
        for position in range(4)
    ]
    required = outcome([changes[position] for position in order], SCOPE).required
    assert list(required) == list(range(1, max(sequences, default=0) + 1))
    for sequence, digest in required.items():
        expected = certificates[sequence].digest if sequence in sequences else SCOPE.digest(no_op(sequence))
        assert digest == expected


@given(st.integers(0, 40), st.sets(st.integers(1, 40)))
def test_nothing_is_required_that_is_stable(height: int, sequences: set[int]) -> None:
    """What one view change proves certified needs no agreement again, whatever the others still carry."""
    stable = Stable(height, b"\x01" * 32, b"proof")
    certificates = tuple(prepared(1, sequence, DECIDED) for sequence in sorted(sequences))
    result = outcome([change(0, certificates), change(1, (), stable), change(2, ())], SCOPE)
    assert result.stable.height == height
    assert all(sequence > height for sequence in result.required)
