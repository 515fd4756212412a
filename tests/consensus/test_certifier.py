"""Certificates: q signatures of one set on one header, each validator counted once."""

from __future__ import annotations

from functools import lru_cache

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.config import CONTRADICTIONS_NOTICED, VOTES_HELD_PER_VALIDATOR, VOTES_REMEMBERED_HEIGHTS
from ledgernode.consensus.certifier import Certifier, Vote, check_certificate
from ledgernode.errors import BadProof, StateDiverged
from ledgernode.identity.keys import PrivateKey, verify
from ledgernode.wire.block import Header, header_hash
from ledgernode.wire.quorum import faulty_limit, quorum
from ledgernode.wire.types import ChainId, Epoch, Height, TimeMs, identity_id
from ledgernode.wire.validators import Certificate, Validator, ValidatorSet, set_hash, vote_bytes
from ledgernode.wire.voting import read_vote

CHAIN = ChainId(b"\x07" * 32)
EPOCH = Epoch(2)
HEIGHT = Height(9)


@lru_cache
def network(n: int) -> tuple[ValidatorSet, list[PrivateKey]]:
    """A set of n, and their keys by position."""
    keys = {identity_id(key.public_key): key for key in (PrivateKey.generate() for _ in range(n))}
    members = [Validator(who, f"org{i}", key.public_key) for i, (who, key) in enumerate(sorted(keys.items()))]
    return ValidatorSet.of(EPOCH, members), [keys[member.identity] for member in members]


def header_of(validators: ValidatorSet, height: int = HEIGHT) -> Header:
    own = set_hash(validators)
    return Header(CHAIN, EPOCH, Height(height), *[bytes(32)] * 4, TimeMs(5), own, own, 0, 0)  # type: ignore[arg-type]


def signed(key: PrivateKey, position: int, hashed: bytes, height: int = HEIGHT, epoch: int = EPOCH) -> Vote:
    signature = key.sign(vote_bytes(CHAIN, Epoch(epoch), Height(height), hashed))
    return Vote(Height(height), position, hashed, signature)


def certificate_of(header: Header, keys: list[PrivateKey], positions: list[int]) -> Certificate:
    hashed = header_hash(header)
    return Certificate(tuple((at, signed(keys[at], at, hashed, header.height).signature) for at in positions))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7])
def test_a_quorum_completes_the_certificate_and_one_fewer_does_not(n: int) -> None:
    """q votes for our own result, in any order of arrival."""
    validators, keys = network(n)
    header = header_of(validators)
    certifier = Certifier(CHAIN, validators, verify)
    assert certifier.executed(HEIGHT, header_hash(header)) is None
    votes = [signed(keys[at], at, header_hash(header)) for at in reversed(range(quorum(n)))]
    assert [certifier.voted(vote) for vote in votes[:-1]] == [None] * (quorum(n) - 1)
    certificate = certifier.voted(votes[-1])
    assert certificate is not None
    assert [position for position, _ in certificate.signatures] == list(range(quorum(n)))
    check_certificate(header, certificate, validators, verify)


def test_votes_that_arrive_before_our_own_result_count() -> None:
    """A slow node is certified by its peers at once."""
    validators, keys = network(4)
    hashed = header_hash(header_of(validators))
    certifier = Certifier(CHAIN, validators, verify)
    for at in range(3):
        assert certifier.voted(signed(keys[at], at, hashed)) is None
    assert certifier.executed(HEIGHT, hashed) is not None


@given(st.lists(st.integers(0, 3), max_size=12))
def test_duplicates_are_never_counted_twice(arrivals: list[int]) -> None:
    """A certificate stands exactly when q different validators have voted."""
    validators, keys = network(4)
    hashed = header_hash(header_of(validators))
    certifier = Certifier(CHAIN, validators, verify)
    certifier.executed(HEIGHT, hashed)
    seen: set[int] = set()
    for at in arrivals:
        before = len(seen)
        seen.add(at)
        completed = certifier.voted(signed(keys[at], at, hashed))
        assert (completed is not None) == (before == 2 and len(seen) == 3)


def test_a_forged_vote_changes_nothing_and_does_not_block_the_true_one() -> None:
    """Another's key, another height, another epoch, no member: not counted."""
    validators, keys = network(4)
    hashed = header_hash(header_of(validators))
    certifier = Certifier(CHAIN, validators, verify)
    certifier.executed(HEIGHT, hashed)
    true = [signed(keys[at], at, hashed) for at in range(3)]
    forged = [
        signed(keys[3], 0, hashed),
        Vote(HEIGHT, 0, hashed, signed(keys[0], 0, hashed, height=8).signature),
        Vote(HEIGHT, 0, hashed, signed(keys[0], 0, hashed, epoch=1).signature),
        Vote(HEIGHT, 0, hashed, bytes(64)),
        Vote(HEIGHT, 4, hashed, true[0].signature),
        Vote(HEIGHT, -1, hashed, true[0].signature),
    ]
    assert [certifier.voted(vote) for vote in forged] == [None] * 6
    assert [certifier.voted(vote) is not None for vote in true] == [False, False, True]


def test_the_first_vote_of_a_validator_stands() -> None:
    """One that votes for two results is counted for one."""
    validators, keys = network(4)
    hashed = header_hash(header_of(validators))
    certifier = Certifier(CHAIN, validators, verify)
    certifier.executed(HEIGHT, hashed)
    assert certifier.voted(signed(keys[0], 0, b"\x01" * 32)) is None
    for at in range(3):
        assert certifier.voted(signed(keys[at], at, hashed)) is None
    assert certifier.voted(signed(keys[3], 3, hashed)) is not None


@pytest.mark.parametrize("n", [1, 4, 7])
@pytest.mark.parametrize("executed_first", [True, False])
def test_f_plus_one_other_results_halt_us(n: int, executed_first: bool) -> None:
    """f may lie; one more than f cannot, so the one who is wrong is us."""
    validators, keys = network(n)
    own = header_hash(header_of(validators))
    certifier = Certifier(CHAIN, validators, verify)
    if executed_first:
        certifier.executed(HEIGHT, own)
    differing = [signed(keys[at], at, b"\x01" * 32) for at in range(faulty_limit(n) + 1)]
    for vote in differing[:-1]:
        certifier.voted(vote)
    if not executed_first:
        certifier.voted(differing[-1])
    with pytest.raises(StateDiverged, match="block 9"):
        certifier.voted(differing[-1]) if executed_first else certifier.executed(HEIGHT, own)


def test_votes_for_a_certified_block_are_dropped() -> None:
    """The last of four comes late; nothing is kept, nothing completes twice."""
    validators, keys = network(4)
    hashed = header_hash(header_of(validators))
    certifier = Certifier(CHAIN, validators, verify)
    certifier.executed(HEIGHT, hashed)
    for at in range(3):
        certifier.voted(signed(keys[at], at, hashed))
    assert certifier.voted(signed(keys[3], 3, hashed)) is None
    assert certifier._votes == {}


def test_one_validators_votes_cannot_fill_our_memory() -> None:
    """Beyond the bound its votes are dropped; the others' are still taken."""
    validators, _keys = network(4)
    certifier = Certifier(CHAIN, validators, lambda _key, _message, _signature: True)
    for height in range(1, VOTES_HELD_PER_VALIDATOR + 50):
        certifier.voted(Vote(Height(height), 0, bytes(32), bytes(64)))
    assert len(certifier._votes) == VOTES_HELD_PER_VALIDATOR
    far = VOTES_HELD_PER_VALIDATOR + 40
    for at in (1, 2, 3):
        certifier.voted(Vote(Height(far), at, bytes(32), bytes(64)))
    assert certifier.executed(Height(far), bytes(32)) is not None


# ---------------------------------------------------------------- checking a certificate


def test_a_certificate_of_a_quorum_holds_and_more_do_too() -> None:
    """q or more."""
    validators, keys = network(4)
    header = header_of(validators)
    check_certificate(header, certificate_of(header, keys, [0, 2, 3]), validators, verify)
    check_certificate(header, certificate_of(header, keys, [0, 1, 2, 3]), validators, verify)


def test_a_certificate_is_refused_for_each_thing_that_is_wrong() -> None:
    """Too few, one twice, no member, another set, epoch, header or chain, nobody at all."""
    validators, keys = network(4)
    header = header_of(validators)
    good = certificate_of(header, keys, [0, 1, 2])
    (first, second, third) = good.signatures
    other_set, other_keys = network(5)
    cases = [
        (header, Certificate((first, second)), validators, "3 are needed"),
        (header, Certificate((first, second, second)), validators, "twice"),
        (header, Certificate((first, second, (4, third[1]))), validators, "no member"),
        (header, Certificate((first, second, (3, third[1]))), validators, "validator 3 does not hold"),
        (header, certificate_of(header, other_keys, [0, 1, 2, 3]), other_set, "another validator set"),
        (header, good, ValidatorSet(Epoch(3), validators.members), "epoch"),
        (msgspec.structs.replace(header, time_ms=TimeMs(6)), good, validators, "does not hold"),
        (msgspec.structs.replace(header, chain_id=ChainId(bytes(32))), good, validators, "does not hold"),
        (header, Certificate(()), ValidatorSet(EPOCH, ()), "without members"),
    ]
    for altered, certificate, members, reason in cases:
        with pytest.raises(BadProof, match=reason):
            check_certificate(altered, certificate, members, verify)


# ---------------------------------------------------------------- who votes for two results


def test_two_results_of_one_member_are_evidence_once_and_cost_one_check() -> None:
    """The second, other vote is checked and kept with the first; the same again, and a third, cost nothing more."""
    validators, keys = network(4)
    checks: list[bytes] = []

    def counting(key: bytes, message: bytes, signature: bytes) -> bool:
        checks.append(message)
        return verify(key, message, signature)

    certifier = Certifier(CHAIN, validators, counting)
    first, second, third = (signed(keys[1], 1, bytes([n]) * 32) for n in (1, 2, 3))
    certifier.voted(first)
    certifier.voted(first)
    assert (len(checks), certifier.take_evidence()) == (1, ())
    certifier.voted(second)
    (found,) = certifier.take_evidence()
    assert found.position == 1
    said = [found.contradiction.first, found.contradiction.second]
    assert [read_vote(vote.message).choice for vote in said] == [first.header_hash, second.header_hash]
    assert all(verify(keys[1].public_key, vote.message, vote.signature) for vote in said)
    for vote in (second, third, first):
        certifier.voted(vote)
    assert (len(checks), certifier.take_evidence()) == (2, ())


def test_a_late_vote_for_another_result_is_noticed_after_the_certificate() -> None:
    """The certificate stands; for a while its signers can still be held to what they signed."""
    validators, keys = network(4)
    own = header_hash(header_of(validators))
    certifier = Certifier(CHAIN, validators, verify)
    certifier.executed(HEIGHT, own)
    for at in range(3):
        certifier.voted(signed(keys[at], at, own))
    certifier.late(signed(keys[0], 0, own))
    certifier.late(signed(keys[3], 3, own))
    assert certifier.take_evidence() == ()
    certifier.late(signed(keys[0], 0, b"\x01" * 32))
    certifier.voted(signed(keys[2], 2, b"\x01" * 32))
    assert [found.position for found in certifier.take_evidence()] == [0, 2]


def test_nobody_is_accused_by_a_vote_it_did_not_sign() -> None:
    """A forged second vote is dropped, and the true one after it still tells."""
    validators, keys = network(4)
    certifier = Certifier(CHAIN, validators, verify)
    certifier.voted(signed(keys[1], 1, b"\x01" * 32))
    certifier.voted(signed(keys[2], 1, b"\x02" * 32))
    certifier.voted(Vote(HEIGHT, 1, b"\x02" * 32, bytes(64)))
    assert certifier.take_evidence() == ()
    certifier.voted(signed(keys[1], 1, b"\x02" * 32))
    assert len(certifier.take_evidence()) == 1


def test_different_heights_are_no_contradiction() -> None:
    """Each has its own result."""
    validators, keys = network(4)
    certifier = Certifier(CHAIN, validators, verify)
    for height in range(3):
        certifier.voted(signed(keys[1], 1, bytes([height]) * 32, height=height + 1))
    assert certifier.take_evidence() == ()


def test_what_is_looked_for_and_remembered_is_bounded() -> None:
    """One member's contradictions, and the heights whose votes are kept after their certificates."""
    validators, _keys = network(4)
    certifier = Certifier(CHAIN, validators, lambda _key, _message, _signature: True)
    for height in range(1, CONTRADICTIONS_NOTICED + 10):
        for choice in (b"\x01", b"\x02"):
            certifier.voted(Vote(Height(height), 1, choice * 32, bytes(64)))
    assert len(certifier.take_evidence()) == CONTRADICTIONS_NOTICED
    for height in range(1_000, 1_000 + 2 * VOTES_REMEMBERED_HEIGHTS):
        certifier.executed(Height(height), bytes(32))
        for at in (0, 2, 3):
            certifier.voted(Vote(Height(height), at, bytes(32), bytes(64)))
    assert len(certifier._remembered) == VOTES_REMEMBERED_HEIGHTS
