"""Many schedules: a range of seeds, played by as many processes as there are cores, until one fails.

Seeds are played in chunks and counted in order, so that whatever stops a campaign (a violation, an interrupt)
leaves one unbroken range that was played.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.simulation.following_schedule import play_following
from tests.simulation.mining_schedule import play_mining
from tests.simulation.schedule import Result, play
from tests.simulation.world import Violation

ENGINES: dict[str, Callable[[int], Result]] = {"pbft": play, "pow": play_mining, "jetstream": play_following}
CHUNK = 25
WORKERS_LIMIT = 64


@dataclass
class Tally:
    """What a range of schedules has come to."""

    schedules: int = 0
    events: int = 0
    view_changes: int = 0
    faults: int = 0
    heights: int = 0
    epochs: int = 0
    violation: str = ""
    failed_seed: int | None = None

    def count(self, result: Result) -> None:
        self.schedules += 1
        self.events += result.events
        self.view_changes += result.view_changes
        self.faults += result.faults
        self.heights += result.heights
        self.epochs += result.epochs

    def add(self, other: Tally) -> None:
        self.schedules += other.schedules
        self.events += other.events
        self.view_changes += other.view_changes
        self.faults += other.faults
        self.heights += other.heights
        self.epochs += other.epochs
        self.violation, self.failed_seed = other.violation, other.failed_seed


@dataclass
class Campaign:
    """A range of seeds of one engine, and how far it has been played."""

    engine: str
    first: int
    number: int
    workers: int = 0
    tally: Tally = field(default_factory=Tally)
    wall_s: float = 0.0

    def __post_init__(self) -> None:
        self.workers = max(1, min(self.workers or os.cpu_count() or 1, WORKERS_LIMIT))

    def run(self) -> Iterator[Tally]:
        """Play on, and answer the sum so far after every chunk; ends after the first violation."""
        began = time.perf_counter()
        starts = range(self.first, self.first + self.number, CHUNK)
        chunks = [(self.engine, start, min(CHUNK, self.first + self.number - start)) for start in starts]
        with multiprocessing.get_context("spawn").Pool(self.workers, _settle_in) as pool:
            for played in pool.imap(_play_chunk, chunks):
                self.tally.add(played)
                self.wall_s = time.perf_counter() - began
                yield self.tally
                if self.tally.violation:
                    return


def _settle_in() -> None:
    """A worker leaves the interrupt to its parent, and looks for garbage less often: schedules leave little."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(100_000, 50, 100)


def _play_chunk(chunk: tuple[str, int, int]) -> Tally:
    engine, first, number = chunk
    tally = Tally()
    for seed in range(first, first + number):
        try:
            tally.count(ENGINES[engine](seed))
        except Violation as violation:
            tally.violation, tally.failed_seed = str(violation), seed
            break
    return tally
