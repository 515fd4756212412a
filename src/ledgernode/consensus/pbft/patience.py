"""How long a leader is given: doubled from view to view up to a bound, and back down as blocks come."""

from __future__ import annotations

from typing import Final

from ledgernode.consensus.pbft.seat import Timing

_MOST_DOUBLINGS: Final = 16


class Patience:
    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._failures = 0
        self.deadline_ms: int | None = None

    @property
    def timeout_ms(self) -> int:
        doubled = self._timing.view_timeout_ms << max(0, self._failures - 1)
        return min(doubled, self._timing.view_timeout_limit_ms)

    def begin(self, now: int) -> None:
        self.deadline_ms = now + self.timeout_ms

    def rest(self) -> None:
        self.deadline_ms = None

    def lost(self) -> None:
        """A view has ended without what it was for."""
        self._failures = min(self._failures + 1, _MOST_DOUBLINGS)
        self.deadline_ms = None

    def rewarded(self) -> None:
        """Something was delivered."""
        self._failures = max(0, self._failures - 1)

    def is_over(self, now: int) -> bool:
        return self.deadline_ms is not None and now >= self.deadline_ms
