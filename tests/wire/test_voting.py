"""Votes as they are signed, and when two of them contradict each other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import BadProof
from ledgernode.wire.types import SIGNATURE_BYTES, ChainId, Epoch, Height, IdentityId
from ledgernode.wire.validators import vote_bytes
from ledgernode.wire.voting import (
    Ballot,
    Phase,
    SignedVote,
    contradict,
    encode_signed,
    fault_id,
    order_vote_bytes,
    parse_signed,
    read_vote,
)

CHAIN = ChainId(b"\x07" * 32)
MEMBER = IdentityId(b"\x0a" * 32)
hashes = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, 2**64 - 1)
orders = st.builds(
    lambda epoch, phase, view, sequence, digest: order_vote_bytes(
        CHAIN, Epoch(epoch), phase, view=view, sequence=sequence, digest=digest
    ),
    numbers,
    st.sampled_from(Phase),
    numbers,
    numbers,
    hashes,
)
blocks = st.builds(
    lambda epoch, height, choice: vote_bytes(CHAIN, Epoch(epoch), Height(height), choice), numbers, numbers, hashes
)


def order(**changes: Any) -> bytes:
    fields = {"chain": CHAIN, "epoch": 2, "phase": Phase.PREPARE, "view": 3, "sequence": 9, "digest": b"\x01" * 32}
    fields |= changes
    chain, epoch, phase = (fields.pop(name) for name in ("chain", "epoch", "phase"))
    return order_vote_bytes(chain, Epoch(epoch), phase, **fields)


def test_a_vote_says_what_was_put_into_it() -> None:
    """Both kinds; a block vote has no phase."""
    vote = read_vote(order())
    assert (vote.ballot, vote.epoch, vote.phase, vote.view, vote.height) == (Ballot.ORDER, 2, Phase.PREPARE, 3, 9)
    assert (vote.chain_id, vote.choice) == (CHAIN, b"\x01" * 32)
    vote = read_vote(vote_bytes(CHAIN, Epoch(2), Height(9), b"\x02" * 32))
    assert (vote.ballot, vote.epoch, vote.phase, vote.height, vote.choice) == (Ballot.BLOCK, 2, None, 9, b"\x02" * 32)


@given(orders | blocks, st.binary(min_size=SIGNATURE_BYTES, max_size=SIGNATURE_BYTES))
def test_a_signed_vote_is_read_back(message: bytes, signature: bytes) -> None:
    """Byte for byte."""
    vote = SignedVote(message, signature)
    assert parse_signed(encode_signed(vote)) == vote


@given(orders | blocks, st.integers(0, 200))
def test_what_is_cut_or_altered_in_its_tag_is_no_vote(message: bytes, at: int) -> None:
    """Refused, never read as something else."""
    with pytest.raises(BadProof):
        read_vote(message[: min(at, len(message) - 1)])
    with pytest.raises(BadProof):
        read_vote(message + b"\x00")
    tag_at = at % 24
    with pytest.raises(BadProof):
        read_vote(message[:tag_at] + bytes((message[tag_at] ^ 1,)) + message[tag_at + 1 :])


def test_a_phase_that_is_none_is_no_vote() -> None:
    """There are three."""
    with pytest.raises(BadProof):
        read_vote(order()[:64] + b"\x03" + order()[65:])


@given(orders | blocks, hashes, st.data())
def test_votes_contradict_each_other_in_their_choice_alone(message: bytes, choice: bytes, data: st.DataObject) -> None:
    """Another choice on the same thing does; the same vote, and any difference before the choice, does not."""
    other = message[:-32] + choice
    assert contradict(message, other) == (other != message)
    assert contradict(other, message) == contradict(message, other)
    assert not contradict(message, message)
    at = data.draw(st.integers(24, len(message) - 33))
    elsewhere = other[:at] + bytes((other[at] ^ 1,)) + other[at + 1 :]
    assert not contradict(message, elsewhere)


def test_a_fault_has_one_name_for_each_thing_voted_on() -> None:
    """Whichever of the votes; another member, phase, view, sequence, epoch or chain is another fault."""
    named = fault_id(MEMBER, order())
    assert fault_id(MEMBER, order(digest=b"\x09" * 32)) == named
    others = [
        order(phase=Phase.COMMIT),
        order(view=4),
        order(sequence=10),
        order(epoch=3),
        order(chain=ChainId(b"\x08" * 32)),
        vote_bytes(CHAIN, Epoch(2), Height(9), b"\x01" * 32),
    ]
    names = {named, fault_id(IdentityId(b"\x0b" * 32), order()), *(fault_id(MEMBER, other) for other in others)}
    assert len(names) == len(others) + 2
