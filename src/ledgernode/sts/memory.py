"""Which identifiers a meter has used: what makes a token good for one use, without a ledger in reach.

A meter remembers its newest identifiers. One it remembers is *used*; one below all of them, when its memory is full,
is *old*, used or not, because nobody can tell any more. In between a token may arrive late and out of order.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

import msgspec

from ledgernode.errors import TokenTooOld, TokenUsed
from ledgernode.sts.tid import Tid

REMEMBERED: Final = 50


class TidMemory(msgspec.Struct, frozen=True):
    """Identifiers in rising order, at most `capacity` of them."""

    tids: tuple[Tid, ...] = ()
    capacity: int = REMEMBERED


def accept(memory: TidMemory, tid: Tid) -> TidMemory:
    """The memory with this identifier in it, the lowest forgotten where it is full; refuses one used, and one too old.

    What this returns must be on the meter's disk before the credit counts.
    """
    place = bisect_left(memory.tids, tid)
    full = len(memory.tids) >= memory.capacity
    if place < len(memory.tids) and memory.tids[place] == tid:
        raise TokenUsed(f"token {tid} was used on this meter already: a token is good once", tid=tid)
    if full and place == 0:
        raise TokenTooOld(
            f"token {tid} is older than all {memory.capacity} this meter remembers, the oldest is {memory.tids[0]}:"
            " ask the vendor for another",
            tid=tid,
        )
    tids = (*memory.tids[:place], tid, *memory.tids[place:])
    return TidMemory(tids[len(tids) - memory.capacity :] if full else tids, memory.capacity)


def forgotten(memory: TidMemory) -> TidMemory:
    """An empty memory of the same size: what a change of base date leaves."""
    return TidMemory((), memory.capacity)
