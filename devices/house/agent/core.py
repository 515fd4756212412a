"""The agent's core: an event in, `Effects` out. No I/O, no clock, no chance of its own.

    Observed ─▶ collect ─▶ log ┬▶ response ─▶ control ─▶ wanted
                               └▶ alarm ─▶ rung
    Forecasted ─▶ strategy ─▶ within the owner's bounds ─▶ calls of the market

Sources it knows: `meter` (`import_mwh`, `export_mwh`, `power_mw`, `voltage_mv…`), `generation` (`power_mw`), `battery`
(`level_micro`, `power_mw`), `vehicle` (`power_mw`); others are collected and logged, and watched if told so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from devices.house.agent import response
from devices.house.agent.alarm import BATTERY, METER, Alarms, Limits, Rung, judged
from devices.house.agent.collect import Collected, heard
from devices.house.agent.control import Preferences, View, plan
from devices.house.agent.log import Log
from devices.house.standing import House, Wanted
from devices.house.strategy import BID, MICRO, Order, Strategy, Terms
from devices.house.trading import Call, Forecast, calls, outlook, stored_nwh

GENERATION: Final = "generation"
VEHICLE: Final = "vehicle"
TRADES: Final = 200
HOUR_MS: Final = 3_600_000
REFUSED: Final = "refused"
BEYOND: Final = "beyond the owner's bounds"
REVERSE: Final = "reverse"
FORWARD: Final = "forward"

# ---------------------------------------------------------------- events in


class Observed(msgspec.Struct, frozen=True):
    now_ms: int
    source: str
    values: Mapping[str, int]


class Ticked(msgspec.Struct, frozen=True):
    now_ms: int


class Asked(msgspec.Struct, frozen=True):
    """A demand response is called."""

    now_ms: int
    call: response.Call


class OptedOut(msgspec.Struct, frozen=True):
    now_ms: int
    id: str


class Priced(msgspec.Struct, frozen=True):
    """Prices outside of the market, and what a kWh costs now."""

    now_ms: int
    terms: Terms
    price_micro: int


class Forecasted(msgspec.Struct, frozen=True):
    """What a delivery will bring: now is the time to give orders for it."""

    now_ms: int
    forecast: Forecast


class Answered(msgspec.Struct, frozen=True):
    """What the market said to an order: OK, or a code."""

    now_ms: int
    code: str


class Traded(msgspec.Struct, frozen=True):
    """An order was matched: bought (positive) or sold (negative) for a delivery."""

    now_ms: int
    from_ms: int
    until_ms: int
    energy_wh: int
    price_micro: int
    number: int = 0
    """The trade's, by which it is known when it comes again, or is ended early; 0: it has none."""


class Ended(msgspec.Struct, frozen=True):
    """The ledger has ended a trade before its window was over: curtailed, or disputed."""

    now_ms: int
    number: int
    why: str


class Halted(msgspec.Struct, frozen=True):
    """The feeder can carry no more, back from its houses (`reverse`) or to them (`forward`), until a time (0: until it
    says so)."""

    now_ms: int
    direction: str
    until_ms: int = 0


class Resumed(msgspec.Struct, frozen=True):
    """It can again."""

    now_ms: int
    direction: str


Event = Observed | Ticked | Asked | OptedOut | Priced | Forecasted | Answered | Traded | Ended | Halted | Resumed


class Effects(NamedTuple):
    """What is wanted of the machines now; what goes to the market; what is to be told."""

    wanted: Wanted
    calls: tuple[Call, ...] = ()
    rung: tuple[Rung, ...] = ()
    responses: tuple[response.Call, ...] = ()
    """Calls for less that began, ended or were measured."""


class Bounds(msgspec.Struct, frozen=True):
    """What the owner lets a strategy do: an order beyond is withheld, and raises an alarm."""

    most_bid_micro: int = 1_000_000_000
    least_ask_micro: int = -1_000_000_000
    most_wh: int = 1_000_000_000

    def hold(self, order: Order) -> bool:
        within = (
            order.price_micro <= self.most_bid_micro
            if order.side == BID
            else (order.price_micro >= self.least_ask_micro)
        )
        return within and order.energy_wh <= self.most_wh


class Settings(msgspec.Struct, frozen=True):
    """Of one home."""

    point: str
    market: str
    house: House
    strategy: Strategy
    preferences: Preferences = Preferences()
    limits: Limits = Limits()
    bounds: Bounds = Bounds()
    board: bool = False


class Agent:
    """Holds what it knows between steps; all of it follows from the events."""

    def __init__(self, settings: Settings, log: Log | None = None) -> None:
        self.settings = settings
        self.log = log or Log()
        self.collected = Collected()
        self.alarms = Alarms()
        self.responses = response.Responses()
        self.terms: Terms | None = None
        self.price_micro = 0
        self.trades: tuple[Traded, ...] = ()
        self.halts: Mapping[str, int] = {}
        """By direction, until when; 0: until the feeder says so."""
        self._refused = 0
        self._beyond = False
        self._ordered_wh = self._matched_wh = 0  # of the last delivery that orders were given for
        self._since: tuple[int, int] | None = None  # quarter, import register at its beginning

    @property
    def is_ready(self) -> bool:
        """Whether it knows enough to trade: what its battery holds, where it has one."""
        level = self.collected.value(BATTERY, "level_micro", otherwise=-1)
        return self.settings.house.battery is None or level >= 0

    def step(self, event: Event) -> Effects:
        found: tuple[Call, ...] = ()
        match event:
            case Observed(now_ms=now_ms, source=source, values=values):
                self.collected = heard(self.collected, source, now_ms, values)
                if source == METER and "import_mwh" in values:
                    self._imported(now_ms, values["import_mwh"])
            case Ticked():
                pass
            case Asked(now_ms=now_ms, call=call):
                self.responses = response.called(self.responses, call, now_ms)
                self.log.happened(now_ms, "response", f"{call.id}: {call.less_w} W less from {call.from_ms}")
            case OptedOut(now_ms=now_ms, id=id):
                self.responses = response.opted_out(self.responses, id, now_ms)
                self.log.happened(now_ms, "response", f"{id}: opted out")
            case Priced(terms=terms, price_micro=price_micro):
                self.terms, self.price_micro = terms, price_micro
            case Forecasted(now_ms=now_ms, forecast=forecast):
                found = self._decide(now_ms, forecast)
            case Answered(now_ms=now_ms, code=code):
                self._answered(now_ms, code)
            case Traded(now_ms=now_ms):
                self._traded(now_ms, event)
            case Ended(now_ms=now_ms, number=number, why=why):
                self.trades = tuple(each for each in self.trades if each.number != number)
                self.log.happened(now_ms, "trade", f"#{number} ended: {why}")
            case Halted(now_ms=now_ms, direction=direction, until_ms=until_ms):
                self.halts = {**self.halts, direction: until_ms}
                self.log.happened(now_ms, "feeder", f"halted {direction}")
            case Resumed(now_ms=now_ms, direction=direction):
                self.halts = {name: until_ms for name, until_ms in self.halts.items() if name != direction}
                self.log.happened(now_ms, "feeder", f"resumed {direction}")
        return self._followed(event.now_ms, found)

    # ------------------------------------------------------------ after every event

    def _followed(self, now_ms: int, found: tuple[Call, ...]) -> Effects:
        self.log.sample(now_ms, self.collected)
        self.responses, changed = response.passed(self.responses, now_ms)
        for call in changed:
            self.log.happened(now_ms, "response", f"{call.id}: {call.status}, {call.delivered_mwh} mWh less")
        astray = ((REFUSED, self._refused >= self.settings.limits.refusals), (BEYOND, self._beyond))
        self.alarms, rung = judged(self.settings.limits, self.alarms, self.collected, now_ms, astray)
        for each in rung:
            verb = "opened" if each.opened else "closed"
            self.log.happened(now_ms, "alarm", f"{each.kind} {each.what} {verb} at {each.value}".replace("  ", " "))
        return Effects(plan(self.settings.house, self.settings.preferences, self._view(now_ms)), found, rung, changed)

    def _view(self, now_ms: int) -> View:
        """The house's own load: what the meter shows, without battery and car, and with its generation."""
        meter_w = self.collected.value(METER, "power_mw") / 1_000
        generation_w = self.collected.value(GENERATION, "power_mw") / 1_000
        apart_w = (self.collected.value(BATTERY, "power_mw") + self.collected.value(VEHICLE, "power_mw")) / 1_000
        return View(
            load_w=max(0.0, meter_w + generation_w - apart_w),
            generation_w=generation_w,
            price_micro=self.price_micro,
            delivery_w=self.delivery_w(now_ms),
            responding=response.running(self.responses, now_ms) is not None or self.is_halted(FORWARD, now_ms),
            held_back=self.is_halted(REVERSE, now_ms),
        )

    def is_halted(self, direction: str, now_ms: int) -> bool:
        until_ms = self.halts.get(direction)
        return until_ms is not None and (until_ms == 0 or now_ms < until_ms)

    def delivery_w(self, now_ms: int) -> float | None:
        """What trades bring or take now, evenly over their windows."""
        now = [each for each in self.trades if each.from_ms <= now_ms < each.until_ms]
        if not now:
            return None
        return sum(each.energy_wh * HOUR_MS / (each.until_ms - each.from_ms) for each in now)

    # ------------------------------------------------------------ its events

    def _imported(self, now_ms: int, import_mwh: int) -> None:
        """Quarters of an hour, from registers: one that nobody saw the beginning of stays unknown."""
        quarter = now_ms // response.INTERVAL_MS
        if self._since is None:
            self._since = (quarter, import_mwh) if now_ms % response.INTERVAL_MS == 0 else None
            return
        began, register_mwh = self._since
        if quarter == began:
            return
        if quarter == began + 1:
            taken_mwh = max(0, import_mwh - register_mwh)
            self.responses = response.imported(self.responses, began * response.INTERVAL_MS, taken_mwh)
        self._since = (quarter, import_mwh)

    def _traded(self, now_ms: int, trade: Traded) -> None:
        """One more; a number that is known is a repetition."""
        if trade.number and any(each.number == trade.number for each in self.trades):
            return
        self._matched_wh += abs(trade.energy_wh)
        self.trades = (*(each for each in self.trades if each.until_ms > now_ms), trade)[-TRADES:]
        told = f"#{trade.number}: " if trade.number else ""
        self.log.happened(now_ms, "trade", f"{told}{trade.energy_wh} Wh at {trade.price_micro}")

    def _decide(self, now_ms: int, forecast: Forecast) -> tuple[Call, ...]:
        """Orders for a delivery; none without prices. Those beyond the owner's bounds are withheld."""
        if self.terms is None:
            return ()
        settings = self.settings
        last = self.trades[-1] if self.trades else None
        filled = min(MICRO, self._matched_wh * MICRO // self._ordered_wh) if self._ordered_wh else None
        state = outlook(
            settings.point,
            forecast,
            self.terms,
            settings.house.battery,
            stored_nwh(settings.house, self.collected),
            last_price_micro=last.price_micro if last is not None else None,
            last_filled_micro=filled,
        )
        orders = settings.strategy.decide(state)
        kept = [order for order in orders if settings.bounds.hold(order)]
        self._beyond = len(kept) < len(orders)
        self._ordered_wh, self._matched_wh = sum(order.energy_wh for order in kept), 0
        for order in orders:
            told = "" if order in kept else ", withheld"
            self.log.happened(now_ms, "order", f"{order.side} {order.energy_wh} Wh at {order.price_micro}{told}")
        return calls(settings.market, state, kept, board=settings.board)

    def _answered(self, now_ms: int, code: str) -> None:
        self._refused = 0 if code == "OK" else self._refused + 1
        if code != "OK":
            self.log.happened(now_ms, "refused", code)
