"""A house behind its meter: what its machines do in one step, and what crosses its connection.

    import + generation + battery out + car out + tie in  =  export + appliances + battery in + car in + tie out

holds in every step to the last nWh; registers show it in mWh. The parts on three phases sum to it, and the meter counts
their sum, with their signs.

A house without a connection (an outage, an open relay, a house off the grid) balances by itself: its battery takes what
is left over and gives what lacks, the rest of the sun is curtailed. When it lacks energy its tie gives no more to
others, then its car stops charging and lends what it may; if that is not enough, the house goes dark for the step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from devices.house.appliances import EVERY_PHASE
from devices.house.indoors import Indoors, run, split, stopped
from devices.house.standing import Flowed, House, Moment, Standing, Wanted
from devices.house.turbines import hydro_w, wind_w
from devices.house.vehicle import Charged, Driven, returned
from devices.house.vehicle import step as vehicle_step
from devices.house.weather import Air
from devices.meter.events import Phase
from devices.metrology.registers import added
from devices.physics.battery import Flow, moved
from devices.physics.energy import energy_nwh, power_w
from devices.physics.photovoltaic import power_w as panels_w


class Stepped(NamedTuple):
    """The house after a step, what its connection showed by phase, and what flowed."""

    state: Standing
    phases: tuple[Phase, ...]
    flowed: Flowed

    @property
    def va(self) -> tuple[complex, ...]:
        """By phase, as a feeder's physics asks for it."""
        return tuple(complex(phase.power_mw, phase.reactive_mvar) / 1_000 for phase in self.phases)


def step(house: House, before: Standing, moment: Moment, wanted: Wanted) -> Stepped:
    """Let so much time pass."""
    made_nwh = energy_nwh(made_w(house, moment), moment.duration_ms)
    here = _Here(house, before, moment, wanted, run(house, before, moment, wanted), made_nwh)
    return _with_grid(here) if here.is_supplied else _alone(here)


def made_w(house: House, moment: Moment) -> float:
    """What is made now: what was measured, or what the air gives."""
    return generation_w(house, moment.air) if moment.given_w is None else moment.given_w


def generation_w(house: House, air: Air) -> float:
    """What sun, wind and water would give now."""
    found = 0.0
    if house.panels is not None:
        found += panels_w(house.panels, air.day, air.hour, sky=air.sky, ambient_c=air.ambient_c)
    if house.wind is not None:
        found += wind_w(house.wind, air.wind_m_s)
    if house.hydro is not None:
        found += hydro_w(house.hydro, air.water_l_s)
    return found


class _Here(NamedTuple):
    house: House
    before: Standing
    moment: Moment
    wanted: Wanted
    indoors: Indoors
    made_nwh: int

    @property
    def is_supplied(self) -> bool:
        return self.house.connected and self.wanted.supply

    @property
    def used_nwh(self) -> int:
        return sum(self.indoors.active)

    @property
    def tie_nwh(self) -> int:
        return energy_nwh(self.wanted.tie_w, self.moment.duration_ms)

    def car(self, wanted_w: float | None) -> Charged:
        vehicle, state = self.house.vehicle, self.before.vehicle
        if vehicle is None or state is None:
            return Charged(Driven(0), Flow(0))
        power = vehicle.battery.charge_w if wanted_w is None else wanted_w
        return vehicle_step(vehicle, state, self.moment, power)

    def battery(self, wanted_nwh: int) -> Flow:
        if self.house.battery is None:
            return Flow(self.before.stored_nwh)
        return moved(self.house.battery, self.before.stored_nwh, wanted_nwh, self.moment.duration_ms)


def _with_grid(here: _Here) -> Stepped:
    wanted, duration_ms = here.wanted, here.moment.duration_ms
    car = here.car(wanted.vehicle_w)
    lacking_nwh = here.used_nwh + car.flow.taken_nwh - car.flow.given_nwh - here.made_nwh - here.tie_nwh
    asked_nwh = -lacking_nwh if wanted.battery_w is None else energy_nwh(wanted.battery_w, duration_ms)
    battery = here.battery(asked_nwh)
    net_nwh = lacking_nwh + battery.taken_nwh - battery.given_nwh
    curtailed_nwh = 0
    if wanted.export_limit_w is not None:
        curtailed_nwh = min(here.made_nwh, max(0, -net_nwh - energy_nwh(wanted.export_limit_w, duration_ms)))
    return _ended(
        here, battery, car, net_nwh=net_nwh + curtailed_nwh, tie_nwh=here.tie_nwh, curtailed_nwh=curtailed_nwh
    )


def _alone(here: _Here) -> Stepped:
    if not here.house.islands:
        return _dark(here)
    tie_nwh = here.tie_nwh
    car = here.car(None if here.wanted.vehicle_w is None else max(0.0, here.wanted.vehicle_w))
    lacking_nwh = here.used_nwh + car.flow.taken_nwh - here.made_nwh - tie_nwh
    battery = here.battery(-lacking_nwh)
    rest_nwh = lacking_nwh + battery.taken_nwh - battery.given_nwh
    if rest_nwh > 0 and tie_nwh < 0:
        kept_nwh = min(rest_nwh, -tie_nwh)
        tie_nwh, rest_nwh = tie_nwh + kept_nwh, rest_nwh - kept_nwh
    if rest_nwh > 0:
        car = here.car(-power_w(rest_nwh - car.flow.taken_nwh, here.moment.duration_ms))
        lacking_nwh = here.used_nwh + car.flow.taken_nwh - car.flow.given_nwh - here.made_nwh - tie_nwh
        battery = here.battery(-lacking_nwh)
        rest_nwh = lacking_nwh + battery.taken_nwh - battery.given_nwh
    if rest_nwh > 0:
        return _dark(here)
    curtailed_nwh = min(here.made_nwh, -rest_nwh)
    refused_nwh = -rest_nwh - curtailed_nwh  # more came over the tie than there is room for
    assert refused_nwh <= max(0, tie_nwh), "a car lends no more than lacks"
    return _ended(here, battery, car, tie_nwh=tie_nwh - refused_nwh, curtailed_nwh=curtailed_nwh)


def _dark(here: _Here) -> Stepped:
    """Nothing runs and the car is not charged; the sun may still fill the battery of a house that can be an island."""
    battery = here.battery(here.made_nwh if here.house.islands else 0)
    car = Charged(returned(here.before.vehicle or Driven(0), here.moment), Flow(0))
    still = here._replace(indoors=stopped(here.house, here.before, here.moment))
    curtailed_nwh = here.made_nwh - battery.taken_nwh
    return _ended(still, battery, car, curtailed_nwh=curtailed_nwh, unserved_nwh=here.used_nwh)


def _ended(
    here: _Here,
    battery: Flow,
    car: Charged,
    *,
    net_nwh: int = 0,
    tie_nwh: int = 0,
    curtailed_nwh: int = 0,
    unserved_nwh: int = 0,
) -> Stepped:
    """Post what has flowed; nothing is left over."""
    house, before, indoors = here.house, here.before, here.indoors
    flowed = Flowed(
        import_nwh=max(0, net_nwh),
        export_nwh=max(0, -net_nwh),
        generated_nwh=here.made_nwh - curtailed_nwh,
        curtailed_nwh=curtailed_nwh,
        used_nwh=here.used_nwh,
        unserved_nwh=unserved_nwh,
        battery_in_nwh=battery.taken_nwh,
        battery_out_nwh=battery.given_nwh,
        battery_lost_nwh=battery.lost_nwh,
        vehicle_in_nwh=car.flow.taken_nwh,
        vehicle_out_nwh=car.flow.given_nwh,
        vehicle_lost_nwh=car.flow.lost_nwh,
        tie_in_nwh=max(0, tie_nwh),
        tie_out_nwh=max(0, -tie_nwh),
    )
    assert flowed.is_balanced, "energy came from nowhere, or went there"
    reactive = _reactive(here, flowed.generated_nwh)
    after = Standing(
        meter=added(before.meter, net_nwh, sum(reactive)) if here.is_supplied else before.meter,
        flowed=before.flowed + flowed,
        stored_nwh=battery.stored_nwh,
        vehicle=car.state if before.vehicle is not None else None,
        warm=indoors.warm,
        loads=indoors.loads,
        plugs_nwh=indoors.plugs_nwh,
    )
    inverter_nwh = battery.taken_nwh - battery.given_nwh - flowed.generated_nwh - tie_nwh
    car_nwh = car.flow.taken_nwh - car.flow.given_nwh
    sides = (
        indoors.active,
        split(inverter_nwh, house.generation_phase, house.wires),
        split(car_nwh, house.vehicle.phase if house.vehicle is not None else 0, house.wires),
    )
    active = tuple(map(sum, zip(*sides, strict=True)))
    assert sum(active) == net_nwh
    return Stepped(after, _phases(here, battery, active, reactive, tie_nwh), flowed)


def _reactive(here: _Here, generated_nwh: int) -> tuple[int, ...]:
    """What appliances draw, less what the inverter gives along with the sun's."""
    house = here.house
    if not here.is_supplied:
        return (0,) * house.wires
    if house.inverter_power_factor == 1.0:
        return here.indoors.reactive
    given_nvarh = round(generated_nwh * math.tan(math.acos(house.inverter_power_factor)))
    parts = split(given_nvarh, house.generation_phase, house.wires)
    return tuple(drawn - given for drawn, given in zip(here.indoors.reactive, parts, strict=True))


def _phases(
    here: _Here, battery: Flow, active: tuple[int, ...], reactive: tuple[int, ...], tie_nwh: int
) -> tuple[Phase, ...]:
    """What stands at the connection; at the tie, for a house that has nothing else."""
    house, moment = here.house, here.moment
    volts = moment.voltages_v or (house.bus_v(battery.stored_nwh),) * house.wires
    if not house.connected:
        active = split(tie_nwh, EVERY_PHASE, house.wires)
    return tuple(
        _phase(volt, active_nwh, reactive_nvarh, moment.duration_ms)
        for volt, active_nwh, reactive_nvarh in zip(volts, active, reactive, strict=True)
    )


def _phase(voltage_v: float, active_nwh: int, reactive_nvarh: int, duration_ms: int) -> Phase:
    watts, vars_ = power_w(active_nwh, duration_ms), power_w(reactive_nvarh, duration_ms)
    current_a = abs(complex(watts, vars_)) / voltage_v if voltage_v else 0.0
    return Phase(round(voltage_v * 1_000), round(current_a * 1_000), round(watts * 1_000), round(vars_ * 1_000))
