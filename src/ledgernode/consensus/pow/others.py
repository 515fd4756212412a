"""What the other miners say of themselves: who was heard lately, and how far they are.

One member's word counts for nothing: f may lie. What f+1 of them say, one honest member says.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ledgernode.consensus.pow.messages import Below, HeadAt
from ledgernode.consensus.pow.past import Past
from ledgernode.consensus.pow.tree import Tree
from ledgernode.wire.quorum import faulty_limit

LATELY_MS: Final = 10_000
"""Several standings long: who is silent for longer may have gone on without us."""


class _Standing(msgspec.Struct):
    heard_ms: int
    head: HeadAt | None = None


class Others:
    """By position. `enough` of them, f+1, are sure to include an honest one."""

    def __init__(self, members: int) -> None:
        self.enough = min(faulty_limit(members) + 1, members - 1)
        self.majority = members // 2 + 1
        self._standings: dict[int, _Standing] = {}
        self._answers: dict[int, Below] = {}

    def heard(self, sender: int, now_ms: int) -> None:
        self._standings.setdefault(sender, _Standing(now_ms)).heard_ms = now_ms

    def stands(self, sender: int, head: HeadAt) -> None:
        self._standings[sender].head = head

    def are_there(self, now_ms: int) -> bool:
        """Have enough of them stated their heads, and been heard of lately? Alone nobody can tell what is agreed."""
        present = (known for known in self._standings.values() if known.head is not None)
        return sum(now_ms - known.heard_ms < LATELY_MS for known in present) >= self.enough

    def height(self) -> int:
        """How high enough of them say that their heads are."""
        heights = sorted((head.height for head in self._heads()), reverse=True)
        return heights[self.enough - 1] if 0 < self.enough <= len(heights) else 0

    def are_ahead(self, tree: Tree, past: Past, blocks: int) -> bool:
        """Do enough of them extend branches that are by more than so many blocks higher, and that we have not seen?"""
        unseen = (head for head in self._heads() if head.height > tree.head_height + blocks)
        return sum(head.hash not in tree and head.hash not in past for head in unseen) >= self.enough > 0

    def _heads(self) -> list[HeadAt]:
        return [known.head for known in self._standings.values() if known.head is not None]

    # ------------------------------------------------------------ a starting point

    def forget_answers(self) -> None:
        self._answers.clear()

    def answers(self, sender: int, below: Below) -> Below | None:
        """What this member says was delivered; the same, once enough of them say so."""
        self._answers[sender] = below
        return below if sum(answer == below for answer in self._answers.values()) >= self.enough else None
