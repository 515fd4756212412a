"""From signed readings to a paid invoice: metering, settlement and billing as they are, nothing stood in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chaincode.calendar import DAY_MS, day_number
from ledgernode.testing import Committed
from tests.chaincode.test_settlement import PRICE, RETAIL, Scene, to_the_end
from tests.chaincode.town import CONTRACTS, HOUR_MS, KWH, House, package

pytestmark = pytest.mark.slow

MINUTE_MS = 60_000


class Street(Scene):
    """Two houses that are built at the end of January."""

    def build(self, houses: int = 0, **arguments: Any) -> list[House]:
        self.ledger.deploy(package("billing"), folder=CONTRACTS)
        self.ledger.advance(ms=day_number(2026, 1, 31) * DAY_MS - 2 * MINUTE_MS - self.now_ms)
        return super().build(houses, **arguments)

    def invoices(self, house: House) -> list[dict[str, Any]]:
        """A customer's invoices, each of which recomputes from what metering and settlement know by now."""
        asked = self.ask(self.operator, "billing", "invoices", customer=house.customer)
        found = [self.ask(self.operator, "billing", "invoice", invoice=one["id"])["invoice"] for one in asked]
        for invoice in found:
            again = self.ask(self.operator, "billing", "recompute", invoice=invoice["id"])
            assert again == {"agrees": True, "lines": invoice["lines"]}
        return found

    def lines(self, invoice: dict[str, Any]) -> dict[str, tuple[int, int]]:
        return {f"{one['kind']} {one['name']}": (one["quantity"], one["amount_minor"]) for one in invoice["lines"]}


def until(scene: Scene, month: int, hours: int) -> tuple[Committed, ...]:
    return scene.ledger.advance(ms=day_number(2026, month, 1) * DAY_MS + hours * HOUR_MS - scene.now_ms)


def wealth(scene: Scene, house: House) -> int:
    """What a wallet has, in escrow too."""
    found = scene.ask(scene.admin, "currency", "balance", account=house.wallet.id)
    return int(found["available_minor"] + found["escrow_minor"])


def test_one_kwh_is_paid_once_from_the_reading_to_the_invoice(tmp_path: Path) -> None:
    """Of five kWh taken two were traded and paid when the interval closed; the invoice asks for three, and no more.

    A correction after the bill reaches who had the point then, though gone; the first invoice stands and recomputes.
    """
    scene = Street(tmp_path, houses=2)
    seller, buyer = scene.houses
    rules = {"utility": "utility", "from_ms": scene.now_ms + 10, "rules": {"due_days": 10}}
    scene.two("billing", "propose_rules", **rules)
    gone_ms = day_number(2026, 1, 31) * DAY_MS + 23 * HOUR_MS
    for house in scene.houses:
        scene.ok(scene.operator, "registry", "move_out", premises=house.premises, at_ms=gone_ms)
    before = wealth(scene, buyer)
    scene.trade(seller, buyer, 2)
    start_ms = scene.use((0, 3), (5, 0))
    to_the_end(scene)
    for house in scene.houses:
        final = dict(zip(("final_import_mwh", "final_export_mwh"), scene.registers[house.point], strict=True))
        scene.ok(scene.operator, "registry", "remove", point=house.point, removed_ms=scene.read_ms, **final)
    until(scene, 2, 4)
    [bill], [credit] = scene.invoices(buyer), scene.invoices(seller)
    kwh = 3 * RETAIL // 100
    assert scene.lines(bill) == {"listed trade import": (2 * KWH, 0), "import all": (3 * KWH, kwh)}
    assert scene.lines(credit) == {
        "listed trade export": (2 * KWH, 0),
        "feed_in feed-in": (1 * KWH, credit["total_minor"]),
    }
    paid = {"invoice": bill["id"], "amount_minor": kwh, "request": "january"}
    scene.ok(buyer.wallet, "billing", "pay", **paid)
    assert before - wealth(scene, buyer) == kwh + 2 * PRICE // 100

    correction = {"point": buyer.point, "interval_ms": start_ms, "import_mwh": KWH, "export_mwh": 0, "reason": "seal"}
    scene.two("metering", "propose_correction", **correction)
    until(scene, 3, 4)
    first, second = scene.invoices(buyer)
    assert first == bill
    assert scene.lines(second) == {"import correction 2026-01 all": (KWH, RETAIL // 100)}
    assert scene.ask(buyer.wallet, "billing", "ledger", customer=buyer.customer)["balance_minor"] == -RETAIL // 100
