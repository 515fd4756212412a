"""What a vending service shows its operator."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from gateway.http.door import Requests
from gateway.vending.observed import Observed
from gateway.vending.payments import PaymentForm, Purchase, State
from gateway.vending.store import VendingStore
from ledgernode.observe.turning import Turning
from tests.gateway.vending.test_seller import OTHER, PAYMENT, HandmadeLedger, Service

START_MS = 1_000_000


def samples(observed: Observed) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(observed.sheet().text().decode())
        for sample in family.samples
    }


def test_what_is_open_is_shown_with_its_age(tmp_path: Path) -> None:
    """And what is over is not."""
    store = VendingStore(tmp_path / "purchases")
    payment = PaymentForm("m", 100, "EUR")
    store.write(
        [
            Purchase("kiosk", "a", payment, START_MS),
            Purchase("kiosk", "b", payment, START_MS + 1_000, State.RESERVED),
            Purchase("kiosk", "c", payment, START_MS - 9_000, State.MINTED),
        ]
    )
    observed = Observed(store, Counter({"OK": 1}), Requests(), Turning(), lambda: START_MS + 60_000)
    shown = samples(observed)
    assert shown["ledgernode_vending_open_purchases", "received"] == 1
    assert shown["ledgernode_vending_open_purchases", "reserved"] == 1
    assert shown["ledgernode_vending_oldest_purchase_seconds",] == 60
    assert shown["ledgernode_vending_purchases_total", "OK"] == 1
    store.close()


async def test_a_purchase_that_is_over_is_counted_by_its_code(tmp_path: Path) -> None:
    """Those that gave digits, and those that were refused."""
    service = Service(tmp_path, HandmadeLedger())
    await service.seller.pay("kiosk", "a", PAYMENT)
    refused = await service.seller.pay("kiosk", "b", PaymentForm(OTHER, 100, "EUR"))
    assert service.seller.codes == {"OK": 1, refused.code: 1}
    await service.close()


def test_health_follows_its_life(tmp_path: Path) -> None:
    """It begins, serves, and stops."""
    store = VendingStore(tmp_path / "purchases")
    observed = Observed(store, Counter(), Requests(), Turning(), lambda: START_MS)
    assert (observed.started().code, observed.ready().code, observed.live().code) == (503, 503, 200)
    observed.serving = True
    assert (observed.started().code, observed.ready().code, observed.live().code) == (200, 200, 200)
    observed.stopping = True
    assert observed.ready().status == "stopping"
    store.close()
