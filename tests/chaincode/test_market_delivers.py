"""From an order to the money for what was delivered: market, metering and settlement together."""

from __future__ import annotations

from tests.chaincode.bazaar import MARKET, MONEY, Bazaar
from tests.chaincode.town import CONTRACTS, FEEDER, HOUR_MS, INTERVAL_MS, House, package


class Delivering(Bazaar):
    """A market whose trades the real settlement closes."""

    def deploy_settlement(self) -> None:
        self.ledger.deploy(package("metering"), folder=CONTRACTS)
        self.ledger.deploy(package("settlement"), folder=CONTRACTS)

    def report(self, house: House, import_mwh: int, export_mwh: int) -> None:
        """A reading for every interval of the day until the end of the delivery; all use lies in that."""
        rows: list[list[int]] = []
        first_ms = -(-self.midnight_ms // INTERVAL_MS) * INTERVAL_MS + HOUR_MS + INTERVAL_MS
        for number, at_ms in enumerate(range(first_ms, self.until_ms + 1, INTERVAL_MS), start=1):
            part = max((at_ms - self.slot) // INTERVAL_MS, 0)
            rows.append([number, at_ms, import_mwh * part // 4, export_mwh * part // 4, 0])
        self.ok(house.meter, "metering", "record", rows=rows, columns=[])


def test_a_matched_order_is_paid_when_it_is_delivered() -> None:
    """Market to settlement to money: the seller gets its price, the operator the fee; what is left comes back."""
    bazaar = Delivering("board", houses=3)
    seller, buyer, idle = bazaar.houses
    bazaar.market("uniform", fee_micro=20_000, fee_account=bazaar.treasury.id, collateral_micro=20_000)
    bazaar.at_minute(840)
    bazaar.slot, bazaar.until_ms = bazaar.slot + 210 * 60_000, bazaar.slot + 270 * 60_000
    bazaar.order(seller, "ask", 2_000, 18)
    bazaar.order(buyer, "bid", 2_000, 24)
    bazaar.at_minute(995)
    (matched,) = bazaar.ask(bazaar.operator, "market", "trades", market=MARKET, slot=bazaar.slot)
    assert (matched["price_micro"], matched["fee_micro"]) == (200_000, 20_000)
    bazaar.at_minute(1_051)
    for house, import_mwh, export_mwh in ((seller, 0, 2_000_000), (buyer, 2_000_000, 0), (idle, 0, 0)):
        bazaar.report(house, import_mwh, export_mwh)
    bazaar.ledger.advance(hours=2)
    trade = bazaar.ask(bazaar.operator, "settlement", "trade", trade=matched["trade"])
    assert (trade["status"], trade["delivered_mwh"]) == ("done", 2_000_000)
    assert bazaar.available(seller) == MONEY + 4_000
    assert bazaar.available(buyer) == MONEY - 4_000 - 400
    assert bazaar.escrows(seller) == bazaar.escrows(buyer) == {}
    balance = bazaar.ask(bazaar.admin, "currency", "balance", account=bazaar.treasury.id)
    assert balance["available_minor"] == 400
    assert trade["seller_feeder"] == FEEDER
