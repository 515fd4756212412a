"""Source 003, trading as a service in a microgrid: what of it is rules, on a running ledger."""

from __future__ import annotations

from typing import Any

import pytest

from ledgernode.identity.records import Role
from tests.acceptance.community import (
    CENT,
    FEED_IN_MICRO,
    HOUR_MS,
    KWH,
    LEVY_MICRO,
    LIMIT_S,
    MICRO,
    PURSE_MINOR,
    RETAIL_MICRO,
    SECOND_MS,
    TAX_MICRO,
    Community,
    kwh,
)
from tests.acceptance.street import House, Street
from tests.acceptance.trading import Market, cost_minor
from tests.acceptance.whole_town import WholeTown

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MINUTES = ("bids_from_minute", "bids_until_minute", "exchange_from_minute", "exchange_until_minute")
WINDOWS = [dict(zip(MINUTES, window, strict=True)) for window in ((630, 780, 780, 840), (840, 990, 990, 1_050))]
"""10:30-13:00 for 13:00-14:00, and 14:00-16:30 for 16:30-17:30."""


def test_003_1_the_marketplaces_four_functions_and_their_checks(community: Community) -> None:
    """003-1: create an offer, create a request, purchase an offer, sell to a request, each with its event; positive
    price and energy, not twice, not to oneself, enough funds; what a request costs is in escrow, so a sale to it always
    pays."""
    street = community.streets["four-functions"]
    seller, buyer, poor = street.houses
    street.open()
    since = community.height
    board = Market(street, "board", floor_micro=1, collateral_micro=2 * CENT)
    assert board.refused(seller, "offer", 1_000, 0) == "PRICE_OUT_OF_BAND"
    assert board.refused(seller, "offer", 1_000, -1) == "PRICE_OUT_OF_BAND"
    assert board.refused(seller, "offer", 0, 20) == "QUANTITY_LIMIT"
    offer = board.order(seller, "offer", 1_000, 20)["number"]
    taking = {"order": offer, "point": buyer.point}
    assert community.code(seller.wallet, "market", "buy", order=offer, point=seller.point) == "SELF_TRADE"
    first = board.buy(buyer, offer)
    assert community.code(poor.wallet, "market", "buy", order=offer, point=poor.point) == "ORDER_NOT_OPEN"
    assert community.code(buyer.wallet, "market", "buy", **taking) == "ORDER_NOT_OPEN"

    request = board.order(poor, "request", 1_000, 25)["number"]
    left_minor = community.money(poor.wallet)[0]
    community.ok(poor.wallet, "currency", "transfer", to=community.treasury.id, amount_minor=left_minor)
    assert community.money(poor.wallet)[0] == 0
    assert board.refused(poor, "request", 1_000, 20) == "INSUFFICIENT_BALANCE"
    assert community.code(poor.wallet, "market", "sell", order=request, point=poor.point) == "SELF_TRADE"
    second = community.ok(seller.wallet, "market", "sell", order=request, point=seller.point)
    assert community.code(seller.wallet, "market", "sell", order=request, point=seller.point) == "ORDER_NOT_OPEN"
    placed = [one for one in community.events("market", "OrderPlaced", since) if one["market"] == board.id]
    assert [(one["order"], one["kind"]) for one in placed] == [(offer, "offer"), (request, "request")]
    matched = [one for one in community.events("market", "OrderMatched", since) if one["market"] == board.id]
    assert [one["trade"] for one in matched] == [first, second]

    street.settle((0, 0), (0, 0), (0, 0))
    street.settle((0, 2), (1, 0), (1, 0))
    assert community.money(seller.wallet) == (PURSE_MINOR + 2_000 + 2_500, 0)
    assert community.money(buyer.wallet) == (PURSE_MINOR - cost_minor(1_000, 20), 0)
    held_minor = PURSE_MINOR - left_minor
    assert community.money(poor.wallet) == (held_minor - cost_minor(1_000, 25), 0)


def test_003_2_bids_are_taken_in_their_windows_only(community: Community) -> None:
    """003-2: bids 10:30-13:00 and 14:00-16:30, exchange 13:00-14:00 and 16:30-17:30, closed otherwise; configurable per
    feeder; out of window: refused."""
    street = community.streets["windows"]
    house, other = street.houses
    street.open()
    board = Market(street, "board", windows=WINDOWS)
    day_ms = community.to_minute(629)
    offer = {"energy_wh": 1_000, "cents": 20}
    assert board.refused(house, "offer", **offer) == "WINDOW_CLOSED"
    community.to_minute(631)
    placed = board.order(house, "offer", **offer)
    assert (placed["from_ms"], placed["until_ms"]) == (day_ms + 13 * HOUR_MS, day_ms + 14 * HOUR_MS)
    later = {"from_ms": day_ms + 16 * HOUR_MS + HOUR_MS // 2}
    assert board.refused(house, "offer", **offer, **later) == "WINDOW_CLOSED"  # its bids begin at 14:00
    community.to_minute(781)
    assert board.refused(house, "offer", **offer) == "WINDOW_CLOSED"
    assert community.code(other.wallet, "market", "buy", order=placed["number"], point=other.point) != "OK"
    community.until(lambda: board.found(placed["number"])["status"] == "expired")
    early = [{**WINDOWS[0], "bids_from_minute": 700, "bids_until_minute": 900, **exchange(900, 960)}]
    own = Market(street, "board", "early", windows=early, feeders=[street.feeder])
    assert own.order(house, "offer", **offer)["from_ms"] == day_ms + 15 * HOUR_MS
    community.to_minute(841)
    assert board.order(house, "offer", **offer)["from_ms"] == later["from_ms"]
    community.to_minute(1_060)
    assert board.refused(house, "offer", **offer) == "WINDOW_CLOSED"
    assert community.ask(house.wallet, "market", "window", market=board.id) is None


def exchange(from_minute: int, until_minute: int) -> dict[str, int]:
    return {"exchange_from_minute": from_minute, "exchange_until_minute": until_minute}


def test_003_3_the_same_orders_by_peers_by_a_coordinator_and_both(community: Community) -> None:
    """003-3: decentralised (peers choose), centralised (the coordinator matches for the greatest welfare, and must),
    hybrid (peers first, then the rest): the same data under each, compared."""
    street = community.streets["mechanisms"]
    cheap, dear, modest, keen = street.houses
    street.open()
    coordinator = community.member("coordinator", Role.OPERATOR, coordinator=f"north:{street.name}-central")
    community.register()
    peers = Market(street, "board", "peers")
    central = Market(street, "central", "central", coordinator_ms=600_000)
    hybrid = Market(street, "hybrid", "hybrid")
    prices = {cheap: 10, dear: 20, modest: 15, keen: 25}
    # peers: whoever comes first takes the cheapest
    one, two = (peers.order(house, "offer", 1_000, prices[house]) for house in (cheap, dear))
    peers.buy(modest, one["number"])
    peers.buy(keen, two["number"])
    slot = one["from_ms"]
    asks = [central.order(house, "ask", 1_000, prices[house])["number"] for house in (cheap, dear)]
    bids = [central.order(house, "bid", 1_000, prices[house])["number"] for house in (modest, keen)]
    told = {"market": central.id, "slot": slot, "load_wh": 1_000, "generation_wh": 0, "storage_wh": 0}
    community.ok(keen.wallet, "market", "disclose", point=keen.point, **told)
    asked = {"market": central.id, "slot": slot}
    assert community.refusal(community.operator, "market", "disclosures", **asked) == "NOT_THE_COORDINATOR"
    assert [row["point"] for row in community.ask(coordinator, "market", "disclosures", **asked)] == [keen.point]
    hybrid.order(modest, "bid", 1_000, prices[modest])
    hybrid.order(dear, "ask", 1_000, prices[dear])
    hybrid.order(cheap, "ask", 1_000, prices[cheap])  # meets the modest bid at once
    hybrid.order(keen, "bid", 1_000, prices[keen])

    community.to(slot + 100)
    best = [[bids[1], asks[0], 1_000]]
    worse = [[bids[0], asks[0], 1_000]]
    assert community.code(coordinator, "market", "match_central", **asked, matches=worse) == "MATCH_INVALID"
    community.ok(coordinator, "market", "match_central", **asked, matches=best)

    def welfare(market: Market) -> int:
        by_customer = {house.customer: cents for house, cents in prices.items()}
        gains = 0
        for trade in market.cleared(slot) if market is not peers else market.trades(slot):
            agreed = market.trade(trade["trade"])
            gain = by_customer[agreed["buyer_customer"]] - by_customer[agreed["seller_customer"]]
            gains += gain * agreed["energy_wh"] // 1_000
        return gains

    assert {market.mechanism: welfare(market) for market in (peers, central, hybrid)} == {
        "board": 5 + 5,
        "central": 15,
        "hybrid": 5 + 5,
    }


def test_003_4_each_trade_reaches_the_devices_exactly_once(community: Community) -> None:
    """003-4, its part on the ledger: each trade is told to the devices once, in numbered commands with the source's
    text; what was told survives a node's restart; it is acknowledged once, or timed out and then still answered."""
    street = community.streets["devices"]
    seller, buyer = street.houses
    street.open()
    since = community.height
    board = Market(street, "board")
    number = board.buy(buyer, board.order(seller, "offer", 1_000, 20)["number"])
    street.flow((0, 0), (0, 0))
    told = community.until(lambda: commands(street, since))
    assert [(one["trade"], one["action"]) for one in told] == [(number, "start"), (number, "in")]
    assert told[1]["command"] == told[0]["command"] + 1
    [start], [close] = (
        community.ask(house.meter, "settlement", "commands", point=house.point) for house in (seller, buyer)
    )
    assert start["text"] == f"New Transaction #{number}: energy from {seller.point} → {buyer.point}"
    assert start["device"] == seller.meter.id

    node = community.network.nodes[3]
    node.kill()
    done = {"command": start["number"], "measured_mwh": 0}
    assert community.code(buyer.meter, "settlement", "acknowledge", **done) == "NOT_A_PARTY"
    acknowledged = community.ok(seller.meter, "settlement", "acknowledge", **done)
    node.start()
    assert community.ok(seller.meter, "settlement", "acknowledge", **done) == acknowledged
    community.advance(40 * SECOND_MS)
    waiting = {"point": buyer.point}
    community.until(lambda: community.ask(buyer.meter, "settlement", "commands", **waiting)[0]["status"] == "timed_out")
    late = community.ok(buyer.meter, "settlement", "acknowledge", command=close["number"], measured_mwh=0)
    assert late["status"] == "acknowledged"

    street.settle((0, 1), (1, 0))
    after = commands(street, since)
    assert [one["action"] for one in after] == ["start", "in", "stop", "out"]
    assert [one["command"] for one in after] == sorted({one["command"] for one in after})
    community.network.wait_for_equal_heads(LIMIT_S)


def commands(street: Street, since: int) -> list[dict[str, Any]]:
    """What devices of the street were told, in the order of the chain."""
    points = {house.point for house in street.houses}
    told = street.community.events("settlement", "DeliveryCommanded", since)
    return [one for one in told if one["point"] in points]


def test_003_9_a_double_auction_of_twelve_with_agents_and_readings_that_come_later(community: Community) -> None:
    """003-9: price bidding in a double auction; automated agents bid; more than ten peers; exchange goes on offline,
    and readings that come later settle it all the same."""
    street = community.streets["twelve"]
    sellers, buyers = street.houses[:6], street.houses[6:]
    street.open()
    auction = Market(street, "uniform")
    agent = {
        "market": auction.id,
        "price_micro": 20 * CENT,
        "energy_wh": 1_000,
        "budget_minor": 20_000,
        "until_ms": community.now_ms + HOUR_MS,
        "rule": "buy_below",
    }
    community.ok(buyers[0].wallet, "market", "strategy", point=buyers[0].point, **agent)
    slot = auction.order(sellers[0], "ask", 1_000, 10)["from_ms"]
    auction.orders(
        *((house, "ask", 1_000, 10 + 2 * at) for at, house in enumerate(sellers[1:], 1)),
        *((house, "bid", 1_000, 28 - 2 * at) for at, house in enumerate(buyers[1:], 1)),
    )
    quiet = [(0.0, 0.0)] * 12
    street.flow(*quiet, but=street.meters)  # nobody hears of it: the wire is cut
    trades = auction.cleared(slot)
    # bids 26 24 22 20 (the agent) 20 18, asks 10 12 14 16 18 20: five or six meet at one price
    assert len(trades) >= 5
    assert len({trade["price_micro"] for trade in trades}) == 1
    agreed = [auction.trade(trade["trade"]) for trade in trades]
    assert buyers[0].customer in {trade["buyer_customer"] for trade in agreed}
    sold = {trade["seller_point"] for trade in agreed}
    bought = {trade["buyer_point"] for trade in agreed}
    flows = [(float(house.point in bought), float(house.point in sold)) for house in street.houses]
    start_ms = street.flow(*flows, but=street.meters)
    assert start_ms == slot
    assert street.closed_ms < slot
    community.advance(HOUR_MS // 2)
    street.send(*street.meters)  # two intervals, signed when they were read
    street.close(late=True)
    assert {auction.trade(trade["trade"])["status"] for trade in trades} == {"done"}
    assert all(auction.trade(trade["trade"])["delivered_mwh"] == KWH for trade in trades)


def test_003_10_four_ways_to_price_the_same_book(community: Community, town: WholeTown) -> None:
    """003-10: bill sharing, mid-market rate, auction pay-as-clear and pay-as-bid, on the same orders; nobody is worse
    off than with feed-in and retail, the yardstick. Net metering, the other yardstick, sets export against import."""
    netted = town.invoices[town.netting.name]["invoice"]
    # 1 kWh given and 1.5 taken: half a kWh is billed, with its levy, and tax on both
    assert [line["quantity"] for line in netted["lines"] if line["kind"] == "import"] == [kwh(0.5)]
    pico = kwh(0.5) * (RETAIL_MICRO + LEVY_MICRO) * (MICRO + TAX_MICRO)
    assert abs(netted["total_minor"] * 10**14 - pico) <= 10**14  # each line is rounded for itself

    street = community.streets["pricing"]
    cheap, dear, keen, modest = street.houses
    street.open()
    outside = {"retail_micro": RETAIL_MICRO, "feed_in_micro": FEED_IN_MICRO}
    markets = {
        mechanism: Market(
            street, mechanism, mechanism.replace("_", "-"), **(outside if mechanism == "mid_market" else {})
        )
        for mechanism in ("bill_share", "mid_market", "uniform", "pay_as_bid")
    }
    limits = ((cheap, "ask", 2_000, 10), (dear, "ask", 1_000, 16), (keen, "bid", 2_000, 28), (modest, "bid", 1_000, 22))
    placed = [market.orders(*limits) for market in markets.values()]
    slot = placed[0][0]["from_ms"]
    community.to(slot + 100)
    found: dict[str, list[dict[str, Any]]] = {}
    for mechanism, market in markets.items():
        found[mechanism] = [market.trade(trade["trade"]) for trade in market.cleared(slot)]
        assert sum(trade["energy_wh"] for trade in found[mechanism]) == 3_000
        for trade in found[mechanism]:
            assert FEED_IN_MICRO < trade["price_micro"] < RETAIL_MICRO

    def prices(mechanism: str, house: House, side: str) -> set[int]:
        return {trade["price_micro"] for trade in found[mechanism] if trade[f"{side}_customer"] == house.customer}

    # pay-as-clear and mid-market: one price for all; the middle of retail and feed-in
    assert len({trade["price_micro"] for trade in found["uniform"]}) == 1
    assert {trade["price_micro"] for trade in found["mid_market"]} == {(RETAIL_MICRO + FEED_IN_MICRO) // 2}
    # pay-as-bid: each buyer its own bid
    assert prices("pay_as_bid", keen, "buyer") == {28 * CENT}
    assert prices("pay_as_bid", modest, "buyer") == {22 * CENT}
    # bill sharing: each seller its own ask, and buyers the same for a kWh
    assert prices("bill_share", cheap, "seller") == {10 * CENT}
    assert prices("bill_share", dear, "seller") == {16 * CENT}
    shares = {
        house.name: sum(
            trade["energy_wh"] * trade["price_micro"]
            for trade in found["bill_share"]
            if trade["buyer_customer"] == house.customer
        )
        for house in (keen, modest)
    }
    assert abs(shares[keen.name] - 2 * shares[modest.name]) <= 3 * 16 * CENT  # to a Wh
