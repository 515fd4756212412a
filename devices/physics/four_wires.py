"""A feeder of three phases and a neutral: voltages of each phase at each house, what flows back, what the wires lose.

`feeder` has one phase, its two wires together. Here each phase has its conductor, and the neutral carries what the
phases do not balance: nothing where they are alike, everything where one house hangs on one phase. So uneven phases
lose more, and lift the neutral, which lowers the loaded phase and raises the others.

Found by sweeping, as there: currents from the ends with the voltages of before, voltages from the head with those
currents, until nothing changes.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable, Sequence
from operator import add
from typing import Final

import msgspec

from devices.physics.feeder import HEAD, SETTLED_V, SWEEPS
from ledgernode.errors import FeederOverloaded

PHASES: Final = 3
TURNS: Final = tuple(cmath.rect(1.0, -2 * math.pi * phase / PHASES) for phase in range(PHASES))

Three = tuple[complex, complex, complex]


class Cable(msgspec.Struct, frozen=True):
    """From its parent's end to one house: a conductor a phase, and the neutral."""

    parent: int
    resistance_ohm: float
    reactance_ohm: float = 0.0
    neutral_ohm: float | None = None
    """As large as a phase's where nothing is said."""

    @property
    def phase(self) -> complex:
        return complex(self.resistance_ohm, self.reactance_ohm)

    @property
    def neutral(self) -> complex:
        return self.phase if self.neutral_ohm is None else complex(self.neutral_ohm, self.reactance_ohm)


class Street(msgspec.Struct, frozen=True):
    """All cables, and the voltage of a phase at their head."""

    head_v: float
    cables: tuple[Cable, ...]

    def __post_init__(self) -> None:
        assert self.head_v > 0
        for number, cable in enumerate(self.cables):
            assert HEAD <= cable.parent < number, "a cable begins where one before it ends"
            assert min(cable.resistance_ohm, cable.neutral.real) >= 0


class Flowing(msgspec.Struct, frozen=True):
    """One settled state; cables and houses have the same numbers."""

    voltages: tuple[Three, ...]
    """At each house, from phase to neutral."""
    neutral_v: tuple[float, ...]
    """By how much the neutral is lifted there."""
    currents: tuple[Three, ...]
    head_va: Three
    loss_w: float

    @property
    def supply_w(self) -> float:
        """The algebraic sum into the street; negative when houses give more than they take."""
        return sum(va.real for va in self.head_va)

    @property
    def reverse_phases(self) -> tuple[int, ...]:
        """Phases on which power flows back, whatever the sum is."""
        return tuple(phase for phase, va in enumerate(self.head_va) if va.real < 0)


def flowing(street: Street, loads_va: Sequence[Three]) -> Flowing:
    """The state in which every house takes its power on every phase; refuses what the wires cannot carry."""
    assert len(loads_va) == len(street.cables)
    head: Three = (street.head_v * TURNS[0], street.head_v * TURNS[1], street.head_v * TURNS[2])
    voltages: list[Three] = [head] * len(loads_va)
    for _ in range(SWEEPS):
        currents = _currents(street, voltages, loads_va)
        after, neutral = _voltages(street, head, currents)
        change = max(map(_distance, after, voltages), default=0.0)
        voltages = after
        if min((abs(volt) for node in voltages for volt in node), default=street.head_v) < street.head_v / 2:
            break
        if change < SETTLED_V:
            return _settled(street, head, voltages, neutral, _currents(street, voltages, loads_va))
    raise FeederOverloaded("the loads are more than the street's wires can carry: its voltage collapses")


def _currents(street: Street, voltages: Sequence[Three], loads_va: Sequence[Three]) -> list[Three]:
    currents = [_drawn(load, volt) for load, volt in zip(loads_va, voltages, strict=True)]
    for number in range(len(currents) - 1, -1, -1):
        parent = street.cables[number].parent
        if parent != HEAD:
            currents[parent] = _three(map(add, currents[parent], currents[number]))
    return currents


def _drawn(load_va: Three, voltage: Three) -> Three:
    return _three((va / volt).conjugate() for va, volt in zip(load_va, voltage, strict=True))


def _distance(one: Three, other: Three) -> float:
    return max(abs(new - old) for new, old in zip(one, other, strict=True))


def _voltages(street: Street, head: Three, currents: Sequence[Three]) -> tuple[list[Three], list[complex]]:
    """Phase to neutral at each house, and the neutral against the head's."""
    conductors: list[Three] = []
    neutrals: list[complex] = []
    for cable, current in zip(street.cables, currents, strict=True):
        before = head if cable.parent == HEAD else conductors[cable.parent]
        lifted = 0j if cable.parent == HEAD else neutrals[cable.parent]
        conductors.append(_three(volt - cable.phase * each for volt, each in zip(before, current, strict=True)))
        neutrals.append(lifted + cable.neutral * sum(current))
    found = [_three(volt - lifted for volt in node) for node, lifted in zip(conductors, neutrals, strict=True)]
    return found, neutrals


def _settled(
    street: Street, head: Three, voltages: Sequence[Three], neutral: Sequence[complex], currents: Sequence[Three]
) -> Flowing:
    pairs = list(zip(street.cables, currents, strict=True))
    out = [sum(current[phase] for cable, current in pairs if cable.parent == HEAD) for phase in range(PHASES)]
    heat_w = 0.0
    for cable, current in pairs:
        heat_w += sum(abs(each) ** 2 for each in current) * cable.resistance_ohm
        heat_w += abs(sum(current)) ** 2 * cable.neutral.real
    return Flowing(
        voltages=tuple(voltages),
        neutral_v=tuple(map(abs, neutral)),
        currents=tuple(currents),
        head_va=_three(volt * complex(each).conjugate() for volt, each in zip(head, out, strict=True)),
        loss_w=heat_w,
    )


def _three(values: Iterable[complex]) -> Three:
    first, second, third = values
    return first, second, third
