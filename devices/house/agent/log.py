"""Log: what was, within a bound.

Samples of chosen values, one in each period at most; happenings as lines. Both are rings: the oldest goes first.
`rows` is what goes to a file: time, source, name, value. Who takes everything on elsewhere (`export`) asks for what is
new since a number: each sample and each happening is counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from devices.house.agent.collect import Collected

SAMPLES: Final = 20_000
HAPPENINGS: Final = 1_000


class Sample(NamedTuple):
    time_ms: int
    source: str
    name: str
    value: int


class Happening(NamedTuple):
    time_ms: int
    kind: str
    text: str


class Log:
    """Bounded; `period_ms` apart at least."""

    def __init__(self, period_ms: int = 60_000, *, samples: int = SAMPLES, happenings: int = HAPPENINGS) -> None:
        assert min(period_ms, samples, happenings) > 0
        self._period_ms = period_ms
        self._samples: deque[Sample] = deque(maxlen=samples)
        self._happenings: deque[Happening] = deque(maxlen=happenings)
        self._last_period = -1
        self.sampled = self.counted = 0
        """So many samples, and happenings, there have been."""

    def sample(self, now_ms: int, collected: Collected) -> None:
        """All values as they stand, once a period."""
        period = now_ms // self._period_ms
        if period <= self._last_period:
            return
        self._last_period = period
        for source, heard in sorted(collected.sources.items()):
            for name, value in sorted(heard.values.items()):
                self._samples.append(Sample(now_ms, source, name, value))
                self.sampled += 1

    def happened(self, now_ms: int, kind: str, text: str) -> None:
        self._happenings.append(Happening(now_ms, kind, text))
        self.counted += 1

    @property
    def happenings(self) -> tuple[Happening, ...]:
        return tuple(self._happenings)

    def rows(self, after_ms: int = -1) -> Iterator[Sample]:
        """Samples later than a time, oldest first."""
        return (sample for sample in self._samples if sample.time_ms > after_ms)

    def samples_after(self, number: int) -> tuple[Sample, ...]:
        """Those counted after so many, as far as they are still here."""
        return tuple(islice(self._samples, max(0, len(self._samples) - (self.sampled - number)), None))

    def happenings_after(self, number: int) -> tuple[Happening, ...]:
        return tuple(islice(self._happenings, max(0, len(self._happenings) - (self.counted - number)), None))
