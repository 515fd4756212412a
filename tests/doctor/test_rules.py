"""What facts mean to an operator."""

from __future__ import annotations

import pytest

from ledgernode.doctor.finding import Severity, error, ok, warning, worst
from ledgernode.doctor.rules import (
    DAY_MS,
    HOUR_MS,
    Database,
    Disk,
    Peer,
    Versions,
    certificate,
    clock,
    database,
    days_left,
    directory,
    observed,
    peers,
    runs_ledger,
    space,
    versions,
)
from ledgernode.node.clocks import Skew
from ledgernode.store.lmdb import StoreFacts

NOW_MS = 1_800_000_000_000
GIB = 1 << 30
STORE = StoreFacts(map_bytes=GIB, used_bytes=GIB // 4, limit_bytes=1 << 40, views=0, reader_slots=3)


@pytest.mark.parametrize(
    ("days", "severity"),
    [(31, Severity.OK), (29, Severity.WARNING), (6, Severity.ERROR), (-3, Severity.ERROR)],
)
def test_a_certificate_is_renewed_weeks_before(days: int, severity: Severity) -> None:
    """30 days ahead a warning, 7 days ahead and afterwards an error, each with what to do."""
    found = certificate("TLS", NOW_MS + days * DAY_MS, NOW_MS)
    assert found.severity is severity
    assert str(abs(days)) in found.what
    assert bool(found.advice) is (severity is not Severity.OK)


@pytest.mark.parametrize(
    ("disk", "days", "severity"),
    [
        (Disk(50 * GIB, 100 * GIB, 0, 30 * DAY_MS), None, Severity.OK),
        (Disk(50 * GIB, 100 * GIB, GIB, HOUR_MS // 2), None, Severity.OK),
        (Disk(90 * GIB, 100 * GIB, GIB, DAY_MS), 90, Severity.OK),
        (Disk(30 * GIB, 100 * GIB, GIB, DAY_MS), 30, Severity.WARNING),
        (Disk(30 * GIB, 100 * GIB, 5 * GIB, DAY_MS), 6, Severity.ERROR),
        (Disk(9 * GIB, 100 * GIB, 0, DAY_MS), None, Severity.WARNING),
        (Disk(2 * GIB, 100 * GIB, 0, DAY_MS), None, Severity.ERROR),
    ],
)
def test_a_disk_is_judged_by_what_is_left_and_how_long_it_lasts(
    disk: Disk, days: float | None, severity: Severity
) -> None:
    """By the growth so far, where that was seen for long enough to say anything."""
    assert days_left(disk) == days
    assert space("x", disk).severity is severity


def test_a_database_that_holds_says_how_far_it_is() -> None:
    """And whether a process has it open."""
    seen = Database("energy", height=900, certified=900, time_ms=NOW_MS - 5_000, facts=STORE, checked=64, holder=7)
    found = database(seen, NOW_MS, 512)
    assert worst(found) is Severity.NOTE
    assert "height 900" in found[0].what
    assert "process 7" in found[-1].what


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (Database("e", damage="page 7 is no page"), "page 7"),
        (Database("e", facts=STORE._replace(used_bytes=900 << 30)), "80 %"),
        (Database("e", facts=STORE._replace(reader_slots=450)), "reader places"),
        (Database("e", height=100, facts=STORE), "wait for their certificates"),
    ],
)
def test_a_database_in_trouble_says_so(seen: Database, said: str) -> None:
    """Each with what to do."""
    bad = [one for one in database(seen, NOW_MS, 512) if one.severity in (Severity.WARNING, Severity.ERROR)]
    assert len(bad) == 1
    assert said in bad[0].what
    assert bad[0].means
    assert bad[0].advice


def others(*refusals: str, height: int = 100) -> list[Peer]:
    return [Peer(f"o{at}", f"h{at}:1", refusal, height) for at, refusal in enumerate(refusals)]


def test_one_of_three_others_may_be_away() -> None:
    """Its absence is a warning; that too few are left to commit is an error."""
    assert worst(peers("e", others("", "", ""), members=4, own_height=100)) is Severity.OK
    assert worst(peers("e", others("", "", "refused"), members=4, own_height=100)) is Severity.WARNING
    found = peers("e", others("", "refused", "refused"), members=4, own_height=100)
    assert worst(found) is Severity.ERROR
    assert "1 of 3" in found[0].what
    assert worst(peers("e", [], members=1, own_height=0)) is Severity.NOTE


def test_a_node_that_is_behind_is_told_by_more_than_may_lie() -> None:
    """One of four that says to be far ahead says nothing."""
    liar = [Peer("o", "h:1", height=10_000), *others("", "")]
    assert worst(peers("e", liar, members=4, own_height=100)) is Severity.OK
    assert worst(peers("e", others("", "", "", height=200), members=4, own_height=100)) is Severity.WARNING


def timed(*ahead_ms: int) -> list[Peer]:
    return [Peer(f"o{at}", "h:1", skew=Skew(ms, 10)) for at, ms in enumerate(ahead_ms)]


@pytest.mark.parametrize(
    ("seen", "severity", "said"),
    [
        (timed(5, -100, 200), Severity.OK, "agrees with 3 of 3"),
        (timed(0, 0, 9_000), Severity.WARNING, "the clock of o2"),
        (timed(400, 400, 0), Severity.WARNING, "this clock is 400 ms behind"),
        (timed(-9_000, -9_000, 0), Severity.ERROR, "this clock is 9000 ms ahead of"),
        ([], Severity.NOTE, "no other validator"),
    ],
)
def test_the_clock_that_most_disagree_with_is_wrong(seen: list[Peer], severity: Severity, said: str) -> None:
    """Ours, where most others are off from it; theirs, where few are."""
    found = clock("e", seen, 500, NOW_MS, NOW_MS - 1_000)
    assert worst(found) is severity
    assert any(said in one.what for one in found)


def test_a_clock_behind_the_last_block_is_wrong() -> None:
    """A quorum said that it was later already."""
    assert "behind the last block" in clock("e", [], 500, NOW_MS, NOW_MS + 10_000)[0].what


def test_versions_that_cannot_run_a_ledger_are_found() -> None:
    """Engine, execution version and interpreter."""
    well = {"engine": "pbft", "engines": ["pbft"], "execution": 3, "ours": 3, "python": ""}
    assert runs_ledger("e", **well).severity is Severity.OK  # type: ignore[arg-type]
    for change in ({"engine": "raft"}, {"execution": 4}, {"python": "3.12"}):
        assert runs_ledger("e", **{**well, **change}).severity is Severity.ERROR  # type: ignore[arg-type]
    assert worst(versions(Versions("0.1.0", (3, 11, 7), "OpenSSL 3", (0, 9, 31)))) is Severity.OK
    assert worst(versions(Versions("0.1.0", (3, 11, 7), "OpenSSL 3", (0, 9, 20)))) is Severity.ERROR


def test_directories_and_listeners() -> None:
    """What others of this machine can enter, and what others of the network can ask."""
    assert directory("x", 0o700).severity is Severity.OK
    assert directory("x", 0o755).severity is Severity.WARNING
    assert observed("127.0.0.1:9464").severity is Severity.OK
    assert observed("0.0.0.0:9464").severity is observed("").severity is Severity.NOTE


def test_the_worst_speaks_for_all() -> None:
    """An error is worse than a warning."""
    assert worst([]) is Severity.OK
    assert worst([ok("a", "x"), error("b", "x", "", ""), warning("c", "x", "", "")]) is Severity.ERROR
