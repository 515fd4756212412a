"""The fullest book with fees by pair of feeders and lines with limits: cleared on a ledger, within a call's budget."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from chaincode.book import Book, Order, Pair
from chaincode.clearing import clear
from chaincode.matching import TRADES_AT_ONCE
from ledgernode.wire.parameters import Parameters
from tests.chaincode.bazaar import CENT, MARKET
from tests.chaincode.test_market_auctions import require_nothing_held
from tests.chaincode.test_market_delivers import Delivering
from tests.chaincode.town import AREA, FEEDER, TRANSFORMER, House

FEEDERS = [FEEDER, *(f"utility:feeder-{number}" for number in (2, 3, 4))]
ORDERS = 200
"""What a delivery takes over four feeders with wedges."""
HOUSES_A_FEEDER = 5
FEW_UNITS = 20_000
"""Settlement's own timers take fewer."""


class Districts(Delivering):
    """Four feeders, a wedge from each to each other one, some of them lines that carry little."""

    def __init__(self, mechanism: str, seed: int) -> None:
        self.chance = Random(seed)
        self.district: dict[str, str] = {}
        self.placed: dict[str, list[Order]] = {"bid": [], "ask": []}
        super().__init__(mechanism, houses=0, fee_micro=0)
        voltages = {"rating_va": 100_000, "low_mv": 230_000, "high_mv": 11_000_000}
        for number, feeder in enumerate(FEEDERS):
            if number:
                transformer = f"{TRANSFORMER}-{number}"
                self.ok(self.operator, "registry", "add_transformer", id=transformer, **voltages)
                self.ok(self.operator, "registry", "add_feeder", id=feeder, transformer=transformer, area=AREA)
            for house in self.settle_in(*(f"h{number}-{place}" for place in range(HOUSES_A_FEEDER)), feeder=feeder):
                self.district[house.point] = feeder
                self.fund(house.wallet)
        self.pairs = [self.wedge(one, other) for one in FEEDERS for other in FEEDERS if one != other]
        self.ledger.advance(minutes=15)

    def wedge(self, seller: str, buyer: str) -> Pair:
        """A fee, and for one line in three what it carries in the hour."""
        fee_micro = self.chance.randrange(1, 8) * CENT
        limit_w = self.chance.choice((0, 0, 1_500))
        wedge = {"from_feeder": seller, "to_feeder": buyer, "fee_micro": fee_micro, "limit_w": limit_w}
        self.two("market", "propose_wedge", market=MARKET, wedge={**wedge, "account": self.admin.id})
        return Pair(
            seller_feeder=seller, buyer_feeder=buyer, fee_micro_per_kwh=fee_micro, limit_wh=limit_w if limit_w else None
        )

    def fill(self) -> None:
        """Every house on one side, with all it may have of the book; prices that overlap widely."""
        for number in range(ORDERS):
            house = self.houses[number % len(self.houses)]
            side = "bid" if (number % len(self.houses)) % 2 else "ask"
            energy_wh, cents = self.chance.randrange(20, 180), self.chance.randrange(5, 35)
            order = self.order(house, side, energy_wh, cents)
            self.placed[side].append(
                Order(
                    id=str(order["number"]),
                    owner=house.customer,
                    energy_wh=energy_wh,
                    price_micro_per_kwh=cents * CENT,
                    feeder=self.district[house.point],
                )
            )

    def book(self) -> Book:
        return Book(bids=self.placed["bid"], asks=self.placed["ask"], pairs=tuple(self.pairs))

    def all_trades(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["trade"] if found else 0
            page = self.ask(self.operator, "market", "trades", market=MARKET, slot=self.slot, after=after)
            if not page:
                return found
            found += page


@pytest.mark.parametrize(("mechanism", "seed"), [("central", 1), ("pay_as_bid", 2)])
def test_the_fullest_book_with_wedges_clears_on_the_ledger_as_the_pure_function_does(mechanism: str, seed: int) -> None:
    """Two hundred orders over four feeders: no call beyond its budget, the same trades, and all other money back."""
    town = Districts(mechanism, seed)
    town.fill()
    extra: House = town.houses[0]
    assert town.refused(extra, "ask", 10, 30) == "BOOK_FULL"
    expected = clear(mechanism.replace("_", "-"), town.book())
    assert len(expected.matches) > 60
    done = town.ledger.advance(ms=town.slot + 60_000 - town.now_ms)
    steps = [one.receipt for one in done if one.receipt.budget_used > FEW_UNITS]
    assert len(steps) > len(expected.matches) // TRADES_AT_ONCE
    assert all(one.receipt.succeeded for one in done)
    assert max(step.budget_used for step in steps) <= Parameters().budget
    assert town.ask(town.operator, "market", "slot", market=MARKET, slot=town.slot)["status"] == "cleared"
    rows = [
        (row["bid"], row["ask"], row["energy_wh"], row["price_micro"], row["buyer_price_micro"])
        for row in town.all_trades()
    ]
    assert rows == [
        (int(row.bid), int(row.ask), row.energy_wh, row.price_micro_per_kwh, row.buyer_price_micro_per_kwh)
        for row in expected.matches
    ]
    (cleared,) = town.ledger.events("market", "Cleared")
    assert (cleared.payload["volume_wh"], cleared.payload["welfare_micro"]) == (
        expected.volume_wh,
        expected.welfare_micro,
    )
    require_nothing_held(town)
