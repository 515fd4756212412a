"""Control: what battery, car, machines and plugs are to do now.

In order of weight:

1. a demand response, and a feeder that can carry no more to its houses: everything that can wait waits, battery and
   car give what they may;
2. a trade's delivery: the battery keeps the connection at what was bought or sold, machines do as below;
3. cheap energy: everything that waits may run, the car charges;
4. else: the sun first to what is on, then to the car, then to the battery; warm water and machines wait for enough sun
   for them, or until they can wait no longer, which the appliances themselves see to.

Beside all of it: while a feeder can carry no more back from its houses, nothing leaves this one but what trades that
still run have sold. What sun the house cannot use or store then is curtailed.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from devices.house.appliances import Shiftable
from devices.house.standing import House, Wanted


class Preferences(msgspec.Struct, frozen=True):
    """What the people of a house want."""

    cheap_micro: int = 0
    """A price at which nothing needs to wait."""
    sheds: tuple[str, ...] = ()
    """Plugs that a demand response may switch off."""
    lends_car: bool = False


class View(NamedTuple):
    """What control looks at. Powers are the house's own: without battery and car."""

    load_w: float
    generation_w: float
    price_micro: int
    delivery_w: float | None = None
    """What the connection is to carry for trades: in (positive), out (negative)."""
    responding: bool = False
    held_back: bool = False
    """Whether the feeder takes nothing back but what is being delivered."""


def plan(house: House, preferences: Preferences, view: View) -> Wanted:
    """What is wanted of the machines now."""
    wanted = _planned(house, preferences, view)
    if not view.held_back:
        return wanted
    return msgspec.structs.replace(wanted, export_limit_w=max(0.0, -(view.delivery_w or 0.0)))


def _planned(house: House, preferences: Preferences, view: View) -> Wanted:
    waiting = {machine.name for machine in house.machines} | {
        thermostat.name for thermostat in house.thermostats if thermostat.warms_water
    }
    if view.responding:
        everything = waiting | {thermostat.name for thermostat in house.thermostats} | set(preferences.sheds)
        lends = house.vehicle is not None and house.vehicle.lends and preferences.lends_car
        car_w = -house.vehicle.battery.discharge_w if lends and house.vehicle is not None else 0.0
        return Wanted(vehicle_w=car_w, held=frozenset(everything))
    surplus_w = view.generation_w - view.load_w
    battery_w = None if view.delivery_w is None else view.delivery_w + surplus_w
    if view.price_micro <= preferences.cheap_micro:
        return Wanted(battery_w=battery_w)
    return Wanted(
        battery_w=battery_w,
        vehicle_w=0.0 if view.delivery_w is not None else max(0.0, surplus_w),
        held=frozenset(waiting - _sunny(house, surplus_w)),
    )


def _sunny(house: House, surplus_w: float) -> set[str]:
    """Which of those that wait have enough sun, the smallest first."""
    needs = [(thermostat.power_w, thermostat.name) for thermostat in house.thermostats if thermostat.warms_water]
    needs += [(_mean_w(machine), machine.name) for machine in house.machines]
    found: set[str] = set()
    for power_w, name in sorted(needs):
        if power_w > surplus_w:
            break
        found.add(name)
        surplus_w -= power_w
    return found


def _mean_w(machine: Shiftable) -> float:
    return sum(power_w * duration_ms for power_w, duration_ms in machine.programme) / machine.duration_ms
