"""Whatever is ordered, cancelled and matched: a match always pays, and nobody gets more than an order says.

A state machine over orders, cancels and time, on a ledger of one market; each example has a delivery of its own.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from chaincode.orders import cost_minor
from tests.chaincode.bazaar import CENT, MARKET, MINUTES, Bazaar
from tests.chaincode.test_market_auctions import FAR, far_house
from tests.chaincode.town import HOUR_MS, PRICES_DIGITS, RATING_W

SLACK = 20
HOURLY = [
    dict(zip(MINUTES, (60 * hour, 60 * hour + 50, 60 * hour + 60, 60 * hour + 120), strict=True)) for hour in range(23)
]
POSITION_WH = 9_000
COLLATERAL = 2 * CENT
ACCEPTED = ("OK", "SELF_TRADE", "POSITION_LIMIT", "RATING_EXCEEDED", "BOOK_FULL")


@cache
def bazaar_of(mechanism: str) -> Bazaar:
    """One ledger for a mechanism; the mechanisms that may have two feeders have a wedge between them."""
    found = Bazaar(
        mechanism,
        houses=4,
        surplus=mechanism == "truthful",
        position_limit_wh=POSITION_WH,
        collateral_micro=COLLATERAL,
        windows=HOURLY,
        floor_micro=0 if mechanism == "truthful" else -10 * CENT,
    )
    charges = {"levies": [{"name": "levy", "price_micro": CENT}], "tax_micro": 190_000}
    found.two("tariff", "propose_peer_charges", utility="utility", charges=charges, from_ms=found.now_ms + 60_000)
    if mechanism in ("continuous", "hybrid"):
        far_house(found, fee_cents=2, limit_w=2_000)
    return found


class AlwaysPays(RuleBasedStateMachine):
    mechanism: ClassVar[str] = "continuous"

    def __init__(self) -> None:
        super().__init__()
        self.bazaar = bazaar_of(self.mechanism)
        self.numbers: list[int] = []
        self.first_trade = 0

    @initialize()
    def next_window(self) -> None:
        """Wait for the next hour, with nothing open from before."""
        bazaar = self.bazaar
        bazaar.ledger.advance(ms=HOUR_MS - bazaar.now_ms % HOUR_MS)
        while (window := bazaar.ask(bazaar.operator, "market", "window", market=MARKET)) is None:
            bazaar.ledger.advance(ms=HOUR_MS)
        bazaar.slot, bazaar.until_ms = window["from_ms"], window["until_ms"]
        self.closes_ms: int = window["closes_ms"]
        self.first_trade = len(bazaar.trades())

    @property
    def is_open(self) -> bool:
        return self.bazaar.now_ms < self.closes_ms

    @precondition(lambda self: self.is_open)
    @rule(
        house=st.integers(0, 4),
        side=st.sampled_from(["bid", "ask"]),
        energy_wh=st.integers(1, 40) | st.integers(1_000, 6_000),
        cents=st.integers(-3, 12),
        minutes=st.none() | st.integers(1, 30),
    )
    def place(self, house: int, side: str, energy_wh: int, cents: int, minutes: int | None) -> None:
        bazaar = self.bazaar
        who = bazaar.houses[house % len(bazaar.houses)]
        order = {"market": MARKET, "point": who.point, "energy_wh": energy_wh}
        price = max(cents, 0) if self.mechanism == "truthful" else cents
        expires_ms = bazaar.now_ms + minutes * 60_000 if minutes else 0
        done = bazaar.attempt(who.wallet, "market", side, price_micro=price * CENT, expires_ms=expires_ms, **order)
        assert done.code.rpartition(".")[2] in ACCEPTED, (done.code, done.message)
        if done.succeeded:
            self.numbers.append(done.result["number"])

    @precondition(lambda self: self.is_open and self.numbers)
    @rule(at=st.integers(0, 100))
    def cancel(self, at: int) -> None:
        number = self.numbers[at % len(self.numbers)]
        found = self.bazaar.found(number)
        (owner,) = [house for house in self.bazaar.houses if house.customer == found["customer"]]
        code = self.bazaar.code(owner.wallet, "market", "cancel", order=number)
        assert code == ("OK" if found["status"] == "open" else "ORDER_NOT_OPEN")

    @rule(minutes=st.integers(1, 20))
    def wait(self, minutes: int) -> None:
        self.bazaar.ledger.advance(minutes=minutes)

    def teardown(self) -> None:
        """At the end of an example as it stands, and once more when its delivery is cleared."""
        self.money_is_conserved_and_every_order_is_covered()
        if self.is_open:
            self.bazaar.ledger.advance(ms=self.closes_ms - self.bazaar.now_ms + 10)
            self.money_is_conserved_and_every_order_is_covered()

    @rule()
    def money_is_conserved_and_every_order_is_covered(self) -> None:
        bazaar = self.bazaar
        escrows = {house.customer: bazaar.escrows(house) for house in bazaar.houses}
        require_conserved(bazaar)
        trades = bazaar.ask(bazaar.operator, "market", "trades", market=MARKET, slot=bazaar.slot)
        orders = {number: bazaar.found(number) for number in self.numbers}
        for number, order in orders.items():
            own = [trade for trade in trades if number in (trade["bid"], trade["ask"])]
            assert sum(trade["energy_wh"] for trade in own) == order["filled_wh"]
            assert order["filled_wh"] + order["left_wh"] <= order["energy_wh"]
            name = f"order/{number}" if order["side"] == "bid" else f"collateral/{number}"
            assert escrows[order["customer"]].get(name, 0) == order["held_minor"]
            if order["status"] == "open":
                cost = cost_minor(order["cover_micro"], order["tax_micro"], order["left_wh"], PRICES_DIGITS)
                pays_slack = order["side"] == "bid" or order["price_micro"] < 0
                assert order["held_minor"] >= cost + (SLACK if pays_slack else 1)
                assert bazaar.now_ms < order["expires_ms"]
            else:
                assert order["held_minor"] == 0
        for trade, agreed in zip(trades, bazaar.trades()[self.first_trade :], strict=True):
            require_fair(trade, agreed, orders, escrows)
        require_within_limits(orders)


def require_conserved(bazaar: Bazaar) -> None:
    """What was minted is what all accounts have; escrows of an account are what it has in escrow."""
    total = 0
    for member in (*(house.wallet for house in bazaar.houses), bazaar.treasury, bazaar.admin):
        balance = bazaar.ask(bazaar.admin, "currency", "balance", account=member.id)
        held = bazaar.ask(bazaar.admin, "currency", "escrows", owner=member.id)
        assert balance["escrow_minor"] == sum(escrow["amount_minor"] for escrow in held)
        total += balance["available_minor"] + balance["escrow_minor"]
    assert total == bazaar.ask(bazaar.admin, "currency", "book")["supply_minor"]


def require_fair(
    trade: dict[str, Any],
    agreed: dict[str, Any],
    orders: dict[int, dict[str, Any]],
    escrows: dict[str, dict[str, int]],
) -> None:
    """Two customers, each within its price; the escrow pays price, fee, levies and tax, and the slack is there."""
    bid, ask = orders[trade["bid"]], orders[trade["ask"]]
    assert agreed["trade"] == trade["trade"]
    assert agreed["buyer_customer"] == bid["customer"] != ask["customer"] == agreed["seller_customer"]
    assert trade["price_micro"] >= ask["price_micro"]
    assert trade["buyer_price_micro"] + trade["fee_micro"] <= bid["price_micro"]
    assert trade["price_micro"] <= trade["buyer_price_micro"]
    assert agreed["fee_micro"] == trade["fee_micro"] + trade["buyer_price_micro"] - trade["price_micro"]
    assert (agreed["fee_account"] != "") == (agreed["fee_micro"] > 0)
    micro = max(agreed["price_micro"], 0) + agreed["fee_micro"] + CENT
    due = cost_minor(micro, 190_000, agreed["energy_wh"], PRICES_DIGITS)
    assert escrows[bid["customer"]][f"trade/{trade['trade']}"] == agreed["escrow_minor"] == due + SLACK
    pledge = cost_minor(COLLATERAL + max(-agreed["price_micro"], 0), 0, agreed["energy_wh"], PRICES_DIGITS)
    assert escrows[ask["customer"]][f"pledge/{trade['trade']}"] == agreed["pledge_minor"] >= pledge


def require_within_limits(orders: dict[int, dict[str, Any]]) -> None:
    """Of a delivery: positions, ratings, and what the line between the feeders carries."""
    sums: dict[tuple[str, str], int] = {}
    for order in orders.values():
        open_wh = order["left_wh"] if order["status"] == "open" else 0
        key = (order["customer"], order["side"])
        sums[key] = sums.get(key, 0) + order["filled_wh"] + open_wh
    assert all(energy_wh <= min(POSITION_WH, RATING_W * HOUR_MS // HOUR_MS) for energy_wh in sums.values())
    bought_far = sum(
        order["filled_wh"] for order in orders.values() if order["feeder"] == FAR and order["side"] == "bid"
    )
    assert bought_far <= 2_000


class Hybrid(AlwaysPays):
    mechanism = "hybrid"


class Uniform(AlwaysPays):
    mechanism = "uniform"


class Truthful(AlwaysPays):
    mechanism = "truthful"


FEW = settings(
    max_examples=8, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
TestContinuous = AlwaysPays.TestCase
TestContinuous.settings = FEW
TestHybrid = Hybrid.TestCase
TestHybrid.settings = FEW
TestUniform = Uniform.TestCase
TestUniform.settings = FEW
TestTruthful = Truthful.TestCase
TestTruthful.settings = FEW
