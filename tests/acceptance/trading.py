"""A market on a street: decided by two, its orders given by the wallets of the houses."""

from __future__ import annotations

from typing import Any

import msgspec

from chaincode.calendar import FIXED_UTC
from tests.acceptance.community import CENT, LEVY_MICRO, MICRO, TAX_MICRO, Call
from tests.acceptance.street import House, Street


class Market:
    """A market of a street. Without windows, every interval of the ledger is a delivery, and takes bids until it
    begins."""

    def __init__(self, street: Street, mechanism: str, name: str = "market", **fields: Any) -> None:
        self.street = street
        self.community = street.community
        self.id = f"north:{street.name}-{name}"
        self.mechanism = mechanism
        self.decide(mechanism=mechanism, **fields)

    def decide(self, from_ms: int = 0, **fields: Any) -> None:
        """The market, or another version of it from a time on."""
        self.community.two("market", "propose_market", market=self.data(**fields), from_ms=from_ms)

    def data(self, **fields: Any) -> dict[str, Any]:
        common = {"id": self.id, "operator": "north", "area": self.street.area, "mechanism": self.mechanism}
        return {**common, "zone": msgspec.to_builtins(FIXED_UTC), "cap_micro": 100 * CENT, "windows": [], **fields}

    # ------------------------------------------------------------ orders

    def wanted(self, house: House, energy_wh: int, cents: int, **more: Any) -> dict[str, Any]:
        price = {"energy_wh": energy_wh, "price_micro": cents * CENT}
        return {"market": self.id, "point": house.point, **price, **more}

    def order(self, house: House, function: str, energy_wh: int, cents: int, **more: Any) -> dict[str, Any]:
        """For the delivery that bids are taken for now."""
        wanted = self.wanted(house, energy_wh, cents, **more)
        found: dict[str, Any] = self.community.ok(house.wallet, "market", function, **wanted)
        return found

    def orders(self, *orders: tuple[House, str, int, int]) -> list[dict[str, Any]]:
        """Several at once, in whatever order the ledger takes them."""
        calls = [Call(house.wallet, "market", function, self.wanted(house, *rest)) for house, function, *rest in orders]
        return self.community.together(calls)

    def refused(self, house: House, function: str, energy_wh: int, cents: int, **more: Any) -> str:
        return self.community.code(house.wallet, "market", function, **self.wanted(house, energy_wh, cents, **more))

    def buy(self, house: House, order: int, energy_wh: int = 0) -> int:
        """The number of the trade."""
        bought = {"order": order, "point": house.point, "energy_wh": energy_wh}
        number: int = self.community.ok(house.wallet, "market", "buy", **bought)
        return number

    # ------------------------------------------------------------ what came of them

    def found(self, order: int) -> dict[str, Any]:
        found: dict[str, Any] = self.community.ask(self.community.operator, "market", "order", order=order)
        return found

    def trades(self, slot: int) -> list[dict[str, Any]]:
        asked = {"market": self.id, "slot": slot}
        found: list[dict[str, Any]] = self.community.ask(self.community.operator, "market", "trades", **asked)
        return found

    def cleared(self, slot: int) -> list[dict[str, Any]]:
        """The trades of a delivery, once its clearing is over."""

        def over() -> bool:
            self.community.seen()
            asked = {"market": self.id, "slot": slot}
            return bool(self.community.ask(self.community.operator, "market", "slot", **asked)["status"] == "cleared")

        self.community.until(over)
        return self.trades(slot)

    def trade(self, number: int) -> dict[str, Any]:
        """As settlement has it."""
        found: dict[str, Any] = self.community.ask(self.community.operator, "settlement", "trade", trade=number)
        return found


def cost_minor(energy_wh: int, cents: int) -> int:
    """What a buyer pays for energy of a neighbour: its price and the levy, and tax on both; exact in these tests."""
    pico = energy_wh * 1_000 * (cents * CENT + LEVY_MICRO) * (MICRO + TAX_MICRO)
    assert pico % 10**14 == 0, "choose energies and prices that need no rounding"
    return pico // 10**14
