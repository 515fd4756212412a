"""Validator sets, votes and certificates: one encoding each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import BadProof
from ledgernode.wire.types import ChainId, Epoch, Height, IdentityId
from ledgernode.wire.validators import (
    VOTE_TAG,
    Certificate,
    Validator,
    ValidatorSet,
    encode_certificate,
    encode_set,
    parse_certificate,
    parse_set,
    set_hash,
    vote_bytes,
)

MEMBERS = st.builds(
    Validator,
    st.binary(min_size=32, max_size=32),
    st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20),
    st.binary(min_size=65, max_size=65),
)
SETS = st.builds(
    ValidatorSet.of,
    st.integers(0, 2**64 - 1),
    st.lists(MEMBERS, min_size=1, max_size=5, unique_by=(lambda m: m.identity, lambda m: m.public_key)),
)
CERTIFICATES = st.dictionaries(st.integers(0, 65_535), st.binary(min_size=64, max_size=64), max_size=5).map(
    lambda found: Certificate(tuple(sorted(found.items())))
)


def member(number: int, key: int | None = None) -> Validator:
    return Validator(IdentityId(bytes([number]) * 32), f"org{number}", bytes([number if key is None else key]) * 65)


@given(SETS)
def test_a_set_is_read_back_as_it_was_written(validators: ValidatorSet) -> None:
    """parse . encode is the identity."""
    assert parse_set(encode_set(validators)) == validators


@given(SETS, st.randoms(use_true_random=False))
def test_the_order_in_which_members_are_named_does_not_matter(validators: ValidatorSet, random: object) -> None:
    """A set is sorted by identity, so every node hashes the same bytes."""
    shuffled = list(validators.members)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert set_hash(ValidatorSet.of(validators.epoch, shuffled)) == set_hash(validators)


@given(SETS, st.data())
def test_an_altered_set_is_refused_or_has_another_hash(validators: ValidatorSet, data: st.DataObject) -> None:
    """Whatever is read has exactly the bytes that were read."""
    raw = bytearray(encode_set(validators))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        altered = parse_set(bytes(raw))
    except BadProof:
        return
    assert encode_set(altered) == bytes(raw)
    assert set_hash(altered) != set_hash(validators)


@given(SETS, st.data())
def test_a_set_cut_short_or_too_long_is_refused(validators: ValidatorSet, data: st.DataObject) -> None:
    """The last key is whole, and nothing follows it."""
    raw = encode_set(validators)
    with pytest.raises(BadProof):
        parse_set(raw[: data.draw(st.integers(0, len(raw) - 1))])
    with pytest.raises(BadProof):
        parse_set(raw + b"\x00")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ((), "empty"),
        ((member(2), member(1)), "in order"),
        ((member(1), member(1, key=2)), "each identity once"),
        ((member(1), member(2, key=1)), "each key once"),
    ],
)
def test_a_set_that_would_miscount_is_refused(members: tuple[Validator, ...], reason: str) -> None:
    """One validator is one vote: sorted, none twice, no key shared, never nobody."""
    with pytest.raises(BadProof, match=reason):
        parse_set(encode_set(ValidatorSet(Epoch(0), members)))


@pytest.mark.parametrize(
    "unfit", [Validator(IdentityId(bytes(31)), "a", bytes(65)), Validator(IdentityId(bytes(32)), "a", bytes(64))]
)
def test_a_member_of_wrong_sizes_is_never_written(unfit: Validator) -> None:
    """Our own mistake stops us before anything is hashed."""
    with pytest.raises(AssertionError):
        encode_set(ValidatorSet(Epoch(0), (unfit,)))


@given(CERTIFICATES)
def test_a_certificate_is_read_back_as_it_was_written(certificate: Certificate) -> None:
    """parse . encode is the identity."""
    assert parse_certificate(encode_certificate(certificate)) == certificate


@given(CERTIFICATES, st.data())
def test_a_certificate_of_another_length_is_refused(certificate: Certificate, data: st.DataObject) -> None:
    """Its count says its size."""
    raw = encode_certificate(certificate)
    with pytest.raises(BadProof):
        parse_certificate(raw[: data.draw(st.integers(0, len(raw) - 1))])
    with pytest.raises(BadProof):
        parse_certificate(raw + b"\x00")


@pytest.mark.parametrize("positions", [(1, 1), (2, 1)])
def test_a_certificate_that_repeats_or_disorders_positions_is_refused(positions: tuple[int, ...]) -> None:
    """A signature counted twice would forge a quorum."""
    raw = len(positions).to_bytes(2, "big") + b"".join(at.to_bytes(2, "big") + bytes(64) for at in positions)
    with pytest.raises(BadProof, match="once"):
        parse_certificate(raw)


def test_a_vote_names_chain_epoch_height_and_header() -> None:
    """Change any of the four, and it is another vote."""
    base = (ChainId(b"\x01" * 32), Epoch(2), Height(3), b"\x04" * 32)
    others = [
        (ChainId(b"\x05" * 32), *base[1:]),
        (base[0], Epoch(3), *base[2:]),
        (*base[:2], Height(2), base[3]),
        (*base[:3], b"\x05" * 32),
    ]
    votes = {vote_bytes(*vote) for vote in (base, *others)}
    assert len(votes) == 5
    assert {len(vote) for vote in votes} == {104}
    assert all(vote.startswith(VOTE_TAG) for vote in votes)
