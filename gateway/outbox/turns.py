"""Whose turn it is, and when a batch is worth sending.

A pure core. Lanes that have something to send stand in a ring; each is given one run of its entries in its turn, so
that a month of one meter does not hold up the minute of another. A lane has one run under way at a time: its entries
reach the ledger in the order of their numbers. A batch leaves when it is full, or when its first entry has waited
long enough.

    added    entries came in                      taken    a run was read and is on its way
    ended    a run has all its answers            dropped  the connection broke: all of it is to be sent again
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from typing import NamedTuple

from gateway.limits import Limits

NEVER_MS = 1 << 62


class Run(NamedTuple):
    """So many entries of a lane, from its first on."""

    lane: bytes
    entries: int


class Turns:
    """Counts by lane; entries themselves are in the store. A lane is in the ring, under way, or resting."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: dict[bytes, int] = {}
        self._ring: OrderedDict[bytes, int] = OrderedDict()
        self._under_way: dict[bytes, int] = {}
        self._resting: list[tuple[int, bytes]] = []
        self._pauses: dict[bytes, int] = {}
        self._since: dict[bytes, int] = {}
        self._ready = 0
        self.in_flight = 0

    @property
    def entries(self) -> int:
        """All that have not left."""
        return sum(self._waiting.values())

    @property
    def lanes(self) -> int:
        return len(self._waiting)

    def oldest_ms(self, now_ms: int) -> int:
        """How long the lane that waits longest has had something of which nothing left."""
        return max(0, now_ms - min(self._since.values(), default=now_ms))

    @property
    def resting(self) -> int:
        """Lanes that the ledger does not take yet."""
        return len(self._resting)

    def added(self, lane: bytes, entries: int, now_ms: int) -> None:
        known = self._waiting.get(lane, 0)
        if not known:
            self._since[lane] = now_ms
        self._waiting[lane] = known + entries
        if lane in self._ring:
            self._ready += entries
        elif not known:
            self._line_up(lane, now_ms)

    def due_ms(self, now_ms: int) -> int:
        """In how many milliseconds a batch is worth sending; 0 now; NEVER_MS when something must happen first."""
        while self._resting and self._resting[0][0] <= now_ms:
            self._line_up(heapq.heappop(self._resting)[1], now_ms)
        if self.in_flight >= self._limits.in_flight_entries:
            return NEVER_MS
        if self._ready >= self._limits.batch_entries:
            return 0
        soonest_ms = now_ms + NEVER_MS
        if self._ring:
            soonest_ms = next(iter(self._ring.values())) + self._limits.batch_age_ms
        if self._resting:
            soonest_ms = min(soonest_ms, self._resting[0][0])
        return max(0, soonest_ms - now_ms)

    def taken(self) -> list[Run]:
        """The runs of the next batch, on their way from now on. Each lane once, the one that waited longest first."""
        left = min(self._limits.batch_entries, self._limits.in_flight_entries - self.in_flight)
        runs: list[Run] = []
        while left > 0 and self._ring:
            lane, _ = self._ring.popitem(last=False)
            entries = min(self._waiting[lane], self._limits.run_entries, left)
            self._ready -= self._waiting[lane]
            self._under_way[lane] = entries
            self.in_flight += entries
            left -= entries
            runs.append(Run(lane, entries))
        return runs

    def shortened(self, lane: bytes, entries: int) -> None:
        """Only so many of the run were sent after all: the batch was full by bytes."""
        self.in_flight -= self._under_way[lane] - entries
        self._under_way[lane] = entries

    def ended(self, lane: bytes, gone: int, now_ms: int, *, hold: bool = False) -> None:
        """The run has all its answers, and so many entries have left. `hold`: the lane rests, each time for longer."""
        self.in_flight -= self._under_way.pop(lane)
        remaining = self._waiting[lane] - gone
        assert remaining >= 0, "no more leave a lane than are in it"
        pause_ms = self._pauses.pop(lane, 0)
        if not remaining:
            del self._waiting[lane], self._since[lane]
            return
        if gone:
            self._since[lane] = now_ms
        self._waiting[lane] = remaining
        if hold:
            limits = self._limits
            pause_ms = limits.hold_start_ms if gone or not pause_ms else min(2 * pause_ms, limits.hold_limit_ms)
            self._pauses[lane] = pause_ms
            heapq.heappush(self._resting, (now_ms + pause_ms, lane))
        else:
            self._line_up(lane, now_ms)

    def dropped(self, now_ms: int) -> None:
        """Nothing is on its way any more; what was is sent again."""
        for lane in list(self._under_way):
            self.ended(lane, 0, now_ms)

    def _line_up(self, lane: bytes, now_ms: int) -> None:
        self._ring[lane] = now_ms
        self._ready += self._waiting[lane]
