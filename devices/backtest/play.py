"""Deliveries one after another under one mechanism: what each house knows, what it orders, what its meter counts.

The order of a delivery is that of life. The house believes something of its load and generation; its strategy orders;
the market clears; then the time passes, the battery fills in what is lacking or left after what was traded, as far as
it can, and the meter counts what remains. Settlement follows the meter, not the orders.

Pure: chance comes from the plan's seed. A `Play` goes on by `step`, whoever calls it: a loop, or a clock.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from devices.backtest.mechanisms import Deal, deals
from devices.backtest.money import Account, Books, settle
from devices.backtest.plan import Household, Plan
from devices.house.strategy import MICRO, CostPlus, FixedPrice, Order, Outlook, Terms, ZeroIntelligence
from devices.physics.battery import Battery, moved
from devices.physics.energy import NWH_PER_WH, energy_nwh

NO_MARKET: Final = ""
"""The same houses with nobody to trade with."""
HALF_MICRO: Final = 500_000
_HOUR_MS: Final = 3_600_000
_UNMOVED: Final = (FixedPrice, CostPlus, ZeroIntelligence)
"""Strategies that do not look at the last delivery: where the battery stands alike, what they order under one mechanism
they order under every."""
Known: TypeAlias = dict[tuple[int, int], tuple[Order, ...]]
"""Orders of one delivery that do not depend on the mechanism, by house and what its battery holds."""


class Delivered(NamedTuple):
    """One delivery: what was ordered, agreed, delivered of each deal, and metered."""

    begin_ms: int
    orders: Sequence[Sequence[Order]]
    deals: Sequence[Deal]
    delivered_wh: Sequence[int]
    imports_wh: Sequence[int]
    exports_wh: Sequence[int]

    @property
    def volume_wh(self) -> int:
        return sum(self.delivered_wh)

    @property
    def price_micro(self) -> int | None:
        """What a kWh brought its seller on average, rounded down; None where nothing changed hands."""
        volume_wh = self.volume_wh
        if not volume_wh:
            return None
        parts = zip(self.deals, self.delivered_wh, strict=True)
        return sum(deal.price_micro * energy_wh for deal, energy_wh in parts) // volume_wh


class Store:
    """A house's battery over a run, and the registers behind it. Energy that is no whole Wh yet waits in them."""

    def __init__(self, battery: Battery, duration_ms: int) -> None:
        self.battery = battery
        self.stored_nwh = battery.at(max(battery.reserve_micro, min(HALF_MICRO, battery.ceiling_micro)))
        self._ms = duration_ms
        self._most_in_wh = int(battery.charge_w * duration_ms / _HOUR_MS)
        self._most_out_wh = int(battery.discharge_w * duration_ms / _HOUR_MS)
        self._standing_nwh = energy_nwh(battery.standing_w, duration_ms)
        self._in_nwh = self._out_nwh = 0
        self.round_trip_micro = battery.charge_efficiency_micro * battery.discharge_efficiency_micro // MICRO

    @property
    def chargeable_wh(self) -> int:
        """Whole Wh that it could take in one delivery."""
        room_nwh = max(0, self.battery.ceiling_nwh - max(0, self.stored_nwh - self._standing_nwh))
        return min(self._most_in_wh, room_nwh * MICRO // self.battery.charge_efficiency_micro // NWH_PER_WH)

    @property
    def dischargeable_wh(self) -> int:
        """Whole Wh that it could give in one delivery."""
        there_nwh = max(0, self.stored_nwh - self._standing_nwh - self.battery.reserve_nwh)
        return min(self._most_out_wh, there_nwh * self.battery.discharge_efficiency_micro // MICRO // NWH_PER_WH)

    def pass_delivery(self, net_wh: int, wanted_wh: int) -> tuple[int, int]:
        """(import, export) in whole Wh of a house that lacks `net_wh`, while this takes (below zero: gives) so much."""
        flow = moved(self.battery, self.stored_nwh, wanted_wh * NWH_PER_WH, self._ms)
        self.stored_nwh = flow.stored_nwh
        net_nwh = net_wh * NWH_PER_WH + flow.taken_nwh - flow.given_nwh
        if net_nwh >= 0:
            imported_wh, self._in_nwh = divmod(self._in_nwh + net_nwh, NWH_PER_WH)
            return imported_wh, 0
        exported_wh, self._out_nwh = divmod(self._out_nwh - net_nwh, NWH_PER_WH)
        return 0, exported_wh


class Play:
    """A community under one mechanism; the next delivery is `at`."""

    def __init__(self, plan: Plan, mechanism: str) -> None:
        self.plan = plan
        self.mechanism = mechanism
        self.at = 0
        self.books = Books([Account() for _ in plan.houses])
        self.stores = [Store(house.battery, plan.step_ms) if house.battery else None for house in plan.houses]
        self._chance = random.Random(f"{plan.seed}/{mechanism}")  # noqa: S311  # a draw that can be repeated
        self._last_price: int | None = None
        self._last_filled: list[int | None] = [None] * len(plan.houses)

    @property
    def over(self) -> bool:
        return self.at >= len(self.plan)

    def step(self, known: Known | None = None) -> Delivered:
        """The next delivery. `known` is shared by the plays of one plan that are at the same delivery."""
        plan, at = self.plan, self.at
        terms = plan.terms[at]
        orders: list[tuple[Order, ...]] = []
        if self.mechanism:
            for number, house in enumerate(plan.houses):
                store = self.stores[number]
                place = (number, store.stored_nwh if store else 0)
                given = known.get(place) if known is not None else None
                if given is None:
                    given = house.strategy.decide(self._outlook(number, house, terms))
                    if known is not None and type(house.strategy) in _UNMOVED:
                        known[place] = given
                orders.append(given)
            agreed = deals(self.mechanism, orders, terms, self._chance)
        else:
            orders, agreed = [()] * len(plan.houses), []
        imports_wh, exports_wh = self._passed(agreed)
        delivered_wh = settle(self.books, agreed, imports_wh, exports_wh, terms)
        done = Delivered(plan.begins_ms[at], orders, agreed, delivered_wh, imports_wh, exports_wh)
        self._remember(done)
        self.at += 1
        return done

    def _outlook(self, number: int, house: Household, terms: Terms) -> Outlook:
        begin_ms, store = self.plan.begins_ms[self.at], self.stores[number]
        return Outlook(
            house.name,
            begin_ms,
            begin_ms + self.plan.step_ms,
            terms,
            house.expected_load_wh[self.at],
            house.expected_generation_wh[self.at],
            store.chargeable_wh if store else 0,
            store.dischargeable_wh if store else 0,
            store.round_trip_micro if store else MICRO,
            self._last_price,
            self._last_filled[number],
        )

    def _passed(self, agreed: Sequence[Deal]) -> tuple[list[int], list[int]]:
        """What each meter counts: the battery answers for what is left after trade, the grid for the rest."""
        traded_wh = [0] * len(self.plan.houses)
        for deal in agreed:
            traded_wh[deal.buyer] += deal.energy_wh
            traded_wh[deal.seller] -= deal.energy_wh
        imports_wh: list[int] = []
        exports_wh: list[int] = []
        for number, house in enumerate(self.plan.houses):
            net_wh = house.load_wh[self.at] - house.generation_wh[self.at]
            store = self.stores[number]
            if store is None:
                imported_wh, exported_wh = max(net_wh, 0), max(-net_wh, 0)
            else:
                imported_wh, exported_wh = store.pass_delivery(net_wh, traded_wh[number] - net_wh)
            imports_wh.append(imported_wh)
            exports_wh.append(exported_wh)
        return imports_wh, exports_wh

    def _remember(self, done: Delivered) -> None:
        price = done.price_micro
        if price is not None:
            self._last_price = price
        matched_wh = [0] * len(done.orders)
        for deal in done.deals:
            matched_wh[deal.buyer] += deal.energy_wh
            matched_wh[deal.seller] += deal.energy_wh
        for number, given in enumerate(done.orders):
            ordered_wh = sum(order.energy_wh for order in given)
            self._last_filled[number] = matched_wh[number] * MICRO // ordered_wh if ordered_wh else None
