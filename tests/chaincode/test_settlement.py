"""Settlement keeps its rules: readings come in by metering, intervals close by timer, and money follows the energy."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledgernode.errors import ContractRefused
from ledgernode.testing import Committed, Member
from tests.chaincode.test_pricing import flat
from tests.chaincode.town import AREA, CONTRACTS, DAY_MS, FEEDER, INTERVAL_MS, KWH, House, Town

MINUTE_MS = 60_000
PRICE = 200_000
"""0.20 a kWh; a minor unit is a ten-thousandth."""
RETAIL = 320_000
ESCROW = 100_000
PLEDGE = 50_000
PURSE = 100_000
RATINGS = {"import_rating_w": 100_000, "export_rating_w": 100_000}

MARKET = '''"""Stands for the market: it keeps orders' escrows, and hands a trade down."""

from typing import Any

from chaincode.api import Context, Contract, transaction


class Market(Contract):
    name = "market"
    version = "1.0.0"

    @transaction
    def reserve(self, ctx: Context, escrow: str, amount_minor: int) -> None:
        ctx.call("currency", "open_escrow", escrow=escrow, amount_minor=amount_minor, purpose="an order")

    @transaction
    def match(self, ctx: Context, obligations: list[Any]) -> list[int]:
        numbers: list[int] = []
        for trade in obligations:
            number = ctx.call("settlement", "trade_count") + 1
            for owner, order, into, amount in (
                (trade["buyer"], "order/1", "trade", trade["escrow_minor"]),
                (trade["seller"], "collateral/1", "pledge", trade["pledge_minor"]),
            ):
                if amount:
                    ctx.call("currency", "split_escrow", owner=owner, escrow=order, into=f"{into}/{number}",
                             amount_minor=amount, keeper="settlement")
            numbers.append(ctx.call("settlement", "agree", obligation=trade))
        return numbers
'''

FEEDER_CONTRACT = '''"""Stands for the feeder contract: it curtails."""

from chaincode.api import Context, Contract, transaction


class Feeder(Contract):
    name = "feeder"
    version = "1.0.0"

    @transaction
    def curtail(self, ctx: Context, feeder: str, direction: str, power_w: int) -> list[int]:
        return ctx.call("settlement", "curtail", feeder=feeder, direction=direction, power_w=power_w)
'''

PREPAID = '''"""Stands for prepaid: it keeps what settlement returns and claws back."""

from chaincode.access import require_caller
from chaincode.api import Context, Contract, query, transaction


class Prepaid(Contract):
    name = "prepaid"
    version = "1.0.0"

    @transaction
    def return_units(self, ctx: Context, credits: list[tuple[str, int, int, str]]) -> None:
        kept(ctx, credits, 1)

    @transaction
    def claw_back(self, ctx: Context, debits: list[tuple[str, int, int, str]]) -> None:
        kept(ctx, debits, -1)

    @query
    def moved(self, ctx: Context, point: str) -> list[list[int | str]]:
        return [[*ctx.parts(key)[2:], value] for key, value in ctx.matching("moved", point)]


def kept(ctx: Context, entries: list[tuple[str, int, int, str]], sign: int) -> None:
    require_caller(ctx, "settlement")
    for point, interval_ms, energy_mwh, ref in entries:
        assert energy_mwh > 0
        key = ctx.key("moved", point, ref, f"{interval_ms:015d}")
        assert ctx.get(key) is None or sign < 0
        ctx.put(key, (ctx.get(key, int) or 0) + sign * energy_mwh)
'''


class Scene(Town):
    """Houses with meters, wallets and money in an area that is settled, on the first boundary of its first interval."""

    def __init__(self, tmp_path: Path, houses: int = 3, **arguments: Any) -> None:
        super().__init__("currency", "tariff", "metering", "settlement")
        for name, source in (("market", MARKET), ("feeder", FEEDER_CONTRACT), ("prepaid", PREPAID)):
            folder = tmp_path / name
            folder.mkdir()
            for module in ("access.py",):
                (folder / module).write_text((CONTRACTS / module).read_text())
            (folder / f"{name}.py").write_text(source)
            self.ledger.deploy(folder / f"{name}.py")
        self.ok(self.admin, "currency", "establish", code="KWD", digits=4, approval_above_minor=10**12)
        retail = {"bands": [{"name": "all", "price_micro": RETAIL}], "id": "utility:flat", "utility": "utility"}
        self.tariff = plain(flat()) | retail
        self.two("tariff", "propose_tariff", tariff=self.tariff, from_ms=self.now_ms + 1_000)
        self.ledger.advance(seconds=2)
        self.ledger.advance(ms=self.boundary_ms - self.now_ms - 5 * MINUTE_MS)
        self.build(houses, **{"tariff": "utility:flat", **RATINGS, **arguments})
        for house in self.houses:
            self.funded(house)
        self.ok(self.operator, "settlement", "open_area", area=AREA)
        self.read_ms = self.to_boundary()
        self.registers = {house.point: [0, 0] for house in self.houses}
        self.sequence = 0
        self.unsent: dict[str, list[list[int]]] = {}
        self.start_ms = self.read_ms
        self.read()

    def funded(self, house: House) -> None:
        self.ok(self.admin, "currency", "mint", account=house.wallet.id, amount_minor=10**7, purpose="to begin with")
        self.ok(house.wallet, "market", "reserve", escrow="order/1", amount_minor=10**6)
        self.ok(house.wallet, "market", "reserve", escrow="collateral/1", amount_minor=10**6)

    # ------------------------------------------------------------ what happens

    def rules(self, **rules: Any) -> None:
        self.two("settlement", "propose_rules", area=AREA, from_ms=self.boundary_ms + INTERVAL_MS, rules=rules)

    def charges(self, levy_micro: int, tax_micro: int) -> None:
        charges = {"levies": [{"name": "levy", "price_micro": levy_micro}], "tax_micro": tax_micro}
        self.two("tariff", "propose_peer_charges", utility="utility", charges=charges, from_ms=self.now_ms + 1_000)

    def terms(self, seller: House, buyer: House, energy_kwh: float, **more: Any) -> dict[str, Any]:
        return {
            "area": AREA,
            "seller_point": seller.point,
            "buyer_point": buyer.point,
            "seller": seller.wallet.id,
            "buyer": buyer.wallet.id,
            "seller_customer": seller.customer,
            "buyer_customer": buyer.customer,
            "energy_wh": round(energy_kwh * 1_000),
            "price_micro": PRICE,
            "from_ms": self.read_ms,
            "until_ms": self.read_ms + INTERVAL_MS,
            "escrow_minor": ESCROW,
            "pledge_minor": PLEDGE,
        } | more

    def trade(self, seller: House, buyer: House, energy_kwh: float, **more: Any) -> int:
        [number] = self.ok(
            self.operator, "market", "match", obligations=[self.terms(seller, buyer, energy_kwh, **more)]
        )
        return int(number)

    def enroll(self, *houses: House, amount_minor: int = PURSE) -> None:
        for house in houses:
            self.ok(house.wallet, "settlement", "enroll", point=house.point, amount_minor=amount_minor)

    def use(self, *energies_kwh: tuple[float, float], but: tuple[House, ...] = ()) -> int:
        """One interval passes in which the houses take and give so much; its meters report, it is closed. Its start."""
        start_ms = self.read_ms
        for house, (imported, exported) in zip(self.houses, energies_kwh, strict=False):
            self.registers[house.point][0] += round(imported * KWH)
            self.registers[house.point][1] += round(exported * KWH)
        self.read_ms += INTERVAL_MS
        self.ledger.advance(ms=self.read_ms - self.now_ms)
        self.read(but)
        self.ledger.advance(ms=2 * MINUTE_MS)
        return start_ms

    def read(self, but: tuple[House, ...] = ()) -> None:
        self.sequence += 1
        for house in self.houses:
            row = [self.sequence, self.read_ms, *self.registers[house.point], 0]
            self.unsent.setdefault(house.point, []).append(row)
            if house not in but:
                self.send(house)

    def send(self, house: House) -> None:
        """The house's meter sends what it has not sent yet."""
        self.ok(house.meter, "metering", "record", rows=self.unsent.pop(house.point), columns=[])

    # ------------------------------------------------------------ what came of it

    def money(self, who: Member) -> tuple[int, int]:
        found = self.ask(self.admin, "currency", "balance", account=who.id)
        return found["available_minor"], found["escrow_minor"]

    def gained(self, before: dict[str, int]) -> dict[str, int]:
        return {name: total - before[name] for name, total in self.totals().items() if total != before[name]}

    def totals(self) -> dict[str, int]:
        """Everyone's money, in escrow or not; its sum never changes."""
        people = {house.name: house.wallet for house in self.houses}
        people |= {"treasury": self.treasury, "taxes": self.taxes, "levies": self.levies}
        return {name: sum(self.money(who)) for name, who in people.items()}

    def interval(self, start_ms: int) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.ask(
            self.operator, "settlement", "interval", area=AREA, interval_ms=start_ms
        )
        return found

    def classes(self, start_ms: int, house: House) -> list[float]:
        """Of a house, in kWh: trade, pool, grid in; trade, pool, grid out. The interval adds up."""
        found = self.interval(start_ms)
        assert found is not None
        assert self.ask(self.operator, "settlement", "reconcile", area=AREA, interval_ms=start_ms)["agrees"]
        row = found["rows"][found["points"].index(house.point)]
        return [value / KWH for value in row[2:]]

    def found(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(self.operator, "settlement", "trade", trade=number)
        return found

    def told(self, name: str) -> list[dict[str, Any]]:
        return [event.payload for event in self.ledger.events("settlement", name)]

    @property
    def next_ms(self) -> int:
        return int(self.ask(self.operator, "settlement", "area", area=AREA)["next_ms"])

    def moved(self, house: House) -> dict[str, int]:
        """What prepaid has been told of a point, by ref."""
        rows = self.ask(self.operator, "prepaid", "moved", point=house.point)
        return {ref: energy for ref, _, energy in rows}


def plain(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(value)
    return found


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("contracts"))


@pytest.fixture
def scene(founded: Scene) -> Scene:
    return deepcopy(founded)


# ---------------------------------------------------------------- from a reading to money


def test_readings_become_classes_and_money(scene: Scene) -> None:
    """Metered, closed by timer, paid: trade first, then pool, then grid, and every account has its share."""
    seller, buyer, member = scene.houses
    scene.charges(20_000, 190_000)
    scene.rules(pool_price_micro=150_000, pool_fee_micro=10_000)
    scene.enroll(seller, member)
    scene.use((0, 0), (0, 0), (0, 0))
    scene.use((0, 0), (0, 0), (0, 0))
    before = scene.totals()
    number = scene.trade(seller, buyer, 4)
    start_ms = scene.use((0, 8), (5, 0), (3, 0))
    assert scene.classes(start_ms, seller) == [0, 0, 0, 4, 3, 1]
    assert scene.classes(start_ms, buyer) == [4, 0, 1, 0, 0, 0]
    assert scene.classes(start_ms, member) == [0, 3, 0, 0, 0, 0]
    # 4 kWh at 0.20, 3 kWh at 0.15; fee 0.01 on the pool's; levies 0.02; 19 % on all of it
    assert scene.gained(before) == {
        "house-1": 8_000 + 4_500,
        "house-2": -(8_000 + 800 + 1_672),
        "house-3": -(4_500 + 300 + 600 + 1_026),
        "treasury": 300,
        "levies": 800 + 600,
        "taxes": 1_672 + 1_026,
    }
    done = scene.found(number)
    assert (done["status"], done["delivered_mwh"], done["seller_short_mwh"]) == ("done", 4 * KWH, 0)
    assert scene.money(buyer.wallet)[1] == 10**6 * 2 - ESCROW
    [told] = [event for event in scene.told("IntervalSettled") if event["interval_ms"] == start_ms]
    assert told["sums_mwh"] == [8 * KWH, 8 * KWH, 4 * KWH, 3 * KWH, 1 * KWH, 4 * KWH, 3 * KWH, 1 * KWH]


def test_an_interval_without_trades_and_pool_is_all_grid_and_leaves_no_row(scene: Scene) -> None:
    """The cursor passes it; the day's roll-up has it all the same."""
    start_ms = scene.use((2, 0), (0, 1), (0, 0))
    assert scene.interval(start_ms) is None
    assert scene.next_ms == start_ms + INTERVAL_MS


def test_an_interval_waits_for_its_meters_and_then_closes_all_that_is_due(scene: Scene) -> None:
    """It closes when all meters have reported; the closing catches up, in order, several at once."""
    seller, buyer, _ = scene.houses
    number = scene.trade(seller, buyer, 4, until_ms=scene.read_ms + 3 * INTERVAL_MS)
    first_ms = scene.use((0, 1), (1, 0), (0, 0), but=(buyer,))
    scene.use((0, 1), (2, 0), (0, 0), but=(buyer,))
    assert scene.next_ms == first_ms
    assert scene.found(number)["delivered_mwh"] == 0
    scene.use((0, 2), (1, 0), (0, 0))
    scene.ledger.advance(ms=INTERVAL_MS)
    assert scene.next_ms == first_ms + 3 * INTERVAL_MS
    assert scene.found(number)["delivered_mwh"] == 3 * KWH
    settled = [event["interval_ms"] for event in scene.told("IntervalSettled")]
    assert settled == [first_ms, first_ms + INTERVAL_MS, first_ms + 2 * INTERVAL_MS]


def test_an_interval_closes_after_two_days_on_flagged_estimates(scene: Scene) -> None:
    """After 48 h it closes without the meter that is silent; escrow holds until then."""
    seller, buyer, _ = scene.houses
    number = scene.trade(seller, buyer, 4)
    start_ms = scene.use((0, 4), (4, 0), (0, 0), but=(buyer,))
    scene.ledger.advance(hours=47)
    assert scene.found(number)["status"] == "delivering"
    assert scene.money(buyer.wallet)[1] == 2 * 10**6
    scene.ledger.advance(hours=2)
    assert scene.classes(start_ms, buyer) == [0, 0, 0, 0, 0, 0]
    assert scene.found(number)["buyer_short_mwh"] == 4 * KWH
    assert scene.money(buyer.wallet)[1] == 2 * 10**6 - ESCROW


def test_nobody_closes_before_it_is_time(scene: Scene) -> None:
    """Refuses with NOT_DUE; when the timer is late, anyone may."""
    assert scene.code(scene.stranger, "settlement", "close", area=AREA) == "NOT_DUE"
    scene.use((1, 0), (0, 0), (0, 0), but=tuple(scene.houses))
    assert scene.next_ms == scene.start_ms
    for house in scene.houses:
        scene.send(house)
    assert scene.code(scene.stranger, "settlement", "close", area=AREA) == "OK"
    assert scene.next_ms == scene.start_ms + INTERVAL_MS
    assert scene.code(scene.stranger, "settlement", "open_area", area=AREA) == "ROLE_REFUSED"
    assert scene.code(scene.operator, "settlement", "open_area", area=AREA) == "AREA_OPEN"


# ---------------------------------------------------------------- shortfalls


def test_eight_kwh_delivered_of_five_and_four_sold(scene: Scene) -> None:
    """The first has its 5; the second pays for 3, takes 1 at retail, and has the difference from the pledge."""
    seller, first, second = scene.houses
    before = scene.totals()
    [five, four] = scene.ok(
        scene.operator,
        "market",
        "match",
        obligations=[scene.terms(seller, first, 5), scene.terms(seller, second, 4)],
    )
    start_ms = scene.use((0, 8), (6, 0), (6, 0))
    assert scene.classes(start_ms, first) == [5, 0, 1, 0, 0, 0]
    assert scene.classes(start_ms, second) == [3, 0, 3, 0, 0, 0]
    assert scene.classes(start_ms, seller) == [0, 0, 0, 8, 0, 0]
    assert scene.found(five)["seller_short_mwh"] == 0
    assert scene.found(four)["seller_short_mwh"] == 1 * KWH
    shortfall = (RETAIL - PRICE) // 100
    assert scene.gained(before) == {"house-1": 16_000 - shortfall, "house-2": -10_000, "house-3": shortfall - 6_000}
    assert [event["seller_pays_minor"] for event in scene.told("ShortfallPaid")] == [shortfall]
    assert all(scene.money(house.wallet)[1] < 2 * 10**6 for house in scene.houses)


def test_the_area_may_set_an_imbalance_price_and_the_pledge_caps_it(scene: Scene) -> None:
    """max(0, imbalance - trade price) x shortfall, capped by the collateral."""
    seller, buyer, _ = scene.houses
    scene.rules(imbalance_micro=500_000)
    scene.use((0, 0), (0, 0), (0, 0))
    scene.use((0, 0), (0, 0), (0, 0))
    before = scene.totals()
    scene.trade(seller, buyer, 2)
    scene.trade(seller, buyer, 2, pledge_minor=1_000)
    scene.use((0, 0), (4, 0), (0, 0))
    paid = 2 * (500_000 - PRICE) // 100 + 1_000
    assert scene.gained(before) == {"house-1": -paid, "house-2": paid}


@pytest.mark.parametrize(("rule", "paid"), [("pay_for_taken", 2_000), ("take_or_pay", 8_000)])
def test_a_buyer_that_takes_less_pays_by_the_rule(scene: Scene, rule: str, paid: int) -> None:
    """Buyer's shortfall: pay for taken (data); the seller's excess is fed in; the rest of the escrow goes back."""
    seller, buyer, _ = scene.houses
    scene.rules(buyer_short=rule)
    scene.use((0, 0), (0, 0), (0, 0))
    scene.use((0, 0), (0, 0), (0, 0))
    before = scene.totals()
    number = scene.trade(seller, buyer, 4)
    start_ms = scene.use((0, 4), (1, 0), (0, 0))
    assert scene.classes(start_ms, seller) == [0, 0, 0, 1, 0, 3]
    assert scene.found(number)["buyer_short_mwh"] == 3 * KWH
    assert scene.gained(before) == {"house-1": paid, "house-2": -paid}


def test_a_trade_delivers_over_its_whole_window(scene: Scene) -> None:
    """What is missing in one interval may come in the next; it is judged when the last one has closed."""
    seller, buyer, _ = scene.houses
    number = scene.trade(seller, buyer, 5, until_ms=scene.read_ms + 2 * INTERVAL_MS)
    before = scene.totals()
    scene.use((0, 1), (3, 0), (0, 0))
    assert scene.found(number) | {"status": "delivering", "delivered_mwh": KWH, "missed_mwh": 2 * KWH} == scene.found(
        number
    )
    assert scene.gained(before) == {"house-1": 2_000, "house-2": -2_000}
    scene.use((0, 6), (6, 0), (0, 0))
    assert scene.found(number)["status"] == "done"
    assert scene.found(number)["seller_short_mwh"] == 0
    assert scene.gained(before) == {"house-1": 10_000, "house-2": -10_000}


def test_below_zero_the_seller_pays_out_of_its_pledge(scene: Scene) -> None:
    """A negative price moves money the other way, and the rest of the pledge goes back."""
    seller, buyer, _ = scene.houses
    before = scene.totals()
    scene.trade(seller, buyer, 2, price_micro=-100_000)
    scene.use((0, 2), (2, 0), (0, 0))
    assert scene.gained(before) == {"house-1": -2_000, "house-2": 2_000}
    assert scene.money(seller.wallet)[1] == 2 * 10**6 - PLEDGE


def test_a_trade_binds_the_customer_who_made_it_not_the_house(scene: Scene) -> None:
    """After the buyer has moved out nothing is delivered to the house; the money goes back."""
    seller, buyer, _ = scene.houses
    number = scene.trade(seller, buyer, 4, until_ms=scene.read_ms + 2 * INTERVAL_MS)
    scene.ok(scene.operator, "registry", "move_out", premises=buyer.premises, at_ms=scene.start_ms + INTERVAL_MS)
    before = scene.totals()
    scene.use((0, 1), (1, 0), (0, 0))
    second_ms = scene.use((0, 3), (3, 0), (0, 0))
    assert scene.classes(second_ms, buyer) == [0, 0, 3, 0, 0, 0]
    done = scene.found(number)
    assert (done["delivered_mwh"], done["seller_short_mwh"], done["buyer_short_mwh"]) == (KWH, 0, 3 * KWH)
    assert scene.gained(before) == {"house-1": 2_000, "house-2": -2_000}


# ---------------------------------------------------------------- what the market hands down


def test_only_the_market_hands_trades_down_and_with_their_escrows(scene: Scene) -> None:
    """Refuses people, windows that are over or not of whole intervals, one customer, strangers, missing money."""
    seller, buyer, other = scene.houses
    terms = scene.terms(seller, buyer, 1)
    assert scene.code(scene.operator, "settlement", "agree", obligation=terms) == "CALLER_REFUSED"

    def code(**changes: Any) -> str:
        return scene.code(scene.operator, "market", "match", obligations=[terms | changes])

    assert code(from_ms=scene.start_ms - 2 * INTERVAL_MS, until_ms=scene.start_ms) == "TRADE_INVALID"
    assert code(until_ms=terms["until_ms"] + 1) == "TRADE_INVALID"
    assert code(until_ms=terms["from_ms"] + 8 * DAY_MS) == "TRADE_INVALID"
    assert code(energy_wh=0) == "TRADE_INVALID"
    assert code(buyer_customer=seller.customer) == "TRADE_INVALID"
    assert code(buyer_customer=other.customer) == "NOT_A_PARTY"
    assert code(fee_account="no such identity") != "OK"
    assert code(area="utility:nowhere") == "AREA_UNKNOWN"
    assert scene.ask(scene.operator, "settlement", "trade_count") == 0
    assert code() == "OK"
    assert scene.ask(scene.operator, "settlement", "trade_count") == 1


def test_a_trade_agreed_inside_its_window_begins_with_the_open_interval(scene: Scene) -> None:
    """What flowed in the interval of the match counts by meter; closed intervals stay as they are."""
    seller, buyer, _ = scene.houses
    start_ms = scene.start_ms
    scene.ledger.advance(minutes=7)
    number = scene.trade(seller, buyer, 2, from_ms=start_ms, until_ms=start_ms + 2 * INTERVAL_MS)
    scene.use((0, 1), (1, 0), (0, 0))
    scene.ledger.advance(minutes=3)
    late = scene.trade(seller, buyer, 2, from_ms=start_ms, until_ms=start_ms + 2 * INTERVAL_MS)
    assert scene.found(late)["from_ms"] == start_ms + INTERVAL_MS
    scene.use((0, 3), (3, 0), (0, 0))
    assert scene.found(number)["delivered_mwh"] == scene.found(late)["delivered_mwh"] == 2 * KWH


def test_trades_are_read_by_those_concerned(scene: Scene) -> None:
    """Buyer, seller, their utility; not the neighbours."""
    seller, buyer, other = scene.houses
    number = scene.trade(seller, buyer, 1)
    for reader in (seller.wallet, buyer.wallet, scene.operator, scene.regulator):
        assert scene.ask(reader, "settlement", "trade", trade=number)["trade"] == number
    [found] = scene.ask(buyer.wallet, "settlement", "trades", point=buyer.point)
    assert found["trade"] == number
    with pytest.raises(ContractRefused, match="trades of"):
        scene.ask(other.wallet, "settlement", "trade", trade=number)
    with pytest.raises(ContractRefused, match="bills of"):
        scene.ask(other.wallet, "settlement", "days", point=buyer.point, first_day=0, last_day=1)
    with pytest.raises(ContractRefused, match="there is no trade 9"):
        scene.ask(buyer.wallet, "settlement", "trade", trade=9)


def test_levies_and_tax_are_those_of_the_buyers_utility(scene: Scene) -> None:
    """Two utilities in one area: each collects from its own customers, the fee goes to whom the trade names."""
    seller = scene.houses[0]
    chief = scene.ledger.admin("community")
    clerk, *accounts = (
        scene.ledger.identity(name, role="operator", organisation="community")
        for name in ("clerk", "its-treasury", "its-taxes", "its-levies")
    )
    scene.enlist(chief, *accounts)
    charges = {"levies": [{"name": "levy", "price_micro": 30_000}], "tax_micro": 70_000}
    proposal = scene.ok(
        clerk,
        "tariff",
        "propose_peer_charges",
        utility="community",
        charges=charges,
        from_ms=scene.now_ms + 1_000,
    )
    scene.ok(chief, "tariff", "approve", proposal=proposal)
    scene.charges(90_000, 900_000)
    scene.ok(scene.operator, "registry", "admit", area=AREA, organisation="community")
    buyer = House("cabin", scene.ledger.identity("its-meter", role="meter", organisation="community"), scene.stranger)
    buyer.premises = buyer.point = buyer.customer = "community:cabin"
    row = dict.fromkeys(("premises", "point", "customer"), "community:cabin")
    row |= {"wallet": buyer.wallet.id, "meter": {"id": buyer.meter.id}}
    scene.ok(clerk, "registry", "add_houses", feeder=FEEDER, houses=[row], **RATINGS)
    scene.funded(buyer)
    scene.houses.append(buyer)
    scene.registers[buyer.point] = [0, 0]
    scene.use((0, 0), (0, 0), (0, 0), (0, 0))
    before = scene.totals()
    scene.trade(seller, buyer, 2, fee_micro=10_000, fee_account=scene.operator.id)
    start_ms = scene.use((0, 2), (0, 0), (0, 0), (2, 0))
    assert scene.classes(start_ms, buyer) == [2, 0, 0, 0, 0, 0]
    assert scene.gained(before) == {"house-1": 4_000, "cabin": -(4_000 + 200 + 600 + 336)}
    assert [scene.money(account)[0] for account in accounts] == [0, 336, 600]
    assert scene.money(scene.operator) == (200, 0)


# ---------------------------------------------------------------- devices


def commands(scene: Scene, house: House, after: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scene.ask(house.wallet, "settlement", "commands", point=house.point, after=after)
    return found


def test_each_trade_reaches_the_devices_of_both_ends_once(scene: Scene) -> None:
    """Start and in, stop and out, numbered, with the text of the source; when the window begins and ends."""
    seller, buyer, _ = scene.houses
    ahead_ms = scene.boundary_ms + INTERVAL_MS
    number = scene.trade(seller, buyer, 2.5, from_ms=ahead_ms, until_ms=ahead_ms + INTERVAL_MS)
    assert commands(scene, seller) == []
    scene.ledger.advance(ms=ahead_ms - scene.now_ms + 1)
    assert scene.found(number)["status"] == "delivering"
    [start] = commands(scene, seller)
    text = f"New Transaction #{number}: energy from {seller.point} → {buyer.point}"
    assert (start["action"], start["energy_wh"], start["text"]) == ("start", 2_500, text)
    assert start["device"] == seller.meter.id
    assert [command["action"] for command in commands(scene, buyer)] == ["in"]
    scene.ledger.advance(ms=INTERVAL_MS)
    assert [command["action"] for command in commands(scene, seller)] == ["start", "stop"]
    assert [command["action"] for command in commands(scene, buyer, after=2)] == ["out"]
    told = scene.told("DeliveryCommanded")
    assert [event["command"] for event in told] == [1, 2, 3, 4]
    assert [event["text"] for event in told] == [text] * 4
    assert {event["until_ms"] for event in told} == {ahead_ms + INTERVAL_MS}, "a device ends what nobody ends"
    assert [event["notice"] for event in told] == [1, 0, 0, 0], "both ends are on one feeder: it is noticed once"


def test_a_command_is_acknowledged_by_its_device_or_times_out(scene: Scene) -> None:
    """At the point's meter, or a gateway of its organisation; again: no effect; after the time-out it still counts."""
    seller, buyer, other = scene.houses
    gateway = scene.ledger.identity("gateway", role="gateway", organisation="utility")
    scene.trade(seller, buyer, 1)
    assert scene.code(other.meter, "settlement", "acknowledge", command=1) == "NOT_A_PARTY"
    assert scene.code(seller.wallet, "settlement", "acknowledge", command=1) == "NOT_A_PARTY"
    assert scene.ok(seller.meter, "settlement", "acknowledge", command=1)["status"] == "acknowledged"
    assert scene.ok(gateway, "settlement", "acknowledge", command=1, measured_mwh=5)["measured_mwh"] == 0
    assert len(scene.told("DeliveryAcknowledged")) == 1
    scene.ledger.advance(seconds=40)
    [timed_out] = scene.told("DeliveryTimedOut")
    assert (timed_out["command"], timed_out["point"], timed_out["action"]) == (2, buyer.point, "in")
    assert scene.ok(gateway, "settlement", "acknowledge", command=2)["status"] == "acknowledged"
    assert scene.code(gateway, "settlement", "acknowledge", command=99) == "COMMAND_UNKNOWN"


def test_ends_of_a_tie_that_disagree_open_a_dispute(scene: Scene) -> None:
    """On a tied bus both registers are signed; disagreement above loss and class error is for people to decide."""
    seller, buyer, _ = scene.houses
    fair, foul = scene.trade(seller, buyer, 1), scene.trade(seller, buyer, 1)
    scene.use((0, 1), (1, 0), (0, 0), but=(seller,))
    stops = {command["trade"]: command["number"] for command in commands(scene, seller, after=4)}
    outs = {command["trade"]: command["number"] for command in commands(scene, buyer, after=4)}
    for trade, delivered_mwh in ((fair, 970_000), (foul, 900_000)):
        scene.ok(seller.meter, "settlement", "acknowledge", command=stops[trade], measured_mwh=KWH)
        scene.ok(buyer.meter, "settlement", "acknowledge", command=outs[trade], measured_mwh=delivered_mwh)
    assert scene.found(fair)["status"] == "delivering"
    assert scene.found(foul)["status"] == "disputed"
    assert [event["trade"] for event in scene.told("TradeDisputed")] == [foul]


def test_curtailing_stops_the_newest_trades_first_and_costs_nobody(scene: Scene) -> None:
    """Reverse flow above the limit: OUT by newest first, until enough is off; what they miss carries no penalty."""
    seller, first, second = scene.houses
    until_ms = scene.read_ms + 2 * INTERVAL_MS
    old = scene.trade(seller, first, 2, until_ms=until_ms)
    new = scene.trade(seller, second, 2, until_ms=until_ms)
    assert scene.code(scene.operator, "settlement", "curtail", feeder=FEEDER, direction="reverse", power_w=1) == (
        "CALLER_REFUSED"
    )
    before = scene.totals()
    scene.ledger.advance(minutes=1)
    stopped = scene.ok(scene.operator, "feeder", "curtail", feeder=FEEDER, direction="reverse", power_w=3_000)
    assert stopped == [new]
    assert [command["action"] for command in commands(scene, second)] == ["in", "out"]
    scene.use((0, 3), (1, 0), (1, 0))
    scene.use((0, 3), (1, 0), (1, 0))
    ended = scene.found(new)
    assert (ended["status"], ended["delivered_mwh"], ended["seller_short_mwh"]) == ("done", KWH, 0)
    assert ended["curtailed_mwh"] == KWH
    assert scene.found(old)["delivered_mwh"] == 2 * KWH
    assert scene.gained(before) == {"house-1": 6_000, "house-2": -4_000, "house-3": -2_000}


def test_a_dispute_keeps_the_money_until_two_people_have_decided(scene: Scene) -> None:
    """Energy has its class by meter and what was delivered is paid; the rest waits. One person is refused."""
    seller, buyer, other = scene.houses
    number = scene.trade(seller, buyer, 4)
    before = scene.totals()
    assert scene.code(other.wallet, "settlement", "dispute", trade=number, reason="not mine") == "NOT_A_PARTY"
    scene.ok(buyer.wallet, "settlement", "dispute", trade=number, reason="the tie was open")
    assert scene.code(buyer.wallet, "settlement", "dispute", trade=number, reason="again") == "TRADE_OVER"
    arguments = {"trade": number, "delivered_mwh": KWH}
    assert scene.code(scene.operator, "settlement", "propose_resolve", **arguments) == "NOT_DUE"
    start_ms = scene.use((0, 1), (4, 0), (0, 0))
    assert scene.classes(start_ms, buyer) == [1, 0, 3, 0, 0, 0]
    held = scene.found(number)
    assert (held["status"], held["escrow_minor"], held["pledge_minor"]) == ("disputed", ESCROW - 2_000, PLEDGE)
    assert scene.gained(before) == {"house-1": 2_000, "house-2": -2_000}
    proposal = scene.ok(scene.operator, "settlement", "propose_resolve", **arguments)
    assert scene.code(scene.operator, "settlement", "approve", proposal=proposal) == "SAME_PERSON"
    scene.ok(scene.admin, "settlement", "approve", proposal=proposal)
    assert scene.found(number)["status"] == "done"
    curtailed = held["curtailed_mwh"]
    shortfall = -(-(RETAIL - PRICE) * (3 * KWH - curtailed) // 10**8)
    assert abs(scene.gained(before)["house-2"] - (shortfall - 2_000)) <= 1
    assert scene.money(buyer.wallet)[1] + ESCROW == scene.money(seller.wallet)[1] + PLEDGE == 2 * 10**6
    assert scene.code(scene.operator, "settlement", "propose_resolve", **arguments) == "TRADE_OVER"


def test_a_trade_disputed_before_it_begins_delivers_nothing(scene: Scene) -> None:
    """Nobody is told to start, the energy is the grid's, and what it holds waits for the decision: all goes back."""
    seller, buyer, _ = scene.houses
    ahead_ms = scene.read_ms + INTERVAL_MS
    number = scene.trade(seller, buyer, 2, from_ms=ahead_ms, until_ms=ahead_ms + 2 * INTERVAL_MS)
    scene.ok(seller.wallet, "settlement", "dispute", trade=number, reason="a mistake")
    scene.use((0, 0), (0, 0), (0, 0))
    before = scene.totals()
    start_ms = scene.use((0, 2), (2, 0), (0, 0))
    assert scene.classes(start_ms, buyer) == [0, 0, 2, 0, 0, 0]
    assert commands(scene, seller) == []
    assert scene.found(number)["curtailed_mwh"] == 2 * KWH
    scene.two("settlement", "propose_resolve", trade=number, delivered_mwh=0)
    assert scene.gained(before) == {}
    assert scene.money(buyer.wallet)[1] == 2 * 10**6 - ESCROW
    assert scene.code(seller.wallet, "settlement", "dispute", trade=number, reason="again") == "TRADE_OVER"


# ---------------------------------------------------------------- the pool


def test_the_pool_is_joined_by_tenants_and_left_with_the_purse(scene: Scene) -> None:
    """From the next boundary on; until the boundary after leaving; then the rest of the purse comes back."""
    giver, taker, other = scene.houses
    scene.rules(pool_price_micro=100_000)
    scene.use((0, 0), (0, 0), (0, 0))
    assert scene.code(other.wallet, "settlement", "enroll", point=taker.point, amount_minor=1) == "NOT_A_PARTY"
    scene.enroll(giver, amount_minor=0)
    scene.enroll(taker)
    assert scene.code(taker.wallet, "settlement", "enroll", point=taker.point, amount_minor=1) == "NOT_IN_POOL"
    assert scene.code(other.wallet, "settlement", "top_up", point=taker.point, amount_minor=1) == "NOT_IN_POOL"
    before = scene.totals()
    joined_ms = scene.use((0, 2), (2, 0), (2, 0))
    assert scene.interval(joined_ms) is not None
    assert scene.classes(joined_ms, taker) == [0, 0, 2, 0, 0, 0]
    start_ms = scene.use((0, 2), (3, 0), (2, 0))
    assert scene.classes(start_ms, taker) == [0, 2, 1, 0, 0, 0]
    assert scene.gained(before) == {"house-1": 2_000, "house-2": -2_000}
    scene.ok(taker.wallet, "settlement", "leave", point=taker.point)
    last_ms = scene.use((0, 1), (1, 0), (0, 0))
    after_ms = scene.use((0, 1), (1, 0), (0, 0))
    assert scene.classes(last_ms, taker) == [0, 1, 0, 0, 0, 0]
    assert scene.classes(after_ms, taker) == [0, 0, 1, 0, 0, 0]
    assert scene.money(taker.wallet)[1] == 2 * 10**6
    assert scene.ask(taker.wallet, "settlement", "share", point=taker.point, area=AREA) is None
    assert [event["points"] for event in scene.told("PoolLeft")] == [[taker.point]]
    scene.enroll(taker)


def test_a_purse_is_topped_up_and_an_empty_one_takes_from_the_grid(scene: Scene) -> None:
    """Without money a member's rest is grid, and it is told."""
    giver, taker, _ = scene.houses
    scene.rules(pool_price_micro=100_000)
    scene.enroll(giver, taker, amount_minor=0)
    scene.use((0, 0), (0, 0), (0, 0))
    scene.use((0, 0), (0, 0), (0, 0))
    poor_ms = scene.use((0, 2), (2, 0), (0, 0))
    assert scene.classes(poor_ms, taker) == [0, 0, 2, 0, 0, 0]
    assert [event["points"] for event in scene.told("PoolUnfunded")] == [[taker.point]]
    scene.ok(taker.wallet, "settlement", "top_up", point=taker.point, amount_minor=900)
    share = scene.ok(taker.wallet, "settlement", "top_up", point=taker.point, amount_minor=100)
    assert share["purse_minor"] == 1_000
    rich_ms = scene.use((0, 1), (1, 0), (0, 0))
    assert scene.classes(rich_ms, taker) == [0, 1, 0, 0, 0, 0]
    scene.ok(taker.wallet, "settlement", "top_up", point=taker.point, amount_minor=50)
    assert scene.ask(taker.wallet, "settlement", "share", point=taker.point, area=AREA)["purse_minor"] == 50


def test_who_moves_out_has_left_the_pool(scene: Scene) -> None:
    """The purse is the tenant's: it goes back, and the next tenant is no member."""
    giver, taker, _ = scene.houses
    scene.enroll(giver, taker)
    scene.ok(scene.operator, "registry", "move_out", premises=taker.premises, at_ms=scene.start_ms + INTERVAL_MS)
    scene.use((0, 1), (1, 0), (0, 0))
    scene.use((0, 1), (1, 0), (0, 0))
    assert scene.money(taker.wallet)[1] == 2 * 10**6
    assert [event["points"] for event in scene.told("PoolLeft")] == [[taker.point]]


# ---------------------------------------------------------------- prepaid


def test_prepaid_meters_get_back_what_they_took_by_trade_and_pool(tmp_path: Path) -> None:
    """One numbered credit per point and interval; the grid's share is not returned."""
    scene = Scene(tmp_path, prepaid=True)
    seller, buyer, member = scene.houses
    scene.enroll(seller, buyer, member)
    start_ms = scene.use((0, 0), (0, 0), (0, 0))
    scene.trade(seller, buyer, 2)
    scene.use((0, 5), (4, 0), (4, 0))
    taken = [row[2:4] for row in scene.interval(start_ms + INTERVAL_MS)["rows"]]  # type: ignore[index]
    assert [sum(row) for row in taken] == [0, 3 * KWH, 2 * KWH]
    assert [scene.moved(house) for house in scene.houses] == [
        {},
        {"settlement": 3 * KWH},
        {"settlement": 2 * KWH},
    ]


def test_an_advance_at_delivery_start_is_clawed_back_where_it_was_not_delivered(tmp_path: Path) -> None:
    """A trade may advance the return; settlement claws back the excess, and returns nothing twice."""
    scene = Scene(tmp_path, prepaid=True)
    seller, buyer, _ = scene.houses
    scene.rules(advance_returns=True)
    scene.use((0, 0), (0, 0), (0, 0))
    scene.use((0, 0), (0, 0), (0, 0))
    number = scene.trade(seller, buyer, 4)
    scene.ledger.advance(seconds=1)
    assert scene.moved(buyer) == {f"advance/{number}": 4 * KWH}
    scene.use((0, 3), (5, 0), (0, 0))
    assert scene.moved(buyer) == {f"advance/{number}": 3 * KWH}


# ---------------------------------------------------------------- days and late readings


def test_a_day_is_rolled_up_with_every_class(scene: Scene) -> None:
    """Eight columns by interval, once the whole UTC day is closed; classes sum to the registers."""
    seller, buyer, _ = scene.houses
    scene.trade(seller, buyer, 2)
    scene.use((0, 3), (5, 0), (1, 0))
    scene.use((0, 1), (1, 0), (2, 0))
    day = scene.start_ms // DAY_MS
    read = {"first_day": day, "last_day": day + 1}
    assert scene.ask(buyer.wallet, "settlement", "days", point=buyer.point, **read) == []
    to_the_end(scene)
    sums = {}
    for house in scene.houses:
        [found] = scene.ask(house.wallet, "settlement", "days", point=house.point, **read)
        assert (found["day"], found["version"]) == (day, 1)
        assert {len(column) for column in found["columns"]} == {96}
        sums[house.name] = [sum(column) / KWH for column in found["columns"]]
    assert sums == {
        "house-1": [0, 4, 0, 0, 0, 2, 0, 2],
        "house-2": [6, 0, 2, 0, 4, 0, 0, 0],
        "house-3": [3, 0, 0, 0, 3, 0, 0, 0],
    }
    assert [(event["day"], event["points"]) for event in scene.told("DayRolledUp")] == [(day, 3)]
    [brief] = scene.ask(buyer.wallet, "settlement", "days", point=buyer.point, brief=True, **read)
    assert [sum(column) / KWH for column in brief["columns"]] == [0, 0, 2, 0, 4, 0, 0, 0]
    assert [len(column) for column in brief["columns"]] == [0, 0, 96, 0, 96, 0, 0, 0]


def to_the_end(scene: Scene) -> tuple[Committed, ...]:
    """The day passes; nothing more is used, and it is read once at its end."""
    end_ms = (scene.start_ms // DAY_MS + 1) * DAY_MS
    while scene.read_ms < end_ms:
        scene.read_ms += INTERVAL_MS
        scene.sequence += 1
        for house in scene.houses:
            row = [scene.sequence, scene.read_ms, *scene.registers[house.point], 0]
            scene.unsent.setdefault(house.point, []).append(row)
    scene.ledger.advance(ms=end_ms - scene.now_ms)
    for house in scene.houses:
        scene.send(house)
    return scene.ledger.advance(minutes=20)


def test_a_point_that_joins_has_its_first_day_from_then_on(scene: Scene) -> None:
    """Only intervals in which it belonged to the area are its; nothing is invented."""
    scene.use((1, 0), (0, 0), (0, 0))
    [late] = scene.settle_in("late", tariff="utility:flat", **RATINGS)
    scene.registers[late.point] = [0, 0]
    scene.use((1, 0), (0, 0), (0, 0), (0, 0))
    scene.use((1, 0), (0, 0), (0, 0), (5, 0))
    to_the_end(scene)
    day = scene.start_ms // DAY_MS
    [found] = scene.ask(scene.operator, "settlement", "days", point=late.point, first_day=day, last_day=day)
    assert sum(found["columns"][0]) == sum(found["columns"][4]) == 5 * KWH


def test_a_late_reading_is_posted_as_a_difference_at_that_intervals_prices(scene: Scene) -> None:
    """Closed rows never change; the same waterfall with the true registers, less what stood, is the adjustment."""
    seller, buyer, member = scene.houses
    scene.charges(20_000, 190_000)
    scene.rules(pool_price_micro=100_000)
    scene.enroll(seller, member)
    scene.use((0, 0), (0, 0), (0, 0))
    scene.use((0, 0), (0, 0), (0, 0))
    number = scene.trade(seller, buyer, 3)
    start_ms = scene.use((0, 5), (4, 0), (3, 0), but=(buyer,))
    scene.ledger.advance(hours=49)
    row = ("interval", {"area": AREA, "interval_ms": start_ms})
    closed = scene.ask(scene.operator, "settlement", row[0], **row[1])
    assert scene.classes(start_ms, seller) == [0, 0, 0, 0, 3, 2]
    assert scene.found(number)["buyer_short_mwh"] == 3 * KWH
    for house in (seller, member, buyer):
        scene.read_ms = start_ms + 2 * INTERVAL_MS
        scene.sequence += 1
        row_ = [scene.sequence, scene.read_ms, *scene.registers[house.point], 0]
        scene.unsent.setdefault(house.point, []).append(row_)
        scene.send(house)
    days_pass(scene, 3)
    posted = {house.name: adjustments(scene, house) for house in scene.houses}
    assert [row["columns_mwh"] for row in posted["house-1"]] == [[0, 0, 0, 0, 0, 3 * KWH, -KWH, -2 * KWH]]
    assert [row["columns_mwh"] for row in posted["house-2"]] == [[4 * KWH, 0, 3 * KWH, 0, KWH, 0, 0, 0]]
    assert [row["columns_mwh"] for row in posted["house-3"]] == [[0, 0, 0, -KWH, KWH, 0, 0, 0]]
    money = [
        [row[name] for name in ("amount_minor", "fee_minor", "levy_minor", "tax_minor")]
        for rows in posted.values()
        for row in rows
    ]
    # 3 kWh at 0.20 bought and sold; 1 kWh of the pool's at 0.10 less; levies 0.02 and 19 % with them
    assert money == [[-6_000 + 1_000, 0, 0, 0], [6_000, 0, 600, 1_254], [-1_000, 0, -200, -228]]
    assert sum(row[0] for row in money) == 0
    assert scene.found(number)["delivered_mwh"] == 3 * KWH
    now = scene.ask(scene.operator, "settlement", row[0], **row[1])
    assert now["adjusted"]
    assert not closed["adjusted"]
    assert scene.classes(start_ms, buyer) == [3, 0, 1, 0, 0, 0]


def adjustments(scene: Scene, house: House) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scene.ask(house.wallet, "settlement", "adjustments", point=house.point)
    return found


def days_pass(scene: Scene, days: int) -> None:
    """Intervals are closed on estimates, days rolled up, late readings taken."""
    for _ in range(days * 24):
        scene.ledger.advance(hours=1)


def test_a_late_reading_of_the_grid_alone_changes_no_money(scene: Scene) -> None:
    """Where there was neither trade nor pool the difference is the grid's, for the tariff to price, once."""
    house = scene.houses[0]
    start_ms = scene.use((2, 0), (1, 0), (0, 0), but=(house,))
    days_pass(scene, 4)
    assert scene.next_ms > start_ms + DAY_MS
    scene.read_ms = start_ms + 2 * INTERVAL_MS
    scene.send(house)
    days_pass(scene, 1)
    [posted] = adjustments(scene, house)
    assert posted["interval_ms"] == start_ms
    assert posted["columns_mwh"] == [2 * KWH, 0, 0, 0, 2 * KWH, 0, 0, 0]
    assert posted["amount_minor"] == posted["tax_minor"] == 0
    assert adjustments(scene, scene.houses[1]) == []
    correction = {"point": house.point, "import_mwh": KWH, "export_mwh": 0, "reason": "read again"}
    scene.two("metering", "propose_correction", interval_ms=start_ms + INTERVAL_MS, **correction)
    days_pass(scene, 1)
    [_, second] = adjustments(scene, house)
    assert (second["number"], second["interval_ms"]) == (2, start_ms + INTERVAL_MS)
    assert second["columns_mwh"] == [KWH, 0, 0, 0, KWH, 0, 0, 0]


def test_quiet_intervals_are_passed_over_a_day_at_a_time(scene: Scene) -> None:
    """Meters that send once a day: what is late is closed in few calls, up to a trade's window, which has its own."""
    seller, buyer, _ = scene.houses
    window_ms = scene.start_ms + 40 * INTERVAL_MS
    number = scene.trade(seller, buyer, 1, from_ms=window_ms, until_ms=window_ms + INTERVAL_MS)
    scene.use((0, 1), (2, 0), (0, 0), but=tuple(scene.houses))
    timers = to_the_end(scene)
    end_ms = (scene.start_ms // DAY_MS + 1) * DAY_MS
    assert scene.next_ms == end_ms
    assert scene.found(number)["status"] == "done"
    assert scene.interval(scene.start_ms) is None
    assert scene.interval(window_ms) is not None
    day = scene.start_ms // DAY_MS
    [found] = scene.ask(buyer.wallet, "settlement", "days", point=buyer.point, first_day=day, last_day=day)
    assert sum(found["columns"][0]) == sum(found["columns"][4]) == 2 * KWH
    assert sum(timer.receipt.budget_used for timer in timers) < 200_000


@pytest.mark.slow
def test_what_came_late_ends_a_prepaid_meters_shortage_too(tmp_path: Path) -> None:
    """The difference of trade and pool is returned, or clawed back; a shortfall that was none is owed back."""
    scene = Scene(tmp_path, prepaid=True)
    seller, buyer, other = scene.houses
    number = scene.trade(seller, buyer, 3)
    start_ms = scene.use((0, 3), (3, 0), (0, 0), but=(seller,))
    days_pass(scene, 4)
    paid = 3 * (RETAIL - PRICE) // 100
    assert scene.found(number)["seller_paid_minor"] == paid
    assert scene.moved(buyer) == {}
    scene.send(seller)
    days_pass(scene, 1)
    assert scene.moved(buyer) == {"adjustment/1": 3 * KWH}
    assert scene.found(number)["delivered_mwh"] == 3 * KWH
    assert scene.found(number)["seller_paid_minor"] == 0
    [bought], [sold] = adjustments(scene, buyer), adjustments(scene, seller)
    assert bought["amount_minor"] == -sold["amount_minor"] == 6_000 + paid
    assert adjustments(scene, other) == []
    assert bought["interval_ms"] == start_ms
    assert scene.ask(scene.operator, "settlement", "area", area=AREA)["adjustments"] >= 1


@pytest.mark.slow
def test_what_metering_has_put_in_for_a_silent_meter_is_kept(scene: Scene) -> None:
    """Closed on the same interval of the day before, it is the grid's; the day has it, and the truth corrects it."""
    house = scene.houses[0]
    scene.use((2, 0), (0, 0), (0, 0))
    to_the_end(scene)
    next_ms = scene.start_ms + DAY_MS
    days_pass(scene, 4)
    assert scene.classes(next_ms, house) == [0, 0, 2, 0, 0, 0]
    day = {"first_day": next_ms // DAY_MS, "last_day": next_ms // DAY_MS}
    [found] = scene.ask(house.wallet, "settlement", "days", point=house.point, **day)
    assert sum(found["columns"][4]) == 2 * KWH
    start_ms = scene.read_ms
    while scene.read_ms < start_ms + DAY_MS:
        scene.read_ms += INTERVAL_MS
        scene.sequence += 1
        row = [scene.sequence, scene.read_ms, *scene.registers[house.point], 0]
        scene.unsent.setdefault(house.point, []).append(row)
    scene.send(house)
    days_pass(scene, 1)
    assert [row["columns_mwh"][4] for row in adjustments(scene, house)] == [-2 * KWH]
    assert adjustments(scene, house)[0]["interval_ms"] == next_ms
    assert scene.classes(next_ms, house) == [0, 0, 0, 0, 0, 0]
