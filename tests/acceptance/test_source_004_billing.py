"""Source 004, billing and trading on a chain: what of it is rules, on a running ledger."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from ledgernode.client import ReadLevel
from tests.acceptance.community import (
    CENT,
    CHANGING_TARIFF,
    HOUR_MS,
    INTERVAL_MS,
    LEVY_MICRO,
    RETAIL_MICRO,
    SECOND_MS,
    Community,
    kwh,
    tariffs,
)
from tests.acceptance.trading import Market
from tests.acceptance.whole_town import DUE_DAYS, WholeTown

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DAY_MS = 86_400_000


def test_004_3_meter_data_times_tariff_is_an_invoice_that_is_paid_or_overdue(town: WholeTown) -> None:
    """004-3: automatic billing: an invoice with its lines and due date, payments in parts, status; overdue by itself
    when it is not paid; all of it on the ledger, and recomputed from what metering and settlement know."""
    community = town.community
    paid, unpaid = (town.invoices[house.name] for house in (town.buying, town.sharing))
    bill = paid["invoice"]
    assert paid["standing"]["status"] == "open"
    assert bill["total_minor"] == sum(line["amount_minor"] for line in bill["lines"])
    assert bill["due_ms"] - bill["issued_ms"] == DUE_DAYS * DAY_MS
    again = community.ask(community.regulator, "billing", "recompute", invoice=bill["id"])
    assert again == {"agrees": True, "lines": bill["lines"]}
    assert town.partly == "partly"
    assert town.invoice(town.buying.customer)["standing"]["status"] == "paid"
    accounts = {"customer": town.buying.customer}
    assert community.ask(town.buying.wallet, "billing", "ledger", **accounts)["balance_minor"] == 0
    assert community.refusal(town.selling.wallet, "billing", "ledger", **accounts) != ""

    lines = {f"{line['kind']} {line['name']}": line for line in unpaid["invoice"]["lines"]}
    assert lines["import all"]["quantity"] == kwh(0.2)
    assert lines["import all"]["amount_minor"] == RETAIL_MICRO // 500
    assert lines["levy green"]["amount_minor"] == LEVY_MICRO // 500
    assert (unpaid["standing"]["status"], unpaid["standing"]["stage"]) == ("open", "")
    community.to(unpaid["invoice"]["due_ms"] + HOUR_MS)

    def overdue() -> bool:
        community.seen()
        return bool(town.invoice(town.sharing.customer)["standing"]["status"] == "overdue")

    community.until(overdue)
    total_minor = unpaid["invoice"]["total_minor"]
    payment = {"invoice": unpaid["invoice"]["id"], "amount_minor": total_minor, "request": "at last"}
    community.ok(community.stranger, "billing", "pay", **payment)  # anyone may
    assert town.invoice(town.sharing.customer)["standing"]["status"] == "paid"


def test_004_4_strategies_trade_by_themselves_on_conditions(community: Community) -> None:
    """004-4: a strategy per participant runs by timer, on price, surplus and time; from a budget; one whose price is
    not met waits, one whose time is over stops."""
    street = community.streets["agents"]
    seller, buyer, hesitant, battery = street.houses
    street.open()
    market = Market(street, "continuous")
    rule = {"market": market.id, "energy_wh": 1_000, "budget_minor": 20_000}
    until_ms = street.read_ms + INTERVAL_MS + 2 * SECOND_MS
    prices = ((seller, "sell_above", 10), (hesitant, "buy_below", 5), (buyer, "buy_below", 20))
    for house, name, cents in prices:
        price = {"price_micro": cents * CENT, "until_ms": until_ms}
        community.ok(house.wallet, "market", "strategy", point=house.point, rule=name, **rule, **price)
    keeping = {"price_micro": 4 * CENT, "sell_price_micro": 30 * CENT, "target_wh": 5_000, "until_ms": until_ms}
    keeper = {"point": battery.point, "rule": "keep_battery", **rule, **keeping}
    number = community.ok(battery.wallet, "market", "strategy", **keeper)["number"]
    community.ok(battery.meter, "market", "report_level", strategy=number, level_wh=5_600)  # 0.6 kWh beyond
    first_ms = street.read_ms + INTERVAL_MS
    community.until(lambda: sold(market, first_ms))
    street.flow((0, 0), (0, 0), (0, 0))  # the next delivery has opened: they act again
    community.until(lambda: sold(market, first_ms + INTERVAL_MS))
    for slot in (first_ms, first_ms + INTERVAL_MS):
        [trade] = market.trades(slot)
        agreed = market.trade(trade["trade"])
        assert (agreed["seller_customer"], agreed["buyer_customer"]) == (seller.customer, buyer.customer)
        assert agreed["price_micro"] == 10 * CENT
    listed = community.ask(battery.wallet, "market", "orders", wallet=battery.wallet.id)
    surplus = [(order["side"], order["energy_wh"], order["price_micro"]) for order in listed]
    assert ("ask", 600, 30 * CENT) in surplus
    street.flow((0, 1), (1, 0), (0, 0))

    def stopped() -> bool:
        community.seen()
        found = community.ask(buyer.wallet, "market", "strategies", wallet=buyer.wallet.id)
        return not found[0]["running"]

    community.until(stopped)
    assert market.trades(first_ms + 2 * INTERVAL_MS) == []


def sold(market: Market, slot: int) -> list[dict[str, Any]]:
    market.community.seen()
    return market.trades(slot)


def test_004_5_risk_limits_refuse_with_their_reason(community: Community) -> None:
    """004-5: caps on price and quantity, limits on a participant's and a feeder's position, and a strategy that strays,
    each with its code."""
    street = community.streets["limits"]
    first, second, third = street.houses
    street.open()
    limits = {"order_limit_wh": 4_000, "position_limit_wh": 6_000, "feeder_limit_wh": 9_000}
    market = Market(street, "board", floor_micro=5 * CENT, cap_micro=30 * CENT, tick_micro=CENT, **limits)
    assert [market.refused(first, "offer", 1_000, cents) for cents in (4, 31)] == ["PRICE_OUT_OF_BAND"] * 2
    assert market.refused(first, "offer", 4_001, 10) == "QUANTITY_LIMIT"
    offer = market.order(first, "offer", 4_000, 10)["number"]
    assert market.refused(first, "offer", 2_001, 10) == "POSITION_LIMIT"
    market.buy(third, offer, 3_000)
    assert market.refused(first, "offer", 2_001, 10) == "POSITION_LIMIT"  # sold counts as open
    market.order(first, "offer", 2_000, 10)
    assert market.refused(second, "offer", 3_001, 10) == "POSITION_LIMIT"  # that of the feeder
    refused = market.community.attempt(second.wallet, "market", "offer", **market.wanted(second, 3_001, 10))
    assert street.feeder in refused.message
    assert market.order(second, "offer", 3_000, 10)["status"] == "open"
    since = community.height
    budget = {"market": market.id, "energy_wh": 1_000, "budget_minor": 10, "until_ms": community.now_ms + HOUR_MS}
    rule = {"rule": "buy_below", "price_micro": 10 * CENT, "point": third.point}
    community.ok(third.wallet, "market", "strategy", **budget, **rule)
    [alarm] = community.until(
        lambda: [one for one in community.events("market", "StrategyStrayed", since) if one["market"] == market.id]
    )
    assert alarm["alarm"] == "BUDGET_TOO_SMALL"


def test_004_6_history_is_cleared_again_and_an_order_tried_before_it_is_given(community: Community) -> None:
    """004-6, its part on the ledger: a back test clears a past book again, under any mechanism, by the very code that
    trades; an order is tried on the book as it is now, without money and energy; then it is given, and does just
    that."""
    street = community.streets["back-test"]
    cheap, dear, keen, modest = street.houses
    street.open()
    market = Market(street, "uniform")
    slot = market.order(cheap, "ask", 2_000, 10)["from_ms"]
    market.orders((dear, "ask", 1_000, 18), (keen, "bid", 2_000, 28), (modest, "bid", 1_000, 14))
    height = community.height
    community.to(slot + 100)
    traded = market.cleared(slot)

    asked = {"market": market.id, "slot": slot}
    past = community.ledger.evaluate(
        "market", "book", asked, signer=community.operator.signer, level=ReadLevel.AT_HEIGHT, height=height
    )
    listed = json.loads(past.result)
    assert [(row["side"], row["energy_wh"]) for row in listed].count(("ask", 2_000)) == 1
    assert community.ask(community.operator, "market", "book", **asked) == []
    owners = {row["order"]: market.found(row["order"])["customer"] for row in listed}
    book = {side + "s": [plain(row, owners) for row in listed if row["side"] == side] for side in ("bid", "ask")}
    before = [community.money(house.wallet) for house in street.houses]
    results = {
        mechanism: community.ask(community.stranger, "auction", "clear", mechanism=mechanism, book=book)
        for mechanism in ("uniform", "pay-as-bid", "central")
    }
    assert [(int(row["bid"]), int(row["ask"]), row["energy_wh"]) for row in results["uniform"]["matches"]] == [
        (trade["bid"], trade["ask"], trade["energy_wh"]) for trade in traded
    ]
    assert {row["price_micro_per_kwh"] for row in results["uniform"]["matches"]} == {
        trade["price_micro"] for trade in traded
    }
    best = results["central"]["welfare_micro"]
    assert all(result["welfare_micro"] <= best for result in results.values())
    assert [community.money(house.wallet) for house in street.houses] == before

    live = Market(street, "continuous", "live")
    resting = live.order(cheap, "ask", 1_000, 10)
    row = community.ask(keen.wallet, "market", "book", market=live.id, slot=resting["from_ms"])[0]
    now = {"bids": [], "asks": [plain(row, {row["order"]: cheap.customer})]}
    wanted = {"id": "0", "owner": keen.customer, "energy_wh": 400, "price_micro_per_kwh": 12 * CENT}
    [tried] = community.ask(keen.wallet, "auction", "match", book=now, side="bid", order=wanted)
    live.order(keen, "bid", 400, 12)
    [done] = live.trades(resting["from_ms"])
    assert (tried["energy_wh"], tried["price_micro_per_kwh"]) == (done["energy_wh"], done["price_micro"])


def plain(row: dict[str, Any], owners: dict[int, str]) -> dict[str, Any]:
    """An order as the mechanisms take it."""
    price = {"energy_wh": row["energy_wh"], "price_micro_per_kwh": row["price_micro"]}
    return {"id": str(row["order"]), "owner": owners[row["order"]], **price, "feeder": row["feeder"]}


def test_004_8_rules_change_at_a_stated_time_and_everything_is_watched(community: Community) -> None:
    """004-8: a tariff and a market's rule take effect at the time that was stated, not before; whoever watches is told
    by events, and operators see the state of each node."""
    street = community.streets["changing"]
    [house] = street.houses
    street.open()
    since = community.height
    market = Market(street, "board", cap_micro=40 * CENT)
    [tariff] = [one for one in tariffs() if one.id == CHANGING_TARIFF]
    [band] = tariff.bands
    dearer = msgspec.structs.replace(tariff, bands=(msgspec.structs.replace(band, price_micro=RETAIL_MICRO + CENT),))
    from_ms = street.read_ms + INTERVAL_MS
    proposed = {"tariff": msgspec.to_builtins(dearer), "from_ms": from_ms}
    proposal = community.ok(community.operator, "tariff", "propose_tariff", **proposed)
    assert community.code(community.operator, "tariff", "approve", proposal=proposal) == "SAME_PERSON"
    community.ok(community.admin, "tariff", "approve", proposal=proposal)
    market.decide(from_ms=from_ms, cap_micro=20 * CENT)
    late = {**proposed, "from_ms": street.read_ms - INTERVAL_MS}
    assert community.code(community.operator, "tariff", "propose_tariff", **late) != "OK"

    def price(at_ms: int) -> Any:
        return community.ask(house.wallet, "tariff", "price", id=CHANGING_TARIFF, at_ms=at_ms)

    assert [price(from_ms - 1), price(from_ms)] == [RETAIL_MICRO, RETAIL_MICRO + CENT]
    assert market.refused(house, "offer", 1_000, 30) == "OK"
    community.to(from_ms + 100)
    assert market.refused(house, "offer", 1_000, 30) == "PRICE_OUT_OF_BAND"
    assert market.refused(house, "offer", 1_000, 20) == "OK"
    decided = [one for one in community.events("tariff", "TariffDecided", since) if one["tariff"] == CHANGING_TARIFF]
    assert [one["from_ms"] for one in decided] == [from_ms]
    changed = [one for one in community.events("market", "MarketChanged", since) if one["market"] == market.id]
    assert [one["from_ms"] for one in changed][1:] == [from_ms]
    for node in community.network.nodes:
        status = community.network.status(node)
        assert (status.engine, bool(status.halted)) == (community.engine, False)
        assert all(member.self or member.connected for member in status.validators)
