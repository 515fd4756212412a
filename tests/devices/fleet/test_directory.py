"""How far a fleet has come, as it stands on its disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.fleet.crew import AHEAD_MS, START_MS, Crew
from devices.fleet.directory import STANDING, Standing, new_directory, read_fleet_secret, read_standing, write
from devices.fleet.plan import Plan, Run, Schedule
from devices.fleet.reporting import Reporting
from ledgernode.errors import BadRequest, KeyFileUnsafe

PLAN = Plan("fleet", "north", "market", "00" * 32, 10, 1, ("fleet-carrier-1",))


def test_a_directory_holds_one_fleet_and_its_secret_is_its_owners(tmp_path: Path) -> None:
    new_directory(tmp_path / "fleet", PLAN)
    assert len(read_fleet_secret(tmp_path / "fleet")) == 32
    with pytest.raises(BadRequest):
        new_directory(tmp_path / "fleet", PLAN)
    (tmp_path / "fleet" / "fleet.secret").chmod(0o644)
    with pytest.raises(KeyFileUnsafe):
        read_fleet_secret(tmp_path / "fleet")


def test_a_run_that_was_cut_off_is_as_long_as_it_came() -> None:
    standing = Standing((Run(1, 5, 0, 1_000), Run(6, 100, 10_000, 1_000)), begun=9, safe=7)
    assert standing.cut() == (Run(1, 5, 0, 1_000), Run(6, 3, 10_000, 1_000))
    assert Standing((Run(1, 5, 0, 1_000),), begun=1).cut() == ()


def test_the_next_run_follows_in_numbers_and_in_time(tmp_path: Path) -> None:
    """Also when the last round that was begun is not over: a later number never has an earlier time."""
    new_directory(tmp_path / "fleet", PLAN)
    write(tmp_path / "fleet" / STANDING, Standing((Run(1, 10, 100_000, 60_000),), begun=4, safe=3))
    crew = Crew(tmp_path / "fleet", ["localhost:1"], [], hear_ms=0)
    run = crew.planned(5, 1_000, 1, now_ms=250_000)
    assert (run.first, run.begins_ms) == (4, 280_000)
    last = Schedule((*read_standing(tmp_path / "fleet").cut(), run), 1, range(10))
    assert max(one.time_ms for one in last.of_round(3)) < min(one.time_ms for one in last.of_round(4))
    assert crew.planned(5, 1_000, 1, now_ms=900_000).begins_ms == 900_000 + START_MS
    assert AHEAD_MS > START_MS, "the first round is written before it is sent"


def test_a_process_without_meters_holds_nobody_up() -> None:
    none = Reporting(Schedule([Run(1, 3, 0, 10)], 1, range(0)), range(0), first=1, fresh=1, after=4)
    assert (none.all_safe, none.safe_until) == (True, 4)
