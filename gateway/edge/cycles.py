"""From what a device shows to rows that only grow: registers that start again, duplicates, delays.

A counter that users and restarts can reset has cycles. The row's register is what all former cycles ended at, plus
what the present one shows:

* the same or more: it counts;
* a value seen lately, also in the cycle before, or a little less (at least nine tenths): an old message that came late
  or twice; dropped. It must neither look like a new cycle, nor like a great leap after one;
* much less: a new cycle, which began at zero. The row is flagged. What was used between the last message and the
  reset is not known, and not invented;
* no time of its own: when it arrived. Not later than the last row's: dropped.

A device speaks more often than the ledger wants to hear: one row each `every_ms`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.edge.observed import LARGEST, Observed
from ledgernode.errors import ReadingInvalid

NEW_CYCLE: Final = 1 << 8
"""Flag of a row: the device's counter began again before it. The lower bits are for tampering."""
SEEN: Final = 16
AHEAD_MS: Final = 60_000
COLUMN_SETS: Final = 8
"""Of one device; the ledger keeps 26. Beyond, a row has registers only."""


class Side(msgspec.Struct, frozen=True, array_like=True):
    """One register: what it shows, what former cycles came to, and what it showed lately."""

    shown_mwh: int = 0
    before_mwh: int = 0
    seen_mwh: tuple[int, ...] = ()

    @property
    def total_mwh(self) -> int:
        return self.before_mwh + self.shown_mwh


class Counter(msgspec.Struct, frozen=True, array_like=True):
    """All that is remembered of a device; kept with each row it makes."""

    sequence: int = 0
    last_ms: int = 0
    imported: Side = Side()
    exported: Side = Side()
    flags: int = 0
    column_sets: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True):
    """As the contract takes it: sequence, time, import, export, flags, then one number for each column."""

    numbers: tuple[int, ...]
    columns: tuple[str, ...]


def counted(counter: Counter, seen: Observed, arrived_ms: int, every_ms: int) -> tuple[Counter, Row | None]:
    """The counter after this look, and the row it makes, if any. Raises ReadingInvalid for a time ahead of ours."""
    time_ms = arrived_ms if seen.time_ms is None else seen.time_ms
    if time_ms > arrived_ms + AHEAD_MS:
        raise ReadingInvalid("the device's clock is ahead of ours")
    if counter.sequence and time_ms <= counter.last_ms:
        return counter, None
    imported, import_flag = _moved(counter.imported, seen.import_mwh)
    exported, export_flag = _moved(counter.exported, seen.export_mwh)
    if imported is None or exported is None:
        return counter, None
    if max(imported.total_mwh, exported.total_mwh) > LARGEST:
        raise ReadingInvalid("the register is beyond what the ledger holds")
    moved = msgspec.structs.replace(
        counter, imported=imported, exported=exported, flags=counter.flags | import_flag | export_flag
    )
    if counter.sequence and time_ms < counter.last_ms + every_ms:
        return moved, None
    columns, sets = _columns(counter.column_sets, seen)
    numbers = (moved.sequence, time_ms, imported.total_mwh, exported.total_mwh, moved.flags)
    row = Row(numbers + tuple(seen.values[name] for name in columns), columns)
    after = msgspec.structs.replace(moved, sequence=moved.sequence + 1, last_ms=time_ms, flags=0, column_sets=sets)
    return after, row


def _moved(side: Side, shown_mwh: int | None) -> tuple[Side | None, int]:
    """The register after it showed this; None where that is an old message."""
    if shown_mwh is None or shown_mwh == side.shown_mwh:
        return side, 0
    if shown_mwh in side.seen_mwh:
        return None, 0
    lately = (*side.seen_mwh, side.shown_mwh)[-SEEN:]
    if shown_mwh > side.shown_mwh:
        return Side(shown_mwh, side.before_mwh, lately), 0
    if shown_mwh * 10 >= side.shown_mwh * 9:
        return None, 0
    return Side(shown_mwh, side.total_mwh, lately), NEW_CYCLE


def _columns(sets: tuple[str, ...], seen: Observed) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = tuple(sorted(seen.values))
    joined = ",".join(names)
    if joined in sets or not names:
        return names, sets
    if len(sets) >= COLUMN_SETS:
        return (), sets
    return names, (*sets, joined)
