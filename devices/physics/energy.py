"""Power over time as an integer: the one place where it is rounded."""

from __future__ import annotations

from typing import Final

NWH_PER_WH: Final = 1_000_000_000
NWH_PER_MWH: Final = 1_000_000
_W_MS_PER_WH: Final = 3_600_000


def energy_nwh(power_w: float, duration_ms: int) -> int:
    """What flows at this power in this time, half to even."""
    return round(power_w * duration_ms * NWH_PER_WH / _W_MS_PER_WH)


def power_w(energy: int, duration_ms: int) -> float:
    """The power that makes this many nWh in this time."""
    return energy * _W_MS_PER_WH / (duration_ms * NWH_PER_WH)
