"""Energy flows: the streets of a community, step by step, and what relays, trades and the scenario do to a house."""

from __future__ import annotations

from collections.abc import Mapping

from devices.community.days import Days
from devices.community.scenario import House, Scenario
from devices.community.street import Behaviour, BusStreet, HeadShown, built
from living.deliveries import Deliveries
from living.happenings import Happenings
from living.homes import Home


class Flowing:
    """Of all feeders. Fills the `heads` that are shown, and what each house has lived."""

    def __init__(
        self,
        scenario: Scenario,
        houses: Mapping[str, Home],
        heads: dict[str, HeadShown],
        *,
        happenings: Happenings,
        deliveries: Deliveries,
        standing: Mapping[str, str] | None,
    ) -> None:
        self._length_minutes = scenario.length_minutes
        self._houses = houses
        self._heads = heads
        self._happenings = happenings
        self._deliveries = deliveries
        self.streets = built(scenario, Days(scenario))
        if standing is not None:
            for street in self.streets:
                street.restore(standing[street.plan.name].encode())

    def standing(self) -> dict[str, str]:
        return {street.plan.name: street.standing().decode() for street in self.streets}

    def step(self, minute: float, at_ms: int, step_ms: int) -> None:
        """From a minute of the community, which is a time of the ledger."""
        for street in self.streets:
            behaviours = {house.name: self._behaviour(house, minute, at_ms) for house in street.houses}
            if isinstance(street, BusStreet):
                street.transfers(self._deliveries.transfers(set(behaviours), at_ms))
            shown, head = street.step(minute, step_ms, behaviours)
            for house, one in zip(street.houses, shown, strict=True):
                self._houses[house.name].lived(one, step_ms)
            if head is not None:
                self._heads[street.plan.name] = head

    def _behaviour(self, house: House, minute: float, at_ms: int) -> Behaviour:
        """What relays, the mains and others do to a house in this step; what is left to deliver of its trades."""
        running = self._happenings.running(house.name, minute % self._length_minutes)
        relays = self._houses[house.name].meter.relays
        return Behaviour(
            supplied=relays["supply"],
            mains=not any(event.kind == "outage" for event in running),
            stolen_w=float(sum(event.power_w or 0 for event in running if event.kind == "theft")),
            sold_w=self._deliveries.sold_w(house.name, at_ms),
            bought_w=self._deliveries.bought_w(house.name, at_ms),
            tie_in=relays["tie_in"],
            tie_out=relays["tie_out"],
        )
