"""Playing ranges and keeping the table of them: what is recorded, what counts, and what an interrupt leaves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.simulation import campaign, record
from tests.simulation.campaign import Campaign, Tally
from tests.simulation.record import Row

ROOT = Path(__file__).resolve().parents[2]
HEAD = "| engine | seeds |\n|---|---|\n"


def git(root: Path, *arguments: str) -> None:
    subprocess.run(
        ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments),
        cwd=root,
        check=True,
        capture_output=True,
    )


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-m", path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with something of everything that matters here."""
    git(tmp_path, "init")
    for path in ("engine.py", "pbft/core.py", "pow/core.py", "jetstream/core.py"):
        write(tmp_path, f"{record.CONSENSUS}/{path}", "1")
    write(tmp_path, "tests/simulation/world.py", "1")
    write(tmp_path, str(record.TABLE), HEAD)
    return tmp_path


def played(engine: str, first: int, number: int, **tally: object) -> Campaign:
    return Campaign(engine, first, number, 2, Tally(schedules=number, events=12_345, **tally), 7.4)  # type: ignore[arg-type]


def row_of(campaign: Campaign, root: Path) -> Row:
    return record.row_of(campaign, record.Code.of(campaign.engine, root))


def test_a_row_is_read_as_it_was_written(root: Path) -> None:
    """Range, commit, code and figures, and the result."""
    row = row_of(played("pbft", 100, 50), root)
    record.append(row, root)
    record.append(row_of(played("pow", 0, 3, violation="…", failed_seed=3), root), root)
    kept, failed = record.read(root)
    assert kept == row
    assert (kept.first, kept.last, kept.events, kept.wall, kept.result) == (100, 149, 12_345, "7 s by 2", "held")
    assert (failed.first, failed.last, failed.result) == (0, 3, "VIOLATION at seed 3")


def test_a_range_counts_until_the_code_of_its_engine_changes(root: Path) -> None:
    """A change of what engines share makes every row of before void; one of another engine's folder does not."""
    for engine in ("pbft", "pow"):
        record.append(row_of(played(engine, 0, 100), root), root)
    rows = record.read(root)
    assert record.schedules_that_count(rows, root) == {"pbft": 100, "pow": 100, "jetstream": 0}
    write(root, f"{record.CONSENSUS}/jetstream/core.py", "2")
    assert record.schedules_that_count(rows, root) == {"pbft": 100, "pow": 100, "jetstream": 0}
    write(root, f"{record.CONSENSUS}/pow/core.py", "2")
    assert record.schedules_that_count(rows, root) == {"pbft": 100, "pow": 0, "jetstream": 0}
    assert [record.counts(row, root) for row in rows] == [True, False]
    write(root, f"{record.CONSENSUS}/engine.py", "2")
    assert record.schedules_that_count(rows, root) == {"pbft": 0, "pow": 0, "jetstream": 0}


def test_a_seed_counts_once_and_a_violation_not_at_all(root: Path) -> None:
    """Ranges may overlap; one that ended in a violation shows nothing but that."""
    for first, number in ((0, 100), (50, 100), (60, 10), (200, 10)):
        record.append(row_of(played("pbft", first, number), root), root)
    record.append(row_of(played("pbft", 1_000, 5, violation="…", failed_seed=1_005), root), root)
    assert record.schedules_that_count(record.read(root), root)["pbft"] == 160


@pytest.mark.parametrize("path", [f"{record.CONSENSUS}/engine.py", "tests/simulation/world.py"])
def test_what_is_not_committed_is_not_recorded(root: Path, path: str) -> None:
    """Nobody else could play it again."""
    record.require_committed(root)
    (root / path).write_text("changed")
    with pytest.raises(record.NotRecordable, match=path):
        record.require_committed(root)


def test_the_committed_table_can_be_read() -> None:
    """Every row of ours, whether it still counts or not."""
    for row in record.read(ROOT):
        assert row.schedules <= row.last - row.first + 1


# ------------------------------------------------------------ playing


def test_a_range_stops_at_its_first_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was played before it is counted; nothing after."""
    real = campaign.ENGINES["pbft"]

    def fails_at_two(seed: int) -> object:
        if seed == 2:
            raise campaign.Violation("seed 2: two blocks")
        return real(seed)

    monkeypatch.setitem(campaign.ENGINES, "pbft", fails_at_two)
    tally = campaign._play_chunk(("pbft", 0, 5))
    assert (tally.schedules, tally.failed_seed, tally.violation) == (2, 2, "seed 2: two blocks")


@pytest.mark.slow
def test_a_campaign_plays_every_seed_once_whatever_the_number_of_processes() -> None:
    """The sum of a range is the sum of its schedules, in order, chunk by chunk."""
    one = Campaign("pow", 0, campaign.CHUNK + 5, workers=2)
    steps = [tally.schedules for tally in one.run()]
    assert steps == [campaign.CHUNK, campaign.CHUNK + 5]
    alone = Tally()
    for seed in range(campaign.CHUNK + 5):
        alone.count(campaign.ENGINES["pow"](seed))
    assert one.tally == alone


def test_rows_have_as_many_cells_as_the_table_has_columns() -> None:
    """Otherwise the page would not be a table."""
    head = next(line for line in (ROOT / record.TABLE).read_text().splitlines() if line.startswith("| engine"))
    row = Row("pbft", 0, 9, "c", "d", 10, 1, 1, 1, 1, 1, "1 s by 2", "held")
    assert len(row.cells()) == len(head.strip("|").split("|"))
