"""Clearing is quick enough for a market of ten thousand orders."""

from __future__ import annotations

import pytest

from chaincode.clearing import MECHANISMS
from ledgernode.bench.clearing import measure
from tests.cli.command_line import done
from tests.speed import slowness


@pytest.mark.slow
def test_ten_thousand_orders_clear_in_half_a_second() -> None:
    """Every mechanism, also between feeders and where a customer's own orders cross; on a slow machine, longer."""
    slow = max(slowness() for _ in range(3))
    for one in measure(10_000, rounds=3):
        assert one.matches > 1_000, one
        assert one.ms < 500 * slow, one


def test_the_command_says_what_was_measured() -> None:
    """A row for each mechanism, with what it cleared."""
    found = done("bench", "clearing", "--orders", 200, "--rounds", 1, "--json").document
    assert (found["orders"], found["rounds"]) == (200, 1)
    assert {one["mechanism"] for one in found["mechanisms"]} >= set(MECHANISMS)
    assert all(one["ms"] > 0 and one["volume_wh"] > 0 for one in found["mechanisms"])
    assert "pay-as-bid" in done("bench", "clearing", "--orders", 200, "--rounds", 1).out
