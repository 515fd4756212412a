"""A town that prepays: tariffs, money, houses with PANs, meters that keep a balance of their own and sign it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from chaincode.calendar import FIXED_UTC
from chaincode.pricing import FLAT, STEPS, TIME_OF_USE, Band, Levy, Step, Tariff
from ledgernode.audit import LAWS, audit
from ledgernode.audit.returns import Returns
from ledgernode.execution.sandbox.package import pack
from ledgernode.sts.pan import check_digit
from ledgernode.testing import Member
from tests.chaincode.town import FEEDER, INTERVAL_MS, KWH, RATING_W, Town

FEED_IN = (Band(name="feed-in", price_micro=80_000),)
UTILITY_FLAT = "utility:flat"
UTILITY_STEPS = "utility:steps"
UTILITY_OTHER = "utility:other"
COMMUNITY_FLAT = "community:flat"
PURSE_MINOR = 10_000_000  # 1,000.0000 in a currency of four digits

CALLERS = '''"""What settlement and billing will ask for."""

from chaincode.api import Context, Contract, transaction


class Caller(Contract):
    name = "NAME"
    version = "1.0.0"

    @transaction
    def return_units(self, ctx: Context, rows: list[tuple[str, int, int, str]]) -> int:
        done: int = ctx.call("prepaid", "return_units", credits=rows)
        return done

    @transaction
    def claw_back(self, ctx: Context, rows: list[tuple[str, int, int, str]]) -> int:
        done: int = ctx.call("prepaid", "claw_back", debits=rows)
        return done

    @transaction
    def add_debt(self, ctx: Context, point: str, amount_minor: int, reason: str, ref: str) -> int:
        done: int = ctx.call("prepaid", "add_debt", point=point, amount_minor=amount_minor, reason=reason, ref=ref)
        return done

    @transaction
    def burn_later(self, ctx: Context, pan: str, base: int, tid: int) -> None:
        ctx.schedule("burn", ctx.time_ms, "burn", pan=pan, base=base, tid=tid)

    @transaction
    def burn(self, ctx: Context, pan: str, base: int, tid: int) -> None:
        ctx.call("prepaid", "expire", pan=pan, base=base, tid=tid)

    @transaction
    def report(self, ctx: Context) -> None:
        ctx.call("prepaid", "report_balance", balance_mwh=0, counter=99)
'''


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def pan_of_house(number: int) -> str:
    digits = f"600727{number:011d}"
    return digits + check_digit(digits)


def flat(id: str, price_micro: int = 300_000, **changes: Any) -> Tariff:
    bands = (Band(name="all", price_micro=price_micro),)
    utility = id.partition(":")[0]
    fields = {"bands": bands, "feed_in": FEED_IN, "tax_micro": 190_000, "prepaid_class": 1} | changes
    return Tariff(id=id, utility=utility, zone=FIXED_UTC, kind=FLAT, **fields)


def stepped(id: str, *steps: tuple[int, int], **changes: Any) -> Tariff:
    made = tuple(Step(up_to_wh=up_to_wh, price_micro=price) for up_to_wh, price in steps)
    fields = {"steps": made, "feed_in": FEED_IN, "prepaid_class": 1} | changes
    return Tariff(id=id, utility=id.partition(":")[0], zone=FIXED_UTC, kind=STEPS, **fields)


def by_time(id: str) -> Tariff:
    bands = (
        Band(name="night", price_micro=200_000, until_minute=360),
        Band(name="day", price_micro=300_000, from_minute=360),
    )
    return Tariff(id=id, utility=id.partition(":")[0], zone=FIXED_UTC, kind=TIME_OF_USE, bands=bands, feed_in=FEED_IN)


class Home:
    """A prepaid house: its ids, its wallet, and its meter, which counts down and numbers what it signs."""

    def __init__(self, town: VendingTown, name: str, number: int, meter: Member, wallet: Member, utility: str) -> None:
        self.town = town
        self.name = name
        self.utility = utility
        self.point = f"{utility}:{name}"
        self.premises = self.customer = self.point
        self.pan = pan_of_house(number)
        self.meter = meter
        self.wallet = wallet
        self.balance_mwh = 0
        self.counter = 0

    def take(self, credit: dict[str, Any], **changes: Any) -> Any:
        """The meter takes a token and says so."""
        self.balance_mwh += credit["energy_mwh"]
        return self.town.ok(self.meter, "prepaid", "redeem", **self.redemption(credit), **changes)

    def redemption(self, credit: dict[str, Any]) -> dict[str, Any]:
        self.counter += 1
        where = {name: credit[name] for name in ("pan", "base", "tid")}
        signed = {"balance_mwh": self.balance_mwh, "counter": self.counter}
        return {**where, "token_hash": hash_of(credit), **signed}

    def use(self, energy_mwh: int) -> Any:
        """The meter counts down and reports."""
        self.balance_mwh -= energy_mwh
        return self.report()

    def report(self) -> Any:
        self.counter += 1
        signed = {"balance_mwh": self.balance_mwh, "counter": self.counter}
        return self.town.ok(self.meter, "prepaid", "report_balance", **signed)

    def send(self, to: str, energy_mwh: int, **changes: Any) -> Any:
        """The meter takes units out of itself for another one, and signs that."""
        self.balance_mwh -= energy_mwh
        self.counter += 1
        signed = {"counter": self.counter, "balance_mwh": self.balance_mwh}
        receipt = {"recipient_pan": to, "energy_mwh": energy_mwh, **signed, **changes}
        return self.town.ok(self.meter, "prepaid", "debit", **receipt)


def hash_of(credit: dict[str, Any]) -> str:
    """Stands for the digest of the digits where no digits are needed."""
    return digest(f"{credit['pan']}/{credit['base']}/{credit['tid']}")


class VendingTown(Town):
    """The town, with money and tariffs in two utilities."""

    def __init__(self, houses: int = 2, tariff: str = UTILITY_FLAT, **rules: Any) -> None:
        super().__init__("tariff", "currency", "prepaid")
        self.homes: list[Home] = []
        for name in ("settlement", "billing"):
            self.ledger.deploy(pack_text(CALLERS.replace("NAME", name), name))
        self.ok(self.admin, "currency", "establish", code="EUR", digits=4, approval_above_minor=2**53 - 1)
        self.chief = self.ledger.admin("community")
        self.clerk = self.ledger.identity("clerk", role="operator", organisation="community")
        self.enlist(self.chief, self.clerk, self.clerk, self.clerk)
        self.build()
        self.ok(self.operator, "registry", "admit", area="utility:area-1", organisation="community")
        levies = (Levy(name="green", price_micro=10_000),)
        self.decide(flat(UTILITY_FLAT, levies=levies))
        self.decide(flat(UTILITY_OTHER, 200_000, prepaid_class=2))
        self.decide(stepped(UTILITY_STEPS, (50_000, 100_000), (100_000, 200_000), (0, 400_000)))
        self.decide(flat(COMMUNITY_FLAT, 250_000, tax_micro=0), self.clerk, self.chief)
        self.decide(flat("utility:fixed", 100_000, fixed_minor=31_000, tax_micro=0))
        self.decide(by_time("utility:time"))
        self.payer = self.stranger
        self.spares = 9_000
        if rules:
            self.set_rules(**rules)
        for _ in range(houses):
            self.home(tariff)
        self.later(ms=10 * INTERVAL_MS)

    def later(self, **time: int) -> None:
        """Move the clock, and let the ledger know of it."""
        self.ledger.advance(**time)
        self.ledger.block()

    def decide(self, tariff: Tariff, clerk: Member | None = None, chief: Member | None = None) -> None:
        values = {"tariff": msgspec.to_builtins(tariff), "from_ms": self.now_ms + 1_000}
        proposal = self.ok(clerk or self.operator, "tariff", "propose_tariff", **values)
        self.ok(chief or self.admin, "tariff", "approve", proposal=proposal)

    def set_rules(self, utility: str = "utility", **rules: Any) -> None:
        self.two("prepaid", "propose_rules", utility=utility, from_ms=self.now_ms + 1_000, rules=rules)
        self.later(seconds=2)

    def home(self, tariff: str = UTILITY_FLAT, prepaid: bool = True) -> Home:
        """One more house, under a tariff of its utility, with money in the wallet."""
        number = len(self.homes) + 1
        utility = tariff.partition(":")[0]
        clerk = self.operator if utility == "utility" else self.clerk
        meter = self.ledger.identity(f"meter-{number}", role="meter", organisation=utility)
        wallet = self.ledger.identity(f"wallet-{number}")
        home = Home(self, f"home-{number}", number, meter, wallet, utility)
        row = {
            "premises": home.premises,
            "point": home.point,
            "customer": home.customer,
            "wallet": wallet.id,
            "meter": {"id": meter.id, "pan": home.pan},
        }
        ratings = {"import_rating_w": RATING_W, "export_rating_w": RATING_W}
        self.ok(clerk, "registry", "add_houses", feeder=FEEDER, houses=[row], prepaid=prepaid, tariff=tariff, **ratings)
        self.give(wallet)
        self.homes.append(home)
        return home

    def settled(self, tariff: str = UTILITY_FLAT) -> Home:
        """One more house in which somebody lives already."""
        home = self.home(tariff)
        self.later(ms=INTERVAL_MS)
        return home

    def spare_pan(self) -> str:
        self.spares += 1
        return pan_of_house(self.spares)

    def stranger_with_money(self) -> Member:
        self.payer = self.ledger.identity(f"payer-{self.now_ms}")
        self.give(self.payer)
        return self.payer

    def give(self, who: Member, amount_minor: int = PURSE_MINOR) -> None:
        self.ok(self.operator, "currency", "mint", account=who.id, amount_minor=amount_minor, purpose="purse")

    # ------------------------------------------------------------ vending

    def reserve(self, home: Home, amount_minor: int, request: str, payer: Member | None = None) -> Any:
        asked = {"point": home.point, "amount_minor": amount_minor, "request": request}
        return self.ok(payer or home.wallet, "prepaid", "reserve", **asked)

    def mint(self, credit: dict[str, Any], **changes: Any) -> Any:
        where = {name: credit[name] for name in ("pan", "base", "tid")}
        clerk = self.operator if credit["utility"] == "utility" else self.clerk
        return self.ok(clerk, "prepaid", "mint", **where, token_hash=hash_of(credit), **changes)

    def vend(self, home: Home, amount_minor: int, request: str) -> Any:
        """Bought, minted and taken: the whole way of a token."""
        credit = self.mint(self.reserve(home, amount_minor, request))
        home.take(credit)
        return credit

    def give_units(self, home: Home, energy_mwh: int) -> Any:
        """Units that cost nothing, taken by the meter."""
        self.two("prepaid", "propose_vend", point=home.point, energy_mwh=energy_mwh, reason="start")
        [credit] = [credit for credit in self.to_mint() if credit["point"] == home.point]
        home.take(self.mint(credit))
        return credit

    def to_mint(self, utility: str = "utility") -> Any:
        clerk = self.operator if utility == "utility" else self.clerk
        return self.ask(clerk, "prepaid", "to_mint", utility=utility)

    def wrong_share(self, sender: Home, recipient: Home) -> int:
        """The number of a share that another meter was asked for."""
        self.give_units(sender, kwh(5))
        asked = {"point": sender.point, "recipient_pan": recipient.pan, "energy_mwh": kwh(3), "request": "other"}
        number: int = self.ok(sender.wallet, "prepaid", "request_share", **asked)["number"]
        return number

    # ------------------------------------------------------------ looking

    def account(self, home: Home) -> Any:
        return self.ask(self.regulator, "prepaid", "account", point=home.point)

    def lots(self, home: Home) -> Any:
        return self.ask(self.regulator, "prepaid", "lots", point=home.point)

    def has(self, who: Member) -> tuple[int, int]:
        found = self.ask(self.admin, "currency", "balance", account=who.id)
        return found["available_minor"], found["escrow_minor"]


def audited(town: VendingTown) -> None:
    """Every law holds; settlement is stood in for, so what it has returned is compared with nothing."""
    audit(town.ledger.chain, laws=[law for law in LAWS if law is not Returns])


def pack_text(source: str, name: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.py"
        path.write_text(source)
        return pack(path)


def kwh(number: float) -> int:
    return round(number * KWH)
