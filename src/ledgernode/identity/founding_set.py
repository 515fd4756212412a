"""The first validator set: read from the genesis file alone, so that a proof needs nothing else."""

from __future__ import annotations

from typing import Final

from ledgernode.identity.certificates import read_certificate
from ledgernode.wire.genesis import Genesis
from ledgernode.wire.types import Epoch, identity_id
from ledgernode.wire.validators import Validator, ValidatorSet

FIRST_EPOCH: Final = Epoch(0)


def founding_set(genesis: Genesis) -> ValidatorSet:
    """The set of epoch 0; refuses certificates that cannot be read. Whether they hold is for `check_genesis`."""
    members: list[Validator] = []
    for organisation in genesis.organisations:
        for validator in organisation.validators:
            key = read_certificate(validator.certificate).public_key
            members.append(Validator(identity_id(key), organisation.name, key))
    return ValidatorSet.of(FIRST_EPOCH, members)
