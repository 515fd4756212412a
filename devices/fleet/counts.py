"""What became of readings, and how long it took: counted in each process, added up for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

_FINE: Final = 6
"""Delays are kept to so many leading bits: true to 3 %, in little memory however many there are."""
PERCENTILES: Final = (50, 95, 99)


class Delays(msgspec.Struct):
    """So many of each length, in milliseconds."""

    found: dict[int, int] = {}
    longest_ms: int = 0

    def add(self, delay_ms: int) -> None:
        delay_ms = max(0, delay_ms)
        place = _place(delay_ms)
        self.found[place] = self.found.get(place, 0) + 1
        self.longest_ms = max(self.longest_ms, delay_ms)

    def merge(self, other: Delays) -> None:
        for place, count in other.found.items():
            self.found[place] = self.found.get(place, 0) + count
        self.longest_ms = max(self.longest_ms, other.longest_ms)

    def percentile_ms(self, percent: int) -> int | None:
        """So many of a hundred took at most this long. None where there is none."""
        total = sum(self.found.values())
        if not total:
            return None
        left = -(-total * percent // 100)
        for place in sorted(self.found):
            left -= self.found[place]
            if left <= 0:
                return min(_most_ms(place), self.longest_ms)
        raise AssertionError("percentiles end with the last")

    def lengths(self) -> Iterator[tuple[int, int]]:
        """Each length in milliseconds, as it is kept, and how many have it."""
        for place, count in self.found.items():
            yield min(_most_ms(place), self.longest_ms), count

    def document(self) -> dict[str, int | None]:
        of = {f"p{percent}": self.percentile_ms(percent) for percent in PERCENTILES}
        return {**of, "longest": self.longest_ms if self.found else None}


class Counts(msgspec.Struct):
    """Of some meters. `safe` is told by a gateway, `committed` by the ledger through it."""

    due: int = 0
    sent: int = 0
    again: int = 0
    safe: int = 0
    committed: int = 0
    repeated: int = 0
    refused: dict[str, int] = {}
    """By the gateway: never safe."""
    failed: dict[str, int] = {}
    """By the ledger, of those that were safe."""
    lost_connections: dict[str, int] = {}
    until_safe: Delays = msgspec.field(default_factory=Delays)
    until_committed: Delays = msgspec.field(default_factory=Delays)
    cpu_us: int = 0

    def merge(self, other: Counts) -> None:
        for name in ("due", "sent", "again", "safe", "committed", "repeated", "cpu_us"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        _add(self.refused, other.refused)
        _add(self.failed, other.failed)
        _add(self.lost_connections, other.lost_connections)
        self.until_safe.merge(other.until_safe)
        self.until_committed.merge(other.until_committed)

    def refuse(self, code: str) -> None:
        self.refused[code] = self.refused.get(code, 0) + 1

    def fail(self, code: str) -> None:
        self.failed[code] = self.failed.get(code, 0) + 1

    def lost_connection(self, code: str) -> None:
        self.lost_connections[code] = self.lost_connections.get(code, 0) + 1

    @property
    def settled(self) -> int:
        """Readings that nobody needs to send any more."""
        return self.safe + sum(self.refused.values())

    def document(self) -> dict[str, Any]:
        return {
            "due": self.due,
            "sent": self.sent,
            "sent_again": self.again,
            "safe": self.safe,
            "committed": self.committed,
            "repeated": self.repeated,
            "refused": dict(sorted(self.refused.items())),
            "failed": dict(sorted(self.failed.items())),
            "lost_connections": dict(sorted(self.lost_connections.items())),
            "delay_ms": {
                "reading_to_safe": self.until_safe.document(),
                "reading_to_committed": self.until_committed.document(),
            },
            "cpu_us_per_reading": self.cpu_us // self.safe if self.safe else None,
        }


def _add(into: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        into[name] = into.get(name, 0) + count


def _place(delay_ms: int) -> int:
    shift = max(0, delay_ms.bit_length() - _FINE)
    return (shift << _FINE) + (delay_ms >> shift)


def _most_ms(place: int) -> int:
    shift, leading = divmod(place, 1 << _FINE)
    return ((leading + 1) << shift) - 1
