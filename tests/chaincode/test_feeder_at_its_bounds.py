"""A feeder as large as they get is reported within the budget of a call, in steps."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ledgernode.testing import Committed
from tests.chaincode.test_feeder import HEAD, LOOSE, RATINGS, Grid
from tests.chaincode.town import FEEDER, INTERVAL_MS, KWH

pytestmark = pytest.mark.slow

POINTS = 200
HOUSES_AT_ONCE = 50


def test_two_hundred_houses_and_their_head(tmp_path: Path) -> None:
    """Every call fits its budget, also the first, which learns whose points they are; the sums are exact."""
    grid = Grid(tmp_path, 0)
    gateway = grid.ledger.identity("gateway-1", role="gateway", organisation="utility")
    names = [f"h-{number:03d}" for number in range(POINTS)]
    for first in range(0, POINTS, HOUSES_AT_ONCE):
        houses = [
            {
                "premises": f"utility:{name}",
                "point": f"utility:{name}",
                "customer": f"utility:{name}",
                "meter": {"id": f"utility:m-{name}", "gateway_signed": True},
            }
            for name in names[first : first + HOUSES_AT_ONCE]
        ]
        grid.ok(grid.operator, "registry", "add_houses", feeder=FEEDER, houses=houses, **RATINGS)
    grid.begin(**LOOSE)
    start_ms = grid.read_ms
    used = [(at + 1) * 1_001 if at % 2 else 0 for at in range(POINTS)]
    given = [0 if at % 2 else (at + 1) * 999 for at in range(POINTS)]
    steps: list[Committed] = []
    for number in range(2):
        grid.ledger.advance(ms=start_ms + (number + 1) * INTERVAL_MS - grid.now_ms)
        for at, name in enumerate(names):
            zero = [[0, start_ms, 0, 0, 0]] if number == 0 else []
            shown = [used[at] * (number + 1), given[at] * (number + 1)]
            rows = [*zero, [number + 1, start_ms + (number + 1) * INTERVAL_MS, *shown, 0]]
            arguments = {"meter": f"utility:m-{name}", "rows": rows, "columns": []}
            grid.ok(gateway, "metering", "record_for", **arguments)
        grid.registers[HEAD][0] += sum(used) - sum(given) + KWH
        grid.read_ms += INTERVAL_MS
        grid.read()
        began = time.perf_counter()
        steps += [step for step in grid.ledger.advance(seconds=90) if step.by_timer]
        print(f"report {number}: {(time.perf_counter() - began) * 1_000:.0f} ms")
    print(f"reports: {[step.receipt.budget_used for step in steps]} units")
    assert all(step.succeeded for step in steps), [step.message for step in steps if not step.succeeded]
    assert max(step.receipt.budget_used for step in steps) <= 500_000
    report = grid.report(start_ms)
    assert (report["houses"], report["state"], report["loss_mwh"]) == (POINTS, "g", KWH)
    assert report["consumption_mwh"] - report["generation_mwh"] == sum(used) - sum(given)
    renewed = [grid.ok(grid.operator, "feeder", "renew", feeder=FEEDER, interval_ms=start_ms) for _ in range(2)]
    assert renewed == [None, {**report, "made_ms": renewed[1]["made_ms"]}]
    shares = grid.ask(grid.operator, "feeder", "shares", feeder=FEEDER, interval_ms=start_ms)
    assert sum(share["taken_mwh"] for share in shares) == sum(share["given_mwh"] for share in shares) == sum(given)
    assert grid.ask(grid.operator, "feeder", "suspects", feeder=FEEDER) == []
    rows = [grid.row(5_000, later_ms=later, temperature_milli=60_000, high_mv=11_000_000) for later in range(-59, 1)]
    for batch in (rows[:1], rows[1:]):
        done = grid.attempt(grid.head, "feeder", "observe", feeder=FEEDER, rows=batch).require_success()
        print(f"observe {len(batch)}: {done.receipt.budget_used} units")
        assert done.receipt.budget_used <= 500_000
