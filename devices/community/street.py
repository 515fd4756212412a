"""What flows: the houses of one feeder with all that is behind and past their meters, step by step.

Houses are those of `devices.house` (`inhabited`). Two kinds of street hold them. One behind a transformer lives by
`physics.community`: the wires decide what the head supplies, meters count what passes them, so that loss, reverse flow,
theft and faults are true. One without a grid is a 12 V bus between tie relays: each house lives by its own sun and
battery, and what one sells another flows between these two alone, one seller at a time, for as long as both relays are
closed and the bought energy has not arrived.

Energy is counted in whole nWh. `Street.closes` is the balance that must hold whatever happens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from devices.community.days import Days
from devices.community.inhabited import Inhabited
from devices.community.scenario import FeederPlan, House, Scenario
from devices.house.house import Stepped
from devices.house.occupants import Doing
from devices.house.standing import Moment, Standing
from devices.metrology.registers import Registers, added
from devices.physics import community
from devices.physics.battery import MICRO
from devices.physics.energy import energy_nwh, power_w
from devices.physics.feeder import HEAD, Feeder, Section, flows
from devices.physics.injection import Injection
from devices.physics.transformer import Transformer

MILLI: Final = 1_000
_BUS_W: Final = 180.0
"""What a transfer on a 12 V bus carries at most: 15 A."""
_NO_LOAD: Final = 0.002
_FULL_LOAD: Final = 0.012
"""What a transformer of this size loses, of its rating."""


class Behaviour(msgspec.Struct, frozen=True):
    """What others decide about a house in a step: relays, mains, theft, and what goes wrong at its meter."""

    supplied: bool = True
    mains: bool = True
    stolen_w: float = 0.0
    tie_in: bool = False
    tie_out: bool = False
    wrong: tuple[Injection, ...] = ()


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
    uncounted_nwh: int = 0
    """Took or gave through meters that do not count all of it."""


class Transfer(msgspec.Struct, frozen=True):
    """A trade under way on the bus: so much is to arrive."""

    trade: int
    seller: str
    buyer: str
    energy_nwh: int
    arrived_nwh: int = 0


class Traded(msgspec.Struct, frozen=True):
    """What two houses have agreed on: so much in these minutes of the community."""

    from_minute: float
    until_minute: float
    energy_wh: int
    price_micro: int


class Passing(NamedTuple):
    """What flows of a transfer in a step, and at which voltage it arrives."""

    transfer: Transfer
    leaving_nwh: int
    arriving_nwh: int
    voltage_v: float

    @property
    def tie_nwh(self) -> dict[str, int]:
        """Over the tie of each of the two: in (positive), out (negative)."""
        return {self.transfer.seller: -self.leaving_nwh, self.transfer.buyer: self.arriving_nwh}


class GridStreet:
    """Behind a transformer: houses live, the wires decide what the head supplies, meters count what passes them."""

    def __init__(self, scenario: Scenario, plan: FeederPlan, days: Days) -> None:
        self.plan = plan
        self.houses = plan.houses
        factor = plan.power_factor_percent / 100
        self._tangent = math.tan(math.acos(factor))
        self._ambient_c = float(scenario.ambient_c)
        self.homes = {
            house.name: Inhabited(house, scenario, days, on_grid=True, power_factor=factor) for house in self.houses
        }
        self._community = _community(plan)
        self._state = community.State.begun(self._community, ambient_c=self._ambient_c)
        self._volts = [float(plan.voltage_v)] * len(self.houses)
        self._past_nwh = 0
        """What thieves took beside what their houses used."""
        self._stored_at_first = self.stored_nwh

    def traded(self, seller: str, buyer: str, trade: Traded) -> None:
        """The agents of the two hear of it, where they live here."""
        _tell(self.homes, seller, buyer, trade)

    def step(
        self, minute: float, duration_ms: int, behaviours: Mapping[str, Behaviour]
    ) -> tuple[list[Shown], HeadShown]:
        """Let so much time pass from a minute on."""
        at_ms = round(minute * 60_000)
        steps, wishes = [], []
        for number, house in enumerate(self.houses):
            behaviour = behaviours[house.name]
            stepped = self._lived(house.name, behaviour, minute, duration_ms, self._volts[number])
            steps.append(stepped)
            wishes.append(_wish(stepped, behaviour, at_ms, duration_ms))
            if behaviour.mains:
                self._past_nwh += energy_nwh(behaviour.stolen_w, duration_ms)
        if self.plan.loss_w is not None:
            wishes.append(community.Wish(stolen_va=complex(self.plan.loss_w, self.plan.loss_w * self._tangent)))
        before = self._state
        found = community.step(self._community, before, wishes, self._ambient_c, duration_ms)
        self._state = found.state
        self._volts = [abs(voltage) for voltage in found.flows.voltages[: len(self.houses)]]
        shown = [
            self._shown(number, stepped, before.houses[number], wishes[number], duration_ms)
            for number, stepped in enumerate(steps)
        ]
        return shown, self._head(found.flows.head_va)

    def _lived(self, name: str, behaviour: Behaviour, minute: float, duration_ms: int, voltage_v: float) -> Stepped:
        """A house without mains, or behind an open relay, is dark: its inverter may not feed a dead line."""
        home = self.homes[name]
        moment = home.moment(minute, duration_ms, voltage_v)
        stepped = home.tried(moment, supplied=behaviour.mains and behaviour.supplied)
        home.keep(stepped, moment)
        return stepped

    def _shown(
        self, number: int, stepped: Stepped, before: community.Standing, wish: community.Wish, duration_ms: int
    ) -> Shown:
        house, meter = self.houses[number], self._state.houses[number].meter
        home, flowed = self.homes[house.name], stepped.flowed
        net_nwh = meter.import_nwh - before.meter.import_nwh - meter.export_nwh + before.meter.export_nwh
        return Shown(
            meter.import_nwh,
            meter.export_nwh,
            home.state.flowed.generated_nwh,
            power_w(net_nwh, duration_ms),
            wish.load_va.imag * wish.counted,
            self._volts[number],
            power_w(flowed.used_nwh + flowed.vehicle_in_nwh, duration_ms),
            power_w(flowed.generated_nwh, duration_ms),
            home.level_micro,
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
        """In batteries and cars."""
        return sum(_stored_nwh(home.state) for home in self.homes.values())

    @property
    def truth(self) -> Truth:
        houses = self._state.houses[: len(self.houses)]
        given = sum(standing.stolen_nwh for standing in self._state.houses[len(self.houses) :])
        stolen_nwh = sum(standing.stolen_nwh for standing in houses)
        return Truth(
            heat_nwh=self._state.heat_nwh + given,
            stolen_nwh=stolen_nwh,
            uncounted_nwh=self._uncounted_nwh - (stolen_nwh - self._past_nwh),
            **_lived_of(self.homes.values()),
        )

    @property
    def _uncounted_nwh(self) -> int:
        """What houses took more, or gave less, than their meters have counted."""
        true_nwh = sum(home.state.flowed.import_nwh - home.state.flowed.export_nwh for home in self.homes.values())
        meters = [standing.meter for standing in self._state.houses[: len(self.houses)]]
        return true_nwh - sum(meter.import_nwh - meter.export_nwh for meter in meters)

    def imbalance_nwh(self) -> int:
        """Supply and generation less use, heat, theft, and what batteries kept and lost. Only roundings remain."""
        truth, head = self.truth, self._state.head
        supplied = head.import_nwh - head.export_nwh
        kept = self.stored_nwh - self._stored_at_first + _gone_nwh(self.homes.values())
        return supplied + truth.generated_nwh - truth.consumed_nwh - truth.heat_nwh - self._past_nwh - kept

    def transfers(self, wanted: Sequence[Transfer]) -> None:
        """On the grid a trade moves nothing: meters alone decide."""

    def standing(self) -> bytes:
        """Everything that a later start goes on from; agents begin anew."""
        states = {name: home.state for name, home in self.homes.items()}
        return msgspec.json.encode((states, self._state, self._past_nwh, self._stored_at_first))

    def restore(self, standing: bytes) -> None:
        form = tuple[dict[str, Standing], community.State, int, int]
        states, self._state, self._past_nwh, self._stored_at_first = msgspec.json.decode(standing, type=form)
        for name, state in states.items():
            self.homes[name].state = state


class BusStreet:
    """Without a grid: what is not in the house or bought is not there."""

    def __init__(self, scenario: Scenario, plan: FeederPlan, days: Days) -> None:
        assert not scenario.on_grid
        self.plan = plan
        self.houses = plan.houses
        self.homes = {house.name: Inhabited(house, scenario, days, on_grid=False) for house in self.houses}
        self._meters = {house.name: Registers() for house in self.houses}
        self._places = {house.name: number for number, house in enumerate(self.houses)}
        self._waiting: list[Transfer] = []
        self._heat_nwh = 0
        self._stored_at_first = self.stored_nwh

    def traded(self, seller: str, buyer: str, trade: Traded) -> None:
        """What is to flow is told by `transfers`: batteries follow their houses."""

    def transfers(self, wanted: Sequence[Transfer]) -> None:
        """These trades are to flow, in this order; what has arrived of one that is known is kept."""
        known = {transfer.trade: transfer for transfer in self._waiting}
        self._waiting = [known.get(transfer.trade, transfer) for transfer in wanted]

    @property
    def under_way(self) -> Sequence[Transfer]:
        return self._waiting

    def step(self, minute: float, duration_ms: int, behaviours: Mapping[str, Behaviour]) -> tuple[list[Shown], None]:
        """Let so much time pass from a minute on."""
        moments = {name: home.moment(minute, duration_ms, self.plan.voltage_v) for name, home in self.homes.items()}
        passing = self._passing(moments, behaviours, duration_ms)
        shown = []
        for house in self.houses:
            name, moment = house.name, moments[house.name]
            tie_nwh = passing.tie_nwh.get(name, 0) if passing is not None else 0
            stepped = self._tried(name, moment, behaviours[name], tie_nwh)
            self.homes[name].keep(stepped, moment)
            volts = passing.voltage_v if passing is not None and tie_nwh > 0 else float(self.plan.voltage_v)
            shown.append(self._shown(house, stepped, duration_ms, volts))
        if passing is not None:
            self._arrived(passing)
        return shown, None

    def _tried(self, name: str, moment: Moment, behaviour: Behaviour, tie_nwh: int) -> Stepped:
        """Behind an open relay nobody uses anything; sun, battery and tie are on this side of it."""
        if not behaviour.supplied:
            moment = msgspec.structs.replace(moment, doing=Doing(0.0))
        return self.homes[name].tried(moment, tie_w=power_w(tie_nwh, moment.duration_ms))

    def _passing(
        self, moments: Mapping[str, Moment], behaviours: Mapping[str, Behaviour], duration_ms: int
    ) -> Passing | None:
        """The first trade whose two relays are closed and whose seller can: what leaves it, and what arrives."""
        for transfer in self._waiting:
            missing_nwh = transfer.energy_nwh - transfer.arrived_nwh
            closed = behaviours[transfer.seller].tie_out and behaviours[transfer.buyer].tie_in
            if missing_nwh <= 0 or not closed:
                continue
            arriving_nwh = min(missing_nwh, energy_nwh(_BUS_W, duration_ms), self._can_give(transfer.seller) * 9 // 10)
            passing = self._over(transfer, arriving_nwh, duration_ms)
            if passing is None:
                continue
            buyer = self._tried(
                transfer.buyer, moments[transfer.buyer], behaviours[transfer.buyer], passing.arriving_nwh
            )
            if buyer.flowed.tie_in_nwh < passing.arriving_nwh:  # its battery is full
                passing = self._over(transfer, buyer.flowed.tie_in_nwh, duration_ms)
            if passing is None:
                continue
            seller = self._tried(
                transfer.seller, moments[transfer.seller], behaviours[transfer.seller], -passing.leaving_nwh
            )
            if seller.flowed.tie_out_nwh == passing.leaving_nwh:
                return passing
        return None

    def _over(self, transfer: Transfer, arriving_nwh: int, duration_ms: int) -> Passing | None:
        """What must leave the seller, so that this arrives over the wires between the two; none of nothing."""
        if arriving_nwh <= 0:
            return None
        apart = abs(self._places[transfer.seller] - self._places[transfer.buyer])
        wires = Feeder(float(self.plan.voltage_v), (Section(HEAD, apart * self.plan.section_milliohm / MILLI),))
        flowing = flows(wires, [complex(power_w(arriving_nwh, duration_ms))])
        leaving_nwh = max(arriving_nwh, energy_nwh(flowing.supply_w, duration_ms))
        return Passing(transfer, leaving_nwh, arriving_nwh, abs(flowing.voltages[0]))

    def _can_give(self, name: str) -> int:
        battery, stored_nwh = self.homes[name].house.battery, self.homes[name].state.stored_nwh
        if battery is None:
            return 0
        return max(0, stored_nwh - battery.reserve_nwh) * battery.discharge_efficiency_micro // MICRO

    def _arrived(self, passing: Passing) -> None:
        transfer = passing.transfer
        after = msgspec.structs.replace(transfer, arrived_nwh=transfer.arrived_nwh + passing.arriving_nwh)
        self._waiting[self._waiting.index(transfer)] = after
        self._heat_nwh += passing.leaving_nwh - passing.arriving_nwh

    def _shown(self, house: House, stepped: Stepped, duration_ms: int, voltage_v: float) -> Shown:
        """The meter hangs at the tie: what came is import, what went is export."""
        flowed, home = stepped.flowed, self.homes[house.name]
        meter = self._meters[house.name] = added(
            added(self._meters[house.name], flowed.tie_in_nwh, 0), -flowed.tie_out_nwh, 0
        )
        return Shown(
            meter.import_nwh,
            meter.export_nwh,
            home.state.flowed.generated_nwh,
            power_w(flowed.tie_in_nwh - flowed.tie_out_nwh, duration_ms),
            0.0,
            voltage_v,
            power_w(flowed.used_nwh, duration_ms),
            power_w(flowed.generated_nwh, duration_ms),
            home.level_micro,
        )

    @property
    def stored_nwh(self) -> int:
        return sum(_stored_nwh(home.state) for home in self.homes.values())

    @property
    def truth(self) -> Truth:
        return Truth(heat_nwh=self._heat_nwh, **_lived_of(self.homes.values()))

    def standing(self) -> bytes:
        """Everything that a later start goes on from."""
        states = {name: home.state for name, home in self.homes.items()}
        return msgspec.json.encode((states, self._meters, self._heat_nwh, self._stored_at_first))

    def restore(self, standing: bytes) -> None:
        form = tuple[dict[str, Standing], dict[str, Registers], int, int]
        states, self._meters, self._heat_nwh, self._stored_at_first = msgspec.json.decode(standing, type=form)
        for name, state in states.items():
            self.homes[name].state = state

    def imbalance_nwh(self) -> int:
        """Generation less use, heat, and what batteries kept and lost: exactly nothing."""
        truth = self.truth
        kept = self.stored_nwh - self._stored_at_first + _gone_nwh(self.homes.values())
        return truth.generated_nwh - truth.consumed_nwh - truth.heat_nwh - kept


Street = GridStreet | BusStreet


def built(scenario: Scenario, days: Days) -> list[Street]:
    """A street for each feeder."""
    kind: type[GridStreet] | type[BusStreet] = GridStreet if scenario.on_grid else BusStreet
    return [kind(scenario, plan, days) for plan in scenario.feeders]


def _tell(homes: Mapping[str, Inhabited], seller: str, buyer: str, trade: Traded) -> None:
    for name, sign in ((seller, -1), (buyer, 1)):
        if name in homes:
            homes[name].traded(trade.from_minute, trade.until_minute, sign * trade.energy_wh, trade.price_micro)


def _wish(stepped: Stepped, behaviour: Behaviour, at_ms: int, duration_ms: int) -> community.Wish:
    """What the house's connection carries, with everything that goes wrong at it."""
    net_nwh = stepped.flowed.import_nwh - stepped.flowed.export_nwh
    reactive_var = sum(phase.reactive_mvar for phase in stepped.phases) / MILLI
    stolen_w = behaviour.stolen_w if behaviour.mains else 0.0
    wish = community.Wish(load_va=complex(power_w(net_nwh, duration_ms), reactive_var), stolen_va=complex(stolen_w))
    for injection in behaviour.wrong:
        wish = injection.wished(wish, at_ms)
    return wish


def _lived_of(homes: Iterable[Inhabited]) -> dict[str, int]:
    """What houses used, made, missed and could not use."""
    every = [home.state.flowed for home in homes]
    return {
        "consumed_nwh": sum(flowed.used_nwh for flowed in every),
        "generated_nwh": sum(flowed.generated_nwh for flowed in every),
        "shed_nwh": sum(flowed.unserved_nwh for flowed in every),
        "spilled_nwh": sum(flowed.curtailed_nwh for flowed in every),
    }


def _stored_nwh(state: Standing) -> int:
    return state.stored_nwh + (state.vehicle.stored_nwh if state.vehicle is not None else 0)


def _gone_nwh(homes: Iterable[Inhabited]) -> int:
    """What left batteries and cars for no meter: lost in them, and driven away out of them."""
    gone_nwh = 0
    for home in homes:
        gone_nwh += home.state.flowed.battery_lost_nwh + home.state.flowed.vehicle_lost_nwh
        if home.state.vehicle is not None:
            gone_nwh += home.state.vehicle.driven_nwh - home.state.vehicle.elsewhere_nwh
    return gone_nwh


def _community(plan: FeederPlan) -> community.Community:
    """Houses at the end of each section; what a scenario says is lost for sure hangs at the head, without a meter."""
    resistance = plan.section_milliohm / MILLI if plan.loss_w is None else 0.0
    sections = [Section(number - 1 if number else HEAD, resistance) for number in range(len(plan.houses))]
    if plan.loss_w is not None:
        sections.append(Section(HEAD, 0.0))
    return community.Community(
        feeder=Feeder(float(plan.voltage_v), tuple(sections)),
        houses=(community.House(),) * len(sections),
        transformer=Transformer(
            rated_va=float(plan.rating_va), no_load_w=plan.rating_va * _NO_LOAD, load_w=plan.rating_va * _FULL_LOAD
        ),
    )
