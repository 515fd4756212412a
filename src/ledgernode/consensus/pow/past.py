"""Delivered blocks, as far back as a peer may ask for them, and the starting points that they make.

A miner that has fetched certified blocks knows what was executed, and not which work stands behind it. Whoever
delivered those blocks itself can say so: at each height there is one `Below`, the same on every honest miner.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from ledgernode.consensus.pow.header import WorkBlock
from ledgernode.consensus.pow.messages import Below
from ledgernode.consensus.pow.retarget import WorkRules
from ledgernode.consensus.pow.tree import mark_of

KEPT: Final = 256
"""Delivered blocks that are kept, in the log too, for peers who are behind or apart."""


class Past:
    """Begun at the block that a tree stands on; `blocks` are those below it and itself, oldest first."""

    def __init__(self, base: Below, rules: WorkRules, blocks: Iterable[WorkBlock] = ()) -> None:
        self._base = base
        self._size = rules.marks
        self._blocks: dict[bytes, WorkBlock] = {block.header.hash: block for block in blocks}
        self._at: dict[int, bytes] = {block.header.height: hashed for hashed, block in self._blocks.items()}
        self._top = int(base.height)
        marks = [mark_of(block) for block in self._blocks.values()]
        self._marks = deque(marks if len(marks) > len(base.marks) else base.marks, maxlen=KEPT + self._size)
        self._whole = len(base.marks) < self._size
        """Do the marks reach back to the first there is?"""

    def __contains__(self, hashed: bytes) -> bool:
        return hashed in self._blocks or hashed == self._base.root

    @property
    def hashes(self) -> tuple[bytes, ...]:
        return tuple(self._blocks)

    def get(self, hashed: bytes) -> WorkBlock | None:
        return self._blocks.get(hashed)

    def append(self, hashed: bytes, block: WorkBlock) -> bytes | None:
        """The next delivered block; the hash of the one that is kept no longer."""
        self._blocks[hashed] = block
        self._at[block.header.height] = hashed
        self._top = block.header.height
        self._whole = self._whole and len(self._marks) < KEPT + self._size
        self._marks.append(mark_of(block))
        if len(self._blocks) <= KEPT:
            return None
        oldest, forgotten = next(iter(self._blocks.items()))
        del self._blocks[oldest], self._at[forgotten.header.height]
        return oldest

    def below(self, height: int) -> Below | None:
        """The starting point at this height; None where it is not known any more, or not yet."""
        if height == self._base.height:
            return self._base
        hashed = self._at.get(height)
        if hashed is None:
            return None
        known = list(self._marks)[: len(self._marks) - (self._top - height)]
        if len(known) < self._size and not self._whole:
            return None
        return Below(hashed, height, self._blocks[hashed].header.time_ms, tuple(known[-self._size :]))
