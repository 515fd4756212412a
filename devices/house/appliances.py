"""What draws power in a house: what keeps a temperature, what may wait, what hangs on a plug.

A thermostatic appliance is a store of heat with a leak. Heat is an integer as electricity is: what it holds afterwards
is what it held, what came by wire (times its coefficient of performance), what leaked and what was drawn with warm
water. It switches at the edges of its band and may be told to wait, but never beyond its comfort.

A shiftable one runs a programme from its beginning to its end. It waits as long as it is told to, and begins at the
latest when its patience is over.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from devices.physics.energy import NWH_PER_WH, energy_nwh

EVERY_PHASE: Final = -1
WATER_WH_PER_L_K: Final = 1.163
COLD_WATER_C: Final = 12.0


class Thermostatic(msgspec.Struct, frozen=True):
    """A refrigerator (cools), a boiler, a heat pump."""

    name: str
    power_w: float
    set_c: float
    heat_wh_per_k: float
    leak_w_per_k: float
    band_k: float = 4.0
    comfort_k: float = 8.0
    """So far from what it is set to it may be kept waiting."""
    performance_milli: int = 1_000
    """Heat moved for each unit of electricity."""
    cools: bool = False
    warms_water: bool = False
    power_factor: float = 1.0
    phase: int = 0

    def heat_nwh(self, temperature_c: float) -> int:
        return round(temperature_c * self.heat_wh_per_k * NWH_PER_WH)

    def temperature_c(self, heat_nwh: int) -> float:
        return heat_nwh / (self.heat_wh_per_k * NWH_PER_WH)


class Warm(msgspec.Struct, frozen=True):
    """How it stands, and where its heat came from and went since it began."""

    heat_nwh: int
    running: bool = False
    moved_nwh: int = 0
    """By the machine: into it, or out of one that cools."""
    leaked_nwh: int = 0
    drawn_nwh: int = 0


class Kept(NamedTuple):
    state: Warm
    used_nwh: int


def keep(
    machine: Thermostatic,
    state: Warm,
    around_c: float,
    water_l: float,
    duration_ms: int,
    *,
    held: bool = False,
    off: bool = False,
) -> Kept:
    """Leak, give warm water, then run if it is time; `held` makes it wait while that is bearable, `off` always."""
    temperature_c = machine.temperature_c(state.heat_nwh)
    leaked_nwh = energy_nwh(machine.leak_w_per_k * (temperature_c - around_c), duration_ms)
    drawn_nwh = 0
    if machine.warms_water:
        drawn_nwh = round(water_l * WATER_WH_PER_L_K * max(0.0, temperature_c - COLD_WATER_C) * NWH_PER_WH)
    heat_nwh = state.heat_nwh - leaked_nwh - drawn_nwh
    sign = -1 if machine.cools else 1
    wants = sign * (machine.set_c - machine.temperature_c(heat_nwh))  # K towards where it is set
    running = wants > -machine.band_k / 2 if state.running else wants >= machine.band_k / 2
    if off or (held and wants < machine.comfort_k):
        running = False
    used_nwh = 0
    if running:
        edge_nwh = machine.heat_nwh(machine.set_c + sign * machine.band_k / 2)
        missing_nwh = max(0, sign * (edge_nwh - heat_nwh))
        needed_nwh = -(-missing_nwh * 1_000 // machine.performance_milli)
        used_nwh = min(energy_nwh(machine.power_w, duration_ms), needed_nwh)
    moved_nwh = used_nwh * machine.performance_milli // 1_000
    after = Warm(
        heat_nwh=heat_nwh + sign * moved_nwh,
        running=running,
        moved_nwh=state.moved_nwh + moved_nwh,
        leaked_nwh=state.leaked_nwh + leaked_nwh,
        drawn_nwh=state.drawn_nwh + drawn_nwh,
    )
    return Kept(after, used_nwh)


class Shiftable(msgspec.Struct, frozen=True):
    """A washing machine, a dishwasher: (W, ms) one after the other."""

    name: str
    programme: tuple[tuple[float, int], ...]
    patience_ms: int
    power_factor: float = 0.95
    phase: int = 0

    @property
    def duration_ms(self) -> int:
        return sum(duration_ms for _, duration_ms in self.programme)

    @property
    def energy_nwh(self) -> int:
        return sum(energy_nwh(power_w, duration_ms) for power_w, duration_ms in self.programme)


class Loaded(msgspec.Struct, frozen=True):
    """Nothing to do (None, None), waiting (begins by, None), or at work (None, so far)."""

    latest_ms: int | None = None
    done_ms: int | None = None
    runs: int = 0


class Worked(NamedTuple):
    state: Loaded
    used_nwh: int


def loaded(machine: Shiftable, state: Loaded, at_ms: int) -> Loaded:
    """Somebody has filled it; nothing changes if it is full already."""
    if state.latest_ms is not None or state.done_ms is not None:
        return state
    return Loaded(at_ms + machine.patience_ms, None, state.runs)


def work(machine: Shiftable, state: Loaded, at_ms: int, duration_ms: int, *, held: bool = False) -> Worked:
    """Begin if it may or must, and go on with what was begun."""
    done_ms = state.done_ms
    if state.latest_ms is not None and (not held or at_ms >= state.latest_ms):
        done_ms = 0
    if done_ms is None:
        return Worked(state, 0)
    until_ms = min(done_ms + duration_ms, machine.duration_ms)
    used_nwh = _through(machine, until_ms) - _through(machine, done_ms)
    if until_ms == machine.duration_ms:
        return Worked(Loaded(runs=state.runs + 1), used_nwh)
    return Worked(Loaded(done_ms=until_ms, runs=state.runs), used_nwh)


def _through(machine: Shiftable, done_ms: int) -> int:
    """What it has used so far: differences of this sum to the whole, however time is cut."""
    used_nwh = 0
    for power_w, duration_ms in machine.programme:
        used_nwh += energy_nwh(power_w, min(duration_ms, max(0, done_ms)))
        done_ms -= duration_ms
    return used_nwh


class Plugged(msgspec.Struct, frozen=True):
    """Something on a smart plug: it runs when somebody uses it and the plug is on."""

    name: str
    power_w: float
    power_factor: float = 1.0
    phase: int = 0
