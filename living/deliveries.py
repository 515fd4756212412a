"""What is to flow of trades: so much of each house's in a quarter on the grid, from one to another on a bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from devices.community.street import Transfer
from living.figures import Trade
from living.units import INTERVAL_MS

_NWH_PER_WH: Final = 1_000_000_000
_QUARTERS_AN_HOUR: Final = 3_600_000 // INTERVAL_MS


class Deliveries:
    """Of all trades that the ledger has told of."""

    def __init__(self, trades: Mapping[int, Trade]) -> None:
        self._trades = trades
        self._sold: dict[tuple[str, int], int] = {}
        self._bought: dict[tuple[str, int], int] = {}

    def agreed(self, number: int) -> None:
        """A trade's energy spreads evenly over its quarters."""
        trade = self._trades[number]
        quarters = (trade.until_ms - trade.from_ms) // INTERVAL_MS
        for at_ms in range(trade.from_ms, trade.until_ms, INTERVAL_MS):
            for kept, house in ((self._sold, trade.seller), (self._bought, trade.buyer)):
                slot = at_ms // INTERVAL_MS
                kept[house, slot] = kept.get((house, slot), 0) + trade.energy_wh // quarters

    def sold_w(self, house: str, at_ms: int) -> float:
        return float(self._sold.get((house, at_ms // INTERVAL_MS), 0) * _QUARTERS_AN_HOUR)

    def bought_w(self, house: str, at_ms: int) -> float:
        return float(self._bought.get((house, at_ms // INTERVAL_MS), 0) * _QUARTERS_AN_HOUR)

    def transfers(self, houses: set[str], at_ms: int) -> list[Transfer]:
        """Trades of these houses that are under way, in their order."""
        return [
            Transfer(trade.number, trade.seller, trade.buyer, trade.energy_wh * _NWH_PER_WH)
            for trade in self._trades.values()
            if trade.from_ms <= at_ms < trade.until_ms and trade.seller in houses
        ]

    def forget_before(self, at_ms: int) -> None:
        for kept in (self._sold, self._bought):
            for key in [key for key in kept if key[1] < at_ms // INTERVAL_MS]:
                del kept[key]
