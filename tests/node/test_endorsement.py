"""Endorsement: a node signs what it executed, as a member of the epoch's set."""

from __future__ import annotations

import msgspec
import pytest

from ledgernode.consensus.certifier import check_certificate
from ledgernode.errors import BadCertificate, StateDiverged
from ledgernode.identity.keys import PrivateKey, verify
from ledgernode.node.endorsement import Endorsement
from ledgernode.wire.block import Header, header_hash
from ledgernode.wire.types import ZERO_HASH, Epoch, Height, TimeMs, identity_id
from ledgernode.wire.validators import Certificate, Validator, ValidatorSet, set_hash, vote_bytes
from tests.node.envelopes import CHAIN

KEYS = [PrivateKey.generate() for _ in range(4)]


def validators(*keys: PrivateKey, epoch: int = 0) -> ValidatorSet:
    members = (Validator(identity_id(key.public_key), "north", key.public_key) for key in keys)
    return ValidatorSet.of(Epoch(epoch), members)


def header(members: ValidatorSet) -> Header:
    current = set_hash(members)
    return Header(
        CHAIN, members.epoch, Height(1), *[ZERO_HASH] * 4, TimeMs(1), current, current, transactions=0, receipts=0
    )


def test_one_signature_certifies_a_set_of_one() -> None:
    """The certificate holds for the header and the set, and for no other header."""
    alone = validators(KEYS[0])
    certificate = Endorsement(CHAIN, KEYS[0], alone).sign(header(alone))
    assert certificate is not None
    check_certificate(header(alone), certificate, alone, verify)


def test_one_signature_of_four_certifies_nothing() -> None:
    """A quorum is needed where there is one."""
    four = validators(*KEYS)
    assert Endorsement(CHAIN, KEYS[0], four).sign(header(four)) is None


def test_a_key_outside_the_set_cannot_endorse() -> None:
    """Neither at the start nor when an epoch without it begins."""
    with pytest.raises(BadCertificate, match="epoch 0"):
        Endorsement(CHAIN, KEYS[1], validators(KEYS[0]))
    endorsement = Endorsement(CHAIN, KEYS[0], validators(KEYS[0]))
    with pytest.raises(BadCertificate, match="epoch 1"):
        endorsement.begin(validators(KEYS[1], epoch=1))


def test_a_new_epoch_is_signed_with_its_own_set() -> None:
    """After `begin` the position and the set are the new epoch's."""
    endorsement = Endorsement(CHAIN, KEYS[0], validators(KEYS[0], KEYS[1]))
    following = validators(KEYS[0], epoch=1)
    endorsement.begin(following)
    certificate = endorsement.sign(msgspec.structs.replace(header(following), height=Height(2)))
    assert certificate is not None
    assert [position for position, _ in certificate.signatures] == [0]


# ---------------------------------------------------------------- a certified block from a peer


def certified(members: ValidatorSet, block: Header, *keys: PrivateKey) -> Certificate:
    message = vote_bytes(CHAIN, members.epoch, block.height, header_hash(block))
    public_keys = [member.public_key for member in members.members]
    signatures = sorted((public_keys.index(key.public_key), key.sign(message)) for key in keys)
    return Certificate(tuple(signatures))


def executed_by_who_left() -> tuple[Endorsement, ValidatorSet, Header]:
    """The last block of an epoch, executed by one whose key the set no longer has."""
    members = validators(*KEYS)
    endorsement = Endorsement(CHAIN, PrivateKey.generate(), members, observes=True)
    block = header(members)
    assert endorsement.sign(block) is None
    assert not endorsement.votes_again(), "it has no vote by which others would notice what it lacks"
    endorsement.begin(validators(*KEYS, epoch=1))
    return endorsement, members, block


def test_who_left_the_set_hears_of_a_certificate_from_a_fetched_block() -> None:
    """A block of the epoch before, executed and open here: the certificate that a peer's block carries closes it."""
    endorsement, members, block = executed_by_who_left()
    certificate = certified(members, block, *KEYS[:3])
    assert endorsement.confirmed(block, certified(members, block, *KEYS[:2])) is None
    assert endorsement.confirmed(block, certificate) == certificate
    assert not endorsement.open_blocks
    assert endorsement.confirmed(block, certificate) is None


def test_a_certified_block_that_differs_from_ours_is_an_alarm() -> None:
    """We have executed another one at this height: two histories, whoever is to blame."""
    endorsement, members, block = executed_by_who_left()
    other = msgspec.structs.replace(block, time_ms=TimeMs(2))
    with pytest.raises(StateDiverged):
        endorsement.confirmed(other, certified(members, other, *KEYS[:3]))
