"""An area as large as they get is closed within the budget of a call, over as many blocks as it takes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ledgernode.testing import Committed
from tests.chaincode.test_settlement import RATINGS, Scene
from tests.chaincode.town import AREA, INTERVAL_MS, KWH

pytestmark = pytest.mark.slow

POINTS = 200
TRADES = 300
HOUSES_AT_ONCE = 50


def test_two_hundred_points_and_three_hundred_trades(tmp_path: Path) -> None:
    """Every call fits its budget; all is paid, every trade has ended, money is conserved."""
    scene = Scene(tmp_path, houses=0)
    for first in range(0, POINTS, HOUSES_AT_ONCE):
        names = [f"house-{number:03d}" for number in range(first, first + HOUSES_AT_ONCE)]
        for house in scene.settle_in(*names, tariff="utility:flat", **RATINGS):
            scene.registers[house.point] = [0, 0]
            scene.funded(house)
    scene.rules(pool_price_micro=100_000, pool_fee_micro=10_000)
    scene.charges(20_000, 190_000)
    idle = [(0.0, 0.0)] * POINTS
    scene.use(*idle)
    scene.enroll(*scene.houses, amount_minor=5_000)
    scene.use(*idle)
    sellers, buyers = scene.houses[:100], scene.houses[100:]
    agreed = [
        scene.attempt(
            scene.operator,
            "market",
            "match",
            obligations=[
                scene.terms(
                    sellers[at % 100], buyers[(at * 7 + at // 100) % 100], 1, escrow_minor=3_000, pledge_minor=900
                )
            ],
        ).require_success()
        for at in range(TRADES)
    ]
    one_more = scene.terms(sellers[0], buyers[0], 1)
    assert scene.code(scene.operator, "market", "match", obligations=[one_more]) == "AREA_BUSY"
    before = sum(scene.totals().values())
    scene.registers = {
        point: [imported + (0 if at < 100 else 4 * KWH), exported + (int(2.9 * KWH) if at < 100 else KWH // 2)]
        for at, (point, (imported, exported)) in enumerate(scene.registers.items())
    }
    start_ms = scene.read_ms
    scene.read_ms += INTERVAL_MS
    scene.ledger.advance(ms=scene.read_ms - scene.now_ms)
    scene.read()
    timers: list[Committed] = []
    began = time.perf_counter()
    for _ in range(60):
        timers += scene.ledger.advance(seconds=2)
    took_ms = (time.perf_counter() - began) * 1_000
    assert all(timer.succeeded for timer in timers), [timer.message for timer in timers if not timer.succeeded][:3]
    closings = [timer for timer in timers if timer.receipt.budget_used > 5_000]
    print(f"agree: {max(done.receipt.budget_used for done in agreed)} units")
    print(f"close: {[timer.receipt.budget_used for timer in closings]} units, {took_ms:.0f} ms in all")
    assert scene.next_ms == start_ms + INTERVAL_MS
    assert max(timer.receipt.budget_used for timer in closings) <= 500_000
    found = scene.interval(start_ms)
    assert found is not None
    assert scene.ask(scene.operator, "settlement", "reconcile", area=AREA, interval_ms=start_ms)["agrees"]
    assert sum(row[2] for row in found["rows"]) == sum(row[5] for row in found["rows"]) > 200 * KWH
    assert sum(row[3] for row in found["rows"]) > 0
    assert len(scene.told("TradeDone")) == TRADES
    assert sum(scene.totals().values()) == before
    kept = [scene.money(house.wallet)[1] for house in scene.houses]
    purses = [
        scene.ask(scene.operator, "settlement", "share", point=house.point, area=AREA)["purse_minor"]
        for house in scene.houses
    ]
    assert sum(kept) == sum(purses) + 2 * POINTS * 10**6 - TRADES * 3_900
