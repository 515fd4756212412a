"""Who the meters of a fleet are, and when each of them reports.

Meters have a place, from 0. In each round every meter signs one reading: the round's number is its sequence. A run is
so many rounds from a moment on, one after another at a fixed pace; within a round each meter has an offset of its own,
drawn from the seed, so that a minute's readings come spread over the minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

MINUTE_MS: Final = 60_000
_MIX: Final = 0x9E3779B97F4A7C15
_WORD: Final = (1 << 64) - 1


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fleet, as its directory keeps it."""

    name: str
    organisation: str
    ledger: str
    chain_id: str
    meters: int
    seed: int
    carriers: tuple[str, ...]
    """Folders of the identities that carry for the meters, one each process."""
    history: tuple[str, ...] = ()
    """Measured files that say what the houses use; else the seed does."""

    def meter_name(self, place: int) -> str:
        return f"{self.name}-{place:06d}"

    def point(self, place: int) -> str:
        """Where it hangs, as the ledger's registry names it."""
        return f"{self.organisation}:{self.meter_name(place)}"


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rounds from `first` on, at a pace; the houses' own time passes `speed` times as fast as ours."""

    first: int
    rounds: int
    begins_ms: int
    every_ms: int
    speed: int = 1

    @property
    def ends_ms(self) -> int:
        return self.begins_ms + self.rounds * self.every_ms

    @property
    def after(self) -> int:
        """The first round that is not in it."""
        return self.first + self.rounds


class Reading(NamedTuple):
    """That a meter was to read itself then; what it showed follows from it."""

    place: int
    sequence: int
    time_ms: int


def offset_ms(seed: int, place: int, every_ms: int) -> int:
    """When within a round this meter reports: the same in each."""
    mixed = ((place + 1) * _MIX ^ (seed * 0xD1B54A32D192ED03)) & _WORD
    mixed = (mixed ^ (mixed >> 29)) * _MIX & _WORD
    return ((mixed ^ (mixed >> 32)) & 0xFFFFFFFF) * every_ms >> 32


class Schedule:
    """The readings of some meters, in order of time. `runs` are a fleet's, from its first on, without gaps."""

    def __init__(self, runs: Sequence[Run], seed: int, places: range) -> None:
        self._runs = tuple(runs)
        self._seed = seed
        self._places = places

    def of_round(self, sequence: int) -> list[Reading]:
        """Everybody's of one round, in order of time."""
        run = self.run_of(sequence)
        begins_ms = run.begins_ms + (sequence - run.first) * run.every_ms
        return sorted(
            (
                Reading(place, sequence, begins_ms + offset_ms(self._seed, place, run.every_ms))
                for place in self._places
            ),
            key=lambda reading: (reading.time_ms, reading.place),
        )

    def run_of(self, sequence: int) -> Run:
        for run in reversed(self._runs):
            if run.first <= sequence < run.after:
                return run
        raise AssertionError("every round is of a run")
