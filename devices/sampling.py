"""Where a meter's energy comes from: what flows is sampled, measured, and counted in registers that survive power loss.

    Source     the seam: registers and how it flows now, whenever the meter looks
    Sampler    a source: sensors on wires of which a `Load` says what flows, the measuring unit, its registers on disk

The sampler writes its registers before it hands them on, and the meter's core counts what is new of them
(`RegistersRead`): a power cut between the two writes loses nothing and counts nothing twice.

A load says the complex power that each phase draws at a time (W and var; negative W is fed in): a number, a file, or a
simulated house. An open supply relay draws nothing.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from devices.meter.events import Phase, RegistersRead
from devices.metrology import registers as registers_kept
from devices.metrology.accuracy import RATE_HZ, Meter, alternating_meter, direct_meter, looked_at
from devices.metrology.registers import Registers
from devices.metrology.unit import State, Unit, step
from devices.metrology.waveform import Waveform, constant, sine
from devices.slot_file import SlotFile
from ledgernode.errors import BadRequest

Load = Callable[[int], Sequence[complex]]
"""At a time (ms): W + j var of each phase."""

FREQUENCY_HZ: Final = 50.0
LONGEST_MS: Final = 60_000
"""Of one window. Who looks more seldom measures several."""
REGISTERS: Final = "registers.slots"


class Source(Protocol):
    """What a meter looks at."""

    def look(self, now_ms: int, *, supplied: bool) -> RegistersRead: ...
    def close(self) -> None: ...


class Sampler:
    """Sensors, converter and measuring unit of one meter. `steady_ms` is a clock that nobody sets."""

    def __init__(
        self,
        home: Path,
        load: Load,
        *,
        phases: int = 1,
        direct: bool = False,
        seed: int = 0,
        steady_ms: Callable[[], int] | None = None,
    ) -> None:
        path = home / REGISTERS
        if not path.exists():
            SlotFile.create(path, registers_kept.encode(Registers()))
        self._file = SlotFile.open(path)
        self._random = np.random.default_rng(seed)
        self._load = load
        self._meters = meters(self._random, phases=phases, direct=direct)
        self._unit = Unit(self._meters[0].unit.rating, tuple(one.unit.phases[0] for one in self._meters))
        self._state = State(registers_kept.decode(self._file.payload))
        self._steady_ms = steady_ms or _steady_ms
        self._looked_ms = self._steady_ms()
        self._samples = 0

    def look(self, now_ms: int, *, supplied: bool) -> RegistersRead:
        """Measure all that flowed since the last look."""
        until_ms = self._steady_ms()
        left_ms, phases = max(until_ms - self._looked_ms, 1), tuple[Phase, ...]()
        self._looked_ms = until_ms
        while left_ms:
            window_ms = min(left_ms, LONGEST_MS)
            left_ms -= window_ms
            phases = self._measured(now_ms - left_ms, window_ms, supplied=supplied)
        shown = self._state.registers
        self._file.write(registers_kept.encode(shown))
        return RegistersRead(now_ms, shown.import_mwh, shown.export_mwh, phases)

    def close(self) -> None:
        self._file.close()

    def _measured(self, at_ms: int, window_ms: int, *, supplied: bool) -> tuple[Phase, ...]:
        flowing = self._load(at_ms) if supplied else (0j,) * len(self._meters)
        if len(flowing) != len(self._meters):
            raise BadRequest(f"a load of {len(flowing)} phases on a meter of {len(self._meters)}")
        count = window_ms * RATE_HZ // 1_000
        windows = []
        for number, (meter, power_va) in enumerate(zip(self._meters, flowing, strict=True)):
            voltage, current = on_the_wire(self._unit, number, power_va)
            windows.append(
                looked_at(
                    meter.voltage, meter.current, voltage, current, self._random, start=self._samples, count=count
                )
            )
        self._samples += count
        self._state, measured, _ = step(self._unit, State(self._state.registers), windows)
        return tuple(Phase(*phase.milli) for phase in measured.phases)


def meters(random: np.random.Generator, *, phases: int, direct: bool) -> list[Meter]:
    """One from the box for each phase, calibrated."""
    if direct and phases != 1:
        raise BadRequest("a bus of direct current has one phase")
    return [direct_meter(random) if direct else alternating_meter(random) for _ in range(phases)]


def on_the_wire(unit: Unit, number: int, power_va: complex) -> tuple[Waveform, Waveform]:
    """Voltage and current of a phase at this power; phases of three stand a third of a turn apart."""
    rating = unit.rating
    if not rating.is_alternating:
        return constant(rating.voltage_v), constant(power_va.real / rating.voltage_v)
    turned_rad = -2 * math.pi * number / 3
    angle_rad = math.atan2(power_va.imag, power_va.real)
    voltage = sine(FREQUENCY_HZ, rating.voltage_v, turned_rad)
    return voltage, sine(FREQUENCY_HZ, abs(power_va) / rating.voltage_v, turned_rad - angle_rad)


# ---------------------------------------------------------------- loads


class Steady:
    """The same power until somebody sets another, shared alike by the phases."""

    def __init__(self, power_w: float, phases: int = 1) -> None:
        self.power_w = power_w
        self._phases = phases

    def __call__(self, _at_ms: int) -> Sequence[complex]:
        return (complex(self.power_w / self._phases),) * self._phases


class Recorded:
    """A file of rows `seconds,watts` (and `vars`, and so on for each phase), played again and again."""

    def __init__(self, path: Path, phases: int = 1) -> None:
        try:
            with path.open(newline="") as file:
                rows = [[float(cell) for cell in row] for row in csv.reader(file) if row and row[0][:1].isdigit()]
        except ValueError as error:
            raise BadRequest(f"{path}: a load is rows of numbers, seconds first: {error}") from error
        widths = {len(row) for row in rows}
        if len(rows) < 2 or widths not in ({1 + phases}, {1 + 2 * phases}):
            raise BadRequest(f"{path}: rows are seconds, then watts of {phases} phases, or watts and vars of each")
        if any(not math.isfinite(cell) for row in rows for cell in row) or any(a[0] >= b[0] for a, b in pairwise(rows)):
            raise BadRequest(f"{path}: seconds go up, and every number is finite")
        self._begins_ms = [round((row[0] - rows[0][0]) * 1_000) for row in rows]
        both = len(rows[0]) > 1 + phases
        self._powers = [
            [complex(row[1 + 2 * n], row[2 + 2 * n]) if both else complex(row[1 + n]) for n in range(phases)]
            for row in rows
        ]
        last_ms, before_ms = self._begins_ms[-1], self._begins_ms[-2]
        self._round_ms = 2 * last_ms - before_ms

    def __call__(self, at_ms: int) -> Sequence[complex]:
        place = int(np.searchsorted(self._begins_ms, at_ms % self._round_ms, side="right")) - 1
        return self._powers[place]


def _steady_ms() -> int:
    return time.monotonic_ns() // 1_000_000
