"""What flows: the houses of one feeder with all that is behind and past their meters, step by step.

Two kinds of street. One behind a transformer lives by `physics.community`: the wires decide what the head supplies, so
that loss, reverse flow and theft are true. One without a grid is a 12 V bus between tie relays: each house lives by its
own sun and battery, and what one sells another flows between these two alone, one seller at a time, for as long as both
relays are closed and the bought energy has not arrived.

Energy is counted in whole nWh. `Street.closes` is the balance that must hold whatever happens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from devices.community.days import Days
from devices.community.scenario import FeederPlan, House, Scenario
from devices.metrology.registers import Registers
from devices.physics import battery, community
from devices.physics.energy import NWH_PER_WH, energy_nwh, power_w
from devices.physics.feeder import HEAD, Feeder, Section, flows
from devices.physics.transformer import Transformer

MILLI: Final = 1_000
_BUS_W: Final = 180.0
"""What a transfer on a 12 V bus carries at most: 15 A."""
_NO_LOAD: Final = 0.002
_FULL_LOAD: Final = 0.012
"""What a transformer of this size loses, of its rating."""


class Behaviour(msgspec.Struct, frozen=True):
    """What others decide about a house in a step: relays, mains, theft; what it has sold or bought of this interval."""

    supplied: bool = True
    mains: bool = True
    stolen_w: float = 0.0
    sold_w: float = 0.0
    bought_w: float = 0.0
    tie_in: bool = False
    tie_out: bool = False


class Shown(msgspec.Struct, frozen=True):
    """What a house's meters show after a step, and how it stands."""

    import_nwh: int
    export_nwh: int
    generated_nwh: int
    power_w: float
    reactive_var: float
    voltage_v: float
    load_w: float
    generation_w: float
    level_micro: int
    """Of the battery; -1 where there is none."""

    @property
    def current_a(self) -> float:
        return abs(complex(self.power_w, self.reactive_var)) / self.voltage_v if self.voltage_v else 0.0


class HeadShown(msgspec.Struct, frozen=True):
    """What the meter at the transformer shows."""

    import_nwh: int
    export_nwh: int
    power_w: float
    reactive_var: float
    voltage_v: float
    top_oil_c: float
    hot_spot_c: float
    rating_va: int

    @property
    def loading(self) -> float:
        return abs(complex(self.power_w, self.reactive_var)) / self.rating_va


class Truth(msgspec.Struct, frozen=True):
    """What no meter knows."""

    heat_nwh: int = 0
    stolen_nwh: int = 0
    consumed_nwh: int = 0
    generated_nwh: int = 0
    shed_nwh: int = 0
    """What was wanted and not there."""
    spilled_nwh: int = 0
    """Sun that nobody could use."""


class Transfer(msgspec.Struct, frozen=True):
    """A trade under way on the bus: so much is to arrive."""

    trade: int
    seller: str
    buyer: str
    energy_nwh: int
    arrived_nwh: int = 0


class Bus(NamedTuple):
    """What flowed between houses in a step, by house: what left, what arrived, and at which voltage."""

    given_nwh: dict[str, int]
    taken_nwh: dict[str, int]
    voltage_v: dict[str, float]


class GridStreet:
    """Behind a transformer."""

    def __init__(self, scenario: Scenario, plan: FeederPlan, days: Days) -> None:
        self.plan = plan
        self.houses = plan.houses
        self._days = days
        self._tangent = math.tan(math.acos(plan.power_factor_percent / 100))
        self._ambient_c = float(scenario.ambient_c)
        self._community = _community(plan)
        self._state = community.State.begun(self._community, ambient_c=self._ambient_c)
        standing = tuple(
            msgspec.structs.replace(one, stored_nwh=_begins_with(house))
            for house, one in zip(self.houses, self._state.houses, strict=False)
        )
        self._state = msgspec.structs.replace(self._state, houses=(*standing, *self._state.houses[len(standing) :]))
        self._stored_at_first = self.stored_nwh

    def step(
        self, minute: float, duration_ms: int, behaviours: Mapping[str, Behaviour]
    ) -> tuple[list[Shown], HeadShown]:
        """Let so much time pass from a minute on."""
        loads: list[tuple[float, float]] = []
        wishes = []
        for house, standing in zip(self.houses, self._state.houses, strict=False):
            behaviour = behaviours[house.name]
            load_w, made_w = self._wanted(house, behaviour, minute)
            loads.append((load_w, made_w))
            wishes.append(
                community.Wish(
                    load_va=complex(load_w, (load_w - made_w) * self._tangent),
                    generation_w=made_w,
                    battery_w=_dispatch(house, standing.stored_nwh, made_w - load_w, behaviour),
                    stolen_va=complex(behaviour.stolen_w if behaviour.mains else 0.0),
                )
            )
        if self.plan.loss_w is not None:
            wishes.append(community.Wish(stolen_va=complex(self.plan.loss_w, self.plan.loss_w * self._tangent)))
        before = self._state
        stepped = community.step(self._community, before, wishes, self._ambient_c, duration_ms)
        self._state = stepped.state
        shown = [
            self._shown(number, loads[number], before.houses[number], abs(stepped.flows.voltages[number]), duration_ms)
            for number in range(len(self.houses))
        ]
        return shown, self._head(stepped.flows.head_va)

    def _wanted(self, house: House, behaviour: Behaviour, minute: float) -> tuple[float, float]:
        """Load and generation; an inverter without mains, or behind an open relay, stands still."""
        if not (behaviour.mains and behaviour.supplied):
            return 0.0, 0.0
        return self._days.load_w(house, minute), self._days.generation_w(house, minute)

    def _shown(
        self, number: int, powers: tuple[float, float], before: community.Standing, voltage_v: float, duration_ms: int
    ) -> Shown:
        house, standing = self.houses[number], self._state.houses[number]
        meter = standing.meter
        taken_nwh = meter.import_nwh - before.meter.import_nwh
        given_nwh = meter.export_nwh - before.meter.export_nwh
        reactive = sum(meter.quadrants_mvarh) - sum(before.meter.quadrants_mvarh)
        return Shown(
            meter.import_nwh,
            meter.export_nwh,
            standing.generated_nwh,
            power_w(taken_nwh - given_nwh, duration_ms),
            reactive * 3_600.0 / duration_ms,
            voltage_v,
            powers[0],
            powers[1],
            house_level(house, standing.stored_nwh),
        )

    def _head(self, head_va: complex) -> HeadShown:
        warmth = self._state.warmth
        return HeadShown(
            self._state.head.import_nwh,
            self._state.head.export_nwh,
            head_va.real,
            head_va.imag,
            float(self.plan.voltage_v),
            warmth.top_oil_c,
            warmth.hot_spot_c,
            self.plan.rating_va,
        )

    @property
    def stored_nwh(self) -> int:
        return sum(standing.stored_nwh for standing in self._state.houses)

    @property
    def truth(self) -> Truth:
        houses = self._state.houses[: len(self.houses)]
        given = sum(standing.stolen_nwh for standing in self._state.houses[len(self.houses) :])
        return Truth(
            heat_nwh=self._state.heat_nwh + given,
            stolen_nwh=sum(standing.stolen_nwh for standing in houses),
            consumed_nwh=sum(standing.consumed_nwh for standing in houses),
            generated_nwh=sum(standing.generated_nwh for standing in houses),
        )

    def imbalance_nwh(self) -> int:
        """Supply and generation less use, heat, theft, and what batteries kept and lost. Only roundings remain."""
        truth, head = self.truth, self._state.head
        lost = sum(standing.battery_lost_nwh for standing in self._state.houses)
        kept = self.stored_nwh - self._stored_at_first
        supplied = head.import_nwh - head.export_nwh
        return supplied + truth.generated_nwh - truth.consumed_nwh - truth.heat_nwh - truth.stolen_nwh - lost - kept

    def transfers(self, wanted: Sequence[Transfer]) -> None:
        """On the grid a trade moves nothing: meters alone decide."""

    def standing(self) -> bytes:
        """Everything that a later start goes on from."""
        return msgspec.json.encode((self._state, self._stored_at_first))

    def restore(self, standing: bytes) -> None:
        self._state, self._stored_at_first = msgspec.json.decode(standing, type=tuple[community.State, int])


class BusStreet:
    """Without a grid: what is not in the house or bought is not there."""

    def __init__(self, scenario: Scenario, plan: FeederPlan, days: Days) -> None:
        assert not scenario.on_grid
        self.plan = plan
        self.houses = plan.houses
        self._days = days
        self._stored = {house.name: _begins_with(house) for house in self.houses}
        self._lost_nwh = 0
        self._meters = {house.name: Registers() for house in self.houses}
        self._generated = dict.fromkeys(self._stored, 0)
        self._places = {house.name: number for number, house in enumerate(self.houses)}
        self._waiting: list[Transfer] = []
        self._truth = Truth()
        self._stored_at_first = self.stored_nwh

    def transfers(self, wanted: Sequence[Transfer]) -> None:
        """These trades are to flow, in this order; what has arrived of one that is known is kept."""
        known = {transfer.trade: transfer for transfer in self._waiting}
        self._waiting = [known.get(transfer.trade, transfer) for transfer in wanted]

    @property
    def under_way(self) -> Sequence[Transfer]:
        return self._waiting

    def step(self, minute: float, duration_ms: int, behaviours: Mapping[str, Behaviour]) -> tuple[list[Shown], None]:
        """Let so much time pass from a minute on."""
        bus = self._transferred(duration_ms, behaviours)
        shown = [self._lived(house, minute, duration_ms, behaviours[house.name], bus) for house in self.houses]
        return shown, None

    def _transferred(self, duration_ms: int, behaviours: Mapping[str, Behaviour]) -> Bus:
        """The first trade whose two relays are closed and whose seller can: what leaves it, and what arrives."""
        given: dict[str, int] = {}
        taken: dict[str, int] = {}
        voltages: dict[str, float] = {}
        for number, transfer in enumerate(self._waiting):
            missing_nwh = transfer.energy_nwh - transfer.arrived_nwh
            both = behaviours[transfer.seller].tie_out and behaviours[transfer.buyer].tie_in
            there_nwh = self._can_give(transfer.seller)
            if missing_nwh <= 0 or not both or there_nwh <= 0:
                continue
            arriving_w = min(_BUS_W, power_w(missing_nwh, duration_ms), power_w(there_nwh, duration_ms) * 0.9)
            apart = abs(self._places[transfer.seller] - self._places[transfer.buyer])
            wires = Feeder(float(self.plan.voltage_v), (Section(HEAD, apart * self.plan.section_milliohm / MILLI),))
            flowing = flows(wires, [complex(arriving_w)])
            given[transfer.seller] = energy_nwh(flowing.supply_w, duration_ms)
            taken[transfer.buyer] = min(energy_nwh(arriving_w, duration_ms), missing_nwh, given[transfer.seller])
            voltages[transfer.buyer] = abs(flowing.voltages[0])
            arrived_nwh = transfer.arrived_nwh + taken[transfer.buyer]
            self._waiting[number] = msgspec.structs.replace(transfer, arrived_nwh=arrived_nwh)
            heat_nwh = given[transfer.seller] - taken[transfer.buyer]
            self._truth = msgspec.structs.replace(self._truth, heat_nwh=self._truth.heat_nwh + heat_nwh)
            break
        return Bus(given, taken, voltages)

    def _can_give(self, name: str) -> int:
        house = self.houses[self._places[name]]
        if house.battery is None:
            return 0
        made = _battery(house)
        assert made is not None
        return max(0, self._stored[name] - made.reserve_nwh) * made.discharge_efficiency_micro // battery.MICRO

    def _lived(self, house: House, minute: float, duration_ms: int, behaviour: Behaviour, bus: Bus) -> Shown:
        """Own sun and battery first; what is then missing is shed, what is then too much is not made use of."""
        name = house.name
        load_w = self._days.load_w(house, minute) if behaviour.supplied else 0.0
        made_w = self._days.generation_w(house, minute)
        wanted_nwh, made_nwh = energy_nwh(load_w, duration_ms), energy_nwh(made_w, duration_ms)
        gave, took = bus.given_nwh.get(name, 0), bus.taken_nwh.get(name, 0)
        over_nwh = made_nwh + took - wanted_nwh - gave
        store = _battery(house)
        left_nwh = over_nwh
        if store is not None:
            flow = battery.step(store, self._stored[name], power_w(over_nwh, duration_ms), duration_ms)
            self._stored[name] = flow.stored_nwh
            self._lost_nwh += flow.lost_nwh
            left_nwh = over_nwh - flow.taken_nwh + flow.given_nwh
        spilled, shed = max(left_nwh, 0), max(-left_nwh, 0)
        used_nwh = wanted_nwh - shed
        truth = self._truth
        self._truth = msgspec.structs.replace(
            truth,
            consumed_nwh=truth.consumed_nwh + used_nwh,
            generated_nwh=truth.generated_nwh + made_nwh - spilled,
            shed_nwh=truth.shed_nwh + shed,
            spilled_nwh=truth.spilled_nwh + spilled,
        )
        before = self._meters[name]
        meter = msgspec.structs.replace(
            before, import_nwh=before.import_nwh + took, export_nwh=before.export_nwh + gave
        )
        self._meters[name] = meter
        self._generated[name] += made_nwh - spilled
        return Shown(
            meter.import_nwh,
            meter.export_nwh,
            self._generated[name],
            power_w(took - gave, duration_ms),
            0.0,
            bus.voltage_v.get(name, float(self.plan.voltage_v)),
            power_w(used_nwh, duration_ms),
            power_w(made_nwh - spilled, duration_ms),
            house_level(house, self._stored[name]),
        )

    @property
    def stored_nwh(self) -> int:
        return sum(self._stored.values())

    @property
    def truth(self) -> Truth:
        return self._truth

    def standing(self) -> bytes:
        """Everything that a later start goes on from."""
        values = (self._stored, self._meters, self._generated, self._truth, self._lost_nwh, self._stored_at_first)
        return msgspec.json.encode(values)

    def restore(self, standing: bytes) -> None:
        form = tuple[dict[str, int], dict[str, Registers], dict[str, int], Truth, int, int]
        self._stored, self._meters, self._generated, self._truth, self._lost_nwh, self._stored_at_first = (
            msgspec.json.decode(standing, type=form)
        )

    def imbalance_nwh(self) -> int:
        """Generation less use, heat, and what batteries kept and lost: exactly nothing."""
        truth = self._truth
        kept = self.stored_nwh - self._stored_at_first
        return truth.generated_nwh - truth.consumed_nwh - truth.heat_nwh - self._lost_nwh - kept


Street = GridStreet | BusStreet


def built(scenario: Scenario, days: Days) -> list[Street]:
    """A street for each feeder."""
    kind: type[GridStreet] | type[BusStreet] = GridStreet if scenario.on_grid else BusStreet
    return [kind(scenario, plan, days) for plan in scenario.feeders]


def house_level(house: House, stored_nwh: int) -> int:
    """State of charge in millionths; -1 where there is no battery."""
    if house.battery is None:
        return -1
    return stored_nwh * battery.MICRO // (house.battery.capacity_wh * NWH_PER_WH)


def _battery(house: House) -> battery.Battery | None:
    if house.battery is None:
        return None
    return battery.Battery(
        capacity_wh=house.battery.capacity_wh,
        charge_w=float(house.battery.power_w),
        discharge_w=float(house.battery.power_w),
        reserve_micro=house.battery.reserve_percent * 10_000,
    )


def _begins_with(house: House) -> int:
    made = _battery(house)
    return made.at(house.battery.level_percent * 10_000) if made is not None and house.battery is not None else 0


def _dispatch(house: House, stored_nwh: int, over_w: float, behaviour: Behaviour) -> float:
    """What the battery is asked for: take what is left over after what was sold, fill what was not bought.

    A house without mains rests: its inverter may not feed a dead line.
    """
    if house.battery is None or not (behaviour.mains and behaviour.supplied):
        return 0.0
    del stored_nwh  # the battery itself does what it can
    return over_w - behaviour.sold_w + behaviour.bought_w


def _community(plan: FeederPlan) -> community.Community:
    """Houses at the end of each section; what a scenario says is lost for sure hangs at the head, without a meter."""
    resistance = plan.section_milliohm / MILLI if plan.loss_w is None else 0.0
    sections = [Section(number - 1 if number else HEAD, resistance) for number in range(len(plan.houses))]
    houses = [community.House(_battery(house)) for house in plan.houses]
    if plan.loss_w is not None:
        sections.append(Section(HEAD, 0.0))
        houses.append(community.House())
    return community.Community(
        feeder=Feeder(float(plan.voltage_v), tuple(sections)),
        houses=tuple(houses),
        transformer=Transformer(
            rated_va=float(plan.rating_va), no_load_w=plan.rating_va * _NO_LOAD, load_w=plan.rating_va * _FULL_LOAD
        ),
    )
