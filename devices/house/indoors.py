"""What all appliances of a house do in one step, and what that draws on each phase."""

from __future__ import annotations

import math
from typing import NamedTuple

from devices.house.appliances import EVERY_PHASE, Loaded, Warm, keep, loaded, work
from devices.house.standing import House, Moment, Standing, Wanted
from devices.physics.energy import energy_nwh

ROOM_C = 20.0


class Indoors(NamedTuple):
    """By phase: nWh, and the nvarh that go with them; how the appliances stand then."""

    active: tuple[int, ...]
    reactive: tuple[int, ...]
    warm: tuple[Warm, ...]
    loads: tuple[Loaded, ...]
    plugs_nwh: tuple[int, ...]


def run(house: House, before: Standing, moment: Moment, wanted: Wanted) -> Indoors:
    """Everything that runs, as long as nobody keeps it waiting."""
    duration_ms, doing = moment.duration_ms, moment.doing
    active, reactive = [0] * house.wires, [0] * house.wires

    def draw(used_nwh: int, power_factor: float, phase: int) -> None:
        vars_per_watt = math.tan(math.acos(power_factor)) if house.phases else 0.0
        for number, part_nwh in enumerate(split(used_nwh, phase, house.wires)):
            active[number] += part_nwh
            reactive[number] += round(part_nwh * vars_per_watt)

    draw(energy_nwh(doing.base_w, duration_ms), house.base_power_factor, EVERY_PHASE)

    warm = []
    for thermostat, state in zip(house.thermostats, before.warm, strict=True):
        water_l = doing.water_l if thermostat.warms_water else 0.0
        kept, used_nwh = keep(thermostat, state, ROOM_C, water_l, duration_ms, held=thermostat.name in wanted.held)
        draw(used_nwh, thermostat.power_factor, thermostat.phase)
        warm.append(kept)

    loads = []
    for machine, there in zip(house.machines, before.loads, strict=True):
        filled = loaded(machine, there, moment.at_ms) if machine.name in doing.fills else there
        worked, used_nwh = work(machine, filled, moment.at_ms, duration_ms, held=machine.name in wanted.held)
        draw(used_nwh, machine.power_factor, machine.phase)
        loads.append(worked)

    plugs_nwh = []
    for plug, passed_nwh in zip(house.plugs, before.plugs_nwh, strict=True):
        is_on = plug.name in doing.uses and plug.name not in wanted.held
        used_nwh = energy_nwh(plug.power_w, duration_ms) if is_on else 0
        draw(used_nwh, plug.power_factor, plug.phase)
        plugs_nwh.append(passed_nwh + used_nwh)

    return Indoors(tuple(active), tuple(reactive), tuple(warm), tuple(loads), tuple(plugs_nwh))


def stopped(house: House, before: Standing, moment: Moment) -> Indoors:
    """The house is dark: nothing runs. What was filled meanwhile is full, what was warm cools down."""
    nothing = (0,) * house.wires
    duration_ms, doing = moment.duration_ms, moment.doing
    warm = []
    for thermostat, state in zip(house.thermostats, before.warm, strict=True):
        off = Warm(state.heat_nwh, False, state.moved_nwh, state.leaked_nwh, state.drawn_nwh)
        water_l = doing.water_l if thermostat.warms_water else 0.0
        warm.append(keep(thermostat, off, ROOM_C, water_l, duration_ms, off=True).state)
    loads = tuple(
        loaded(machine, there, moment.at_ms) if machine.name in doing.fills else there
        for machine, there in zip(house.machines, before.loads, strict=True)
    )
    return Indoors(nothing, nothing, tuple(warm), loads, before.plugs_nwh)


def split(amount: int, phase: int, count: int) -> tuple[int, ...]:
    """All on one phase, or in equal parts; the parts sum to the whole."""
    if phase != EVERY_PHASE:
        return tuple(amount if number == phase % count else 0 for number in range(count))
    part, rest = divmod(amount, count)
    return tuple(part + (number < rest) for number in range(count))
