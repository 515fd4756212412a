"""What a house is, what is wanted of it, and how it stands: values only. `house` lets time pass."""

from __future__ import annotations

from typing import Final, Self

import msgspec

from devices.house.appliances import EVERY_PHASE, Loaded, Plugged, Shiftable, Thermostatic, Warm
from devices.house.occupants import Doing
from devices.house.turbines import HydroTurbine, WindTurbine
from devices.house.vehicle import Driven, Trip, Vehicle
from devices.house.weather import Air
from devices.metrology.registers import Registers
from devices.physics.battery import Battery
from devices.physics.energy import NWH_PER_MWH
from devices.physics.photovoltaic import Panels

MAINS_V: Final = 230.0
BUS_V: Final = 12.0
EMPTY_V: Final = 0.97
FULL_V: Final = 1.08
"""Of the nominal voltage: what a lead-acid battery shows when it is empty, and when it is full (11.6 to 13.0 V)."""


class House(msgspec.Struct, frozen=True):
    """What stands in it."""

    name: str
    phases: int = 1
    """1 or 3 of 230 V; 0: a bus of 12 V, direct."""
    connected: bool = True
    """To a grid, through its meter and supply relay."""
    islands: bool = False
    """Whether it can run on its own battery when there is no supply."""
    panels: Panels | None = None
    wind: WindTurbine | None = None
    hydro: HydroTurbine | None = None
    battery: Battery | None = None
    vehicle: Vehicle | None = None
    thermostats: tuple[Thermostatic, ...] = ()
    machines: tuple[Shiftable, ...] = ()
    plugs: tuple[Plugged, ...] = ()
    base_power_factor: float = 0.97
    inverter_power_factor: float = 1.0
    """Below 1 it gives reactive power along with the sun's."""
    generation_phase: int = EVERY_PHASE

    def __post_init__(self) -> None:
        assert self.phases in {0, 1, 3}
        names = [each.name for each in self.thermostats]
        names += [each.name for each in self.machines] + [each.name for each in self.plugs]
        assert len(set(names)) == len(names), "what can be told to wait has a name of its own"
        assert self.connected or self.islands, "a house without a grid runs on its own battery"

    @property
    def wires(self) -> int:
        return max(1, self.phases)

    @property
    def nominal_v(self) -> float:
        return MAINS_V if self.phases else BUS_V

    def bus_v(self, stored_nwh: int) -> float:
        """Mains are nominal where no feeder says otherwise; a bus follows its battery."""
        if self.phases or self.battery is None:
            return self.nominal_v
        level = self.battery.level_micro(stored_nwh) / 1_000_000
        return self.nominal_v * (EMPTY_V + (FULL_V - EMPTY_V) * level)


class Wanted(msgspec.Struct, frozen=True):
    """What somebody wants of the machines in a step; left alone, the battery follows the house and the car charges."""

    battery_w: float | None = None
    """Charge (positive) or discharge; None: take what is too much, give what lacks."""
    vehicle_w: float | None = None
    """The same for the car; None: charge."""
    held: frozenset[str] = frozenset()
    """Appliances that are to wait, as far as they can; plugs that are off."""
    supply: bool = True
    """The relay between meter and house."""
    tie_w: float = 0.0
    """Over the tie to a bus: in (positive), out (negative)."""
    export_limit_w: float | None = None


class Moment(msgspec.Struct, frozen=True):
    """What happens around a house in one step. `voltages_v`: at its connection, as the feeder's physics found them."""

    at_ms: int
    duration_ms: int
    air: Air
    doing: Doing
    trips: tuple[Trip, ...] = ()
    voltages_v: tuple[float, ...] = ()
    given_w: float | None = None
    """What was measured of generation, instead of what the air gives."""


class Flowed(msgspec.Struct, frozen=True):
    """Energy of one step, or of all since the beginning, in nWh."""

    import_nwh: int = 0
    export_nwh: int = 0
    generated_nwh: int = 0
    curtailed_nwh: int = 0
    used_nwh: int = 0
    unserved_nwh: int = 0
    battery_in_nwh: int = 0
    battery_out_nwh: int = 0
    battery_lost_nwh: int = 0
    vehicle_in_nwh: int = 0
    vehicle_out_nwh: int = 0
    vehicle_lost_nwh: int = 0
    tie_in_nwh: int = 0
    tie_out_nwh: int = 0

    @property
    def is_balanced(self) -> bool:
        came = self.import_nwh + self.generated_nwh + self.battery_out_nwh + self.vehicle_out_nwh + self.tie_in_nwh
        went = self.export_nwh + self.used_nwh + self.battery_in_nwh + self.vehicle_in_nwh + self.tie_out_nwh
        return came == went

    def __add__(self, other: Flowed) -> Flowed:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Flowed(*(one + another for one, another in pairs))


class Standing(msgspec.Struct, frozen=True):
    """How a house stands, and all that has flowed since it began."""

    meter: Registers = Registers()
    flowed: Flowed = Flowed()
    stored_nwh: int = 0
    vehicle: Driven | None = None
    warm: tuple[Warm, ...] = ()
    loads: tuple[Loaded, ...] = ()
    plugs_nwh: tuple[int, ...] = ()
    """What went through each plug."""

    @classmethod
    def begun(cls, house: House, *, level_micro: int = 500_000) -> Self:
        """Registers at zero, batteries at a level, everything as warm as it is set."""
        return cls(
            stored_nwh=house.battery.at(level_micro) if house.battery else 0,
            vehicle=Driven(house.vehicle.battery.at(level_micro)) if house.vehicle else None,
            warm=tuple(Warm(machine.heat_nwh(machine.set_c)) for machine in house.thermostats),
            loads=(Loaded(),) * len(house.machines),
            plugs_nwh=(0,) * len(house.plugs),
        )

    @property
    def used_mwh(self) -> int:
        return self.flowed.used_nwh // NWH_PER_MWH
