"""The market keeps its rules: windows, boards and auctions, money set aside, nothing sold twice."""

from __future__ import annotations

import pytest

from tests.chaincode.bazaar import CENT, MONEY, Bazaar

SLACK = 5 * 4
"""Minor units that a trade of an hour takes with it."""


@pytest.fixture
def board() -> Bazaar:
    return Bazaar("board", collateral_micro=2 * CENT)


def test_an_offer_is_bought_and_its_money_is_set_aside_at_once(board: Bazaar) -> None:
    """Accepting moves funds from available to escrow; the seller is paid at settlement."""
    seller, buyer = board.houses[:2]
    offer = board.order(seller, "offer", 2_000, 20)
    assert offer["status"] == "open"
    trade = board.ok(buyer.wallet, "market", "buy", order=offer["number"], point=buyer.point, energy_wh=1_500)
    assert trade == 1
    (agreed,) = board.trades()
    assert (agreed["energy_wh"], agreed["price_micro"], agreed["seller"]) == (1_500, 20 * CENT, seller.wallet.id)
    assert board.escrows(buyer) == {"trade/1": 3_000 + SLACK}
    assert board.available(buyer) == MONEY - 3_000 - SLACK
    board.ok(board.operator, "settlement", "deliver", trade=1, seller_minor=3_000, fee_minor=0)
    assert board.available(buyer) == MONEY - 3_000
    assert board.found(offer["number"])["left_wh"] == 500
