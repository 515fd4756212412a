"""A feeder: a tree of line sections with houses at their ends, its voltages and what its wires lose.

Each house draws (or gives) its complex power whatever its voltage is. The state is found by sweeping: currents from the
ends to the head with the voltages of before, voltages from the head to the ends with those currents, until nothing
changes. What the head supplies is then what the houses take and what the wires turn into heat: the balance is a
consequence, not an assumption, so that a meter which shows less than it should leaves a loss that no wire explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from ledgernode.errors import FeederOverloaded

SWEEPS: Final = 200
SETTLED_V: Final = 1e-9
HEAD: Final = -1
"""The parent of sections that begin at the transformer."""


class Section(msgspec.Struct, frozen=True):
    """A line from its parent's end (a section before it in the list, or the head) to one house. Both wires together."""

    parent: int
    resistance_ohm: float
    reactance_ohm: float = 0.0

    @property
    def impedance(self) -> complex:
        return complex(self.resistance_ohm, self.reactance_ohm)


class Feeder(msgspec.Struct, frozen=True):
    """One phase, by its sections."""

    head_v: float
    sections: tuple[Section, ...]

    def __post_init__(self) -> None:
        assert self.head_v > 0
        for number, section in enumerate(self.sections):
            assert HEAD <= section.parent < number, "a section begins where one before it ends"
            assert section.resistance_ohm >= 0


class Flows(msgspec.Struct, frozen=True):
    """One settled state. Sections and houses have the same numbers."""

    voltages: tuple[complex, ...]
    currents: tuple[complex, ...]
    head_va: complex
    loss_w: float

    @property
    def supply_w(self) -> float:
        """Into the feeder; negative when the houses give more than they take."""
        return self.head_va.real


def flows(feeder: Feeder, loads_va: Sequence[complex]) -> Flows:
    """The state in which every house takes its power; refuses loads that the wires cannot carry."""
    assert len(loads_va) == len(feeder.sections)
    voltages = [complex(feeder.head_v)] * len(loads_va)
    for _ in range(SWEEPS):
        currents = _currents(feeder, voltages, loads_va)
        after = _voltages(feeder, currents)
        change = max((abs(new - old) for new, old in zip(after, voltages, strict=True)), default=0.0)
        voltages = after
        if min(map(abs, voltages), default=feeder.head_v) < feeder.head_v / 2:
            break
        if change < SETTLED_V:
            return _settled(feeder, voltages, _currents(feeder, voltages, loads_va))
    raise FeederOverloaded("the loads are more than the feeder's wires can carry: its voltage collapses")


def _currents(feeder: Feeder, voltages: Sequence[complex], loads_va: Sequence[complex]) -> list[complex]:
    """Of each section: its house's and those of the sections behind it."""
    currents = [(load / voltage).conjugate() for load, voltage in zip(loads_va, voltages, strict=True)]
    for number in range(len(currents) - 1, -1, -1):
        parent = feeder.sections[number].parent
        if parent != HEAD:
            currents[parent] += currents[number]
    return currents


def _voltages(feeder: Feeder, currents: Sequence[complex]) -> list[complex]:
    voltages: list[complex] = []
    for section, current in zip(feeder.sections, currents, strict=True):
        before = complex(feeder.head_v) if section.parent == HEAD else voltages[section.parent]
        voltages.append(before - section.impedance * current)
    return voltages


def _settled(feeder: Feeder, voltages: Sequence[complex], currents: Sequence[complex]) -> Flows:
    pairs = list(zip(feeder.sections, currents, strict=True))
    out = sum((current for section, current in pairs if section.parent == HEAD), 0j)
    return Flows(
        voltages=tuple(voltages),
        currents=tuple(currents),
        head_va=feeder.head_v * out.conjugate(),
        loss_w=sum(abs(current) ** 2 * section.resistance_ohm for section, current in pairs),
    )
