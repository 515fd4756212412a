"""A back test's plan: the houses of a community with what was measured of them, and the terms they trade on."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from devices.history.series import DAY_MS, Energies, Flags, Series, whole_wh
from devices.house.strategy import FixedPrice, Strategy, Terms
from devices.physics.battery import Battery
from ledgernode.errors import HistoryInvalid


class Household(msgspec.Struct, frozen=True, eq=False):
    """One house. Lists have an entry for each delivery, in whole Wh; `expected_…` is what it believes beforehand."""

    name: str
    load_wh: Sequence[int]
    generation_wh: Sequence[int]
    expected_load_wh: Sequence[int]
    expected_generation_wh: Sequence[int]
    battery: Battery | None = None
    strategy: Strategy = FixedPrice()


class Plan(msgspec.Struct, frozen=True, eq=False):
    """Who trades when, on which terms. All lists of a household are as long as `begins_ms`."""

    houses: tuple[Household, ...]
    begins_ms: Sequence[int]
    """When each delivery begins; deliveries of which some meter knows nothing are not among them."""
    step_ms: int
    terms: Sequence[Terms]
    """Of each delivery."""
    left_out: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        assert len(self.terms) == len(self.begins_ms)
        assert all(len(house.load_wh) == len(self.begins_ms) for house in self.houses)

    def __len__(self) -> int:
        return len(self.begins_ms)


def planned(
    houses: Sequence[Series],
    *,
    retail_micro: Sequence[int],
    terms: Terms,
    batteries: Sequence[Battery | None] = (None,),
    strategies: Sequence[Strategy] = (FixedPrice(),),
    expected: Sequence[tuple[Energies, Energies]] | None = None,
    seed: int = 1,
) -> Plan:
    """A plan of houses on one grid. Batteries and strategies go round over the houses, retail prices over the time.

    `expected` is what each house believes of its load and generation, in mWh; without it, it knows them beforehand.
    Refuses houses of which no interval is known.
    """
    first = houses[0]
    assert all(
        (house.begin_ms, house.step_ms, len(house)) == (first.begin_ms, first.step_ms, len(first)) for house in houses
    )
    known: Flags = np.all([house.known for house in houses], axis=0)
    if not known.any():
        raise HistoryInvalid("there is no interval that is known of every house")
    places = np.flatnonzero(known)
    households = []
    for number, house in enumerate(houses):
        load, generation = whole_wh(house.load_mwh)[known].tolist(), whole_wh(house.pv_mwh)[known].tolist()
        believed = (load, generation)
        if expected is not None:
            believed = tuple(whole_wh(energies)[known].tolist() for energies in expected[number])
        households.append(
            Household(
                house.name,
                load,
                generation,
                *believed,
                battery=batteries[number % len(batteries)],
                strategy=strategies[number % len(strategies)],
            )
        )
    by_price = {price: msgspec.structs.replace(terms, retail_micro=price) for price in set(retail_micro)}
    return Plan(
        houses=tuple(households),
        begins_ms=(first.begin_ms + first.step_ms * places).tolist(),
        step_ms=first.step_ms,
        terms=[by_price[retail_micro[place % len(retail_micro)]] for place in places.tolist()],
        left_out=int(len(known) - known.sum()),
        seed=seed,
    )


def as_yesterday(house: Series) -> tuple[Energies, Energies]:
    """Load and generation as they were a day before; on the first day as they are."""
    day = DAY_MS // house.step_ms

    def before(energies: Energies) -> Energies:
        return np.concatenate([energies[:day], energies[:-day]])[: len(energies)]

    return before(house.load_mwh), before(house.pv_mwh)
