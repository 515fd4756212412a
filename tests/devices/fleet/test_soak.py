"""A slice of `make soak`: 200 meters; gateway, validator and broker killed under them; counted on the ledger."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.suites.soak import Kill, drawn, soak, told

KILLS = {"gateway": 1, "validator": 1, "broker": 1}
MANY = {"gateway": 5, "validator": 2, "broker": 1}


@pytest.mark.slow
@pytest.mark.timeout(300)  # of which 15 s are the run itself
def test_nothing_is_lost_or_doubled_while_gateway_validator_and_broker_are_killed(tmp_path: Path) -> None:
    report = soak(tmp_path, meters=200, rounds=10, every_ms=1_500, kills=KILLS, seed=5)
    assert report.ledger["readings"] == 2_000
    assert report.fleet["lost_connections"], "nobody noticed that a gateway was killed"
    assert "| 2,000 | 0 | 0 |" in told(report)


def test_what_is_killed_when_follows_from_the_seed() -> None:
    first = drawn(3, 600, MANY)
    assert first == drawn(3, 600, MANY) != drawn(4, 600, MANY)
    assert sorted(kill.what for kill in first) == ["broker", *["gateway"] * 5, *["validator"] * 2]
    assert all(kill.at_s > 0 and kill.at_s + kill.away_s < 600 for kill in first)


@pytest.mark.parametrize("seed", range(100))
def test_validators_are_never_away_two_at_a_time(seed: int) -> None:
    kills: list[Kill] = [kill for kill in drawn(seed, 60, {"gateway": 5, "validator": 4}) if kill.what == "validator"]
    for earlier, later in pairwise(kills):
        assert earlier.at_s + earlier.away_s <= later.at_s
