"""Energy flows: the streets of a community, and what relays, trades and the scenario do to each house, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from devices.community.days import Days
from devices.community.scenario import House, Scenario
from devices.community.street import Behaviour, BusStreet, HeadShown, Traded, Transfer, built
from devices.community.wrong import WRONG, injection
from devices.living.figures import Trade
from devices.living.happenings import Happenings
from devices.living.homes import Home
from devices.living.timing import Time
from devices.living.units import MINUTE_MS

_NWH_PER_WH: Final = 1_000_000_000


class Flowing:
    """Of all feeders. Fills the `heads` that are shown, and what each house has lived."""

    def __init__(
        self,
        scenario: Scenario,
        time: Time,
        houses: Mapping[str, Home],
        heads: dict[str, HeadShown],
        *,
        happenings: Happenings,
        trades: Mapping[int, Trade],
        standing: Mapping[str, str] | None,
    ) -> None:
        self._time = time
        self._length_minutes = scenario.length_minutes
        self._numbers = {house.name: number for number, house in enumerate(scenario.houses)}
        self._houses = houses
        self._heads = heads
        self._happenings = happenings
        self._trades = trades
        self.streets = built(scenario, Days(scenario))
        if standing is not None:
            for street in self.streets:
                street.restore(standing[street.plan.name].encode())

    def standing(self) -> dict[str, str]:
        return {street.plan.name: street.standing().decode() for street in self.streets}

    def traded(self, number: int) -> None:
        """Two houses have agreed; the agents of both are told."""
        trade = self._trades[number]
        from_minute, until_minute = (
            (at_ms - self._time.starts_ms) / MINUTE_MS for at_ms in (trade.from_ms, trade.until_ms)
        )
        told = Traded(from_minute, until_minute, trade.energy_wh, trade.price_micro)
        for street in self.streets:
            street.traded(trade.seller, trade.buyer, told)

    def step(self) -> None:
        """Let the next step pass."""
        minute, at_ms, step_ms = self._time.minute, self._time.now_ms, self._time.step_ms
        for street in self.streets:
            behaviours = {house.name: self._behaviour(house, minute) for house in street.houses}
            if isinstance(street, BusStreet):
                street.transfers(self._transfers(behaviours, at_ms))
            shown, head = street.step(minute, step_ms, behaviours)
            for house, one in zip(street.houses, shown, strict=True):
                self._houses[house.name].lived(one, step_ms)
            if head is not None:
                self._heads[street.plan.name] = head

    def _behaviour(self, house: House, minute: float) -> Behaviour:
        """What relays, the mains and others do to a house in this step."""
        running = self._happenings.running(house.name, minute % self._length_minutes)
        relays = self._houses[house.name].meter.relays
        return Behaviour(
            supplied=relays["supply"],
            mains=not any(event.kind == "outage" for event in running),
            stolen_w=float(sum(event.power_w or 0 for event in running if event.kind == "theft")),
            tie_in=relays["tie_in"],
            tie_out=relays["tie_out"],
            wrong=tuple(injection(event, self._numbers[house.name]) for event in running if event.kind in WRONG),
        )

    def _transfers(self, houses: Mapping[str, Behaviour], at_ms: int) -> list[Transfer]:
        """Trades of these houses that are under way, in their order."""
        return [
            Transfer(trade.number, trade.seller, trade.buyer, trade.energy_wh * _NWH_PER_WH)
            for trade in self._trades.values()
            if trade.from_ms <= at_ms < trade.until_ms and trade.seller in houses
        ]
