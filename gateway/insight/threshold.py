"""What anybody would do without thinking: a day that is so many standard deviations off the meter's last four weeks.

The yardstick of `anomalies`, at whichever number of deviations suits it best.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from gateway.insight.anomalies import Flagged, Meter

_HISTORY = 28
_ENOUGH = 14


def far_days(meters: Sequence[Meter], deviations: float) -> list[Flagged]:
    """The days of each meter whose energy is so far from the mean of the four weeks before."""
    found = []
    for meter in meters:
        totals = meter.energy.sum(axis=1)
        before = np.concatenate([np.full(_HISTORY, np.nan), totals])
        windows = np.lib.stride_tricks.sliding_window_view(before, _HISTORY)[: len(totals)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of windows in which nothing is known
            usual, scatter = np.nanmean(windows, axis=1), np.nanstd(windows, axis=1)
        enough = np.isfinite(windows).sum(axis=1) >= _ENOUGH
        found.append(enough & (np.abs(totals - usual) > deviations * scatter))
    return found
