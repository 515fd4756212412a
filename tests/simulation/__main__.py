"""`python -m tests.simulation --seed N` plays one schedule; `--from A --number B` a range; `--engine pow` of miners."""

from __future__ import annotations

import argparse
import time

from tests.simulation.mining_schedule import play_mining
from tests.simulation.schedule import play

ENGINES = {"pbft": play, "pow": play_mining}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=sorted(ENGINES), default="pbft")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--number", type=int, default=100)
    given = parser.parse_args()
    seeds = [given.seed] if given.seed is not None else range(given.first, given.first + given.number)
    began = time.perf_counter()
    results = [ENGINES[given.engine](seed) for seed in seeds]
    print(
        f"{len(results)} schedules, {sum(r.events for r in results)} events, "
        f"{sum(r.view_changes for r in results)} view changes, {sum(r.faults for r in results)} faults, "
        f"{sum(r.heights for r in results)} heights in {time.perf_counter() - began:.1f} s"
    )


if __name__ == "__main__":
    main()
