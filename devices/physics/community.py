"""A community on one feeder, one step of time after another: what flows, what meters count, what is true.

Each house has a load, panels and perhaps a battery behind its meter, and may take power past it. The feeder's wires
decide what the head supplies. Meters count what passes them, each with its own error; beside them stands what no meter
knows: the heat of the wires and what was stolen. So whoever finds losses from registers can be held against the truth:

    supply + sum of exports - sum of imports = heat of the wires + what was stolen     (but for errors of meters)

A simulation of energy, not of waveforms: `metrology` has those, for single meters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import msgspec

from devices.metrology.registers import Registers, posted
from devices.physics.battery import Battery
from devices.physics.battery import step as battery_step
from devices.physics.energy import energy_nwh, power_w
from devices.physics.feeder import Feeder, Flows, flows
from devices.physics.transformer import Transformer, Warmth
from devices.physics.transformer import step as transformer_step


class House(msgspec.Struct, frozen=True):
    """What does not change. `meter_error` 0.01 counts one percent too much."""

    battery: Battery | None = None
    meter_error: float = 0.0


class Community(msgspec.Struct, frozen=True):
    """Houses at the ends of the feeder's sections, in their order, behind one transformer."""

    feeder: Feeder
    houses: tuple[House, ...]
    transformer: Transformer
    head_error: float = 0.0

    def __post_init__(self) -> None:
        assert len(self.houses) == len(self.feeder.sections)


class Wish(msgspec.Struct, frozen=True):
    """What happens in one house in one step. The battery is charged (positive) or discharged as far as it can."""

    load_va: complex = 0j
    generation_w: float = 0.0
    battery_w: float = 0.0
    stolen_va: complex = 0j
    counted: float = 1.0
    """How much of what passes the meter it counts, beside its own error: a magnet, a lost phase, a turned screw."""


class Standing(msgspec.Struct, frozen=True):
    """How one house stands: its meter, its generation meter, its battery, and what all that is in truth."""

    meter: Registers = Registers()
    generated_nwh: int = 0
    consumed_nwh: int = 0
    stored_nwh: int = 0
    battery_lost_nwh: int = 0
    stolen_nwh: int = 0


class State(msgspec.Struct, frozen=True):
    """How the community stands."""

    houses: tuple[Standing, ...]
    warmth: Warmth
    head: Registers = Registers()
    heat_nwh: int = 0

    @classmethod
    def begun(cls, community: Community, *, ambient_c: float = 20.0, level_micro: int = 500_000) -> Self:
        """Registers at zero, batteries at a level, the transformer as cold as the air."""
        houses = tuple(
            Standing(stored_nwh=house.battery.at(level_micro) if house.battery else 0) for house in community.houses
        )
        return cls(houses, Warmth(ambient_c, 0.0, 0.0))


class Stepped(NamedTuple):
    """The community after a step, and how power flowed in it."""

    state: State
    flows: Flows


def step(community: Community, state: State, wishes: Sequence[Wish], ambient_c: float, duration_ms: int) -> Stepped:
    """Let so much time pass; refuses wishes that the wires cannot carry."""
    assert len(wishes) == len(community.houses)
    passed = [
        _passed(house, before, wish, duration_ms)
        for house, before, wish in zip(community.houses, state.houses, wishes, strict=True)
    ]
    flowing = flows(community.feeder, [va + wish.stolen_va for (_, va), wish in zip(passed, wishes, strict=True)])
    head_va = flowing.head_va * (1.0 + community.head_error)
    after = State(
        houses=tuple(standing for standing, _ in passed),
        warmth=transformer_step(community.transformer, state.warmth, abs(flowing.head_va), ambient_c, duration_ms),
        head=posted(state.head, head_va.real, head_va.imag, duration_ms * 1_000),
        heat_nwh=state.heat_nwh + energy_nwh(flowing.loss_w, duration_ms),
    )
    return Stepped(after, flowing)


def _passed(house: House, before: Standing, wish: Wish, duration_ms: int) -> tuple[Standing, complex]:
    """The house after the step, and what passes its meter."""
    stored_nwh, taken_nwh, given_nwh, lost_nwh = before.stored_nwh, 0, 0, 0
    if house.battery is not None:
        stored_nwh, taken_nwh, given_nwh, lost_nwh = battery_step(
            house.battery, before.stored_nwh, wish.battery_w, duration_ms
        )
    va = wish.load_va - wish.generation_w + power_w(taken_nwh - given_nwh, duration_ms)
    seen_va = va * (1.0 + house.meter_error) * wish.counted
    standing = Standing(
        meter=posted(before.meter, seen_va.real, seen_va.imag, duration_ms * 1_000),
        generated_nwh=before.generated_nwh + energy_nwh(wish.generation_w, duration_ms),
        consumed_nwh=before.consumed_nwh + energy_nwh(wish.load_va.real, duration_ms),
        stored_nwh=stored_nwh,
        battery_lost_nwh=before.battery_lost_nwh + lost_nwh,
        stolen_nwh=before.stolen_nwh + energy_nwh(wish.stolen_va.real, duration_ms),
    )
    return standing, va
