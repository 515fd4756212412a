"""Time goes on: step after step at the pace that was asked for, and no faster than the ledger answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from devices.living.life import Life
from devices.living.timing import Time

_BEHIND: Final = 6
"""Readings of a meter that the ledger has not answered for; then time stands still."""
_LATE_S: Final = 1.0
_PATIENCE_S: Final = 20.0
"""When so long of our time nothing has come of what is late it is not waited for."""


async def paced(
    life: Life,
    clock: Time,
    pace: int,
    *,
    until_minute: float,
    ends: float | None,
    check: Callable[[], None],
    stopping: asyncio.Event,
    living: asyncio.Event,
) -> None:
    """Live until a minute of the community, a moment of ours (`ends`), or until told to stop."""
    step_s = clock.step_ms / 1_000 / pace
    due = time.monotonic()
    while clock.minute < until_minute and not stopping.is_set():
        life.step()
        living.set()
        check()
        await _kept_up(life, check, stopping)
        due += step_s
        ahead_s = due - time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(ahead_s, 0.001)):
                await stopping.wait()
        if ahead_s < -_LATE_S:
            due -= ahead_s  # what was lost is lost: nobody hurries to make up for it
        if ends is not None and time.monotonic() >= ends:
            return


async def _kept_up(life: Life, check: Callable[[], None], stopping: asyncio.Event) -> None:
    """Let the ledger answer, where it is far behind what is said, and meters, where they are late."""
    awaited, ends = life.awaited, time.monotonic() + _PATIENCE_S
    while not stopping.is_set() and (life.homes.most_waiting > _BEHIND or life.is_late):
        check()
        if awaited != life.awaited:
            awaited, ends = life.awaited, time.monotonic() + _PATIENCE_S
        elif time.monotonic() > ends:
            life.give_up()
        await asyncio.sleep(0.02)
