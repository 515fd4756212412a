"""Collecting the signatures that certify executed blocks, alike on every engine.

A pure core: votes in, certificates out. A vote is counted once per validator; a vote for another
header than ours is kept as a sign of divergence, and f+1 of them say that we are the one who is wrong.
Votes of one validator are held for a bounded number of heights, so that none can fill our memory, and
votes for a block that has its certificate are dropped.

A second vote of a validator for a height is compared with its first: the same costs nothing more, another one is
checked and, if it holds, is evidence. Votes of the last certified heights are remembered for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ledgernode.config import CONTRADICTIONS_NOTICED, VOTES_HELD_PER_VALIDATOR, VOTES_REMEMBERED_HEIGHTS
from ledgernode.consensus.engine import Evidence
from ledgernode.consensus.quorum import faulty_limit, quorum
from ledgernode.errors import BadProof, StateDiverged
from ledgernode.wire.block import Header, header_hash
from ledgernode.wire.types import ChainId, Height
from ledgernode.wire.validators import Certificate, ValidatorSet, set_hash, vote_bytes
from ledgernode.wire.voting import Contradiction, SignedVote

Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, message, signature) -> does it hold?"""


class Vote:
    """One validator's signature on one header hash."""

    __slots__ = ("header_hash", "height", "position", "signature")

    def __init__(self, height: Height, position: int, header_hash: bytes, signature: bytes) -> None:
        self.height = height
        self.position = position
        self.header_hash = header_hash
        self.signature = signature


def check_certificate(header: Header, certificate: Certificate, validators: ValidatorSet, verify: Verify) -> None:
    """Refuses a certificate that is not q valid signatures of this set on this header."""
    if not validators.members:
        raise BadProof(f"block {header.height}: a set without members certifies nothing")
    needed = quorum(len(validators.members))
    if header.epoch != validators.epoch:
        raise BadProof(f"block {header.height} is of epoch {header.epoch}, the set of epoch {validators.epoch}")
    if header.current_set != set_hash(validators):
        raise BadProof(f"block {header.height} names another validator set of epoch {header.epoch} than this one")
    if len(certificate.signatures) < needed:
        raise BadProof(f"block {header.height} has {len(certificate.signatures)} signatures, {needed} are needed")
    message = vote_bytes(header.chain_id, header.epoch, header.height, header_hash(header))
    seen: set[int] = set()
    for position, signature in certificate.signatures:
        if position in seen or position >= len(validators.members):
            raise BadProof(f"block {header.height} is signed by position {position} twice, or by no member")
        seen.add(position)
        if not verify(validators.members[position].public_key, message, signature):
            raise BadProof(f"block {header.height}: the signature of validator {position} does not hold")


class Certifier:
    """Votes of one epoch's set, until each block has its certificate."""

    def __init__(self, chain_id: ChainId, validators: ValidatorSet, verify: Verify) -> None:
        self._chain_id = chain_id
        self._set = validators
        self._verify = verify
        self._executed = Height(0)
        self._own: dict[Height, bytes] = {}
        self._votes: dict[Height, dict[int, Vote]] = {}
        self._remembered: dict[Height, dict[int, Vote]] = {}
        self._accused: set[tuple[Height, int]] = set()
        self._noticed: Counter[int] = Counter()
        self._evidence: list[Evidence] = []

    def executed(self, height: Height, hash_of_header: bytes) -> Certificate | None:
        """Our own result stands; earlier votes may complete it. Raises StateDiverged when f+1 differ."""
        self._own[height] = hash_of_header
        self._executed = max(self._executed, height)
        return self._complete(height)

    def voted(self, vote: Vote) -> Certificate | None:
        """Count a vote; an invalid, foreign or repeated one changes nothing."""
        if not 0 <= vote.position < len(self._set.members):
            return None
        if self._is_certified(vote.height):
            self.late(vote)
            return None
        earlier = self._votes.get(vote.height, {}).get(vote.position)
        if earlier is not None:
            self._compare(earlier, vote)
            return None
        if self._held(vote.position) >= VOTES_HELD_PER_VALIDATOR or not self._holds(vote):
            return None
        self._votes.setdefault(vote.height, {})[vote.position] = vote
        return self._complete(vote.height)

    def late(self, vote: Vote) -> None:
        """A vote for a block that stands changes nothing, unless its author voted for another result before."""
        earlier = self._remembered.get(vote.height, {}).get(vote.position)
        if earlier is not None:
            self._compare(earlier, vote)

    def take_evidence(self) -> tuple[Evidence, ...]:
        """The contradictions noticed since this was last asked."""
        taken, self._evidence = tuple(self._evidence), []
        return taken

    def settled(self, height: Height) -> None:
        """The block has its certificate from elsewhere: votes for it are dropped."""
        self._own.pop(height, None)
        self._remember(height)
        self._executed = max(self._executed, height)

    def _is_certified(self, height: Height) -> bool:
        return height <= self._executed and height not in self._own

    def _held(self, position: int) -> int:
        return sum(position in votes for votes in self._votes.values())

    def _holds(self, vote: Vote) -> bool:
        return self._verify(self._set.members[vote.position].public_key, self._message(vote), vote.signature)

    def _message(self, vote: Vote) -> bytes:
        return vote_bytes(self._chain_id, self._set.epoch, vote.height, vote.header_hash)

    def _compare(self, earlier: Vote, vote: Vote) -> None:
        """Is this another vote than the one its author has cast, and really its own?"""
        place = (vote.height, vote.position)
        if vote.header_hash == earlier.header_hash or place in self._accused:
            return
        if self._noticed[vote.position] >= CONTRADICTIONS_NOTICED or not self._holds(vote):
            return
        self._noticed[vote.position] += 1
        self._accused.add(place)
        signed = (SignedVote(self._message(each), each.signature) for each in (earlier, vote))
        self._evidence.append(Evidence(vote.position, Contradiction(*signed)))

    def _remember(self, height: Height) -> None:
        """Votes for a certified block decide nothing more; for a while they can still be contradicted."""
        votes = self._votes.pop(height, None)
        if votes:
            self._remembered[height] = votes
        while len(self._remembered) > VOTES_REMEMBERED_HEIGHTS:
            del self._remembered[next(iter(self._remembered))]

    def _complete(self, height: Height) -> Certificate | None:
        own = self._own.get(height)
        if own is None:
            return None
        votes = self._votes.get(height, {})
        differing = [vote for vote in votes.values() if vote.header_hash != own]
        if len(differing) > faulty_limit(len(self._set.members)):
            raise StateDiverged(f"block {height}: {len(differing)} validators certified another result than ours")
        agreeing = sorted((vote.position, vote.signature) for vote in votes.values() if vote.header_hash == own)
        if len(agreeing) < quorum(len(self._set.members)):
            return None
        del self._own[height]
        self._remember(height)
        return Certificate(tuple(agreeing))
