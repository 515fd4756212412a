"""Things as they are sold, and houses made of them; `docs/house.md` says where each number comes from.

Two kinds of house: a family on the mains, as the feeders of the sources have them, and a house with 12 V, a panel, a
lead-acid battery and a few lamps, as the off-grid village of the third one has ten of.
"""

from __future__ import annotations

from typing import Final

from devices.house.appliances import EVERY_PHASE, Plugged, Shiftable, Thermostatic
from devices.house.occupants import Habits
from devices.house.standing import House
from devices.house.vehicle import Vehicle
from devices.house.weather import HOUR_MS, Place
from devices.physics.battery import Battery
from devices.physics.photovoltaic import Panels

_MINUTE_MS: Final = 60_000

REFRIGERATOR: Final = Thermostatic(
    name="refrigerator",
    power_w=90.0,
    set_c=5.0,
    heat_wh_per_k=12.0,
    leak_w_per_k=2.4,
    band_k=3.0,
    comfort_k=4.0,
    performance_milli=1_800,
    cools=True,
    power_factor=0.9,
)
BOILER: Final = Thermostatic(
    name="boiler",
    power_w=2_000.0,
    set_c=60.0,
    heat_wh_per_k=140.0,  # 120 litres
    leak_w_per_k=1.4,
    band_k=6.0,
    comfort_k=15.0,
    warms_water=True,
    phase=1,
)
WASHING: Final = Shiftable(
    name="washing",
    programme=((2_000.0, 20 * _MINUTE_MS), (150.0, 50 * _MINUTE_MS), (400.0, 15 * _MINUTE_MS)),
    patience_ms=8 * HOUR_MS,
    phase=2,
)
DISHES: Final = Shiftable(
    name="dishes",
    programme=((1_900.0, 18 * _MINUTE_MS), (80.0, 60 * _MINUTE_MS), (1_900.0, 12 * _MINUTE_MS)),
    patience_ms=10 * HOUR_MS,
)
TELEVISION: Final = Plugged("plug", 110.0, 0.95)

HOME_BATTERY: Final = Battery(5_000, 2_500.0, 2_500.0, standing_w=4.0)
CAR: Final = Vehicle(Battery(40_000, 7_400.0, 5_000.0, 940_000, 940_000, reserve_micro=150_000))
LEAD_ACID: Final = Battery(
    600,  # 12 V, 50 Ah
    100.0,
    120.0,
    charge_efficiency_micro=900_000,
    discharge_efficiency_micro=900_000,
    reserve_micro=400_000,
    standing_w=0.8,
)
LAMP_W: Final = 8.5
NEELUM_VALLEY: Final = Place(
    latitude_deg=34.82, longitude_deg=74.22, mean_c=13.0, yearly_k=10.0, daily_k=6.0, wind_m_s=2.5
)


def family(
    name: str,
    *,
    phases: int = 1,
    peak_w: float = 0.0,
    battery: Battery | None = None,
    vehicle: Vehicle | None = None,
    latitude_deg: float = 48.0,
    boiler: bool = False,
) -> House:
    """A household on the mains, with as much of a roof, a battery and a car as one likes."""
    panels = Panels(peak_w, 0.93 * peak_w, latitude_deg) if peak_w else None
    return House(
        name=name,
        phases=phases,
        panels=panels,
        battery=battery,
        vehicle=vehicle,
        thermostats=(REFRIGERATOR, BOILER) if boiler else (REFRIGERATOR,),
        machines=(WASHING, DISHES),
        plugs=(TELEVISION,),
        generation_phase=EVERY_PHASE if phases == 3 and peak_w > 4_600 else 0,
    )


def off_grid(name: str, *, peak_w: float = 100.0, lamps: int = 3, latitude_deg: float = 34.82) -> House:
    """A house of the village: 12 V, a panel at its charge controller, a battery, lamps, and ties to its neighbours."""
    panels = Panels(peak_w, peak_w, latitude_deg, tilt_deg=35.0, inverter_efficiency=0.95)
    lit = tuple(Plugged(f"lamp {number}", LAMP_W) for number in range(1, lamps + 1))
    return House(name, phases=0, connected=False, islands=True, panels=panels, battery=LEAD_ACID, plugs=lit)


def villagers(lamps: int = 3) -> Habits:
    """Lamps from dusk on, one after the other out; a telephone or two; no warm water by wire."""
    uses = tuple((f"lamp {number}", 18.0, 4.5 - 0.7 * (number - 1)) for number in range(1, lamps + 1))
    return Habits(
        people=4, always_w=1.0, awake_w=1.2, light_w=0.0, cooking_w=0.0, water_l=0.0, trip_wh=0, fills=(), uses=uses
    )
