"""What a house will use and make in a delivery, by what its meter has shown: the forecast of `gateway.insight`.

The day of the delivery is forecast from the days before it. Where those say nothing yet, it will be as in the last
interval that is known; where nothing is known at all, nothing is believed.

A house with a generation meter is read by both: it uses what it takes and makes, less what it gives. Without one, what
it takes counts as its use and what it gives as its making; either way what a battery does is in its use.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from devices.history.days import days_of
from devices.history.series import DAY_MS, Series, resampled
from devices.house.trading import Forecast
from gateway.insight.forecast import Forecaster

KINDS: Final = ("load", "generation")
_THURSDAY: Final = 3
"""1 January 1970."""


def behind_the_meter(connection: Series, generation: Series | None) -> Series:
    """Use and making of a house: from both of its meters, where both are known."""
    if generation is None:
        return connection
    made = resampled(generation, connection.step_ms)
    count = len(connection)
    shift = (connection.begin_ms - made.begin_ms) // connection.step_ms
    known, made_mwh = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.int64)
    first, last = max(0, -shift), min(count, len(made) - shift)
    if first < last:
        known[first:last] = made.known[first + shift : last + shift]
        made_mwh[first:last] = made.pv_mwh[first + shift : last + shift]
    known &= connection.known
    load_mwh = np.maximum(connection.load_mwh + made_mwh - connection.pv_mwh, 0)
    return Series(connection.name, connection.begin_ms, connection.step_ms, load_mwh * known, made_mwh * known, known)


class Foresight:
    """What was said of a day, interval by interval, in Wh; learning takes a second, so it is done once for a day."""

    def __init__(self, measured: Series | None, day: int) -> None:
        self._measured, self.day = measured, day
        self._said = {kind: _of_day(measured, kind, day) for kind in KINDS} if measured is not None else {}

    def of(self, from_ms: int, until_ms: int) -> Forecast:
        """Of one delivery."""
        load_wh, generation_wh = (self._energy_wh(kind, from_ms, until_ms) for kind in KINDS)
        return Forecast(from_ms, until_ms, load_wh, generation_wh)

    def _energy_wh(self, kind: str, from_ms: int, until_ms: int) -> int:
        measured = self._measured
        if measured is None:
            return 0
        energy_wh = 0.0
        for begin_ms in range(from_ms, until_ms, measured.step_ms):
            slot = begin_ms % DAY_MS // measured.step_ms
            said = float(self._said[kind][slot])
            energy_wh += _last_wh(measured, kind) if math.isnan(said) else said
        return round(energy_wh)


def _of_day(measured: Series, kind: str, day: int) -> NDArray[np.float64]:
    """What the days before this one say of it; NaN where they say nothing."""
    table, _ = days_of(measured, kind)
    first_day = measured.begin_ms // DAY_MS
    wanted = max(0, day - first_day)
    before = np.full((wanted, table.shape[1]), np.nan)
    count = min(wanted, len(table))
    before[:count] = table[:count]
    if not wanted:
        return np.full(table.shape[1], np.nan)
    forecaster = Forecaster(kind, (first_day + _THURSDAY) % 7)
    forecaster.learn(before)
    return forecaster.ahead(before)


def _last_wh(measured: Series, kind: str) -> float:
    known = np.flatnonzero(measured.known)
    energies = measured.load_mwh if kind == "load" else measured.pv_mwh
    return float(energies[known[-1]]) / 1_000 if len(known) else 0.0
