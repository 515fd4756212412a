"""The branches that miners have built above what is delivered, and which of them is the heaviest.

Only checked blocks with a known parent are in the tree. Of two equally heavy branches the one whose last
block has the lower hash is the head: whoever knows the same blocks has the same head, so that two miners
never wait for each other's turn on branches of their own. What lies below the delivered height is gone, except
for the marks that the next retarget needs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec

from ledgernode.consensus.pow.header import WorkBlock, work_of
from ledgernode.consensus.pow.retarget import Mark, WorkRules, batch_is_empty, next_target


class Branch(msgspec.Struct, frozen=True):
    """A block in the tree, with the work of the whole branch up to it."""

    block: WorkBlock
    work: int


class Tree:
    def __init__(self, root: bytes, height: int, time_ms: int, marks: tuple[Mark, ...], rules: WorkRules) -> None:
        self._rules = rules
        self._branches: dict[bytes, Branch] = {}
        self._below: deque[Mark] = deque(marks, maxlen=rules.marks)
        self._root_work = 0
        self.root = root
        self.root_height = height
        self.root_time_ms = time_ms
        self.head = root

    def __contains__(self, hashed: bytes) -> bool:
        return hashed == self.root or hashed in self._branches

    def __iter__(self) -> Iterator[bytes]:
        """The hashes of all blocks above the root."""
        return iter(self._branches)

    def get(self, hashed: bytes) -> WorkBlock | None:
        branch = self._branches.get(hashed)
        return branch.block if branch else None

    @property
    def head_height(self) -> int:
        return self.height(self.head)

    def height(self, hashed: bytes) -> int:
        return self.root_height if hashed == self.root else self._branches[hashed].block.header.height

    def time_ms(self, hashed: bytes) -> int:
        return self.root_time_ms if hashed == self.root else self._branches[hashed].block.header.time_ms

    def work(self, hashed: bytes) -> int:
        return self._root_work if hashed == self.root else self._branches[hashed].work

    def _weight(self, hashed: bytes) -> tuple[int, int]:
        return self.work(hashed), -int.from_bytes(hashed, "big")

    def target_after(self, hashed: bytes) -> int:
        """The only target that a child of this block may have."""
        return next_target(self.height(hashed) + 1, self.marks(hashed), self._rules)

    def has_turn(self, hashed: bytes, miner: int) -> bool:
        """May this miner find the next block above? Not before enough others have found one since its last."""
        between = self._rules.others_between
        return not between or all(mark.miner != miner for mark in self.marks(hashed)[-between:])

    def marks(self, hashed: bytes) -> tuple[Mark, ...]:
        """The blocks up to and including this one, oldest first, as far back as retargeting looks."""
        above = [mark_of(block) for block in self.line(hashed)]
        return (*self._below, *reversed(above))[-self._rules.marks :]

    def line(self, hashed: bytes) -> Iterator[WorkBlock]:
        """This block and its ancestors above the root, newest first."""
        while hashed != self.root:
            block = self._branches[hashed].block
            yield block
            hashed = block.header.parent

    def add(self, hashed: bytes, block: WorkBlock) -> None:
        """A checked block whose parent is here; it becomes the head when its branch is heavier."""
        work = self.work(block.header.parent) + work_of(int.from_bytes(block.header.target, "big"))
        self._branches[hashed] = Branch(block, work)
        if self._weight(hashed) > self._weight(self.head):
            self.head = hashed

    def deep(self, miners: int) -> bytes | None:
        """The child of the root that lies `depth` deep in the head's branch, if so many miners have built on that.

        None while there is none.
        """
        if self.head_height - self.root_height <= self._rules.depth:
            return None
        line = list(self.line(self.head))
        return line[-1].header.hash if len({block.header.miner for block in line}) >= miners else None

    def advance(self, hashed: bytes) -> list[bytes]:
        """This child of the root becomes the root; the hashes of the branches that die with it."""
        following = self._branches[hashed].block
        self._root_work = self.work(hashed)
        self.root, self.root_height, self.root_time_ms = hashed, following.header.height, following.header.time_ms
        self._below.append(mark_of(following))
        dead = [known for known in self._branches if known != hashed and not self._lives(known)]
        for known in (hashed, *dead):
            del self._branches[known]
        if self.head in dead:
            self.head = max(self._branches, key=self._weight, default=self.root)
        return dead

    def _lives(self, hashed: bytes) -> bool:
        while hashed in self._branches and hashed != self.root:
            if self._branches[hashed].block.header.height <= self.root_height:
                return False
            hashed = self._branches[hashed].block.header.parent
        return hashed == self.root


def mark_of(block: WorkBlock) -> Mark:
    header = block.header
    return Mark(header.time_ms, header.target, batch_is_empty(header.batch), header.miner)
