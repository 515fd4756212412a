"""Houses from measured files (`devices.history`) in place of seeded ones.

A fleet may have more meters than files have houses: then several meters take after one house, each by a part of its
own. Within an interval energy flows evenly; where nothing is known none flows; after the last interval comes the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

from devices.fleet.houses import HOUR_MS, Shown
from devices.history.reading import read_houses
from devices.history.series import Series
from ledgernode.errors import BadRequest

_PARTS_PERCENT: Final = (100, 90, 110, 80, 120, 70, 130)


class _House:
    """What is taken and given up to each interval, in mWh."""

    def __init__(self, series: Series) -> None:
        net_mwh = [int(one) for one in series.load_mwh - series.pv_mwh]
        self.step_ms = series.step_ms
        self.taken = (0, *accumulate(max(0, one) for one in net_mwh))
        self.given = (0, *accumulate(max(0, -one) for one in net_mwh))

    def shown(self, since_ms: int) -> Shown:
        steps, part_ms = divmod(since_ms, self.step_ms)
        rounds, step = divmod(steps, len(self.taken) - 1)

        def upto(sums: Sequence[int]) -> int:
            return rounds * sums[-1] + sums[step] + (sums[step + 1] - sums[step]) * part_ms // self.step_ms

        net_mwh = (self.taken[step + 1] - self.taken[step]) - (self.given[step + 1] - self.given[step])
        return Shown(upto(self.taken), upto(self.given), net_mwh * HOUR_MS // self.step_ms)


class MeasuredHouses:
    """By place: the files' houses in turn."""

    def __init__(self, series: Sequence[Series]) -> None:
        if not series or not all(len(one) for one in series):
            raise BadRequest("the measured files hold no house")
        self._houses = [_House(one) for one in series]

    def shown(self, place: int, since_ms: int) -> Shown:
        turn, house = divmod(place, len(self._houses))
        percent = _PARTS_PERCENT[turn % len(_PARTS_PERCENT)]
        return Shown(*(number * percent // 100 for number in self._houses[house].shown(since_ms)))


def measured_houses(paths: Sequence[str]) -> MeasuredHouses:
    """Refuses files that make no sense (HistoryInvalid)."""
    return MeasuredHouses(read_houses([Path(path) for path in paths]))
