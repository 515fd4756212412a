"""Endorsement: a node signs what it executed, as a member of the epoch's set."""

from __future__ import annotations

import msgspec
import pytest

from ledgernode.consensus.certifier import check_certificate
from ledgernode.errors import BadCertificate
from ledgernode.identity.keys import PrivateKey, verify
from ledgernode.node.endorsement import Endorsement
from ledgernode.wire.block import Header
from ledgernode.wire.types import ZERO_HASH, Epoch, Height, TimeMs, identity_id
from ledgernode.wire.validators import Validator, ValidatorSet, set_hash
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
