"""A scenario's house with everything in it: a house of `devices.house`, its people, and the agent that minds it.

What people use in a day's shape (`days`) is the base load; machines that a scenario names come on top of it, with the
water, the washing and the trips of a household. Where there is something to mind (a battery, a car, machines that can
wait) an energy agent minds it: the sun first to what is on, then to what waits and the car, then to the battery; while
a trade is delivered, the battery keeps the connection at what was sold or bought.

Time here is the community's: milliseconds since the midnight before it began.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from devices.community.days import MINUTES, Days
from devices.community.scenario import House as Told
from devices.community.scenario import Scenario
from devices.community.scenario import Vehicle as ToldVehicle
from devices.community.trading import terms_of
from devices.house import catalogue
from devices.house.agent.alarm import METER, Limits
from devices.house.agent.core import GENERATION, Agent, Event, Observed, Priced, Settings, Ticked, Traded
from devices.house.appliances import Plugged, Shiftable, Thermostatic
from devices.house.house import Stepped, made_w, step
from devices.house.occupants import Doing, Habits, Lived, live
from devices.house.standing import MAINS_V, House, Moment, Standing, Wanted
from devices.house.strategy import FixedPrice
from devices.house.vehicle import Driven, Trip, Vehicle
from devices.physics.battery import MICRO, Battery
from devices.physics.energy import power_w
from devices.physics.photovoltaic import Panels

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
MACHINES: Final[dict[str, Thermostatic | Shiftable | Plugged]] = {
    "refrigerator": catalogue.REFRIGERATOR,
    "boiler": catalogue.BOILER,
    "washing": catalogue.WASHING,
    "dishes": catalogue.DISHES,
    "television": catalogue.TELEVISION,
}


class Inhabited:
    """One house as it stands. `tried` says what a step would bring; `keep` lets it have happened."""

    def __init__(self, told: Told, scenario: Scenario, days: Days, *, on_grid: bool, power_factor: float = 1.0) -> None:
        self.told = told
        self.house = _house(told, scenario, on_grid=on_grid, power_factor=power_factor)
        self.state = _begun(told, self.house)
        self._days = days
        self._begins_ms = scenario.begins_minute * MINUTE_MS
        self._lived = _people(told, scenario)
        self._wanted = Wanted()
        self._appliances_w = 0.0
        minded = self.house.battery or self.house.vehicle or self.house.machines or self.house.thermostats
        self._agent = _agent(told, self.house, scenario) if minded and on_grid else None

    @property
    def level_micro(self) -> int:
        """State of charge; -1 where there is no battery."""
        return -1 if self.house.battery is None else self.house.battery.level_micro(self.state.stored_nwh)

    def traded(self, from_minute: float, until_minute: float, energy_wh: int, price_micro: int) -> None:
        """The agent hears of a trade: bought (positive) or sold (negative)."""
        from_ms, until_ms = self._at_ms(from_minute), self._at_ms(until_minute)
        self._hear(Traded(min(from_ms, until_ms), from_ms, until_ms, energy_wh, price_micro))

    def moment(self, minute: float, duration_ms: int, voltage_v: float) -> Moment:
        """What happens around the house in a step from this minute on."""
        at_ms = self._at_ms(minute)
        return Moment(
            at_ms,
            duration_ms,
            self._days.air(minute),
            self._doing(minute, duration_ms),
            self._trips(at_ms),
            (voltage_v,),
            self._days.given_w(self.told, minute),
        )

    def tried(self, moment: Moment, *, supplied: bool = True, tie_w: float = 0.0) -> Stepped:
        """The house after this step; nothing has happened yet."""
        wanted = msgspec.structs.replace(self._minded(moment, supplied=supplied), supply=supplied, tie_w=tie_w)
        return step(self.house, self.state, moment, wanted)

    def keep(self, stepped: Stepped, moment: Moment) -> None:
        self.state = stepped.state
        used_w = power_w(stepped.flowed.used_nwh, moment.duration_ms)
        self._appliances_w = max(0.0, used_w - moment.doing.base_w)

    # ------------------------------------------------------------ what minds it

    def _minded(self, moment: Moment, *, supplied: bool) -> Wanted:
        """The agent looks at the connection without battery and car, as its meters would show it."""
        if self._agent is None or not supplied:
            return Wanted()
        made = made_w(self.house, moment)
        load_w = moment.doing.base_w + self._appliances_w
        now_ms, volts = moment.at_ms, moment.voltages_v[0]
        self._hear(Observed(now_ms, GENERATION, {"power_mw": round(made * 1_000)}))
        told = {"power_mw": round((load_w - made) * 1_000), "voltage_mv": round(volts * 1_000)}
        self._hear(Observed(now_ms, METER, told))
        return self._wanted

    def _hear(self, event: Event) -> None:
        if self._agent is not None:
            self._wanted = self._agent.step(event).wanted

    # ------------------------------------------------------------ what people do

    def _at_ms(self, minute: float) -> int:
        return self._begins_ms + round(minute * MINUTE_MS)

    def _doing(self, minute: float, duration_ms: int) -> Doing:
        """People's minute, of which a step is a part; machines are filled where it begins."""
        base_w = self._days.load_w(self.told, minute)
        if self._lived is None:
            return Doing(base_w)
        drawn = self._lived.doings[int(minute) % len(self._lived.doings)]
        return Doing(base_w, drawn.water_l * duration_ms / MINUTE_MS, drawn.fills, drawn.uses)

    def _trips(self, at_ms: int) -> tuple[Trip, ...]:
        """Of the car: every day at the same hours."""
        car = self.told.vehicle
        if car is None:
            return ()
        leaves_ms, returns_ms = car.leaves_minute * MINUTE_MS, car.returns_minute * MINUTE_MS
        today_ms = at_ms // DAY_MS * DAY_MS
        starts = (today_ms + leaves_ms, today_ms + leaves_ms + DAY_MS)
        away_ms = (returns_ms - leaves_ms) % DAY_MS
        return tuple(Trip(start, start + away_ms, car.trip_wh) for start in (starts[0] - DAY_MS, *starts))


def _house(told: Told, scenario: Scenario, *, on_grid: bool, power_factor: float) -> House:
    things = [MACHINES[name] for name in told.machines]
    return House(
        name=told.name,
        phases=1 if on_grid else 0,
        connected=on_grid,
        islands=not on_grid,
        panels=_roof(told, scenario),
        battery=_battery(told),
        vehicle=_car(told.vehicle),
        thermostats=tuple(one for one in things if isinstance(one, Thermostatic)),
        machines=tuple(one for one in things if isinstance(one, Shiftable)),
        plugs=tuple(one for one in things if isinstance(one, Plugged)),
        base_power_factor=power_factor,
        inverter_power_factor=power_factor,
    )


def _roof(told: Told, scenario: Scenario) -> Panels | None:
    panels = told.panels
    if panels is None or panels.peak_w is None:
        return None
    return Panels(
        peak_w=panels.peak_w,
        inverter_w=panels.peak_w,
        latitude_deg=scenario.latitude_deg,
        tilt_deg=panels.tilt_deg,
        azimuth_deg=panels.azimuth_deg,
    )


def _battery(told: Told) -> Battery | None:
    battery = told.battery
    if battery is None:
        return None
    return Battery(
        capacity_wh=battery.capacity_wh,
        charge_w=float(battery.power_w),
        discharge_w=float(battery.power_w),
        reserve_micro=battery.reserve_percent * 10_000,
    )


def _car(told: ToldVehicle | None) -> Vehicle | None:
    if told is None:
        return None
    plate = Battery(told.capacity_wh, float(told.power_w), float(told.power_w), 940_000, 940_000, reserve_micro=150_000)
    return Vehicle(plate, needed_micro=told.needed_percent * 10_000, lends=told.lends)


def _begun(told: Told, house: House) -> Standing:
    state = Standing.begun(house)
    if house.battery is not None and told.battery is not None:
        stored_nwh = house.battery.at(told.battery.level_percent * MICRO // 100)
        state = msgspec.structs.replace(state, stored_nwh=stored_nwh)
    if house.vehicle is not None and told.vehicle is not None:
        held_nwh = house.vehicle.battery.at(told.vehicle.level_percent * MICRO // 100)
        state = msgspec.structs.replace(state, vehicle=Driven(held_nwh))
    return state


def _people(told: Told, scenario: Scenario) -> Lived | None:
    """What they do with the machines; none where there are none."""
    if not told.machines:
        return None
    number = [house.name for house in scenario.houses].index(told.name)
    random = np.random.default_rng([scenario.seed, number, 1])
    from_ms = scenario.begins_minute * MINUTE_MS
    return live(random, Habits(), from_ms, scenario.length_minutes + MINUTES, MINUTE_MS)


def _agent(told: Told, house: House, scenario: Scenario) -> Agent:
    """It controls; orders are given by whoever plays (`trading`)."""
    terms = terms_of(scenario.prices)
    limits = Limits(nominal_mv=round(MAINS_V * 1_000))
    agent = Agent(Settings(told.name, "", house, FixedPrice(), limits=limits))
    agent.step(Priced(0, terms, terms.retail_micro))
    agent.step(Ticked(0))
    return agent
