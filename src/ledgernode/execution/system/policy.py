"""Counting votes: a pure function of the policy, the active organisations and who voted how.

An organisation has one vote, whatever it sends. Votes of organisations that are not active now do
not count, for or against. What a policy is, and how many it asks for, says `identity.policy`.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from ledgernode.identity.policy import approvals_needed


class Tally(msgspec.Struct, frozen=True):
    """`satisfied`: enough have approved. `reachable`: enough still can."""

    active: int
    needed: int
    approving: int
    rejecting: int

    @property
    def satisfied(self) -> bool:
        return self.approving >= self.needed

    @property
    def reachable(self) -> bool:
        return self.active - self.rejecting >= self.needed


def tally(policy: str, active: Collection[str], approvals: Collection[str], rejections: Collection[str] = ()) -> Tally:
    """Where a vote stands; refuses a policy that these organisations could never satisfy."""
    voters = frozenset(active)
    approving = voters & frozenset(approvals)
    rejecting = voters & frozenset(rejections) - approving
    return Tally(len(voters), approvals_needed(policy, len(voters)), len(approving), len(rejecting))
