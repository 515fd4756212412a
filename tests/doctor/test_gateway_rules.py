"""What facts about a gateway mean."""

from __future__ import annotations

import pytest

from ledgernode.doctor.finding import Finding, Severity, worst
from ledgernode.doctor.gateway_rules import Asked, Model, Outbox, answered, clock, model, nodes, outbox, versions
from ledgernode.node.clocks import Skew

DAY_MS = 86_400_000
OK, NOTE, WARNING, ERROR = Severity


def of(found: list[Finding]) -> list[Severity]:
    return [one.severity for one in found]


def beside(*ahead_ms: int) -> list[Asked]:
    """Nodes whose clocks are so far ahead of ours."""
    return [Asked(f"n{at}:1", skew=Skew(ahead, 5)) for at, ahead in enumerate(ahead_ms)]


@pytest.mark.parametrize(
    ("seen", "means"),
    [
        (beside(0, 400, -900), OK),
        (beside(5_000, 5_000, 0), WARNING),
        (beside(-60_000, -60_000, -60_000), ERROR),
        (beside(60_000), ERROR),
        (beside(0, 0, 60_000), WARNING),
        ([Asked("n:1", "away"), Asked("m:1")], NOTE),
    ],
    ids=["together", "ours is behind", "ours is far ahead", "of one", "that of another", "nobody says"],
)
def test_whose_clock_is_off(seen: list[Asked], means: Severity) -> None:
    """Ours where most say so; else that of the odd one."""
    assert worst(clock(seen)) is means


def test_what_ours_is_off_by_is_said() -> None:
    """The middle of what the nodes say, and which way."""
    [found] = clock(beside(5_000, 6_000, 7_000))
    assert "6000 ms behind" in found.what
    [found] = clock(beside(-40_000))
    assert "40000 ms ahead" in found.what


def test_an_answer_tells_of_both_clocks() -> None:
    """The middle of its way; a node that says no time tells nothing."""
    told = answered("n:1", 7, "1.0", sent_ms=1_000, theirs_ms=3_005, answered_ms=1_010)
    assert told == Asked("n:1", "", 7, "1.0", Skew(2_000, 5))
    assert answered("n:1", 7, "", sent_ms=1_000, theirs_ms=0, answered_ms=1_010).skew is None


def test_nodes_that_are_away_or_behind() -> None:
    """One of several is a warning, all of them an error; who is far behind is named."""
    assert of(nodes([])) == []
    assert of(nodes([Asked("a:1", "refused"), Asked("b:1", "refused")])) == [ERROR]
    assert of(nodes([Asked("a:1", "refused"), Asked("b:1", height=5)])) == [OK, WARNING]
    found = nodes([Asked("a:1", height=1_000), Asked("b:1", height=900), Asked("c:1", height=999)])
    assert [one.what for one in found[1:]] == ["b:1 is 100 blocks behind another node"]


@pytest.mark.parametrize(
    ("theirs", "means", "advice"),
    [
        ("1.10.2", OK, ""),
        ("1.11.0", WARNING, "upgrade this gateway"),
        ("1.9.9", WARNING, "upgrade the nodes"),
        ("", NOTE, "ask its operator"),
    ],
)
def test_versions_that_differ(theirs: str, means: Severity, advice: str) -> None:
    """By their numbers, not by their letters; an old node says none."""
    [found] = versions("1.10.2", [Asked("a:1", version=theirs), Asked("b:1", "away")])
    assert found.severity is means
    assert found.advice.startswith(advice)


@pytest.mark.parametrize(
    ("kept", "oldest_days", "found"),
    [
        (0, 0, [OK]),
        (49, 0, [OK]),
        (50, 0, [OK, WARNING]),
        (90, 0, [OK, ERROR]),
        (1, 2, [OK, WARNING]),
        (1, 29, [OK, ERROR]),
    ],
)
def test_room_and_age_of_what_waits(kept: int, oldest_days: int, found: list[Severity]) -> None:
    """Half full and a day old are warned about; near the end of either is an error."""
    seen = Outbox(
        entries=1,
        kept_bytes=kept,
        limit_bytes=100,
        oldest_ms=100 * DAY_MS - oldest_days * DAY_MS,
        give_up_ms=30 * DAY_MS,
    )
    assert of(outbox(seen, 100 * DAY_MS)) == found


def test_an_outbox_that_does_not_hold() -> None:
    """Nothing else is known of it."""
    assert of(outbox(Outbox("no such page"), 0)) == [ERROR]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, [OK]),
        ({"refusal": "password authentication failed"}, [ERROR]),
        ({"schema": ""}, [NOTE]),
        ({"schema": "0001"}, [WARNING]),
        ({"height": 935}, [WARNING]),
        ({"height": 936}, [OK]),
        ({"unread": 3}, [OK, WARNING]),
        ({"ledger_height": None, "height": 0}, [OK]),
    ],
)
def test_how_the_read_model_stands(changes: dict[str, object], found: list[Severity]) -> None:
    """Reached, with our tables, near the ledger, with every event read."""
    seen = Model("model.db", schema="0002", newest_schema="0002", height=1_000, ledger_height=1_000)
    assert of(model(seen._replace(**changes))) == found  # type: ignore[arg-type]
