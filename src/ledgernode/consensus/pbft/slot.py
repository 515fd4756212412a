"""What a replica knows of one sequence.

A position is counted once per phase; what it says later of the same view and phase is ignored if equal
and evidence if not. Commits are kept whatever view they are from: q of them of one view on one digest
decide, always. Pre-prepare and prepares belong to one view and are cleared by the next. Our own last
vote of each phase is kept across views: it is what must never be contradicted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ledgernode.config import PROPOSALS_PER_SLOT
from ledgernode.consensus.pbft.messages import Prepared, Proposal, Vote
from ledgernode.wire.voting import Phase


class Slot:
    __slots__ = (
        "_accused",
        "arrived_ms",
        "commits",
        "decided",
        "decision",
        "has_new_commits",
        "holds",
        "own",
        "pre_prepare",
        "prepared",
        "prepares",
        "proposals",
        "said_ms",
        "sequence",
    )

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.proposals: dict[bytes, Proposal] = {}
        self.holds: dict[bytes, bool | None] = {}  # None: the driver is checking its envelopes
        self.pre_prepare: Vote | None = None
        self.arrived_ms = 0  # when this view's pre-prepare was first seen
        self.prepares: dict[int, Vote] = {}
        self.commits: dict[int, Vote] = {}
        self.has_new_commits = False  # that were not looked at together yet
        self.own: dict[Phase, Vote] = {}
        self.said_ms = 0  # when our own votes were last sent
        self.prepared: Prepared | None = None
        self.decided: bytes | None = None
        self.decision: tuple[Vote, ...] = ()  # the commits that decided: later ones of their authors prove nothing
        self._accused: set[tuple[Phase, int]] = set()

    def enter_view(self) -> None:
        """Forget the votes of the view that has ended; what was prepared and committed stays."""
        self.pre_prepare = None
        self.prepares = {}

    def has_voted(self, phase: Phase, view: int) -> bool:
        return phase in self.own and self.own[phase].view >= view

    # ------------------------------------------------------------ content

    def keep(self, digest: bytes, proposal: Proposal, needed: Collection[bytes]) -> bytes | None:
        """Remember a proposal's content. Answers the digest of the one that had to go for it, if any.

        What is needed, and before all what we voted for, stays: another view may require it again.
        """
        gone = None
        if digest not in self.proposals and len(self.proposals) >= PROPOSALS_PER_SLOT:
            gone = next(known for known in self.proposals if known not in needed)
            del self.proposals[gone]
            self.holds.pop(gone, None)
        self.proposals[digest] = proposal
        return gone

    def expected(self) -> bytes | None:
        """The digest that stands here as things are."""
        if self.decided is not None:
            return self.decided
        return self.pre_prepare.digest if self.pre_prepare else None

    # ------------------------------------------------------------ votes

    def count(self, vote: Vote) -> Vote | None:
        """Take a vote in. Answers the earlier vote that it contradicts, once, if there is one."""
        earlier = self._earlier(vote)
        if earlier is not None and earlier.view >= vote.view:
            if self.knows(vote):
                return None
            self._accused.add((vote.phase, vote.position))
            return earlier
        if vote.phase is Phase.PRE_PREPARE:
            self.pre_prepare = vote
        else:
            votes = self.prepares if vote.phase is Phase.PREPARE else self.commits
            votes[vote.position] = vote
            self.has_new_commits |= votes is self.commits
        return None

    def knows(self, vote: Vote) -> bool:
        """Would counting this vote change nothing: is it, or a newer one, or proof of its author's fault here?"""
        earlier = self._earlier(vote)
        if earlier is None or earlier.view < vote.view:
            return False
        same = earlier.view > vote.view or earlier.digest == vote.digest
        return same or (vote.phase, vote.position) in self._accused

    def _earlier(self, vote: Vote) -> Vote | None:
        if vote.phase is Phase.PRE_PREPARE:
            return self.pre_prepare
        return (self.prepares if vote.phase is Phase.PREPARE else self.commits).get(vote.position)

    def said_by(self, position: int) -> list[Vote]:
        """Every vote of this member that is held here."""
        votes = [votes[position] for votes in (self.prepares, self.commits) if position in votes]
        if self.pre_prepare is not None and self.pre_prepare.position == position:
            votes.append(self.pre_prepare)
        if self.prepared is not None:
            votes += [vote for vote in self.prepared.votes if vote.position == position]
        return list(dict.fromkeys(votes))

    # ------------------------------------------------------------ what they add up to

    def prepare_certificate(self, quorum: int) -> Prepared | None:
        """The leader's pre-prepare and prepares on the same digest, q of them together."""
        if self.pre_prepare is None or len(self.prepares) + 1 < quorum:
            return None
        leader, digest = self.pre_prepare.position, self.pre_prepare.digest
        agreeing = [vote for vote in self.prepares.values() if vote.digest == digest and vote.position != leader]
        if len(agreeing) + 1 < quorum:
            return None
        votes = sorted(agreeing, key=lambda vote: vote.position)[: quorum - 1]
        return Prepared(self.pre_prepare.view, self.sequence, digest, (self.pre_prepare, *votes))

    def deciding(self, quorum: int) -> tuple[Vote, ...]:
        """q commits of one view on one digest; none while they are fewer."""
        return agreement(self.commits.values(), quorum) if len(self.commits) >= quorum else ()

    def reasons(self, view: int) -> tuple[Vote, ...]:
        """What would bring a peer as far as we are: what decided it, and what prepared it in this view."""
        prepared = self.prepared.votes if self.prepared is not None and self.prepared.view == view else ()
        return (*prepared, *(self.decision or (self.commits[position] for position in sorted(self.commits))))


def agreement(commits: Iterable[Vote], quorum: int) -> tuple[Vote, ...]:
    """Those of one view on one digest, lowest position first, if q members have cast them."""
    alike: dict[tuple[int, bytes], dict[int, Vote]] = {}
    for vote in commits:
        alike.setdefault((vote.view, vote.digest), {})[vote.position] = vote
    for _, votes in sorted(alike.items()):
        if len(votes) >= quorum:
            return tuple(votes[position] for position in sorted(votes))
    return ()
