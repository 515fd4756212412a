"""A town with a market in it: houses with money, settlement and feeder stood in for, whichever mechanism."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledgernode.execution.sandbox.package import pack
from ledgernode.testing import START_MS, Member
from tests.chaincode.town import AREA, CONTRACTS, HOUR_MS, PRICES_DIGITS, House, Town, package, plain_zone

STAND_IN = Path(__file__).parent / "stand_in"
MARKET = "utility:market-1"
MONEY = 10_000_000
"""1,000 of the currency, on every wallet."""
MINUTES = ("bids_from_minute", "bids_until_minute", "exchange_from_minute", "exchange_until_minute")
WINDOWS = [dict(zip(MINUTES, window, strict=True)) for window in ((630, 780, 780, 840), (840, 990, 990, 1_050))]
CENT = 10_000
"""micro: 0.01 per kWh."""


def market_data(mechanism: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": MARKET,
        "operator": "utility",
        "area": AREA,
        "mechanism": mechanism,
        "zone": plain_zone(),
        "cap_micro": 100 * CENT,
        "windows": WINDOWS,
        **fields,
    }


class Bazaar(Town):
    """The town at noon local time, its market open for bids; delivery is from 13:00 to 14:00."""

    def __init__(self, mechanism: str, houses: int = 4, *, surplus: bool = False, **fields: Any) -> None:
        super().__init__("currency", "tariff")
        self.deploy_settlement()
        self.ledger.deploy(pack(STAND_IN / "feeder.py"))
        self.ledger.deploy(package("auction"), folder=CONTRACTS)
        self.ledger.deploy(package("market"), folder=CONTRACTS)
        self.build(houses)
        self.ok(self.admin, "currency", "establish", code="TST", digits=PRICES_DIGITS, approval_above_minor=10**12)
        for house in self.houses:
            self.fund(house.wallet)
        self.ok(self.operator, "settlement", "open_area", area=AREA)
        self.midnight_ms = START_MS - HOUR_MS  # local midnight is an hour before UTC's
        self.market(mechanism, surplus_account=self.treasury.id if surplus else "", **fields)
        self.at_minute(720)
        self.slot = self.midnight_ms + 780 * 60_000
        self.until_ms = self.slot + HOUR_MS

    def deploy_settlement(self) -> None:
        self.ledger.deploy(pack(STAND_IN / "settlement.py"))

    def fund(self, wallet: Member, amount_minor: int = MONEY) -> None:
        self.ok(self.admin, "currency", "mint", account=wallet.id, amount_minor=amount_minor, purpose="start")

    def market(self, mechanism: str, **fields: Any) -> None:
        """Decide the market, or change it."""
        self.two("market", "propose_market", market=market_data(mechanism, **fields))

    def at_minute(self, minute: int) -> None:
        """Move the clock to a local minute of the first day."""
        self.ledger.advance(ms=self.midnight_ms + minute * 60_000 - self.now_ms)

    # ------------------------------------------------------------ orders

    def order(self, house: House, function: str, energy_wh: int, cents: int, **arguments: Any) -> dict[str, Any]:
        """An order of a house for the delivery that is open now."""
        price = {"energy_wh": energy_wh, "price_micro": cents * CENT}
        found: dict[str, Any] = self.ok(
            house.wallet, "market", function, market=MARKET, point=house.point, **price, **arguments
        )
        return found

    def refused(self, house: House, function: str, energy_wh: int, cents: int, **arguments: Any) -> str:
        price = {"energy_wh": energy_wh, "price_micro": cents * CENT}
        return self.code(house.wallet, "market", function, market=MARKET, point=house.point, **price, **arguments)

    def found(self, order: int) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(self.operator, "market", "order", order=order)
        return found

    def trades(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(self.operator, "settlement", "all")
        return found

    # ------------------------------------------------------------ money

    def available(self, house: House) -> int:
        found: int = self.ask(house.wallet, "currency", "balance", account=house.wallet.id)["available_minor"]
        return found

    def escrows(self, house: House) -> dict[str, int]:
        held = self.ask(house.wallet, "currency", "escrows", owner=house.wallet.id)
        return {escrow["name"]: escrow["amount_minor"] for escrow in held}
