"""What is counted of a community: sums over blocks and events. Whoever shows them shows nothing else."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

import msgspec

_LATELY_S: Final = 10.0
_LINES: Final = 400
COLUMNS: Final = (
    "import_mwh", "export_mwh", "trade_in_mwh", "pool_in_mwh", "grid_in_mwh", "trade_out_mwh", "pool_out_mwh",
    "feed_in_mwh",
)  # fmt: skip
"""Of an interval, as settlement sums them."""


class Trade(msgspec.Struct):
    """A trade as it was agreed, and what came of it."""

    number: int
    seller: str
    buyer: str
    energy_wh: int
    price_micro: int
    from_ms: int
    until_ms: int
    delivered_mwh: int | None = None


class Interval(msgspec.Struct, frozen=True):
    """What settlement has closed, in mWh: taken and given in all; by class from and to neighbours, pool, grid."""

    start_ms: int
    import_mwh: int
    export_mwh: int
    trade_in_mwh: int
    pool_in_mwh: int
    grid_in_mwh: int
    trade_out_mwh: int
    pool_out_mwh: int
    feed_in_mwh: int
    moved_minor: int
    trades: int


class Report(msgspec.Struct, frozen=True):
    """A feeder's interval."""

    feeder: str
    start_ms: int
    state: str
    generation_mwh: int | None
    consumption_mwh: int | None
    supply_mwh: int | None
    loss_mwh: int | None
    loading_micro: int | None


class Line(msgspec.Struct, frozen=True):
    """One thing that happened, at the ledger's time."""

    time_ms: int
    kind: str
    text: str


class Figures:
    """Everything that is counted."""

    def __init__(self) -> None:
        self.height = 0
        self.time_ms = 0
        self.blocks = 0
        self.transactions = 0
        self.timers = 0
        self.readings = 0
        self.samples = 0
        self.orders = 0
        self.refused: dict[str, int] = {}
        self.trades: dict[int, Trade] = {}
        self.intervals: list[Interval] = []
        self.reports: list[Report] = []
        self.open_credits: set[int] = set()
        """Reserved, and not yet in a meter."""
        self.tokens_bought = 0
        self.tokens_returned = 0
        self.tokens_redeemed = 0
        self.units_bought_mwh = 0
        self.units_redeemed_mwh = 0
        self.shares = 0
        self.shared_mwh = 0
        self.heard: set[str] = set()
        """Lines of trades at the broker, which may bring one twice."""
        self.commands = 0
        self.acknowledged = 0
        self.timed_out = 0
        self.alerts: dict[tuple[str, str], bool] = {}
        self.alerts_opened = 0
        self.lines: deque[Line] = deque(maxlen=_LINES)
        self._arrived: deque[tuple[float, int]] = deque()

    def arrived(self, transactions: int) -> None:
        now = time.monotonic()
        self._arrived.append((now, transactions))
        while self._arrived and self._arrived[0][0] < now - _LATELY_S:
            self._arrived.popleft()

    @property
    def rate(self) -> float:
        """Transactions a second of ours, over the last seconds."""
        if not self._arrived:
            return 0.0
        now = time.monotonic()
        return sum(count for at, count in self._arrived if at >= now - _LATELY_S) / _LATELY_S

    @property
    def traded_mwh(self) -> int:
        return sum(trade.delivered_mwh or 0 for trade in self.trades.values())
