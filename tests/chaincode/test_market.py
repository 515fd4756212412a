"""The market keeps its rules on a board: windows, prices, money set aside, nothing sold twice, nobody to himself."""

from __future__ import annotations

from copy import deepcopy

import pytest

from tests.chaincode.bazaar import CENT, MARKET, MONEY, Bazaar, market_data
from tests.chaincode.town import AREA, FEEDER, HOUR_MS, INTERVAL_MS, TRANSFORMER, House

SLACK = 5 * 4
"""Minor units that a trade of an hour takes with it."""
COLLATERAL = {"collateral_micro": 2 * CENT}


@pytest.fixture(scope="module")
def founded() -> Bazaar:
    return Bazaar("board", **COLLATERAL)


@pytest.fixture
def board(founded: Bazaar) -> Bazaar:
    return deepcopy(founded)


def buy(board: Bazaar, house: House, order: int, energy_wh: int = 0) -> str:
    return board.code(house.wallet, "market", "buy", order=order, point=house.point, energy_wh=energy_wh)


# ---------------------------------------------------------------- offers and requests


def test_an_offer_is_bought_and_its_money_is_set_aside_at_once(board: Bazaar) -> None:
    """Accepting moves funds from available to escrow at once; the seller is paid at settlement."""
    seller, buyer = board.houses[:2]
    offer = board.order(seller, "offer", 2_000, 20)
    assert board.escrows(seller)[f"collateral/{offer['number']}"] >= 400
    trade = board.ok(buyer.wallet, "market", "buy", order=offer["number"], point=buyer.point, energy_wh=1_500)
    assert trade == board.ask(buyer.wallet, "market", "trade_count") == 1
    (agreed,) = board.trades()
    assert (agreed["energy_wh"], agreed["price_micro"], agreed["seller"]) == (1_500, 20 * CENT, seller.wallet.id)
    assert (agreed["from_ms"], agreed["until_ms"]) == (board.slot, board.until_ms)
    assert board.escrows(buyer) == {"trade/1": 3_000 + SLACK}
    assert board.escrows(seller)["pledge/1"] == agreed["pledge_minor"] == 300
    assert board.available(buyer) == MONEY - 3_000 - SLACK
    board.ok(board.operator, "settlement", "deliver", trade=1, seller_minor=3_000, fee_minor=0)
    assert board.available(buyer) == MONEY - 3_000
    assert board.found(offer["number"])["left_wh"] == 500
    assert board.found(offer["number"])["filled_wh"] == 1_500


def test_a_sale_to_a_request_pays_the_seller(board: Bazaar) -> None:
    """The funds of a request are set aside when it is made, so that a sale to it always pays; the seller gets them."""
    buyer, seller = board.houses[:2]
    request = board.order(buyer, "request", 2_000, 25)
    board.ok(buyer.wallet, "currency", "transfer", to=board.treasury.id, amount_minor=board.available(buyer))
    assert board.available(buyer) == 0
    board.ok(seller.wallet, "market", "sell", order=request["number"], point=seller.point)
    (agreed,) = board.trades()
    assert (agreed["seller"], agreed["buyer"], agreed["price_micro"]) == (seller.wallet.id, buyer.wallet.id, 25 * CENT)
    board.ok(board.operator, "settlement", "deliver", trade=1, seller_minor=5_000, fee_minor=0)
    assert board.available(seller) == MONEY + 5_000
    assert board.escrows(seller) == board.escrows(buyer) == {}


def test_what_is_sold_is_not_sold_twice(board: Bazaar) -> None:
    """A second buyer gets what is left, and then nothing; who offered cannot take back what was accepted."""
    seller, first, second = board.houses[:3]
    offer = board.order(seller, "offer", 1_000, 20)["number"]
    assert buy(board, first, offer, 1_001) == "QUANTITY_LIMIT"
    assert buy(board, first, offer, 600) == "OK"
    assert buy(board, second, offer, 401) == "QUANTITY_LIMIT"
    cancelled = board.ok(seller.wallet, "market", "cancel", order=offer)
    assert (cancelled["left_wh"], cancelled["filled_wh"], cancelled["status"]) == (400, 600, "cancelled")
    assert list(board.escrows(seller)) == ["pledge/1"], "what is matched is locked until it is delivered"
    assert buy(board, second, offer) == "ORDER_NOT_OPEN"
    assert board.code(seller.wallet, "market", "cancel", order=offer) == "ORDER_NOT_OPEN"
    assert buy(board, second, 99) == "ORDER_UNKNOWN"


def test_a_counter_bid_lies_below_the_asked_price_and_the_seller_may_accept(board: Bazaar) -> None:
    """It sets its money aside; what is not accepted comes back when the offer ends, or when it is cancelled."""
    seller, first, second, third = board.houses
    offer = board.order(seller, "offer", 1_000, 20)["number"]

    def counter(house: House, cents: int, energy_wh: int = 0) -> str:
        price = {"price_micro": cents * CENT, "energy_wh": energy_wh}
        return board.code(house.wallet, "market", "counter", order=offer, point=house.point, **price)

    assert counter(first, 20) == "PRICE_OUT_OF_BAND"
    assert counter(seller, 10) == "SELF_TRADE"
    assert [counter(first, 15, 600), counter(second, 18, 600), counter(third, 10)] == ["OK", "OK", "OK"]
    bids = board.ask(seller.wallet, "market", "counters", order=offer)
    assert [(bid["order"], bid["price_micro"]) for bid in bids] == [(2, 15 * CENT), (3, 18 * CENT), (4, 10 * CENT)]
    assert board.code(first.wallet, "market", "accept", order=3) == "NOT_YOUR_ORDER"
    assert board.code(seller.wallet, "market", "accept", order=offer) == "WRONG_MECHANISM"
    board.ok(seller.wallet, "market", "accept", order=3)
    board.ok(seller.wallet, "market", "accept", order=2)
    assert [(trade["energy_wh"], trade["price_micro"]) for trade in board.trades()] == [
        (600, 18 * CENT),
        (400, 15 * CENT),
    ]
    assert board.found(offer)["status"] == "matched"
    assert board.found(4)["status"] == "cancelled"
    assert board.available(third) == MONEY
    assert board.escrows(first) == {"trade/2": 600 + SLACK}


def test_one_customer_does_not_trade_with_itself(board: Bazaar) -> None:
    """Self-trade means one customer, over any wallet, premises or meter."""
    seller = board.houses[0]
    other = board.ledger.identity("second-wallet")
    board.ok(seller.wallet, "registry", "add_wallet", wallet=other.id)
    board.fund(other)
    offer = board.order(seller, "offer", 1_000, 20)["number"]
    for wallet in (seller.wallet, other):
        assert board.code(wallet, "market", "buy", order=offer, point=seller.point) == "SELF_TRADE"
    assert board.code(other, "market", "cancel", order=offer) == "OK"
    assert board.trades() == []


def test_an_order_is_given_by_a_wallet_of_the_tenant(board: Bazaar) -> None:
    """Nobody else speaks for a point: no neighbour, no meter, no staff, no stranger, no contract."""
    house, neighbour = board.houses[:2]
    order = {"market": MARKET, "point": house.point, "energy_wh": 1, "price_micro": CENT}
    for signer in (neighbour.wallet, house.meter, board.operator, board.stranger):
        assert board.code(signer, "market", "offer", **order) == "NOT_A_MEMBER"
    assert board.code(board.operator, "market", "halt", feeder=FEEDER, direction="reverse", until_ms=0) == (
        "CALLER_REFUSED"
    )


def test_too_little_money_refuses_the_order_whole(board: Bazaar) -> None:
    """No order stands whose money is not set aside."""
    buyer, seller = board.houses[:2]
    board.ok(buyer.wallet, "currency", "transfer", to=board.treasury.id, amount_minor=MONEY - 100)
    offer = board.order(seller, "offer", 1_000, 20)["number"]
    assert board.refused(buyer, "request", 1_000, 20) == "INSUFFICIENT_BALANCE"
    assert buy(board, buyer, offer) == "INSUFFICIENT_BALANCE"
    assert board.available(buyer) == 100
    assert board.found(offer)["left_wh"] == 1_000


# ---------------------------------------------------------------- windows


def test_out_of_its_windows_a_market_takes_nothing(board: Bazaar) -> None:
    """Bids 10:30-13:00 and 14:00-16:30, delivery 13:00-14:00 and 16:30-17:30, local; closed otherwise."""
    house, buyer = board.houses[:2]
    offer = board.order(house, "offer", 1_000, 20)["number"]
    other_slot = {"from_ms": board.slot + 210 * 60_000}
    assert board.refused(house, "offer", 1, 20, **other_slot) == "WINDOW_CLOSED", "its bids begin at 14:00"
    assert board.refused(house, "offer", 1, 20, from_ms=board.slot, until_ms=board.slot + INTERVAL_MS) == (
        "WINDOW_CLOSED"
    )
    assert board.refused(house, "offer", 1, 20, from_ms=board.slot + INTERVAL_MS) == "WINDOW_CLOSED"
    board.at_minute(780)
    assert board.found(offer)["status"] == "expired"
    assert board.available(house) == MONEY
    assert board.refused(house, "offer", 1, 20) == "WINDOW_CLOSED"
    assert board.refused(house, "offer", 1, 20, from_ms=board.slot) == "WINDOW_CLOSED"
    assert buy(board, buyer, offer) == "ORDER_NOT_OPEN"
    board.at_minute(840)
    assert board.order(house, "offer", 1_000, 20)["from_ms"] == board.slot + 210 * 60_000


def test_an_order_can_end_before_its_window_does(board: Bazaar) -> None:
    """At its very time it is over; its money comes back by itself."""
    house = board.houses[0]
    expires_ms = board.now_ms + 60_000
    offer = board.order(house, "offer", 1_000, 20, expires_ms=expires_ms)["number"]
    assert board.refused(house, "offer", 1_000, 20, expires_ms=board.now_ms) == "WINDOW_CLOSED"
    board.ledger.advance(ms=expires_ms - board.now_ms)
    assert board.found(offer)["status"] == "expired"
    assert board.available(house) == MONEY


# ---------------------------------------------------------------- limits


def test_open_and_sold_energy_stays_within_the_rating(board: Bazaar) -> None:
    """An offer is a promise: open + sold Wh of a delivery interval <= rating x duration, over all markets."""
    board.two("market", "propose_market", market=market_data("board", id="utility:market-2"))
    house, buyer = board.houses[:2]
    assert board.refused(house, "offer", 10_001, 20) == "RATING_EXCEEDED"
    assert board.refused(house, "request", 10_001, 20) == "RATING_EXCEEDED"
    offer = board.order(house, "offer", 9_999, 20)["number"]
    other = {"point": house.point, "price_micro": CENT, "market": "utility:market-2"}
    assert board.code(house.wallet, "market", "offer", energy_wh=5, **other) == "RATING_EXCEEDED"
    assert buy(board, buyer, offer, 5_000) == "OK"
    assert board.code(house.wallet, "market", "offer", energy_wh=5, **other) == "RATING_EXCEEDED"
    board.ok(house.wallet, "market", "cancel", order=offer)
    assert board.code(house.wallet, "market", "offer", energy_wh=5_004, **other) == "RATING_EXCEEDED"
    assert board.code(house.wallet, "market", "offer", energy_wh=5_000, **other) == "OK"


def test_prices_quantities_and_positions_are_limited_by_data(board: Bazaar) -> None:
    """Band and tick, the size of an order, what a customer and what a feeder may have of a delivery."""
    limits = {"order_limit_wh": 4_000, "position_limit_wh": 6_000, "feeder_limit_wh": 9_000}
    board.market("board", floor_micro=5 * CENT, cap_micro=30 * CENT, tick_micro=CENT, **limits)
    first, second, third = board.houses[:3]
    assert [board.refused(first, "offer", 1_000, cents) for cents in (4, 31)] == ["PRICE_OUT_OF_BAND"] * 2
    between = {"market": MARKET, "point": first.point, "energy_wh": 1_000, "price_micro": 5 * CENT + 1}
    assert board.code(first.wallet, "market", "offer", **between) == "PRICE_OUT_OF_BAND"
    assert [board.refused(first, "offer", energy, 5) for energy in (0, 4_001)] == ["QUANTITY_LIMIT"] * 2
    offer = board.order(first, "offer", 4_000, 5)["number"]
    assert board.refused(first, "offer", 2_001, 5) == "POSITION_LIMIT"
    assert buy(board, third, offer, 3_000) == "OK"
    assert board.refused(first, "offer", 2_001, 5) == "POSITION_LIMIT", "what is sold counts as what is open"
    board.order(first, "offer", 2_000, 5)
    assert board.refused(second, "offer", 3_001, 5) == "POSITION_LIMIT", "the feeder's limit"
    board.ok(first.wallet, "market", "cancel", order=offer)
    assert board.refused(second, "offer", 3_001, 5) == "OK"


def test_a_halted_feeder_takes_no_new_deliveries(board: Bazaar) -> None:
    """Reverse flow stops what leaves it, forward what comes into it; what stands is settlement's to curtail."""
    seller, buyer = board.houses[:2]
    offer = board.order(seller, "offer", 1_000, 20)["number"]
    request = board.order(buyer, "request", 1_000, 20)["number"]
    halt = {"feeder": FEEDER, "direction": "reverse", "until_ms": 0}
    board.ok(board.operator, "feeder", "halt", **halt)
    assert board.refused(seller, "offer", 1_000, 20) == "HALTED"
    assert buy(board, buyer, offer) == "HALTED"
    assert board.code(seller.wallet, "market", "sell", order=request, point=seller.point) == "HALTED"
    assert board.refused(buyer, "request", 1_000, 20) == "OK"
    board.ok(board.operator, "feeder", "resume", feeder=FEEDER, direction="reverse")
    board.ok(board.operator, "feeder", "halt", feeder=FEEDER, direction="forward", until_ms=board.slot)
    assert buy(board, buyer, offer) == "OK", "it ends before the delivery begins"
    board.ok(board.operator, "feeder", "halt", feeder=FEEDER, direction="forward", until_ms=board.until_ms)
    assert board.refused(buyer, "request", 1_000, 20) == "HALTED"


# ---------------------------------------------------------------- fees, levies, tax


def test_the_fee_of_the_pair_of_feeders_comes_on_top_and_levies_and_tax_are_set_aside(board: Bazaar) -> None:
    """Buyer pays price + fee + levies + tax; the fee goes to the operators; a request's price includes the fee."""
    voltages = {"rating_va": 12_500, "low_mv": 230_000, "high_mv": 11_000_000}
    board.ok(board.operator, "registry", "add_transformer", id=TRANSFORMER + "b", **voltages)
    board.ok(board.operator, "registry", "add_feeder", id="utility:feeder-2", transformer=TRANSFORMER, area=AREA)
    (far,) = board.settle_in("far", feeder="utility:feeder-2")
    board.fund(far.wallet)
    charges = {"levies": [{"name": "levy", "price_micro": CENT}], "tax_micro": 200_000}
    board.two("tariff", "propose_peer_charges", utility="utility", charges=charges, from_ms=board.now_ms + 1_000)
    wedge = {"from_feeder": FEEDER, "to_feeder": "utility:feeder-2", "fee_micro": 3 * CENT, "account": board.admin.id}
    wedge["limit_w"] = 1_500
    board.two("market", "propose_wedge", market=MARKET, wedge=wedge)
    board.ledger.advance(ms=INTERVAL_MS)
    near = board.houses[0]
    offer = board.order(near, "offer", 2_000, 20)["number"]
    assert buy(board, far, offer, 1_501) == "BOOK_FULL", "the line carries 1.5 kWh in an hour"
    assert buy(board, far, offer, 1_000) == "OK"
    (agreed,) = board.trades()
    assert (agreed["price_micro"], agreed["fee_micro"], agreed["fee_account"]) == (20 * CENT, 3 * CENT, board.admin.id)
    assert board.escrows(far) == {"trade/1": (2_000 + 300 + 100) * 6 // 5 + SLACK}
    assert buy(board, far, offer, 501) == "BOOK_FULL", "of which 1 kWh is taken"
    request = board.order(far, "request", 500, 23)["number"]
    board.ok(near.wallet, "market", "sell", order=request, point=near.point)
    assert board.trades()[1]["price_micro"] == 20 * CENT


# ---------------------------------------------------------------- markets as data, and who reads


def test_two_of_the_operators_people_decide_a_market(board: Bazaar) -> None:
    """One proposes, another approves; it holds from its time on; a delivery ends as it began."""
    house = board.houses[0]
    proposed = {"market": market_data("board", cap_micro=10 * CENT), "from_ms": board.now_ms + 60_000}
    proposal = board.ok(board.operator, "market", "propose_market", **proposed)
    assert board.code(board.operator, "market", "approve", proposal=proposal) == "SAME_PERSON"
    assert board.code(board.ledger.admin("community"), "market", "approve", proposal=proposal) == (
        "NOT_YOUR_ORGANISATION"
    )
    board.ok(board.admin, "market", "approve", proposal=proposal)
    assert board.refused(house, "offer", 1_000, 20) == "OK"
    board.ledger.advance(ms=120_000)
    assert board.refused(house, "offer", 1_000, 20) == "OK", "this delivery began under the old rules"
    board.at_minute(840)
    assert board.refused(house, "offer", 1_000, 20) == "PRICE_OUT_OF_BAND"
    board.market("board", open=False)
    assert board.refused(house, "offer", 1_000, 5) == "WINDOW_CLOSED"


def test_a_market_that_contradicts_itself_is_refused(board: Bazaar) -> None:
    """Before anybody approves it."""
    wrong = [
        market_data("lottery"),
        market_data("board", floor_micro=2, cap_micro=1),
        market_data("board", tick_micro=0),
        market_data("board", fee_micro=1),
        market_data("uniform", coordinator_ms=60_000),
        market_data("truthful"),
        market_data("board", operator="community"),
        market_data("board", feeders=["utility:other"]),
        market_data("board", windows=[{**market_data("board")["windows"][0], "exchange_from_minute": 781}]),
    ]
    for market in wrong:
        assert board.code(board.operator, "market", "propose_market", market=market) == "MARKET_INVALID", market
    other = market_data("board", id="community:market")
    assert board.code(board.operator, "market", "propose_market", market=other) == "ID_INVALID"
    wedge = {"from_feeder": FEEDER, "to_feeder": FEEDER, "fee_micro": 1, "account": board.admin.id}
    board.market("uniform")
    assert board.code(board.operator, "market", "propose_wedge", market=MARKET, wedge=wedge) == "MARKET_INVALID"


def test_the_book_is_read_by_the_area_and_an_order_by_its_customer(board: Bazaar) -> None:
    """The book shows no customers; strangers see nothing."""
    house, neighbour = board.houses[:2]
    offer = board.order(house, "offer", 1_000, 20)["number"]
    board.order(neighbour, "request", 500, 10)
    book = {"market": MARKET, "slot": board.slot}
    shown = board.ask(neighbour.wallet, "market", "book", **book)
    assert [(row["side"], row["energy_wh"], row["price_micro"]) for row in shown] == [
        ("bid", 500, 10 * CENT),
        ("ask", 1_000, 20 * CENT),
    ]
    assert "customer" not in shown[0]
    for signer, function, arguments in (
        (board.stranger, "book", book),
        (board.stranger, "trades", book),
        (neighbour.wallet, "order", {"order": offer}),
        (neighbour.wallet, "counters", {"order": offer}),
        (neighbour.wallet, "orders", {"wallet": house.wallet.id}),
        (neighbour.wallet, "strategies", {"wallet": house.wallet.id}),
    ):
        with pytest.raises(Exception, match="read by"):
            board.ask(signer, "market", function, **arguments)
    assert [order["number"] for order in board.ask(house.wallet, "market", "orders", wallet=house.wallet.id)] == [offer]
    assert board.ask(board.regulator, "market", "order", order=offer)["customer"] == house.customer
    assert board.ask(house.wallet, "market", "window", market=MARKET)["until_ms"] == board.slot + HOUR_MS


def test_who_moves_out_before_the_delivery_neither_buys_nor_sells(board: Bazaar) -> None:
    """A trade binds a customer who lives there when it is delivered."""
    seller, buyer = board.houses[:2]
    offer = board.order(seller, "offer", 1_000, 20)["number"]
    board.ok(board.operator, "registry", "move_out", premises=seller.premises, at_ms=board.slot)
    assert buy(board, buyer, offer) == "NOT_A_MEMBER"
    assert board.refused(seller, "offer", 1_000, 20) == "NOT_A_MEMBER"
    board.at_minute(780)
    assert board.found(offer)["status"] == "expired"
    assert board.available(seller) == MONEY


def test_nobody_blocks_a_trade_by_taking_the_name_of_its_escrow(board: Bazaar) -> None:
    """Names with a slash are those of contracts: a person cannot open one beforehand."""
    buyer = board.houses[0]
    taken = {"amount_minor": 1, "purpose": "mine", "beneficiary": board.treasury.id}
    assert board.code(buyer.wallet, "currency", "open_escrow", escrow="trade/1", **taken) == "TEXT_OUT_OF_RANGE"
