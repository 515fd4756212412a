"""Fair use of one process by the ledgers that it serves.

Whatever a ledger does, it does in turns on one event loop, and nothing can interrupt a turn: while one executes a
block, or checks the signatures of what its clients send, its neighbours wait. So where several are at work

* a ledger that has taken a turn leaves the loop to the others for as long, before it takes the next: all that it does
  counts together, so that it has half of the processor at most, however many clients push;
* blocks that are offered here are small, so that a turn is short: what they cost more is paid by whoever is busy.

A ledger whose neighbours rest is alone: it pauses for nobody, and its blocks are as large as the ledger allows. Pure
but for the clock that is given.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from ledgernode.config import (
    NEIGHBOUR_ACTIVE_MS,
    SHARED_BLOCK_BUDGET_PERCENT,
    SHARED_BLOCK_TRANSACTIONS,
    SHARED_PAUSE_LIMIT_MS,
    SHARED_PAUSE_MS,
)
from ledgernode.wire.parameters import Parameters


class Turns:
    """Of one process: when each of its ledgers last had something to order or to execute."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._worked_s: dict[str, float] = {}

    def of(self, ledger: str) -> Turn:
        return Turn(self, ledger)

    def worked(self, ledger: str) -> None:
        self._worked_s[ledger] = self._clock_s()

    def left(self, ledger: str) -> None:
        self._worked_s.pop(ledger, None)

    def now_s(self) -> float:
        return self._clock_s()

    def others_work(self, ledger: str) -> bool:
        since_s = self._clock_s() - NEIGHBOUR_ACTIVE_MS / 1_000
        return any(at_s >= since_s for name, at_s in self._worked_s.items() if name != ledger)


class Turn:
    """One ledger's part in it."""

    def __init__(self, turns: Turns, ledger: str) -> None:
        self._turns = turns
        self._ledger = ledger
        self._free_s = 0.0

    def pause_s(self, took_s: float, *, worked: bool = True) -> float:
        """How long to leave the loop to the others after a turn that took so much of the processor.

        `worked`: there was something to do, and neighbours should heed it.
        """
        if worked:
            self._turns.worked(self._ledger)
        if not self._turns.others_work(self._ledger):
            self._free_s = 0.0
            return 0.0
        now_s = self._turns.now_s()
        # a turn takes up its own time and as much again, after those before it
        taken_s = max(self._free_s, now_s - took_s) + 2 * took_s
        self._free_s = min(taken_s, now_s + SHARED_PAUSE_LIMIT_MS / 1_000)
        left_s = self._free_s - now_s
        return left_s if left_s >= SHARED_PAUSE_MS / 1_000 else 0.0

    async def rest(self, took_s: float) -> None:
        """Pause after such a turn; let others have theirs in any case."""
        await asyncio.sleep(self.pause_s(took_s))

    def limits(self, ledgers: Parameters) -> Parameters:
        """What a block that is offered now may hold: the first transaction of it is always taken."""
        if not self._turns.others_work(self._ledger):
            return ledgers
        return msgspec.structs.replace(
            ledgers,
            block_transactions=min(ledgers.block_transactions, SHARED_BLOCK_TRANSACTIONS),
            block_budget=ledgers.block_budget * SHARED_BLOCK_BUDGET_PERCENT // 100,
        )

    def leave(self) -> None:
        """This ledger takes no more turns."""
        self._turns.left(self._ledger)
