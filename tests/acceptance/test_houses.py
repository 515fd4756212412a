"""Houses that trade: what is agreed on a ledger of four flows between controllers, which are processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.at_feeder import Feeder
from tests.acceptance.community import KWH, Community
from tests.acceptance.trading import Market
from tests.cli.village import Village
from tests.conditions import until
from tests.running import LEDGER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WH = 1_000
BOUGHT_WH = 1
DELIVERED_S = 60.0
"""A Wh at 300 W takes twelve seconds, and what a busy machine needs."""


def test_002_3_a_trade_closes_relays_until_what_was_bought_is_there(
    community: Community, feeder: Feeder, tmp_path: Path
) -> None:
    """002-3, 003-4: an order is matched on the ledger; when its delivery begins the gateway says the trade's line, the
    bus closes the seller's OUT and the buyer's IN, both ends measure, the buyer's page shows it live, and relays are
    open when the bought amount is there: once, over the deaths of bus and gateway. The ledger settles what was
    measured."""
    street = community.streets["village"]
    seller, buyer = street.houses
    street.open()
    board = Market(street, "board")
    with Village(tmp_path / "village", [seller.point, buyer.point]) as village:
        listening = (
            *("--broker", feeder.broker.endpoint, "--broker-roots", feeder.broker.roots, "--broker-user", "screen"),
            *("--broker-password-file", feeder.files / "secrets" / "screen.password"),
            *("--ledger", LEDGER, "--feeder", street.feeder),
        )
        bus = village.bus(*listening)
        for house in (seller, buyer):
            village.tie(house.point)
        until(lambda: all(village.page(name).get("linked") for name in village.names), DELIVERED_S)
        until(lambda: "listening" in village.output() and street.feeder in village.output())

        number = board.buy(buyer, board.order(seller, "offer", BOUGHT_WH, 20)["number"])
        assert board.trade(number)["status"] == "agreed"
        assert not village.page(seller.point)["relay_out"]
        street.flow((0, 0), (0, 0))  # its delivery begins
        until(lambda: village.page(buyer.point)["relay_in"], DELIVERED_S)
        until(lambda: village.page(seller.point)["relay_out"], DELIVERED_S)
        until(lambda: village.page(buyer.point)["energy_mwh"] > 100)
        live = village.page(buyer.point)
        assert (live["trade"], live["demand_mwh"]) == (number, BOUGHT_WH * WH)
        assert f"#{number} running: {seller.point} → {buyer.point}" in village.shown(buyer.point)
        assert "12.40 V" in village.shown(buyer.point)

        bus.kill()
        bus.wait()
        feeder.gateway.kill()
        feeder.gateway.start()
        village.bus(*listening)
        until(lambda: f"trade {number} done" in village.output(), DELIVERED_S)
        until(lambda: not village.page(buyer.point)["relay_in"] and not village.page(seller.point)["relay_out"])
        taken_mwh, given_mwh = (village.page(house.point)["energy_mwh"] for house in (buyer, seller))
        assert BOUGHT_WH * WH <= taken_mwh < 3 * BOUGHT_WH * WH
        assert village.output().count(f"trade {number} done") == 1
        assert "disputed" not in village.output()

    for house, measured_mwh in ((seller, given_mwh), (buyer, taken_mwh)):
        for command in community.ask(house.meter, "settlement", "commands", point=house.point):
            done = {"command": command["number"], "measured_mwh": measured_mwh}
            assert community.ok(house.meter, "settlement", "acknowledge", **done)["status"] == "acknowledged"
    street.settle((0, given_mwh / KWH), (taken_mwh / KWH, 0))
    settled = board.trade(number)
    assert (settled["status"], settled["delivered_mwh"]) == ("done", BOUGHT_WH * WH)


def test_003_11_an_accepted_offer_is_locked_until_its_window_ends(community: Community) -> None:
    """003-11: what was accepted can neither be taken back nor bought again, before its delivery and while it runs; what
    is left of the offer can. How many trades there are, and the n-th of them, can be asked for."""
    street = community.streets["locked"]
    seller, buyer = street.houses
    street.open()
    board = Market(street, "board")

    def count() -> int:
        community.seen()
        found: int = community.ask(buyer.wallet, "market", "trade_count")
        return found

    before = count()
    whole, part = (board.order(seller, "offer", 1_000, 20)["number"] for _ in range(2))
    first, second = board.buy(buyer, whole), board.buy(buyer, part, 400)
    assert before < first < second <= count()
    for number, energy_wh in ((first, 1_000), (second, 400)):
        found = community.ask(buyer.wallet, "settlement", "trade", trade=number)
        assert (found["trade"], found["energy_wh"], found["seller_point"]) == (number, energy_wh, seller.point)
    nobody = {"trade": count() + 1_000}
    assert community.refusal(buyer.wallet, "settlement", "trade", **nobody) == "TRADE_UNKNOWN"

    def is_locked() -> bool:
        back = community.code(seller.wallet, "market", "cancel", order=whole)
        again = community.code(buyer.wallet, "market", "buy", order=whole, point=buyer.point)
        return {back, again} == {"ORDER_NOT_OPEN"}

    assert is_locked()
    held_minor = community.money(buyer.wallet)[1]
    community.ok(seller.wallet, "market", "cancel", order=part)
    assert community.money(buyer.wallet)[1] == held_minor, "the rest of it was nobody's yet"
    assert [board.trade(number)["status"] for number in (first, second)] == ["agreed"] * 2
    street.flow((0, 0), (0, 0))
    community.until(lambda: community.seen() or board.trade(first)["status"] == "delivering")
    assert is_locked()
    street.settle((0, 1.4), (1.4, 0))
    for number, energy_wh in ((first, 1_000), (second, 400)):
        settled = board.trade(number)
        assert (settled["status"], settled["delivered_mwh"]) == ("done", energy_wh * WH)
    assert is_locked()
    assert community.money(buyer.wallet)[1] == 0
