"""This node's signature under what it executed, and the certificate that the signatures make.

One `Certifier` per epoch. A node whose key is not in the set of an epoch cannot certify anything in it.
"""

from __future__ import annotations

from ledgernode.consensus.certifier import Certifier, Vote
from ledgernode.errors import BadCertificate
from ledgernode.identity.keys import PrivateKey, verify
from ledgernode.wire.block import Header, header_hash
from ledgernode.wire.types import ChainId
from ledgernode.wire.validators import Certificate, ValidatorSet, vote_bytes


class Endorsement:
    """Signs headers of one epoch after another as the same validator."""

    def __init__(self, chain_id: ChainId, key: PrivateKey, validators: ValidatorSet) -> None:
        self._chain_id = chain_id
        self._key = key
        self.begin(validators)

    @property
    def public_key(self) -> bytes:
        return self._key.public_key

    def begin(self, validators: ValidatorSet) -> None:
        """Take up an epoch's set. Refuses (BadCertificate) when this node's key is not in it."""
        keys = [member.public_key for member in validators.members]
        if self._key.public_key not in keys:
            raise BadCertificate(f"this node's key is not in the validator set of epoch {validators.epoch}")
        self.validators = validators
        self.position = keys.index(self._key.public_key)
        self._certifier = Certifier(self._chain_id, validators, verify)

    def sign(self, header: Header) -> Certificate | None:
        """Vote for our own result; the certificate, once enough votes agree with it.

        Raises StateDiverged when f+1 validators signed another result.
        """
        hash_of_header = header_hash(header)
        signature = self._key.sign(vote_bytes(self._chain_id, header.epoch, header.height, hash_of_header))
        self._certifier.executed(header.height, hash_of_header)
        return self._certifier.voted(Vote(header.height, self.position, hash_of_header, signature))
