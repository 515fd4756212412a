"""The whole way of a kWh, on one ledger: from signed readings over tokens, trades and a pool to a paid invoice.

    1  prepays, and buys from a neighbour too       2  buys from the neighbour, the rest from the grid
    3  has the sun on its roof, sells and gives     4  shares in the pool
    5  gives and takes with nobody but the grid, under net metering

It is played once on each engine, and what every call and timer came to is kept, so that engines can be compared.
"""

from __future__ import annotations

import json
import re
from typing import Any

from chaincode.calendar import civil, day_number, days_in_month
from ledgernode.wire.receipt import Receipt
from tests.acceptance.community import (
    DAY_MS,
    HOUR_MS,
    INTERVAL_MS,
    MINUTE_MS,
    NETTING_TARIFF,
    Community,
    kwh,
)
from tests.acceptance.prepayment import Keypad, VendingService
from tests.acceptance.trading import Market

POOL_PRICE_MICRO = 120_000
DUE_DAYS = 1
BEGINS_BEFORE_MS = 3 * HOUR_MS + 5 * MINUTE_MS
_ID = re.compile(r"[0-9a-f]{64}")


def months_end(now_ms: int) -> int:
    year, month, _ = civil(now_ms // DAY_MS)
    return (day_number(year, month, days_in_month(year, month)) + 1) * DAY_MS


class WholeTown:
    """The story, played when this is made. Each step's facts stay here, for tests to look at."""

    def __init__(self, community: Community) -> None:
        self.community = community
        self.street = community.streets["town"]
        self.prepaying, self.buying, self.selling, self.sharing, self.netting = self.street.houses
        self.before = {house.name: sum(community.money(house.wallet)) for house in self.street.houses}
        self._to_the_months_end()
        community.calls.clear()
        self.first_height = community.head() + 1
        self._rules()
        self._buy_units()
        self._trade()
        self._deliver()
        self._return_units()
        self._to_midnight()
        self._bill()
        self._pay()
        self.last_height = community.head()
        self.calls = list(community.calls)

    def _to_the_months_end(self) -> None:
        """Shortly before the third hour from the end of a month."""
        community = self.community
        self.midnight_ms = months_end(community.now_ms)
        if self.midnight_ms - community.now_ms < BEGINS_BEFORE_MS:
            self.midnight_ms = months_end(self.midnight_ms)
        community.to(self.midnight_ms - BEGINS_BEFORE_MS)
        self.year, self.month, _ = civil(self.midnight_ms // DAY_MS - 1)

    def _rules(self) -> None:
        community, street = self.community, self.street
        self.base_ms = street.open()
        from_ms = self.base_ms + INTERVAL_MS
        rules = {"pool_price_micro": POOL_PRICE_MICRO}
        community.two("settlement", "propose_rules", area=street.area, from_ms=from_ms, rules=rules)
        due = {"utility": "north", "from_ms": from_ms, "rules": {"due_days": DUE_DAYS}}
        community.two("billing", "propose_rules", **due)
        ratings = {"import_rating_w": street.plan.rating_w, "export_rating_w": street.plan.rating_w}
        netted = {"point": self.netting.point, "prepaid": False, "tariff": NETTING_TARIFF, **ratings}
        community.ok(community.operator, "registry", "set_point", **netted)
        self.market = Market(street, "uniform")
        for house, purse_minor in ((self.selling, 0), (self.sharing, 10_000)):
            community.ok(house.wallet, "settlement", "enroll", point=house.point, amount_minor=purse_minor)

    def _buy_units(self) -> None:
        self.vending = VendingService(self.community)
        self.keypad = Keypad(self.community, self.prepaying)
        self.keypad.enter(self.vending.sell(self.prepaying, 50_000, "for the weekend"))  # 13.5 kWh
        self.keypad.send()

    def _trade(self) -> None:
        """3 kWh are offered at 0.10; two and one are wanted at 0.20."""
        self.slot = self.market.order(self.selling, "ask", 3_000, 10)["from_ms"]
        self.market.order(self.buying, "bid", 2_000, 20)
        self.market.order(self.prepaying, "bid", 1_000, 20)

    def _deliver(self) -> None:
        self.street.settle(*[(0, 0)] * 5)
        self.trades = self.market.cleared(self.slot)
        self.delivered_ms = self.street.settle((2, 0), (3, 0), (0, 5), (1.5, 0), (0, 0))
        self.keypad.use(kwh(2))
        self.keypad.send()

    def _return_units(self) -> None:
        """What the prepaid house took by trade comes back on a token."""

        def minted() -> list[dict[str, Any]]:
            self.community.seen()
            waiting = self.community.ask(self.community.operator, "prepaid", "to_mint", utility="north")
            return [credit for credit in waiting if credit["point"] == self.prepaying.point]

        [self.returned] = self.community.until(minted)
        self.keypad.enter(self.vending.mint(self.returned))
        self.keypad.send()

    def _to_midnight(self) -> None:
        """The second house draws 0.1 kWh in each interval that is left of the month, the fourth 0.2 in the last one.

        The fifth gives one kWh and takes one and a half later.
        """
        self.netting.shown.registers[1] += kwh(1)
        while self.street.read_ms < self.midnight_ms - INTERVAL_MS:
            self.buying.shown.registers[0] += kwh(0.1)
            self.street.read_ms += INTERVAL_MS
            for meter in self.street.meters:
                meter.take(self.street.read_ms)
        self.street.flow((0, 0), (0.1, 0), (0, 0), (0.2, 0), (1.5, 0))
        self.street.close(late=True)
        self.quiet_intervals = (self.midnight_ms - self.delivered_ms) // INTERVAL_MS - 1

        def rolled_up() -> bool:
            self.community.seen()
            area = self.community.ask(self.community.operator, "settlement", "area", area=self.street.area)
            return bool(area["rolled_day"] * DAY_MS >= self.midnight_ms)

        self.community.until(rolled_up)

    def _bill(self) -> None:
        month = {"utility": "north", "year": self.year, "month": self.month}
        self.community.ok(self.community.operator, "billing", "run", **month)

        def billed() -> bool:
            self.community.seen()
            self.invoices = {house.name: self.invoice(house.customer) for house in self.street.houses}
            return all(self.invoices.values())

        self.community.until(billed)

    def invoice(self, customer: str) -> dict[str, Any]:
        """The customer's invoice and its standing; nothing where there is none yet."""
        asked = self.community.ask(self.community.operator, "billing", "invoices", customer=customer)
        if not asked:
            return {}
        found: dict[str, Any] = self.community.ask(
            self.community.operator, "billing", "invoice", invoice=asked[0]["id"]
        )
        return found

    def _pay(self) -> None:
        """The buyer pays in two parts, the seller is paid out, the fourth house lets it be."""
        community = self.community
        bill = self.invoices[self.buying.name]["invoice"]
        paid = {"invoice": bill["id"], "amount_minor": 333, "request": "a part"}
        community.ok(self.buying.wallet, "billing", "pay", **paid)
        self.partly = self.invoice(self.buying.customer)["standing"]["status"]
        rest = {"amount_minor": bill["total_minor"] - 333, "request": "the rest"}
        community.ok(self.buying.wallet, "billing", "pay", **paid | rest)
        community.ok(community.treasury, "billing", "fund", amount_minor=100_000)
        self.paid_out_minor = community.ok(self.selling.wallet, "billing", "withdraw_balance")

    # ------------------------------------------------------------ what it came to

    def transcript(self) -> dict[str, Any]:
        """Every receipt of it and of the founding, without what differs from one ledger to another: ids and the
        time."""
        community = self.community
        calls = [
            (name, transaction)
            for name, transaction in [*community.founding, *self.calls]
            if not name.partition(": ")[2].startswith("lifecycle.")  # which answers heights
        ]
        receipts = [
            *community.receipts(1, community.founded_height),
            *community.receipts(self.first_height, self.last_height),
        ]
        known = {receipt.id: receipt for receipt in reversed(receipts)}  # its first receipt is what counts
        plain = _Plain(self)
        plain.names |= {transaction.hex(): f"call {number}" for number, (_, transaction) in enumerate(calls)}
        signed = {transaction for _, transaction in [*community.founding, *self.calls]}
        return {
            "calls": [[name, *plain.receipt(known[transaction])] for name, transaction in calls],
            "timers": sorted(
                json.dumps(event, sort_keys=True)
                for receipt in receipts
                if receipt.id not in signed
                for event in plain.events(receipt)
            ),
        }


class _Plain:
    """Receipts as two ledgers must have them alike."""

    def __init__(self, town: WholeTown) -> None:
        self._base_ms = town.base_ms
        self.names = {member.id: member.name for member in town.community.members}

    def receipt(self, receipt: Receipt) -> tuple[str, Any, list[Any]]:
        result = json.loads(receipt.result) if receipt.result else None
        return receipt.code, self.value("", result), self.events(receipt)

    def events(self, receipt: Receipt) -> list[Any]:
        return [[one.contract, one.name, self.value("", json.loads(one.payload))] for one in receipt.events]

    def value(self, name: str, value: Any) -> Any:
        """Boundaries count from the first one; other times, and what is drawn from an id, are only that."""
        if isinstance(value, dict):
            return {self.value("", key): self.value(key, each) for key, each in value.items()}
        if isinstance(value, list):
            found = [self.value(name, each) for each in value]
            return sorted(found, key=json.dumps) if name in {"credits", "debits"} else found  # there: by accounts' ids
        if isinstance(value, str) and _ID.fullmatch(value):
            return self.names.get(value, "digest")
        if name in ("tid", "rnd", "estimated_ms"):
            return name
        if isinstance(value, int) and abs(value - self._base_ms) < 400 * DAY_MS:
            return f"boundary {(value - self._base_ms) // INTERVAL_MS}" if value % INTERVAL_MS == 0 else "a time"
        return value
