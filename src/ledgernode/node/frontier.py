"""The height that a linearizable read must have reached: nothing acknowledged before it was asked is above.

A block is acknowledged when q validators have executed and signed it, at least q-f of them honest. Of N validators
some do not answer: among m answers at least k = q - f - (N - m) come from honest members that had executed it, so
the k-th highest answer is high enough, and as few liars as possible can send the reader waiting. With all N
answers k is q - f, and with q of them 1.

One round of questions serves all readers who asked before it began.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ledgernode.config import FRONTIER_GRACE_MS
from ledgernode.errors import HeightNotReached
from ledgernode.node.peers import Peers
from ledgernode.wire.quorum import faulty_limit, quorum
from ledgernode.wire.types import Height
from ledgernode.wire.validators import ValidatorSet


class Frontier:
    """Of one ledger; `own` is how far this node has executed."""

    def __init__(self, peers: Peers, validators: Callable[[], ValidatorSet], own: Callable[[], Height]) -> None:
        self._peers = peers
        self._validators = validators
        self._own = own
        self._round: asyncio.Task[Height] | None = None
        self._next: asyncio.Task[Height] | None = None

    async def height(self, seconds: float) -> Height:
        """Raises HeightNotReached when too few validators answer in time."""
        if self._next is None:
            self._next = asyncio.create_task(self._ask_after(self._round))
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self._next)
        except TimeoutError:
            raise HeightNotReached("too few validators say how far they are: a local read may be possible") from None

    async def _ask_after(self, before: asyncio.Task[Height] | None) -> Height:
        if before is not None:
            await asyncio.gather(before, return_exceptions=True)
        self._round, self._next = self._next, None
        return await self._ask()

    async def _ask(self) -> Height:
        validators = self._validators()
        keys = [member.public_key for member in validators.members]
        answers = [self._own()] if self._peers.own_key in keys else []
        asking = {asyncio.create_task(self._peers.height_of(key)) for key in keys if key != self._peers.own_key}
        try:
            while asking:
                enough = honest_answers(len(keys), len(answers)) > 0
                grace_s = FRONTIER_GRACE_MS / 1_000 if enough else None
                done, asking = await asyncio.wait(asking, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    break
                answers += [answer for answer in (task.result() for task in done) if answer is not None]
        finally:
            for task in asking:
                task.cancel()
        sure = honest_answers(len(keys), len(answers))
        if sure < 1:
            raise HeightNotReached(f"{len(answers)} of {len(keys)} validators say how far they are, that is too few")
        return sorted(answers, reverse=True)[sure - 1]


def honest_answers(members: int, answers: int) -> int:
    """Of so many answers, how many come from honest members that had executed whatever was acknowledged before."""
    return quorum(members) - faulty_limit(members) - (members - answers)
