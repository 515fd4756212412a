"""Source 002, trading in a remote community: what of it is rules, on a running ledger."""

from __future__ import annotations

import pytest

from tests.acceptance.community import CENT, PURSE_MINOR, Community
from tests.acceptance.trading import Market, cost_minor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_002_2_peers_offer_haggle_and_accept(community: Community) -> None:
    """002-2: sell offers and buy requests with amount and price, visible to all peers; anyone may accept; buyers may
    bid lower; accepting moves funds at once, and delivery pays the seller."""
    street = community.streets["haggling"]
    seller, haggler, buyer = street.houses
    street.open()
    board = Market(street, "board")
    offer = board.order(seller, "offer", 3_000, 20)
    slot = offer["from_ms"]
    request = board.order(buyer, "request", 1_000, 12)
    for peer in (seller, haggler, buyer):
        shown = community.ask(peer.wallet, "market", "book", market=board.id, slot=slot)
        listed = [(row["kind"], row["energy_wh"], row["price_micro"] // CENT) for row in shown]
        assert listed == [("request", 1_000, 12), ("offer", 3_000, 20)]
    refused = community.refusal(community.stranger, "market", "book", market=board.id, slot=slot)
    assert refused == "NOT_A_MEMBER"

    price = {"price_micro": 15 * CENT, "energy_wh": 1_000}
    lower = community.ok(haggler.wallet, "market", "counter", order=offer["number"], point=haggler.point, **price)
    held_minor = community.money(haggler.wallet)[1]
    assert held_minor >= cost_minor(1_000, 15)
    number = community.ok(seller.wallet, "market", "accept", order=lower["number"])
    assert community.money(haggler.wallet) == (PURSE_MINOR - held_minor, held_minor)
    trade = board.trade(number)
    assert (trade["buyer"], trade["price_micro"], trade["energy_wh"]) == (haggler.wallet.id, 15 * CENT, 1_000)

    before = community.money(buyer.wallet)
    bought = board.buy(buyer, offer["number"], 1_000)
    after = community.money(buyer.wallet)
    assert before[0] - after[0] == after[1] - before[1] >= cost_minor(1_000, 20)
    sold = {"order": request["number"], "point": haggler.point}
    assert community.code(haggler.wallet, "market", "sell", **sold) == "OK"
    assert board.found(offer["number"])["left_wh"] == 1_000

    street.settle((0, 0), (0, 0), (0, 0))
    street.settle((0, 2), (1, 1), (2, 0))
    assert board.trade(bought)["status"] == "done"
    # 1 kWh at 0.15 and one at 0.20 are sold; the haggler buys one at 0.15 and sells one at 0.12
    assert community.money(seller.wallet) == (PURSE_MINOR + 1_500 + 2_000, 0)
    assert community.money(haggler.wallet) == (PURSE_MINOR - cost_minor(1_000, 15) + 1_200, 0)
    assert community.money(buyer.wallet) == (PURSE_MINOR - cost_minor(1_000, 20) - cost_minor(1_000, 12), 0)
