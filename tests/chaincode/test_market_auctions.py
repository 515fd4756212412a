"""Auctions on the ledger: continuous, by the window, by the coordinator; a match always pays."""

from __future__ import annotations

from typing import Any

import pytest

from chaincode.book import Book, Order
from chaincode.clearing import clear
from tests.chaincode.bazaar import CENT, MARKET, MONEY, Bazaar
from tests.chaincode.town import AREA, FEEDER, TRANSFORMER, House

FAR = "utility:feeder-2"


@pytest.fixture
def continuous() -> Bazaar:
    return Bazaar("continuous")


def matches(bazaar: Bazaar) -> list[tuple[int, int, int, int]]:
    """(bid, ask, Wh, price in cents) of every trade of the delivery, in order."""
    found = bazaar.ask(bazaar.operator, "market", "trades", market=MARKET, slot=bazaar.slot)
    return [(trade["bid"], trade["ask"], trade["energy_wh"], trade["price_micro"] // CENT) for trade in found]


def require_nothing_held(bazaar: Bazaar) -> None:
    """Beside what settlement has, all money is back with its owners."""
    for house in bazaar.houses:
        assert all(name.startswith(("trade/", "pledge/")) for name in bazaar.escrows(house)), house.name


# ---------------------------------------------------------------- continuous


def test_price_goes_before_time_and_the_resting_order_sets_the_price(continuous: Bazaar) -> None:
    """Partial fills on both sides; what is left rests, or is cancelled with its money back."""
    first, second, third, buyer = continuous.houses
    cheap_late = [continuous.order(house, "ask", 500, cents) for house, cents in ((first, 20), (second, 15))]
    same_price = continuous.order(third, "ask", 500, 15)
    assert [order["status"] for order in [*cheap_late, same_price]] == ["open"] * 3
    bid = continuous.order(buyer, "bid", 1_200, 22)
    assert matches(continuous) == [(4, 2, 500, 15), (4, 3, 500, 15), (4, 1, 200, 20)]
    assert (bid["status"], bid["filled_wh"]) == ("matched", 1_200)
    assert set(continuous.escrows(buyer)) == {"trade/1", "trade/2", "trade/3"}
    assert continuous.found(1)["left_wh"] == 300
    cancelled = continuous.ok(first.wallet, "market", "cancel", order=1)
    assert (cancelled["left_wh"], cancelled["filled_wh"]) == (300, 200)
    late = continuous.order(buyer, "bid", 1_000, 22)
    assert (late["status"], late["left_wh"]) == ("open", 1_000), "a cancelled order is not met"


def test_one_bid_crosses_all_and_what_is_left_rests(continuous: Bazaar) -> None:
    """It takes the whole other side and stays as the best bid; the next ask meets it at its price."""
    first, second, buyer = continuous.houses[:3]
    continuous.order(first, "ask", 100, 10)
    continuous.order(second, "ask", 100, 10)
    bid = continuous.order(buyer, "bid", 500, 30)
    assert (bid["filled_wh"], bid["left_wh"]) == (200, 300)
    ask = continuous.order(first, "ask", 300, 5)
    assert ask["status"] == "matched"
    assert matches(continuous)[-1] == (3, 4, 300, 30)
    require_nothing_held(continuous)


def test_an_order_that_would_meet_ones_own_is_refused(continuous: Bazaar) -> None:
    """Self-trade by customer, over any wallet; an order that does not cross is welcome."""
    house = continuous.houses[0]
    other = continuous.ledger.identity("second-wallet")
    continuous.ok(house.wallet, "registry", "add_wallet", wallet=other.id)
    continuous.fund(other)
    continuous.order(house, "ask", 100, 20)
    bid = {"market": MARKET, "point": house.point, "energy_wh": 100}
    assert continuous.code(other, "market", "bid", price_micro=20 * CENT, **bid) == "SELF_TRADE"
    assert continuous.code(other, "market", "bid", price_micro=20 * CENT - 1, **bid) == "OK"
    assert continuous.refused(house, "ask", 100, 19) == "SELF_TRADE"
    assert continuous.refused(house, "offer", 100, 30) == "WRONG_MECHANISM"


def test_a_cancel_that_comes_after_the_match_finds_nothing(continuous: Bazaar) -> None:
    """The ledger's order decides the race: after the match it is refused, before it nothing is matched."""
    seller, buyer = continuous.houses[:2]
    ask = continuous.order(seller, "ask", 100, 20)["number"]
    take = {"market": MARKET, "point": buyer.point, "energy_wh": 100, "price_micro": 20 * CENT}
    ledger = continuous.ledger
    bid, cancel = (
        ledger.sign(buyer.wallet, "market", "bid", take),
        ledger.sign(seller.wallet, "market", "cancel", {"order": ask}),
    )
    outcome = ledger.block(bid, cancel)
    assert [done.code for done in outcome] == ["OK", "market.ORDER_NOT_OPEN"]
    ask = continuous.order(seller, "ask", 100, 20)["number"]
    cancel = ledger.sign(seller.wallet, "market", "cancel", {"order": ask})
    bid = ledger.sign(buyer.wallet, "market", "bid", take)
    outcome = ledger.block(cancel, bid)
    assert [done.code for done in outcome] == ["OK", "OK"]
    assert len(matches(continuous)) == 1


def test_the_window_ends_what_rests_and_the_slot_takes_no_more(continuous: Bazaar) -> None:
    """An expired slot has no open orders, and all that was set aside for them is back."""
    seller, buyer = continuous.houses[:2]
    continuous.order(seller, "ask", 100, 20)
    continuous.order(buyer, "bid", 100, 10)
    continuous.at_minute(780)
    assert [continuous.found(order)["status"] for order in (1, 2)] == ["expired", "expired"]
    assert [continuous.available(house) for house in (seller, buyer)] == [MONEY, MONEY]
    assert continuous.ask(seller.wallet, "market", "slot", market=MARKET, slot=continuous.slot)["status"] == "cleared"
    assert continuous.refused(seller, "ask", 100, 20, from_ms=continuous.slot) == "WINDOW_CLOSED"
    late = {"market": MARKET, "slot": continuous.slot}
    assert continuous.code(continuous.stranger, "market", "clear", **late) == "NOT_DUE"


def test_negative_prices_are_paid_by_the_seller_out_of_its_collateral() -> None:
    """Who must get rid of energy may pay for that: its ask sets aside what it may pay."""
    bazaar = Bazaar("continuous", houses=2, floor_micro=-50 * CENT)
    seller, buyer = bazaar.houses
    bazaar.order(seller, "ask", 1_000, -10)
    assert bazaar.escrows(seller)["collateral/1"] >= 1_000
    bazaar.order(buyer, "bid", 1_000, -5)
    (agreed,) = bazaar.trades()
    assert agreed["price_micro"] == -10 * CENT
    assert agreed["pledge_minor"] >= 1_000
    assert agreed["escrow_minor"] == 20
    require_nothing_held(bazaar)


def test_many_small_matches_are_all_paid() -> None:
    """An order that meets more others than its slack is for gives up its last Wh, never a trade's money."""
    bazaar = Bazaar("continuous", houses=12)
    *sellers, buyer = bazaar.houses
    for house in sellers:
        bazaar.order(house, "ask", 10, 20)
    bid = bazaar.order(buyer, "bid", 110, 20)
    agreed = bazaar.trades()
    assert len(agreed) >= 8
    assert all(trade["escrow_minor"] == 2 * trade["energy_wh"] + 20 for trade in agreed)
    assert bid["status"] == "matched"
    assert sum(trade["energy_wh"] for trade in agreed) == bid["filled_wh"] <= 110
    require_nothing_held(bazaar)


def test_between_feeders_the_fee_is_a_wedge_and_a_line_carries_what_it_can(continuous: Bazaar) -> None:
    """Match if bid >= ask + fee; a full line leaves both orders in the book."""
    far = far_house(continuous, fee_cents=3, limit_w=1_000)
    near = continuous.houses[0]
    continuous.order(near, "ask", 2_000, 20)
    continuous.order(far, "bid", 300, 22)
    assert matches(continuous) == []
    continuous.order(far, "bid", 1_500, 23)
    assert matches(continuous) == [(3, 1, 1_000, 20)]
    assert continuous.trades()[0]["fee_micro"] == 3 * CENT
    continuous.order(continuous.houses[1], "bid", 400, 20)
    assert matches(continuous)[1:] == [(4, 1, 400, 20)]


# ---------------------------------------------------------------- by the window


PRICES = (("bid", 2_000, 30), ("bid", 1_000, 25), ("bid", 1_000, 10), ("ask", 1_000, 8), ("ask", 2_000, 15))


@pytest.mark.parametrize("mechanism", ["uniform", "pay_as_bid", "truthful", "central", "mid_market"])
def test_at_the_end_of_the_bids_the_book_clears_as_its_mechanism_says(mechanism: str) -> None:
    """By timer; the trades are those of the pure function; the rest expires and all other money is back."""
    bazaar = Bazaar(mechanism, houses=6, surplus=True)
    place_all(bazaar)
    expected = clear(mechanism.replace("_", "-"), book_of(bazaar))
    bazaar.at_minute(780)
    found = bazaar.ask(bazaar.operator, "market", "trades", market=MARKET, slot=bazaar.slot)
    rows = [(row["bid"], row["ask"], row["energy_wh"], row["price_micro"], row["buyer_price_micro"]) for row in found]
    assert rows == [
        (
            int(row.bid),
            int(row.ask),
            row.energy_wh,
            row.price_micro_per_kwh,
            row.buyer_price_micro_per_kwh,
        )
        for row in expected.matches
    ]
    assert rows, "these prices cross"
    for trade, row in zip(bazaar.trades(), expected.matches, strict=True):
        left_over = row.buyer_price_micro_per_kwh - row.price_micro_per_kwh
        assert (trade["fee_micro"], bool(trade["fee_account"])) == (left_over, left_over > 0)
        assert trade["escrow_minor"] >= trade["energy_wh"] * row.buyer_price_micro_per_kwh // 100_000
    require_nothing_held(bazaar)


def test_a_shared_bill_gives_every_buyer_a_part_of_every_seller() -> None:
    """Each seller gets its ask, and buyers pay the same for a kWh, to a Wh; nobody pays for another's shortfall."""
    bazaar = Bazaar("bill_share", houses=6)
    place_all(bazaar)
    expected = clear("bill-share", book_of(bazaar))
    bazaar.at_minute(780)
    assert matches(bazaar) == [(1, 4, 667, 8), (2, 4, 333, 8), (1, 5, 1_333, 15), (2, 5, 667, 15)]
    bill = sum(trade["energy_wh"] * trade["price_micro"] for trade in bazaar.trades())
    (shared,) = {row.buyer_price_micro_per_kwh for row in expected.matches}
    assert -(-bill // expected.volume_wh) == shared
    assert {(trade["fee_micro"], trade["fee_account"]) for trade in bazaar.trades()} == {(0, "")}
    require_nothing_held(bazaar)


def place_all(bazaar: Bazaar) -> None:
    for house, (side, energy_wh, cents) in zip(bazaar.houses, PRICES, strict=False):
        bazaar.order(house, side, energy_wh, cents)


def book_of(bazaar: Bazaar) -> Book:
    sides: dict[str, list[Order]] = {"bid": [], "ask": []}
    for number, (side, energy_wh, cents) in enumerate(PRICES, start=1):
        owner = bazaar.houses[number - 1].customer
        sides[side].append(
            Order(id=str(number), owner=owner, energy_wh=energy_wh, price_micro_per_kwh=cents * CENT, feeder=FEEDER)
        )
    return Book(bids=sides["bid"], asks=sides["ask"])


def test_an_empty_side_clears_to_nothing() -> None:
    """Bids alone, and an hour without orders: no trade, all money back, no fault."""
    bazaar = Bazaar("uniform", houses=2)
    bazaar.order(bazaar.houses[0], "bid", 1_000, 20)
    bazaar.at_minute(1_000)
    assert bazaar.trades() == []
    assert bazaar.available(bazaar.houses[0]) == MONEY
    (cleared,) = bazaar.ledger.events("market", "Cleared")
    assert (cleared.payload["volume_wh"], cleared.payload["price_micro"]) == (0, None)


def test_a_halted_feeder_and_who_moves_out_are_left_out_of_the_clearing() -> None:
    """The others trade; what is left out expires with its money back."""
    bazaar = Bazaar("uniform", houses=3)
    leaving, seller, buyer = bazaar.houses
    bazaar.order(leaving, "ask", 1_000, 5)
    bazaar.order(seller, "ask", 1_000, 10)
    bazaar.order(buyer, "bid", 2_000, 20)
    bazaar.ok(bazaar.operator, "registry", "move_out", premises=leaving.premises, at_ms=bazaar.slot)
    bazaar.at_minute(780)
    assert [(trade["seller"], trade["energy_wh"]) for trade in bazaar.trades()] == [(seller.wallet.id, 1_000)]
    assert bazaar.available(leaving) == MONEY
    bazaar.at_minute(840)
    bazaar.order(seller, "ask", 1_000, 10)
    bazaar.order(buyer, "bid", 1_000, 20)
    bazaar.ok(bazaar.operator, "feeder", "halt", feeder=FEEDER, direction="reverse", until_ms=0)
    bazaar.at_minute(990)
    assert len(bazaar.trades()) == 1


# ---------------------------------------------------------------- the coordinator


class Central(Bazaar):
    """A central market whose coordinator has ten minutes."""

    def __init__(self, mechanism: str = "central") -> None:
        super().__init__(mechanism, coordinator_ms=600_000)
        identity = {"role": "operator", "organisation": "utility"}
        self.coordinator = self.ledger.identity("match", attributes={"coordinator": MARKET}, **identity)
        self.impostor = self.ledger.identity("other", attributes={"coordinator": MARKET}, organisation="community")

    def match(self, *pairs: tuple[int, int, int], signer: Any = None) -> str:
        wanted = {"market": MARKET, "slot": self.slot, "matches": pairs}
        return self.code(signer or self.coordinator, "market", "match_central", **wanted)


def test_what_is_disclosed_is_for_the_coordinator_alone() -> None:
    """Peers disclose load, generation and storage to the coordinator role only."""
    central = Central()
    house, neighbour = central.houses[:2]
    told = {"market": MARKET, "slot": central.slot, "load_wh": 500, "generation_wh": 2_000, "storage_wh": 100}
    central.ok(house.wallet, "market", "disclose", point=house.point, **told)
    assert central.code(neighbour.wallet, "market", "disclose", point=house.point, **told) == "NOT_A_MEMBER"
    asked = {"market": MARKET, "slot": central.slot}
    (seen,) = central.ask(central.coordinator, "market", "disclosures", **asked)
    assert (seen["point"], seen["load_wh"], seen["generation_wh"], seen["storage_wh"]) == (
        house.point,
        500,
        2_000,
        100,
    )
    for signer in (house.wallet, central.operator, central.regulator, central.impostor):
        with pytest.raises(Exception, match="only the coordinator"):
            central.ask(signer, "market", "disclosures", **asked)
    event = central.ledger.events("market", "Disclosed")[0]
    assert "load_wh" not in event.payload


def test_a_coordinators_match_is_checked_and_must_be_the_best() -> None:
    """Checked, not trusted: prices, energies, self-trade, and the greatest welfare; in its time, by it alone."""
    central = Central()
    first, second, third, fourth = central.houses
    central.order(first, "bid", 1_000, 30)
    central.order(second, "bid", 1_000, 20)
    central.order(third, "ask", 1_000, 10)
    central.order(fourth, "ask", 1_000, 25)
    assert central.match((1, 3, 1_000)) == "NOT_THE_COORDINATOR", "bids are still taken"
    central.at_minute(780)
    assert central.match((1, 3, 1_000), signer=central.impostor) == "NOT_THE_COORDINATOR"
    wrong = [
        [(2, 3, 1_000)],
        [(1, 4, 1_000)],
        [(1, 3, 1_001)],
        [(1, 3, 600), (1, 4, 600)],
        [(2, 4, 1)],
        [(3, 1, 1_000)],
        [(1, 9, 1)],
        [(1, 3, 0)],
        [],
    ]
    assert [central.match(*pairs) for pairs in wrong] == ["MATCH_INVALID"] * len(wrong)
    assert central.match((1, 3, 1_000)) == "OK"
    assert central.code(first.wallet, "market", "cancel", order=2) == "ORDER_NOT_OPEN"
    central.ledger.advance(seconds=1)
    assert matches(central) == [(1, 3, 1_000, 20)]
    assert central.found(2)["status"] == central.found(4)["status"] == "expired"
    require_nothing_held(central)


def test_without_a_coordinator_the_contract_clears_by_itself() -> None:
    """After the coordinator's time; a hybrid market lets peers trade first."""
    hybrid = Central("hybrid")
    first, second, third = hybrid.houses[:3]
    hybrid.order(first, "ask", 1_000, 10)
    hybrid.order(second, "bid", 400, 12)
    assert matches(hybrid) == [(2, 1, 400, 10)]
    hybrid.order(third, "ask", 500, 30)
    hybrid.order(second, "bid", 500, 9)
    hybrid.at_minute(781)
    assert hybrid.found(1)["status"] == "open"
    hybrid.at_minute(791)
    assert [hybrid.found(order)["status"] for order in (1, 3, 4)] == ["expired"] * 3
    assert len(matches(hybrid)) == 1


# ---------------------------------------------------------------- large books


def far_house(bazaar: Bazaar, fee_cents: int, limit_w: int) -> House:
    """A house on a second feeder, behind a wedge from the first."""
    voltages = {"rating_va": 12_500, "low_mv": 230_000, "high_mv": 11_000_000}
    bazaar.ok(bazaar.operator, "registry", "add_transformer", id=TRANSFORMER + "b", **voltages)
    bazaar.ok(bazaar.operator, "registry", "add_feeder", id=FAR, transformer=TRANSFORMER, area=AREA)
    (far,) = bazaar.settle_in("far", feeder=FAR)
    bazaar.fund(far.wallet)
    wedge = {"from_feeder": FEEDER, "to_feeder": FAR, "fee_micro": fee_cents * CENT, "account": bazaar.admin.id}
    bazaar.two("market", "propose_wedge", market=MARKET, wedge={**wedge, "limit_w": limit_w})
    bazaar.ledger.advance(minutes=15)
    return far
