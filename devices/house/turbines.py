"""What wind and water give.

A wind turbine stands still below its cut-in speed, gives with the cube of the wind up to its rated speed, then its
rating, and is braked above the cut-out speed. Wind is measured 10 m above ground; up to the hub it grows by the power
law with an exponent of 1/7. A small hydro turbine gives what falls through it, less what the stream must keep.
"""

from __future__ import annotations

from typing import Final

import msgspec

MEASURED_AT_M: Final = 10.0
SHEAR: Final = 1 / 7
GRAVITY_M_S2: Final = 9.81


class WindTurbine(msgspec.Struct, frozen=True):
    """As in a maker's table of a small machine."""

    rated_w: float
    cut_in_m_s: float = 3.0
    rated_m_s: float = 11.0
    cut_out_m_s: float = 25.0
    hub_m: float = 12.0

    def __post_init__(self) -> None:
        assert 0 <= self.cut_in_m_s < self.rated_m_s < self.cut_out_m_s
        assert self.rated_w > 0
        assert self.hub_m > 0


class HydroTurbine(msgspec.Struct, frozen=True):
    """A pipe, a wheel and a generator."""

    rated_w: float
    head_m: float
    efficiency: float = 0.7
    kept_l_s: float = 0.0
    """What stays in the stream."""


def wind_w(turbine: WindTurbine, wind_m_s: float) -> float:
    """Power in this wind."""
    at_hub: float = wind_m_s * (turbine.hub_m / MEASURED_AT_M) ** SHEAR
    if not turbine.cut_in_m_s <= at_hub < turbine.cut_out_m_s:
        return 0.0
    low, high = turbine.cut_in_m_s**3, turbine.rated_m_s**3
    return turbine.rated_w * min(1.0, (at_hub**3 - low) / (high - low))


def hydro_w(turbine: HydroTurbine, water_l_s: float) -> float:
    """Power of this stream: a litre is a kilogram."""
    through = max(0.0, water_l_s - turbine.kept_l_s)
    return min(turbine.rated_w, through * GRAVITY_M_S2 * turbine.head_m * turbine.efficiency)
