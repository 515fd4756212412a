"""Waiting for what must come true: a generous limit, and what was seen last when it does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

LIMIT_S = 20.0


def until(condition: Callable[[], Any], limit_s: float = LIMIT_S, *, every_s: float = 0.05) -> Any:
    """What the condition gives, once that is true."""
    ends = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < ends, f"after {limit_s} s it is still {found!r}"
        time.sleep(every_s)
    return found


async def eventually(condition: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """The same within an event loop."""
    async with asyncio.timeout(limit_s):
        while not (found := condition()):  # noqa: ASYNC110  # whatever a test looks at tells nobody when it changes
            await asyncio.sleep(0.01)
        return found
