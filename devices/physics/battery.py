"""A battery behind its inverter: how much it takes and gives, what it keeps, what it loses.

Rules it keeps:

* taken - given - lost is exactly the change of what is stored;
* it is never charged above its ceiling nor emptied below its reserve, and never faster than its limits;
* it does what it can: asked for more than that, it takes or gives less, and says how much;
* losses are rounded up, so that no rounding makes energy.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from devices.physics.energy import NWH_PER_WH, energy_nwh

MICRO: Final = 1_000_000


class Battery(msgspec.Struct, frozen=True):
    """What stands on its plate. Efficiencies and levels are in millionths."""

    capacity_wh: int
    charge_w: float
    discharge_w: float
    charge_efficiency_micro: int = 960_000
    discharge_efficiency_micro: int = 960_000
    reserve_micro: int = 100_000
    ceiling_micro: int = MICRO
    standing_w: float = 0.0
    """Its own electronics, out of what is stored."""

    def __post_init__(self) -> None:
        assert self.capacity_wh > 0
        assert min(self.charge_w, self.discharge_w, self.standing_w) >= 0
        assert 0 < self.charge_efficiency_micro <= MICRO
        assert 0 < self.discharge_efficiency_micro <= MICRO
        assert 0 <= self.reserve_micro <= self.ceiling_micro <= MICRO

    @property
    def reserve_nwh(self) -> int:
        return self.at(self.reserve_micro)

    @property
    def ceiling_nwh(self) -> int:
        return self.at(self.ceiling_micro)

    def at(self, level_micro: int) -> int:
        """What is stored at a state of charge."""
        return self.capacity_wh * NWH_PER_WH * level_micro // MICRO

    def level_micro(self, stored_nwh: int) -> int:
        """State of charge."""
        return stored_nwh * MICRO // (self.capacity_wh * NWH_PER_WH)


class Flow(NamedTuple):
    """One step: what is stored after it, what the bus gave and got, and what became heat."""

    stored_nwh: int
    taken_nwh: int = 0
    given_nwh: int = 0
    lost_nwh: int = 0


def step(battery: Battery, stored_nwh: int, wanted_w: float, duration_ms: int) -> Flow:
    """Charge (positive) or discharge (negative) with the wanted power, as far as it can, for this time."""
    return moved(battery, stored_nwh, energy_nwh(wanted_w, duration_ms), duration_ms)


def moved(battery: Battery, stored_nwh: int, wanted_nwh: int, duration_ms: int) -> Flow:
    """The same for an amount: a house without a grid must balance to the last nWh."""
    assert 0 <= stored_nwh <= battery.capacity_wh * NWH_PER_WH
    leaked_nwh = min(stored_nwh, energy_nwh(battery.standing_w, duration_ms))
    moving = _charged if wanted_nwh >= 0 else _discharged
    flow = moving(battery, stored_nwh - leaked_nwh, abs(wanted_nwh), duration_ms)
    return flow._replace(lost_nwh=flow.lost_nwh + leaked_nwh)


def _charged(battery: Battery, stored_nwh: int, wanted_nwh: int, duration_ms: int) -> Flow:
    efficiency = battery.charge_efficiency_micro
    taken_nwh = min(wanted_nwh, energy_nwh(battery.charge_w, duration_ms))
    gained_nwh = taken_nwh * efficiency // MICRO
    room_nwh = max(0, battery.ceiling_nwh - stored_nwh)
    if gained_nwh > room_nwh:
        gained_nwh = room_nwh
        taken_nwh = -(-room_nwh * MICRO // efficiency)
    return Flow(stored_nwh + gained_nwh, taken_nwh=taken_nwh, lost_nwh=taken_nwh - gained_nwh)


def _discharged(battery: Battery, stored_nwh: int, wanted_nwh: int, duration_ms: int) -> Flow:
    efficiency = battery.discharge_efficiency_micro
    given_nwh = min(wanted_nwh, energy_nwh(battery.discharge_w, duration_ms))
    drawn_nwh = -(-given_nwh * MICRO // efficiency)
    there_nwh = max(0, stored_nwh - battery.reserve_nwh)
    if drawn_nwh > there_nwh:
        drawn_nwh = there_nwh
        given_nwh = there_nwh * efficiency // MICRO
    return Flow(stored_nwh - drawn_nwh, given_nwh=given_nwh, lost_nwh=drawn_nwh - given_nwh)
