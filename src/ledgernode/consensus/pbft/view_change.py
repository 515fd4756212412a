"""How a new view follows from q view changes: a pure function that every receiver computes for itself.

A leader that omits, invents or alters anything is seen through, because nothing it says beyond the
view changes themselves is believed. For every sequence above the highest stable height, what was
prepared in the highest view is proposed again; a gap below a prepared sequence becomes a no-op.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from ledgernode.consensus.pbft.messages import NewView, Prepared, Scope, Stable, ViewChange, Vote, no_op
from ledgernode.consensus.quorum import faulty_limit, quorum
from ledgernode.wire.voting import Phase

Verify = Callable[[int, bytes, bytes], bool]
"""(position, message, signature) -> does it hold?"""


class Outcome(msgspec.Struct, frozen=True):
    """What a view begins with: where it is stable, and the digest required at each sequence above."""

    stable: Stable
    required: Mapping[int, bytes]

    @property
    def last_required(self) -> int:
        return max(self.required, default=self.stable.height)


class Rules(msgspec.Struct, frozen=True):
    """What is needed to judge the messages of one epoch."""

    scope: Scope
    members: int
    window: int
    verify: Verify
    stable_holds: Callable[[Stable], bool]

    @property
    def quorum(self) -> int:
        return quorum(self.members)

    @property
    def faulty(self) -> int:
        return faulty_limit(self.members)

    def leader(self, view: int) -> int:
        return view % self.members


def outcome(view_changes: Sequence[ViewChange], scope: Scope) -> Outcome:
    """The only content a new view built on these view changes can have."""
    stable = max((change.stable for change in view_changes), key=lambda stable: stable.height)
    best: dict[int, Prepared] = {}
    for change in view_changes:
        for prepared in change.prepared:
            known = best.get(prepared.sequence)
            if prepared.sequence > stable.height and (known is None or known.view < prepared.view):
                best[prepared.sequence] = prepared
    required = {
        sequence: best[sequence].digest if sequence in best else scope.digest(no_op(sequence))
        for sequence in range(stable.height + 1, max(best, default=stable.height) + 1)
    }
    return Outcome(stable, required)


def fault_in_view_change(change: ViewChange, rules: Rules) -> str:
    """Why this view change cannot be believed; '' when it can."""
    if change.position >= rules.members:
        return "its sender is no member"
    if not rules.verify(change.position, rules.scope.view_change(change), change.signature):
        return "its signature does not hold"
    if not rules.stable_holds(change.stable):
        return "its stable height is not certified"
    sequences = [prepared.sequence for prepared in change.prepared]
    if sequences != sorted(set(sequences)):
        return "its prepared sequences are unsorted or repeated"
    for prepared in change.prepared:
        if not change.stable.height < prepared.sequence <= change.stable.height + rules.window:
            return f"sequence {prepared.sequence} lies outside its window"
        if prepared.view >= change.view or not prepared_holds(prepared, rules):
            return f"its certificate for sequence {prepared.sequence} does not hold"
    return ""


def vote_holds(vote: Vote, rules: Rules) -> bool:
    """Has this member cast this vote?"""
    message = rules.scope.vote(vote.phase, vote.view, vote.sequence, vote.digest)
    return vote.position < rules.members and rules.verify(vote.position, message, vote.signature)


def prepared_holds(prepared: Prepared, rules: Rules) -> bool:
    """q distinct members, the leader's pre-prepare among them, on one view, sequence and digest."""
    leader = rules.leader(prepared.view)
    positions = {vote.position for vote in prepared.votes}
    if len(prepared.votes) != rules.quorum or len(positions) != rules.quorum or leader not in positions:
        return False
    for vote in prepared.votes:
        phase = Phase.PRE_PREPARE if vote.position == leader else Phase.PREPARE
        same = (vote.view, vote.sequence, vote.digest) == (prepared.view, prepared.sequence, prepared.digest)
        if not same or vote.phase is not phase or not vote_holds(vote, rules):
            return False
    return True


def fault_in_new_view(message: NewView, rules: Rules, believed: Mapping[int, ViewChange]) -> str:
    """Why this new view cannot be believed; '' when it can. View changes believed before are not checked again."""
    if message.position != rules.leader(message.view):
        return "its sender does not lead that view"
    senders = {change.position for change in message.view_changes}
    if len(message.view_changes) != rules.quorum or len(senders) != rules.quorum:
        return "it does not rest on view changes of q distinct members"
    if not rules.verify(message.position, rules.scope.new_view(message), message.signature):
        return "its signature does not hold"
    for change in message.view_changes:
        if change.view != message.view:
            return f"the view change of {change.position} is for another view"
        if believed.get(change.position) == change:
            continue
        if fault := fault_in_view_change(change, rules):
            return f"the view change of {change.position}: {fault}"
    return ""
