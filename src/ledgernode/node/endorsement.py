"""This node's signature under what it executed, and the certificates that the signatures of all make.

One `Certifier` per epoch; the one before is kept, because the last blocks of an epoch are certified when the
next has begun. A node whose key is not in the set of an epoch certifies nothing in it: it observes, and takes
certificates from others.

A block that stands here without its certificate is *open*. Votes for open blocks are said again until they
have one; whoever still votes for a block that has one is given it.
"""

from __future__ import annotations

import msgspec

from ledgernode.config import OPEN_BLOCKS_REPEATED
from ledgernode.consensus.certifier import Certifier, Vote, check_certificate
from ledgernode.errors import BadCertificate, BadProof, StateDiverged
from ledgernode.identity.keys import verify
from ledgernode.identity.signing import SigningKey
from ledgernode.wire.block import Header, header_hash
from ledgernode.wire.frames import HeaderVote
from ledgernode.wire.types import ChainId, Epoch, Height
from ledgernode.wire.validators import Certificate, Validator, ValidatorSet, vote_bytes
from ledgernode.wire.voting import Contradiction


class _Open(msgspec.Struct, frozen=True):
    header: Header
    vote: HeaderVote | None


_Epoch = tuple[ValidatorSet, Certifier]


class Endorsement:
    """Signs headers of one epoch after another as the same validator, and collects what the others sign."""

    def __init__(self, chain_id: ChainId, key: SigningKey, validators: ValidatorSet, *, observes: bool = False) -> None:
        self._chain_id = chain_id
        self._key = key
        self._observes = observes
        self._open: dict[Height, _Open] = {}
        self._unsaid: dict[Height, HeaderVote] = {}
        self._epochs: dict[Epoch, _Epoch] = {}
        self._evidence: list[tuple[Validator, Contradiction]] = []
        self.begin(validators)

    @property
    def public_key(self) -> bytes:
        return self._key.public_key

    @property
    def key(self) -> SigningKey:
        return self._key

    @property
    def open_blocks(self) -> int:
        return len(self._open)

    def includes(self, public_key: bytes) -> bool:
        """Is this the key of a member now, or of the epoch before?"""
        return any(position_of(validators, public_key) is not None for validators, _ in self._epochs.values())

    def begin(self, validators: ValidatorSet) -> None:
        """Take up an epoch's set. Refuses (BadCertificate) when this node's key is not in it, unless it observes."""
        self.position = position_of(validators, self._key.public_key)
        if self.position is None and not self._observes:
            raise BadCertificate(f"this node's key is not in the validator set of epoch {validators.epoch}")
        self.validators = validators
        kept = {epoch: known for epoch, known in self._epochs.items() if epoch == validators.epoch - 1}
        self._epochs = {**kept, validators.epoch: (validators, Certifier(self._chain_id, validators, verify))}

    def sign(self, header: Header) -> Certificate | None:
        """Vote for our own result; the certificate, once enough votes agree with it.

        The vote is not to leave before the block is durable: then `say` gives it out.

        Raises StateDiverged when f+1 validators signed another result.
        """
        validators, certifier = self._epochs[header.epoch]
        hash_of_header = header_hash(header)
        position = position_of(validators, self._key.public_key)
        certificate = certifier.executed(header.height, hash_of_header)
        if position is None:
            self._open[header.height] = _Open(header, None)
        else:
            signature = self._key.sign(vote_bytes(self._chain_id, header.epoch, header.height, hash_of_header))
            vote = HeaderVote(header.epoch, header.height, hash_of_header, signature)
            self._open[header.height] = _Open(header, vote)
            self._unsaid[header.height] = vote
            certificate = certificate or certifier.voted(Vote(header.height, position, hash_of_header, signature))
        return self._closed(header.height, certificate)

    def voted(self, public_key: bytes, vote: HeaderVote) -> Certificate | None:
        """Count a member's vote; the certificate that it completes. What is invalid or foreign changes nothing."""
        known, position = self._author(public_key, vote)
        if known is None or position is None:
            return None
        certificate = known[1].voted(Vote(vote.height, position, vote.header_hash, vote.signature))
        self._keep_evidence(known)
        return self._closed(vote.height, certificate)

    def late(self, public_key: bytes, vote: HeaderVote) -> None:
        """A member's vote for a block that stands: looked at only for whether it contradicts its earlier one."""
        known, position = self._author(public_key, vote)
        if known is not None and position is not None:
            known[1].late(Vote(vote.height, position, vote.header_hash, vote.signature))
            self._keep_evidence(known)

    def take_evidence(self) -> list[tuple[Validator, Contradiction]]:
        """Members that have voted for two results of one block, each with its votes; once."""
        taken, self._evidence = self._evidence, []
        return taken

    def given(self, height: Height, certificate: Certificate) -> Certificate | None:
        """A peer's certificate for a block that is open here; None when it is not, or does not hold."""
        mine = self._open.get(height)
        known = None if mine is None else self._epochs.get(mine.header.epoch)
        if mine is None or known is None:
            return None
        try:
            check_certificate(mine.header, certificate, known[0], verify)
        except BadProof:
            return None
        known[1].settled(height)
        return self._closed(height, certificate)

    def confirmed(self, theirs: Header, certificate: Certificate) -> Certificate | None:
        """The certificate of a peer's block that is executed here; None when ours is not open, or it does not hold.

        Raises StateDiverged when it holds for another result than ours.
        """
        mine = self._open.get(theirs.height)
        known = None if mine is None else self._epochs.get(mine.header.epoch)
        if mine is None or known is None:
            return None
        try:
            check_certificate(theirs, certificate, known[0], verify)
        except BadProof:
            return None
        self.require_same(mine.header, theirs)
        known[1].settled(theirs.height)
        return self._closed(theirs.height, certificate)

    def settled(self, header: Header) -> None:
        """A block that came with its certificate is executed: nothing is to be signed."""
        self._epochs[header.epoch][1].settled(header.height)

    def votes_again(self) -> list[HeaderVote]:
        """Our votes for the lowest open blocks: a lost one must not be the end."""
        lowest = sorted(self._open)[:OPEN_BLOCKS_REPEATED]
        return [
            vote
            for vote in (self._open[height].vote for height in lowest)
            if vote is not None and vote.height not in self._unsaid
        ]

    def say(self, height: Height) -> HeaderVote | None:
        """Our vote for a block that is durable now, once."""
        return self._unsaid.pop(height, None)

    def is_open(self, height: Height) -> bool:
        return height in self._open

    def require_certified(self, header: Header, certificate: Certificate) -> None:
        """Refuses (BadProof) a block of the epoch under way that its set has not certified."""
        check_certificate(header, certificate, self.validators, verify)

    def require_same(self, header: Header, theirs: Header) -> None:
        """Raises StateDiverged when what we executed is not what was certified."""
        if header != theirs:
            raise StateDiverged(
                f"block {header.height} was certified as {header_hash(theirs).hex()[:16]}, "
                f"here it gives {header_hash(header).hex()[:16]}"
            )

    def _author(self, public_key: bytes, vote: HeaderVote) -> tuple[_Epoch | None, int | None]:
        known = self._epochs.get(vote.epoch)
        return known, None if known is None else position_of(known[0], public_key)

    def _keep_evidence(self, known: _Epoch) -> None:
        validators, certifier = known
        self._evidence += [(validators.members[one.position], one.contradiction) for one in certifier.take_evidence()]

    def _closed(self, height: Height, certificate: Certificate | None) -> Certificate | None:
        if certificate is not None and self._open.pop(height, None) is None:
            return None
        return certificate


def position_of(validators: ValidatorSet, public_key: bytes) -> int | None:
    """The number of the member with this key."""
    return next((at for at, member in enumerate(validators.members) if member.public_key == public_key), None)
