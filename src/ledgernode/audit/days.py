"""What was measured is what was classed: a settled day is its intervals, and the meter's registers.

    roster       who belongs to an area, from an interval on
    day          of a point, by interval: the eight columns. Trade and pool are those of the intervals that are kept,
                 all else is the grid's
    adjustment   what late readings changed of it
    metering     its day: what is known now. Where it knows an interval wholly, and nothing waits to be posted, that is
                 the day and its adjustments together

A point that belonged to no area, or an interval that was closed on an estimate and not measured since, is not compared.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, Final

from ledgernode.audit.books import Books
from ledgernode.audit.intervals import COLUMNS, SETTLEMENT, unequal
from ledgernode.audit.journal import Item, Step
from ledgernode.audit.law import Law, Range, Sums

METERING: Final = "metering"
DAY_MS: Final = 86_400_000
_POOLED: Final = (2, 3, 5, 6)
_NOTHING: Final = (0, 0, 0, 0)


class Days(Law):
    """Of each day of a point that is rolled up."""

    name = "energy: sum I = trade + pool + grid import, sum X = trade + pool + feed-in = what was measured"
    reads = ((SETTLEMENT, "roster"), (SETTLEMENT, "interval"), (SETTLEMENT, "adjustment"), (SETTLEMENT, "day"))

    def begin(self, books: Books, span: Range) -> None:
        super().begin(books, span)
        self._interval_ms = 0
        self._rosters: dict[str, list[tuple[int, frozenset[str]]]] = {}
        self._pooled: dict[tuple[str, int], tuple[int, ...]] = {}
        self._adjusted: dict[tuple[str, int], list[int]] = {}
        self._sums = [0 for _ in range(COLUMNS)]
        self._days = self._compared = 0
        ground = books.named("registry", "ground")
        if ground is not None:
            self._interval_ms = ground["interval_ms"]

    def flaw(self, item: Item) -> str:
        match item.kind:
            case "roster":
                area, from_ms = item.parts
                self._rosters.setdefault(area, []).append((int(from_ms), frozenset(item.record)))
            case "interval":
                for point, row in zip(item.record["points"], item.record["rows"], strict=True):
                    if any(row[at] for at in _POOLED):
                        self._pooled[point, int(item.parts[1])] = tuple(row[at] for at in _POOLED)
            case "adjustment":
                columns = item.record["columns_mwh"]
                so_far = self._adjusted.setdefault((item.parts[0], item.record["interval_ms"]), [0] * COLUMNS)
                for at, more in enumerate(columns):
                    so_far[at] += more
            case "day":
                return self._day(item.parts[0], item.record)
        return ""

    def change(self, step: Step) -> str:
        for one in step.writes(SETTLEMENT, "day"):
            if one.before is not None and one.after is not None and one.after["version"] != one.before["version"] + 1:
                return f"day {one.parts[1]} of {one.parts[0]} is rolled up, and was written again"
        return ""

    def shown(self, sums: Mapping[str, Sums]) -> dict[str, int]:  # noqa: ARG002 - it counts where it looks
        if not self._days:
            return {}
        energy = {"import_mwh": self._sums[0], "export_mwh": self._sums[1]}
        return {"days": self._days, "intervals_compared": self._compared, **energy}

    # ------------------------------------------------------------ one day

    def _day(self, point: str, day: dict[str, Any]) -> str:
        columns: list[list[int]] = day["columns"]
        start_ms = day["day"] * DAY_MS
        measured = self._measured(point, day["day"])
        for at, row in enumerate(zip(*columns, strict=True)):
            at_ms = start_ms + at * self._interval_ms
            text = unequal(row) or self._apart(point, at_ms, row)
            if not text and measured is not None and self._belongs(point, at_ms):
                text = self._differs(row, self._adjusted.get((point, at_ms)), measured, at)
            if text:
                return f"{point}, interval {at_ms}: {text}"
        self._days += 1
        self._sums = [so_far + sum(column) for so_far, column in zip(self._sums, columns, strict=True)]
        return ""

    def _apart(self, point: str, at_ms: int, row: tuple[int, ...]) -> str:
        """What of a day's trade and pool is not that of the intervals that are kept."""
        pooled, kept = tuple(row[at] for at in _POOLED), self._pooled.get((point, at_ms), _NOTHING)
        return f"the day has trade and pool of {pooled} mWh, its interval {kept}" if pooled != kept else ""

    def _differs(self, row: tuple[int, ...], late: list[int] | None, measured: dict[str, Any], at: int) -> str:
        known_ms = measured["device_ms"][at] + measured["gateway_ms"][at] + measured["estimated_ms"][at]
        if known_ms < self._interval_ms:
            return ""
        self._compared += 1
        more = late or _NOTHING
        for column, name in enumerate(("import", "export")):
            classed, there = row[column] + more[column], measured[f"{name}_mwh"][at]
            if classed != there:
                return f"{name} of {classed} mWh is classed, {there} is measured"
        return ""

    def _measured(self, point: str, day: int) -> dict[str, Any] | None:
        """Metering's day; None where a late reading of it waits to be posted."""
        for area in self._rosters:
            if self.books.named(METERING, f"late/{area}/{point}/{day:08d}") is not None:
                return None
            if self.books.get(SETTLEMENT, "late", area, f"{day:06d}", point) is not None:
                return None
        found: dict[str, Any] | None = self.books.named(METERING, f"day/{point}/{day:08d}")
        return found

    def _belongs(self, point: str, at_ms: int) -> bool:
        """Whether the point belonged to an area then."""
        for rosters in self._rosters.values():
            at = bisect_right(rosters, at_ms, key=lambda roster: roster[0]) - 1
            if at >= 0 and point in rosters[at][1]:
                return True
        return False
