"""Settlement and prepaid together: what was traded or pooled comes back to a prepaid meter as units, once."""

from __future__ import annotations

from pathlib import Path

from tests.chaincode.test_settlement import Scene
from tests.chaincode.town import CONTRACTS, package


def test_what_was_pooled_comes_back_as_units(tmp_path: Path) -> None:
    """The meter decrements all I at once; settlement returns trade and pool Wh as one numbered credit per (meter,
    interval), neither sale nor tax event."""
    scene = Scene(tmp_path, prepaid=True)
    scene.ledger.deploy(package("prepaid"), folder=CONTRACTS)
    scene.rules(pool_price_micro=150_000)
    giver, taker, _ = scene.houses
    scene.enroll(giver, taker)
    scene.use((0, 0), (0, 0), (0, 0))
    scene.use((0, 0), (0, 0), (0, 0))
    treasury = scene.money(scene.treasury)
    start_ms = scene.use((0, 2), (3, 0), (1, 0))
    assert scene.classes(start_ms, taker)[1] == 2.0
    found = scene.ask(scene.operator, "prepaid", "account", point=taker.point)
    assert found["waiting_mwh"] == 2_000_000
    [told] = [event.payload for event in scene.ledger.events("prepaid", "UnitsReturned")]
    assert told == {"units": [[taker.point, start_ms, 2_000_000, 1]]}
    assert scene.money(scene.treasury) == treasury


def test_export_earns_money_and_never_units(tmp_path: Path) -> None:
    """A prepaid house that gives to the pool is paid by its neighbours; its meter gets nothing for it."""
    scene = Scene(tmp_path, prepaid=True)
    scene.ledger.deploy(package("prepaid"))
    scene.rules(pool_price_micro=150_000)
    giver, taker, _ = scene.houses
    scene.enroll(giver, taker)
    scene.use((0, 0), (0, 0), (0, 0))
    scene.use((0, 0), (0, 0), (0, 0))
    before = scene.money(giver.wallet)[0]
    scene.use((0, 2), (3, 0), (1, 0))
    assert scene.money(giver.wallet)[0] - before == 3_000
    found = scene.ask(scene.operator, "prepaid", "account", point=giver.point)
    assert (found["waiting_mwh"], found["account"]["credited_mwh"]) == (0, 0)
