"""One house over time, and its intervals made longer or shorter without losing a mWh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from ledgernode.errors import HistoryInvalid

Energies: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


class Series(msgspec.Struct, frozen=True, eq=False):
    """What a house used and generated, from `begin_ms` (UTC) on, one value an interval.

    Where `known` is False the file says nothing; the energies there are 0 and mean nothing.
    """

    name: str
    begin_ms: int
    step_ms: int
    load_mwh: Energies
    pv_mwh: Energies
    known: Flags

    def __post_init__(self) -> None:
        assert self.step_ms > 0
        assert len(self.load_mwh) == len(self.pv_mwh) == len(self.known)
        assert not self.load_mwh[~self.known].any(), "what is not known is written as zero"

    def __len__(self) -> int:
        return len(self.known)

    @property
    def end_ms(self) -> int:
        return self.begin_ms + len(self) * self.step_ms

    @property
    def gaps(self) -> int:
        """Intervals that are not known."""
        return int(len(self) - self.known.sum())


def resampled(series: Series, step_ms: int) -> Series:
    """The same house by another step: intervals split into equal parts, or whole ones summed.

    A longer interval begins at a multiple of its step, and is known when all its parts are; what the ends of the series
    fill only in part is left out. Refuses a step that neither divides the old one nor is a multiple of it.
    """
    if step_ms == series.step_ms:
        return series
    if series.step_ms % step_ms == 0:
        return _split(series, series.step_ms // step_ms, step_ms)
    if step_ms % series.step_ms == 0:
        return _joined(series, step_ms // series.step_ms, step_ms)
    raise HistoryInvalid(
        f"{series.name} has rows every {series.step_ms // MINUTE_MS} minutes, which do not make intervals of "
        f"{step_ms // MINUTE_MS}",
        house=series.name,
    )


def _split(series: Series, parts: int, step_ms: int) -> Series:
    def split(energies: Energies) -> Energies:
        ends = np.arange(1, parts + 1, dtype=np.int64)
        reached = energies[:, None] * ends // parts
        return np.diff(reached, axis=1, prepend=0).reshape(-1)

    known = np.repeat(series.known, parts)
    return Series(series.name, series.begin_ms, step_ms, split(series.load_mwh), split(series.pv_mwh), known)


def _joined(series: Series, parts: int, step_ms: int) -> Series:
    begin_ms = -(-series.begin_ms // step_ms) * step_ms
    first = (begin_ms - series.begin_ms) // series.step_ms
    count = max(0, (len(series) - first) // parts)
    used = slice(first, first + count * parts)
    known: Flags = np.all(series.known[used].reshape(count, parts), axis=1)

    def joined(energies: Energies) -> Energies:
        return np.where(known, energies[used].reshape(count, parts).sum(axis=1), 0)

    return Series(series.name, begin_ms, step_ms, joined(series.load_mwh), joined(series.pv_mwh), known)


def aligned(houses: Sequence[Series], step_ms: int) -> list[Series]:
    """All houses by one step over the time that all of them have. Refuses houses that share no time, or a name."""
    names = [house.name for house in houses]
    for name in names:
        if names.count(name) > 1:
            raise HistoryInvalid(f"two houses are called {name}", house=name)
    found = [resampled(house, step_ms) for house in houses]
    if not found:
        raise HistoryInvalid("there is no house")
    for house in found:
        if (house.begin_ms - found[0].begin_ms) % step_ms:
            raise HistoryInvalid(f"the intervals of {house.name} and {found[0].name} do not begin together")
    begin_ms, end_ms = max(house.begin_ms for house in found), min(house.end_ms for house in found)
    if end_ms <= begin_ms:
        raise HistoryInvalid(
            "the houses have no time in common: are all files of one year, and --begin of all the same?"
        )
    return [cut(house, begin_ms, end_ms) for house in found]


def cut(series: Series, begin_ms: int, end_ms: int) -> Series:
    """The part from one time to another, both on the series' grid."""
    first, last = ((at - series.begin_ms) // series.step_ms for at in (begin_ms, end_ms))
    part = slice(max(first, 0), max(last, 0))
    return Series(
        series.name,
        max(begin_ms, series.begin_ms),
        series.step_ms,
        series.load_mwh[part],
        series.pv_mwh[part],
        series.known[part],
    )


def whole_wh(energies_mwh: Energies) -> Energies:
    """The same energies as whole Wh, rounded cumulatively: what a register that shows Wh would have counted."""
    return np.diff(np.cumsum(energies_mwh) // 1_000, prepend=0)
