"""The whole town on one ledger, every contract as it is: from readings, orders and vends to invoices and payments."""

from __future__ import annotations

from typing import Any

import msgspec

from chaincode.calendar import DAY_MS, day_number
from chaincode.pricing import Levy
from ledgernode.store.kv import KeyValueStore
from tests.chaincode.bazaar import CENT, MARKET, market_data
from tests.chaincode.town import AREA, FEEDER, HOUR_MS, INTERVAL_MS, KWH, RATING_W, House, Town
from tests.chaincode.vending_town import Home, flat, hash_of, pan_of_house

CONTRACTS = ("currency", "tariff", "metering", "prepaid", "settlement", "auction", "market", "feeder", "billing")
TARIFF = "utility:flat"
MONEY = 10**7
MINUTE_MS = 60_000
HEAD = "utility:head"
Energy = tuple[int, int]
"""(import, export) of a house in an interval, in mWh."""


class WholeTown(Town):
    """Two houses that are billed and two that prepay, on the last evening of January."""

    def __init__(self, hours_before: int = 2, *, store: KeyValueStore | None = None) -> None:
        super().__init__(*CONTRACTS, store=store)
        self.ok(self.admin, "currency", "establish", code="EUR", digits=4, approval_above_minor=10**12)
        self.sequence = 0
        self.requests = 0
        self.unsent: dict[str, list[list[int]]] = {}
        self.homes: list[Home] = []
        begin_ms = day_number(2026, 2, 1) * DAY_MS - hours_before * HOUR_MS
        self.ledger.advance(ms=begin_ms - 10 * MINUTE_MS - self.now_ms)
        tariff = flat(TARIFF, levies=(Levy(name="green", price_micro=10_000),))
        values = {"tariff": msgspec.to_builtins(tariff), "from_ms": self.now_ms + 1_000}
        self.two("tariff", "propose_tariff", **values)
        charges = {"levies": [{"name": "green", "price_micro": 5_000}], "tax_micro": 190_000}
        self.two("tariff", "propose_peer_charges", utility="utility", charges=charges, from_ms=self.now_ms + 1_000)
        self.ledger.advance(seconds=2)
        self.build(2, tariff=TARIFF)
        for number in (3, 4):
            self.prepaying(number)
        self.head_meter()
        for member in (*(house.wallet for house in self.everyone), self.treasury):
            self.ok(self.admin, "currency", "mint", account=member.id, amount_minor=MONEY, purpose="start")
        self.ok(self.operator, "settlement", "open_area", area=AREA)
        self.ok(self.operator, "feeder", "watch", feeder=FEEDER)
        pool = {"pool_price_micro": 120_000, "pool_fee_micro": 20_000, "advance_returns": True}
        self.two("settlement", "propose_rules", area=AREA, from_ms=self.boundary_ms, rules=pool)
        self.two("billing", "propose_rules", utility="utility", from_ms=self.now_ms + 10, rules={"due_days": 10})
        self.two("prepaid", "propose_rules", utility="utility", from_ms=self.now_ms + 10, rules={"return_least_mwh": 1})
        data = market_data(
            "continuous", windows=[], collateral_micro=20_000, fee_micro=10_000, fee_account=self.treasury.id
        )
        self.two("market", "propose_market", market=data)
        self.read_ms = self.to_boundary()
        self.registers = {house.point: [0, 0] for house in self.everyone} | {HEAD: [0, 0]}
        self.read()

    @property
    def everyone(self) -> list[House | Home]:
        return [*self.houses, *self.homes]

    def prepaying(self, number: int) -> Home:
        """A house whose meter takes tokens."""
        meter, wallet = self.meter(f"meter-{number}"), self.ledger.identity(f"wallet-{number}")
        home = Home(self, f"home-{number}", number, meter, wallet, "utility")  # type: ignore[arg-type]
        row = {
            "premises": home.premises,
            "point": home.point,
            "customer": home.customer,
            "wallet": wallet.id,
            "meter": {"id": meter.id, "pan": pan_of_house(number)},
        }
        ratings = {"import_rating_w": RATING_W, "export_rating_w": RATING_W}
        self.ok(
            self.operator, "registry", "add_houses", feeder=FEEDER, houses=[row], prepaid=True, tariff=TARIFF, **ratings
        )
        self.homes.append(home)
        return home

    def head_meter(self) -> None:
        ratings = {"import_rating_w": 10 * RATING_W, "export_rating_w": 10 * RATING_W}
        self.ok(self.operator, "registry", "add_point", id=HEAD, kind="transformer", feeder=FEEDER, phases=3, **ratings)
        self.head = self.meter("meter-head")
        device = {"id": self.head.id}
        self.ok(self.operator, "registry", "install", point=HEAD, meter=device, installed_ms=self.now_ms)

    # ------------------------------------------------------------ what happens

    def use(self, *energies: Energy, loss_mwh: int = 1_000, but: tuple[str, ...] = ()) -> int:
        """One interval passes; its start. Meters in `but` do not report."""
        start_ms = self.read_ms
        supply_mwh = loss_mwh
        for house, (import_mwh, export_mwh) in zip(self.everyone, energies, strict=True):
            self.registers[house.point][0] += import_mwh
            self.registers[house.point][1] += export_mwh
            supply_mwh += import_mwh - export_mwh
        self.registers[HEAD][0 if supply_mwh > 0 else 1] += abs(supply_mwh)
        for home in self.homes:
            home.balance_mwh -= energies[self.everyone.index(home)][0]
        self.read_ms += INTERVAL_MS
        self.ledger.advance(ms=self.read_ms - self.now_ms)
        self.read(but)
        self.ledger.advance(ms=2 * MINUTE_MS)
        return start_ms

    def read(self, but: tuple[str, ...] = ()) -> None:
        """Every meter reports, with what it could not send before."""
        self.sequence += 1
        meters = {house.point: house.meter for house in self.everyone} | {HEAD: self.head}
        for point, meter in meters.items():
            self.unsent.setdefault(point, []).append([self.sequence, self.read_ms, *self.registers[point], 0])
            if point not in but:
                self.ok(meter, "metering", "record", rows=self.unsent.pop(point), columns=[])

    def correct(self, point: str, interval_ms: int, import_mwh: int, export_mwh: int) -> None:
        """Two of the staff add to what was measured."""
        change = {"import_mwh": import_mwh, "export_mwh": export_mwh, "reason": "seal"}
        self.two("metering", "propose_correction", point=point, interval_ms=interval_ms, **change)

    def order(self, house: House | Home, side: str, energy_wh: int, cents: int) -> None:
        """For the next interval; one that nobody can take now is refused."""
        asked = {"market": MARKET, "point": house.point, "energy_wh": energy_wh, "price_micro": cents * CENT}
        self.attempt(house.wallet, "market", side, **asked)

    def enroll(self, house: House | Home, amount_minor: int = 100_000) -> None:
        self.attempt(house.wallet, "settlement", "enroll", point=house.point, amount_minor=amount_minor)

    def reserve(self, home: Home, amount_minor: int = 100_000) -> Any:
        self.requests += 1
        asked = {"point": home.point, "amount_minor": amount_minor, "request": f"{self.requests}"}
        return self.attempt(home.wallet, "prepaid", "reserve", **asked).result

    def mint(self, credit: dict[str, Any]) -> Any:
        where = {name: credit[name] for name in ("pan", "base", "tid")}
        return self.ok(self.operator, "prepaid", "mint", **where, token_hash=hash_of(credit))

    def vend(self, home: Home, amount_minor: int = 100_000) -> None:
        """The whole way of a token, and of those that wait (returns, shares)."""
        self.reserve(home, amount_minor)
        for credit in self.ask(self.operator, "prepaid", "to_mint", utility="utility"):
            minted = self.mint(credit)
            next(home for home in self.homes if home.point == credit["point"]).take(minted)

    def share(self, sender: Home, to: Home, energy_mwh: int) -> None:
        sender.send(to.pan, energy_mwh)

    def pay(self, house: House, amount_minor: int) -> None:
        for one in self.ask(self.operator, "billing", "invoices", customer=house.customer):
            self.requests += 1
            asked = {"invoice": one["id"], "amount_minor": amount_minor, "request": f"{self.requests}"}
            self.attempt(house.wallet, "billing", "pay", **asked)

    def until(self, month: int, day: int, hour: int) -> None:
        self.ledger.advance(ms=day_number(2026, month, day) * DAY_MS + hour * HOUR_MS - self.now_ms)


def lived() -> WholeTown:
    """An evening and a night: trades, a pool, tokens and shares, a late reading, bills, and one of them paid."""
    town = WholeTown()
    solar, buyer, prepays, other = town.everyone
    assert isinstance(prepays, Home)
    assert isinstance(other, Home)
    assert isinstance(buyer, House)
    town.enroll(solar)
    town.enroll(buyer)
    town.vend(prepays)
    town.vend(other)
    while town.read_ms < day_number(2026, 2, 1) * DAY_MS:
        town.order(solar, "ask", 600, 15)
        town.order(buyer, "bid", 300, 24)
        town.order(prepays, "bid", 200, 25)
        town.use((0, 1_000_000), (500_000, 0), (250_000, 0), (100_000, 0))
    town.share(prepays, other, 300_000)
    town.vend(prepays)
    town.order(solar, "ask", 600, 15)
    town.reserve(other)
    town.use((0, 1_000_000), (500_000, 0), (250_000, 0), (100_000, 0))
    town.until(2, 1, 4)
    town.pay(buyer, 1_000)
    town.correct(buyer.point, day_number(2026, 2, 1) * DAY_MS - 4 * INTERVAL_MS, KWH // 10, 0)
    town.ledger.advance(hours=2)
    town.ok(town.treasury, "billing", "fund", amount_minor=5_000)
    town.order(solar, "ask", 100, 30)
    town.order(buyer, "bid", 100, 5)
    town.reserve(other)
    return town
