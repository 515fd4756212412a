"""How hard the next block is: a pure function of the headers before it.

Every `window` blocks the target moves toward the wanted interval, at most fourfold either way. The time
of a pause (nobody mined, because nothing waited) is no mining time: it is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

from ledgernode.consensus.pow.header import MAX_TARGET
from ledgernode.wire.types import ZERO_HASH

STEP_LIMIT: Final = 4


class WorkRules(msgspec.Struct, frozen=True):
    """Set in genesis, the same for all miners."""

    first_target: int
    interval_ms: int
    window: int = 16
    depth: int = 6
    clock_skew_ms: int = 500
    others_between: int = 0
    """So many blocks of others lie between two of one miner: half of the members, as the set of an epoch has them."""

    @property
    def target_marks(self) -> int:
        """How many blocks back a target can depend on."""
        return self.window + 1 + self.depth

    @property
    def marks(self) -> int:
        """How many blocks back anything can depend on."""
        return max(self.target_marks, self.others_between)


class Mark(msgspec.Struct, frozen=True):
    """What those above it need to know of a block: for the next target, and for whose turn it is."""

    time_ms: int
    target: bytes
    empty: bool
    miner: int | None = None
    """None for a miner of another epoch."""


def next_target(height: int, marks: Sequence[Mark], rules: WorkRules) -> int:
    """The target of the block at `height`; `marks` are the blocks before it, oldest first (a window and k more)."""
    if not marks:
        return rules.first_target
    current = int.from_bytes(marks[-1].target, "big")
    if height % rules.window or len(marks) <= rules.window:
        return current
    considered = marks[-rules.window - 1 :]
    first = len(marks) - len(considered)
    spent_ms, counted = 0, 0
    for offset, (before, after) in enumerate(pairwise(considered)):
        if not after_pause(marks[: first + offset + 1], rules.depth):
            spent_ms += after.time_ms - before.time_ms
            counted += 1
    if not counted:
        return current
    wanted_ms = counted * rules.interval_ms
    moved = current * max(spent_ms, 1) // wanted_ms
    return max(
        1, min(moved, current * STEP_LIMIT, MAX_TARGET) if moved > current else max(moved, current // STEP_LIMIT)
    )


def after_pause(before: Sequence[Mark], depth: int) -> bool:
    """Did miners have nothing to do before the next block? So it is after `depth` empty ones."""
    return len(before) >= depth and all(mark.empty for mark in before[-depth:])


def batch_is_empty(batch: bytes) -> bool:
    return batch == ZERO_HASH
