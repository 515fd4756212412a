"""A house's series by the days of UTC, as forecasts are made of it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from devices.history.series import DAY_MS, Series
from gateway.insight.forecast import as_days

_THURSDAY: Final = 3
"""1 January 1970."""


def days_of(house: Series, kind: str) -> tuple[NDArray[np.float64], int]:
    """(Wh by UTC day and interval, NaN where not known; the first day's weekday, 0 is Monday)."""
    energies = house.load_mwh if kind == "load" else house.pv_mwh
    values = np.where(house.known, energies / 1e3, np.nan)
    slot = house.begin_ms % DAY_MS // house.step_ms
    return as_days(values, DAY_MS // house.step_ms, slot), (house.begin_ms // DAY_MS + _THURSDAY) % 7
