"""The same houses without a market. Batteries serve their own house alone.

grid-only      what is taken costs retail; what is given earns nothing
feed-in        what is given earns the feed-in price
net-metering   over each calendar month (UTC) what is given counts as not taken, at retail; beyond that, feed-in
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from devices.backtest.plan import Plan

GRID_ONLY: Final = "grid-only"
FEED_IN: Final = "feed-in"
NET_METERING: Final = "net-metering"
YARDSTICKS: Final = (GRID_ONLY, FEED_IN, NET_METERING)


def bills_nano(plan: Plan, imports_wh: NDArray[np.int64], exports_wh: NDArray[np.int64]) -> dict[str, list[int]]:
    """What each house pays by each yardstick; rows of the arrays are deliveries, columns houses."""
    retail = np.array([terms.retail_micro for terms in plan.terms], dtype=np.int64)
    feed_in = np.array([terms.feed_in_micro for terms in plan.terms], dtype=np.int64)
    costs = [int(cost) for cost in retail @ imports_wh]
    earned = [int(income) for income in feed_in @ exports_wh]
    months = np.array([_month(begin_ms) for begin_ms in plan.begins_ms])
    netted = [0] * len(plan.houses)
    for month in np.unique(months):
        of_month = months == month
        for house in range(len(plan.houses)):
            netted[house] += _netted(
                imports_wh[of_month, house].tolist(),
                exports_wh[of_month, house].tolist(),
                retail[of_month].tolist(),
                feed_in[of_month].tolist(),
            )
    return {
        GRID_ONLY: costs,
        FEED_IN: [cost - income for cost, income in zip(costs, earned, strict=True)],
        NET_METERING: netted,
    }


def _netted(imports: Sequence[int], exports: Sequence[int], retail: Sequence[int], feed_in: Sequence[int]) -> int:
    """A month's bill. Of what was given, the part that was also taken counts at retail, each hour's alike."""
    taken, given = sum(imports), sum(exports)
    cost = sum(price * energy for price, energy in zip(retail, imports, strict=True))
    at_retail = sum(price * energy for price, energy in zip(retail, exports, strict=True))
    if given <= taken:
        return cost - at_retail
    at_feed_in = sum(price * energy for price, energy in zip(feed_in, exports, strict=True))
    return cost - (at_retail * taken + at_feed_in * (given - taken)) // given


def _month(begin_ms: int) -> int:
    at = datetime.fromtimestamp(begin_ms / 1_000, UTC)
    return at.year * 12 + at.month
