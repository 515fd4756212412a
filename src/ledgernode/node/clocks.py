"""How far the other validators' clocks are from this node's: asked now and then, as far as an answer can say.

An answer says what a clock showed at some moment between our question and its arrival. Half of that time is how wrong
the difference may be; what lies within it says nothing. Only proposals are bound by clocks (`clock_skew_ms`), so a
difference is shown, and nothing is done about it here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from ledgernode.config import SKEW_EVERY_MS


class Skew(msgspec.Struct, frozen=True):
    """Another clock against ours: ahead of it where positive, give or take `doubt_ms`."""

    ahead_ms: int
    doubt_ms: int

    @property
    def surely_ms(self) -> int:
        """How far it is off at least."""
        return max(0, abs(self.ahead_ms) - self.doubt_ms)


def skew(sent_ms: int, theirs_ms: int, answered_ms: int) -> Skew | None:
    """Of one answer; None where it tells no time, or our own clock was set meanwhile."""
    if not theirs_ms or answered_ms < sent_ms:
        return None
    doubt_ms = (answered_ms - sent_ms + 1) // 2
    return Skew(theirs_ms - sent_ms - (answered_ms - sent_ms) // 2, doubt_ms)


class Clocks:
    """Of one ledger's validators, by public key. Runs until it is cancelled."""

    def __init__(
        self,
        keys: Callable[[], list[bytes]],
        time_of: Callable[[bytes], Awaitable[int | None]],
        clock_ms: Callable[[], int],
    ) -> None:
        self._keys = keys
        self._time_of = time_of
        self._clock_ms = clock_ms
        self.found: dict[bytes, Skew] = {}

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(SKEW_EVERY_MS / 1_000)

    async def look(self) -> None:
        """Ask everyone once. Who does not answer is forgotten: nothing is known of its clock now."""
        keys = self._keys()
        answers = await asyncio.gather(*map(self._ask, keys))
        self.found = {key: answer for key, answer in zip(keys, answers, strict=True) if answer is not None}

    async def _ask(self, key: bytes) -> Skew | None:
        sent_ms = self._clock_ms()
        theirs_ms = await self._time_of(key)
        return skew(sent_ms, theirs_ms or 0, self._clock_ms())
