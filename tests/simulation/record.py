"""The table of played ranges, `docs/simulations.md`: a row is appended for each, and says which code it played.

A row counts as long as its engine's code is what it was: the modules that every engine shares and those of its
own folder. After a change of those the range has to be played again.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from tests.simulation.campaign import ENGINES, Campaign

CONSENSUS = "src/ledgernode/consensus"
PLAYED = (CONSENSUS, "tests/simulation")
TABLE = Path("docs/simulations.md")
HELD = "held"
_CODE_DIGITS = 12


class NotRecordable(Exception):
    """The row would not say which code was played."""


@dataclass(frozen=True)
class Row:
    engine: str
    first: int
    last: int
    commit: str
    code: str
    schedules: int
    events: int
    view_changes: int
    faults: int
    heights: int
    epochs: int
    wall: str
    result: str

    def cells(self) -> tuple[str, ...]:
        numbers = (self.schedules, self.events, self.view_changes, self.faults, self.heights, self.epochs)
        seeds = f"{self.first}-{self.last}"
        return self.engine, seeds, self.commit, self.code, *(f"{n:,}" for n in numbers), self.wall, self.result

    @classmethod
    def of_cells(cls, cells: Sequence[str]) -> Row:
        engine, seeds, commit, code, *numbers, wall, result = cells
        first, last = seeds.split("-")
        counted = [int(number.replace(",", "")) for number in numbers]
        return cls(engine, int(first), int(last), commit, code, *counted, wall, result)


class Code(NamedTuple):
    """What is played: taken down before, because others may commit meanwhile."""

    commit: str
    fingerprint: str

    @classmethod
    def of(cls, engine: str, root: Path) -> Code:
        return cls(_git(root, "rev-parse", "--short=9", "HEAD"), code_of(engine, root))


def row_of(campaign: Campaign, code: Code) -> Row:
    tally = campaign.tally
    return Row(
        engine=campaign.engine,
        first=campaign.first,
        last=campaign.first + tally.schedules - 1 + (tally.failed_seed is not None),
        commit=code.commit,
        code=code.fingerprint,
        schedules=tally.schedules,
        events=tally.events,
        view_changes=tally.view_changes,
        faults=tally.faults,
        heights=tally.heights,
        epochs=tally.epochs,
        wall=f"{campaign.wall_s:,.0f} s by {campaign.workers}",
        result=HELD if tally.failed_seed is None else f"VIOLATION at seed {tally.failed_seed}",
    )


def append(row: Row, root: Path) -> None:
    with (root / TABLE).open("a") as table:
        table.write("| " + " | ".join(row.cells()) + " |\n")


def read(root: Path) -> list[Row]:
    """Every row below the table's head."""
    lines = (line for line in (root / TABLE).read_text().splitlines() if line.startswith("|"))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [Row.of_cells(found) for found in cells if found[0] in ENGINES]


# ------------------------------------------------------------ which rows count


def code_of(engine: str, root: Path, commit: str = "HEAD") -> str:
    """A fingerprint of the committed code that this engine runs."""
    others = tuple(f"{CONSENSUS}/{other}/" for other in ENGINES if other != engine)
    listed = _git(root, "ls-tree", "-r", commit, "--", CONSENSUS).splitlines()
    own = [line for line in listed if not line.split("\t", 1)[1].startswith(others)]
    return sha256("\n".join(own).encode()).hexdigest()[:_CODE_DIGITS]


def counts(row: Row, root: Path) -> bool:
    return row.result == HELD and row.code == code_of(row.engine, root)


def schedules_that_count(rows: Iterable[Row], root: Path) -> dict[str, int]:
    """By engine; a seed that was played twice is one."""
    rows = list(rows)
    codes = {engine: code_of(engine, root) for engine in ENGINES}
    sums: dict[str, int] = {}
    for engine in ENGINES:
        ranges = sorted(
            (row.first, row.last)
            for row in rows
            if row.engine == engine and row.result == HELD and row.code == codes[engine]
        )
        reached, total = -1, 0
        for first, last in ranges:
            total += max(0, last - max(first - 1, reached))
            reached = max(reached, last)
        sums[engine] = total
    return sums


def require_committed(root: Path) -> None:
    """Refuses to record what nobody else can play again."""
    changed = _git(root, "status", "--porcelain", "--", *PLAYED)
    if changed:
        raise NotRecordable(f"commit first, or play with --no-record; changed:\n{changed}")


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(("git", *arguments), cwd=root, check=True, capture_output=True, text=True).stdout.strip()
