"""How messages flow: acknowledged in the order in which they came, refusals counted and not shouted, pauses that grow.

A pure core: no socket, no clock, no dice; times and random numbers are given.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from gateway.limits import Limits

_CODES_KEPT: Final = 100
_PART: Final = 1 << 20


class Acknowledgements:
    """MQTT wants them in order of arrival (3.1.1 and 5, section 4.6); our writes end in their own.

    At most `room` may be open: more than the broker may send. Then `arrived` says no.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._open: deque[int] = deque()
        self._done: dict[int, bool] = {}

    def __len__(self) -> int:
        return len(self._open)

    def arrived(self, number: int) -> bool:
        """A message with this packet number. False where there is no room, or the number is open already."""
        if len(self._open) >= self._room or number in self._done:
            return False
        self._open.append(number)
        self._done[number] = False
        return True

    def done(self, number: int) -> list[int]:
        """What is to be acknowledged now that this one is dealt with."""
        self._done[number] = True
        ready: list[int] = []
        while self._open and self._done[self._open[0]]:
            ready.append(self._open.popleft())
            del self._done[ready[-1]]
        return ready


class Refusals:
    """How often each code was answered. `note` gives a line for the log now and then, however much garbage comes."""

    def __init__(self, every_ms: int) -> None:
        self._every_ms = every_ms
        self._next_ms = 0
        self._unsaid: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def note(self, code: str, now_ms: int) -> dict[str, int]:
        """Count one. What was refused since the last time that something was said, when it is time to say it again."""
        if code not in self.counts and len(self.counts) >= _CODES_KEPT:
            code = "other"
        self.counts[code] += 1
        self._unsaid[code] += 1
        if now_ms < self._next_ms:
            return {}
        self._next_ms = now_ms + self._every_ms
        said, self._unsaid = dict(self._unsaid), Counter()
        return said


def pause_ms(failures: int, limits: Limits, dice: int) -> int:
    """How long to wait before the next connection, after so many that failed: doubled each time up to a limit, and
    anything between half of it and the whole, so that gateways do not come back in step. `dice`: any integer."""
    whole = min(limits.broker_pause_start_ms << min(failures, 20), limits.broker_pause_limit_ms)
    return whole // 2 + (whole - whole // 2) * (dice % _PART) // _PART
