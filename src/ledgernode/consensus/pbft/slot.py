"""What a replica knows of one sequence.

A position is counted once per phase; what it says later of the same view and phase is ignored if equal
and evidence if not. Commits are kept whatever view they are from: q of them on one digest decide,
always. Everything else belongs to one view and is cleared by the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ledgernode.consensus.pbft.messages import Phase, Prepared, Proposal, Vote

PROPOSALS_KEPT = 8


class Slot:
    __slots__ = ("commits", "decided", "holds", "own", "pre_prepare", "prepared", "prepares", "proposals", "sequence")

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.proposals: dict[bytes, Proposal] = {}
        self.holds: dict[bytes, bool | None] = {}  # None: the driver is checking its envelopes
        self.pre_prepare: Vote | None = None
        self.prepares: dict[int, Vote] = {}
        self.commits: dict[int, Vote] = {}
        self.own: dict[Phase, Vote] = {}
        self.prepared: Prepared | None = None
        self.decided: bytes | None = None

    def enter_view(self) -> None:
        """Forget the votes of the view that has ended; what was prepared and committed stays."""
        self.pre_prepare = None
        self.prepares = {}
        self.own = {}

    def keep(self, digest: bytes, proposal: Proposal) -> None:
        """Remember a proposal's content; bounded, and what is needed is never pushed out."""
        if digest in self.proposals:
            return
        if len(self.proposals) >= PROPOSALS_KEPT:
            needed = {
                self.decided,
                self.prepared and self.prepared.digest,
                self.pre_prepare and self.pre_prepare.digest,
            }
            del self.proposals[next(known for known in self.proposals if known not in needed)]
        self.proposals[digest] = proposal

    def count(self, vote: Vote) -> Vote | None:
        """Take a vote in. Answers the earlier vote that it contradicts, if there is one."""
        if vote.phase is Phase.PRE_PREPARE:
            if self.pre_prepare is None:
                self.pre_prepare = vote
                return None
            return _contradicted(self.pre_prepare, vote)
        votes = self.prepares if vote.phase is Phase.PREPARE else self.commits
        earlier = votes.get(vote.position)
        if earlier is None or earlier.view < vote.view:
            votes[vote.position] = vote
            return None
        return _contradicted(earlier, vote)

    def knows(self, vote: Vote) -> bool:
        """Is this very vote, or a newer one of the same voter, counted already?"""
        if vote.phase is Phase.PRE_PREPARE:
            return self.pre_prepare == vote
        votes = self.prepares if vote.phase is Phase.PREPARE else self.commits
        earlier = votes.get(vote.position)
        return earlier is not None and (earlier == vote or earlier.view > vote.view)

    def prepare_certificate(self, quorum: int) -> Prepared | None:
        """The leader's pre-prepare and prepares on the same digest, q of them together."""
        if self.pre_prepare is None:
            return None
        leader, digest = self.pre_prepare.position, self.pre_prepare.digest
        agreeing = [vote for vote in self.prepares.values() if vote.digest == digest and vote.position != leader]
        if len(agreeing) + 1 < quorum:
            return None
        votes = sorted(agreeing, key=lambda vote: vote.position)[: quorum - 1]
        return Prepared(self.pre_prepare.view, self.sequence, digest, (self.pre_prepare, *votes))

    def committed_digest(self, quorum: int) -> bytes | None:
        """The digest that q commits of one view agree on."""
        return _agreed(self.commits.values(), quorum)


def _agreed(votes: Iterable[Vote], quorum: int) -> bytes | None:
    counted = Counter((vote.view, vote.digest) for vote in votes)
    return next((digest for (_, digest), number in sorted(counted.items()) if number >= quorum), None)


def _contradicted(earlier: Vote, later: Vote) -> Vote | None:
    return earlier if earlier.view == later.view and earlier.digest != later.digest else None
