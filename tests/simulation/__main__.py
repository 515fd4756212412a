"""Play schedules: `python -m tests.simulation --seed N`, or a range: `--from A --number B`; `--engine pow`: of miners.

A range is recorded in docs/simulations.md, also the part of it that was played when it is interrupted.
`--table` says which recorded ranges still count.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.simulation import record
from tests.simulation.campaign import ENGINES, Campaign, Tally
from tests.simulation.schedule import Result
from tests.simulation.world import Violation

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    given = arguments()
    if given.table:
        return show_table()
    if given.seed is not None:
        return play_one(given.engine, given.seed)
    if not given.no_record:
        try:
            record.require_committed(ROOT)
        except record.NotRecordable as refusal:
            print(refusal)
            return 2
    return play_range(Campaign(given.engine, given.first, given.number, given.workers), recorded=not given.no_record)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--engine", choices=sorted(ENGINES), default="pbft")
    parser.add_argument("--seed", type=int, help="play this one, here, and print what a failure says")
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--workers", type=int, default=0, help="processes (default: one a core)")
    parser.add_argument("--no-record", action="store_true", help="append nothing to docs/simulations.md")
    parser.add_argument("--table", action="store_true", help="which recorded ranges still count")
    return parser.parse_args()


def play_one(engine: str, seed: int) -> int:
    try:
        result: Result = ENGINES[engine](seed)
    except Violation as violation:
        print(violation)
        return 1
    print(result)
    return 0


def play_range(campaign: Campaign, *, recorded: bool) -> int:
    interrupted = False
    code = record.Code.of(campaign.engine, ROOT) if recorded else None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        watch(campaign)
    except KeyboardInterrupt:
        interrupted = True
    tally = campaign.tally
    print(told(tally, campaign.wall_s))
    if code is not None and (tally.schedules or tally.violation):
        record.append(record.row_of(campaign, code), ROOT)
        print(f"a row was appended to {record.TABLE}: commit it")
    if tally.violation:
        print(
            f"\n{tally.violation}\n\npython -m tests.simulation --engine {campaign.engine} --seed {tally.failed_seed}"
        )
        return 1
    if interrupted:
        print(f"interrupted; go on from seed {campaign.first + tally.schedules}")
        return 130
    return 0


def watch(campaign: Campaign) -> None:
    """A bar where someone looks on, and a line a twentieth where a file does."""
    console = Console()
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(TextColumn(f"{campaign.engine} from {campaign.first}"), *columns, console=console) as bar:
        task = bar.add_task("", total=campaign.number)
        next_line = step = max(1, campaign.number // 20)
        for tally in campaign.run():
            bar.update(task, completed=tally.schedules)
            if not console.is_terminal and tally.schedules >= next_line:
                print(told(tally, campaign.wall_s), flush=True)
                next_line += step


def told(tally: Tally, wall_s: float) -> str:
    return (
        f"{tally.schedules:,} schedules, {tally.events:,} events, {tally.view_changes:,} view changes, "
        f"{tally.faults:,} faults, {tally.heights:,} heights, {tally.epochs:,} epochs in {wall_s:,.0f} s"
    )


def show_table() -> int:
    rows = record.read(ROOT)
    for row in rows:
        verdict = "counts" if record.counts(row, ROOT) else "does not count"
        print(f"{row.engine:<5} {row.first:>9}-{row.last:<9} {row.commit:<10} {row.result:<24} {verdict}")
    for engine, number in record.schedules_that_count(rows, ROOT).items():
        print(f"{engine}: {number:,} schedules count")
    return 0


if __name__ == "__main__":
    sys.exit(main())
