"""An electric car: when it is there, what it must have when it leaves, what it lends to the house meanwhile.

Rules it keeps:

* it is charged, or lends, only while it stands at the house;
* whatever is wanted of it, it charges as soon as there is only just time left for what it needs to leave;
* it lends only what it does not need, and only if it was built to;
* a trip takes its energy when the car comes back; what was not in the battery was charged elsewhere, and is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from devices.physics.battery import MICRO, Battery, Flow, moved
from devices.physics.energy import NWH_PER_WH, energy_nwh


class Vehicle(msgspec.Struct, frozen=True):
    """`needed_micro`: the state of charge with which it leaves. `lends`: vehicle to house."""

    battery: Battery
    needed_micro: int = 700_000
    lends: bool = False
    phase: int = 0

    @property
    def needed_nwh(self) -> int:
        return self.battery.at(self.needed_micro)


class Trip(msgspec.Struct, frozen=True):
    """Away from one time to another."""

    from_ms: int
    until_ms: int
    energy_wh: int

    def __post_init__(self) -> None:
        assert self.from_ms < self.until_ms
        assert self.energy_wh >= 0


class Driven(msgspec.Struct, frozen=True):
    """How the car stands: what is in it, and what trips took so far, of that what was charged elsewhere."""

    stored_nwh: int
    driven_nwh: int = 0
    elsewhere_nwh: int = 0


class Charged(NamedTuple):
    state: Driven
    flow: Flow


def is_home(trips: Sequence[Trip], at_ms: int) -> bool:
    return not any(trip.from_ms <= at_ms < trip.until_ms for trip in trips)


def leaves_ms(trips: Sequence[Trip], at_ms: int) -> int | None:
    """When the next trip begins."""
    return min((trip.from_ms for trip in trips if trip.from_ms >= at_ms), default=None)


def least_w(vehicle: Vehicle, state: Driven, trips: Sequence[Trip], at_ms: int, duration_ms: int) -> float:
    """What it must be charged with in this step, so that the rest can be done at full power in time."""
    leaves = leaves_ms(trips, at_ms)
    if leaves is None:
        return 0.0
    rest_ms = max(0, leaves - at_ms - duration_ms)
    efficiency = vehicle.battery.charge_efficiency_micro
    later_nwh = energy_nwh(vehicle.battery.charge_w, rest_ms) * efficiency // MICRO
    lacking_nwh = vehicle.needed_nwh - state.stored_nwh - later_nwh
    return min(
        vehicle.battery.charge_w, max(0, lacking_nwh) * MICRO / efficiency * 3_600_000 / NWH_PER_WH / duration_ms
    )


class Span(Protocol):
    """What a step of a car needs to know of the time: a house's moment has it."""

    @property
    def at_ms(self) -> int: ...
    @property
    def duration_ms(self) -> int: ...
    @property
    def trips(self) -> Sequence[Trip]: ...


def step(vehicle: Vehicle, state: Driven, span: Span, wanted_w: float) -> Charged:
    """Charge (positive) or lend (negative) while it is there."""
    state, at_ms, until_ms = returned(state, span), span.at_ms, span.at_ms + span.duration_ms
    there_ms = span.duration_ms - sum(_overlap_ms(trip, at_ms, until_ms) for trip in span.trips)
    if there_ms <= 0:
        return Charged(state, Flow(state.stored_nwh))
    least = least_w(vehicle, state, span.trips, at_ms, span.duration_ms)
    wanted_nwh = energy_nwh(max(wanted_w, least) if least else wanted_w, there_ms)
    if wanted_nwh < 0:
        wanted_nwh = -min(-wanted_nwh, _lendable_nwh(vehicle, state, span.trips, at_ms))
    flow = moved(vehicle.battery, state.stored_nwh, wanted_nwh, there_ms)
    return Charged(msgspec.structs.replace(state, stored_nwh=flow.stored_nwh), flow)


def returned(state: Driven, span: Span) -> Driven:
    """Back from trips that end in this step."""
    for trip in span.trips:
        if span.at_ms < trip.until_ms <= span.at_ms + span.duration_ms:
            state = _back(state, trip)
    return state


def _lendable_nwh(vehicle: Vehicle, state: Driven, trips: Sequence[Trip], at_ms: int) -> int:
    if not vehicle.lends:
        return 0
    floor_nwh = vehicle.battery.reserve_nwh if leaves_ms(trips, at_ms) is None else vehicle.needed_nwh
    return max(0, state.stored_nwh - floor_nwh) * vehicle.battery.discharge_efficiency_micro // MICRO


def _back(state: Driven, trip: Trip) -> Driven:
    used_nwh = trip.energy_wh * NWH_PER_WH
    out_of_it = min(used_nwh, state.stored_nwh)
    return Driven(
        stored_nwh=state.stored_nwh - out_of_it,
        driven_nwh=state.driven_nwh + used_nwh,
        elsewhere_nwh=state.elsewhere_nwh + used_nwh - out_of_it,
    )


def _overlap_ms(trip: Trip, from_ms: int, until_ms: int) -> int:
    return max(0, min(trip.until_ms, until_ms) - max(trip.from_ms, from_ms))
