"""Vending over the network: a kiosk's payment becomes a token, and the meter's credit, on four running validators."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest

from tests.acceptance.community import PURSE_MINOR, Community
from tests.conditions import until
from tests.gateway.vending.shop import MeterAtHome, Shop, WiredMeter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SALES = 20
SLOW_S = {"pbft": 2.0, "pow": 10.0}
"""Half of the sales are faster, also on a busy machine. Proof of work waits until a block is four deep, twice."""


@pytest.fixture(scope="module")
def shop(community: Community, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    found = Shop(community, tmp_path_factory.mktemp("shop"))
    yield found
    found.close()


def test_000_2_money_at_a_kiosk_becomes_a_token_of_one_meter(community: Community, shop: Shop) -> None:
    """000-2: an adapter's payment, the tariff's and taxes' units, a token not used, then used; a meter's tokens are
    listed. What the payer has, and what treasury, taxes and levies get, is the same money."""
    house = community.streets["kiosk"].houses[0]
    receivers = (community.treasury, community.taxes, community.levies)
    before = [community.money(who)[0] for who in receivers]
    sold = shop.pay(house, 100_000, "000-2").json()
    assert (sold["state"], sold["kwh"], len(sold["token"])) == ("minted", "27.1", 20)
    after = [community.money(who)[0] for who in receivers]
    assert sum(after) - sum(before) == sold["total_minor"]
    assert community.money(house.wallet) == (PURSE_MINOR, 0), "the kiosk pays, not the wallet"
    listed = community.ask(community.operator, "prepaid", "unused", point=house.point)
    assert [one["tid"] for one in listed] == [sold["tid"]]
    meter = WiredMeter(shop, house)
    assert meter.take_token() == 271
    [credit] = shop.credits(house)
    assert credit["status"] == "redeemed"
    assert community.ask(community.operator, "prepaid", "unused", point=house.point) == []


def test_000_8_purchase_to_credit_takes_a_second_or_two(community: Community, shop: Shop) -> None:
    """000-8: from the payment to the token, and to the display of a meter that nobody touches; the first of them closes
    its relay, and the ledger has the meter's word for all."""
    house = community.streets["kiosk"].houses[1]
    to_token_s: list[float] = []
    to_display_s: list[float] = []
    with MeterAtHome(shop, house) as meter:
        meter.when(lambda: meter.gateway)
        for number in range(SALES):
            before, begun = meter.lines, time.monotonic()
            answer = shop.pay(house, 10_000, f"000-8/{number}")
            to_token_s.append(time.monotonic() - begun)
            assert answer.json()["state"] == "minted", answer.text
            until(lambda seen=before: meter.lines[1] != seen[1], 45, every_s=0.005)
            to_display_s.append(time.monotonic() - begun)
            assert meter.supplied
        for name, found in (("token", to_token_s), ("display", to_display_s)):
            p95 = sorted(found)[int(0.95 * SALES) - 1]
            print(f"{community.engine}: to the {name} p50 {statistics.median(found):.2f} s, p95 {p95:.2f} s")
            assert statistics.median(found) < SLOW_S[community.engine]
        community.until(lambda: [one["status"] for one in shop.credits(house)] == ["redeemed"] * SALES)
