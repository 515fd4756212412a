"""Billing keeps its rules: settled months become invoices that add up, recompute, and are paid, dunned or credited."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from chaincode.billed import month_index
from chaincode.calendar import DAY_MS, day_number
from chaincode.periods import GRID_EXPORT, GRID_IMPORT, POOL_EXPORT, POOL_IMPORT, TRADE_EXPORT, TRADE_IMPORT
from chaincode.pricing import Band, Levy
from chaincode.units import price_times_energy
from ledgernode.errors import ContractRefused
from tests.chaincode.bills import DIGITS, Billed, spread
from tests.chaincode.test_pricing import by_time, flat, stepped
from tests.chaincode.town import INTERVAL_MS

KWH = 1_000_000
MINOR = 10_000
"""A currency of four digits: minor units of one major."""
DAYS = 31
JANUARY_START_MS = day_number(2026, 1, 1) * DAY_MS


def cost(price_micro: int, energy_mwh: int) -> int:
    """What this energy costs, rounded."""
    return price_times_energy(price_micro, energy_mwh, DIGITS)[0]


@pytest.fixture(scope="module")
def founded() -> Billed:
    return Billed()


@pytest.fixture
def town(founded: Billed) -> Billed:
    return deepcopy(founded)


def month_mwh(town: Billed, each_mwh: int = 10_000, start_ms: int = 0, day: tuple[int, int, int] = (2026, 2, 1)) -> int:
    """What a house takes from the first boundary it was added at (or another time) until a local day begins."""
    begins_ms = start_ms or town.ask(town.operator, "registry", "spans", point="utility:house-1")[0]["from_ms"]
    return (day_number(*day) * DAY_MS - 3_600_000 - begins_ms) // INTERVAL_MS * each_mwh


# ---------------------------------------------------------------- what is on an invoice


def test_only_grid_energy_is_charged_trades_and_pool_are_listed() -> None:
    """One kWh is paid once: invoices bill grid Wh and only list trade and pool postings, which are already paid."""
    town = Billed()
    [house] = town.houses
    town.flows(
        house,
        {
            GRID_IMPORT: spread(10_000),
            TRADE_IMPORT: spread(20_000),
            POOL_IMPORT: spread(3_000),
            TRADE_EXPORT: spread(4_000),
            POOL_EXPORT: spread(500),
            GRID_EXPORT: spread(1_000),
        },
    )
    assert town.bill()["status"] == "done"
    whole = month_mwh(town)
    assert town.lines() == {
        "listed trade import": (whole * 2, 0),
        "listed pool import": (whole * 3 // 10, 0),
        "listed trade export": (whole * 4 // 10, 0),
        "listed pool export": (whole // 20, 0),
        "import all": (whole, cost(300_000, whole)),
        "feed_in feed-in": (whole // 10, -cost(80_000, whole // 10)),
    }
    assert town.told("InvoiceIssued")[0]["total_minor"] == town.invoice()["total_minor"]


def test_a_prepaid_point_has_no_charge_for_grid_import() -> None:
    """Prepaid points get feed-in and lists: what the meter has decremented is not billed, nor are fixed charges."""
    town = Billed(tariff=flat(fixed_minor=50_000, minimum_minor=90_000, tax_micro=100_000), prepaid=True)
    [house] = town.houses
    town.flows(house, {GRID_IMPORT: spread(10_000), GRID_EXPORT: spread(1_000)})
    town.bill()
    whole = month_mwh(town)
    assert town.lines() == {
        "listed prepaid import": (whole, 0),
        "feed_in feed-in": (whole // 10, -cost(80_000, whole // 10)),
    }
    assert town.account(house)["credit_minor"] == cost(80_000, whole // 10)


def test_fixed_capacity_and_minimum_charges_are_those_of_the_tariff() -> None:
    """Capacity goes by the highest interval's power from the grid; a minimum fills up what is missing."""
    town = Billed(tariff=flat(fixed_minor=31_000, capacity_minor=20_000, minimum_minor=10_000_000))
    [house] = town.houses
    peak = spread(0)
    peak[40] = 2_500_000
    town.flows(house, {GRID_IMPORT: peak, TRADE_IMPORT: [9_000_000, *spread(0)[1:]]})
    town.bill()
    made = town.lines()
    assert made["fixed"] == (DAYS, 31_000)
    assert made["capacity"] == (10_000, 200_000)
    assert made["minimum"][1] == 10_000_000 - 231_000 - made["import all"][1]


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_steps_end_to_the_watt_hour(more: int) -> None:
    """Tier boundary at, +1 and -1 Wh, over the whole local month."""
    town = Billed(tariff=stepped((100_000, 200_000), (0, 400_000)))
    [house] = town.houses
    day = spread(0)
    town.flows(house, {GRID_IMPORT: day})
    day[30] = 100 * KWH + more * 1_000
    town.put(house, [{"day": day_number(2026, 1, 10), "columns": [[], [], [], [], day, [], [], []], "version": 1}])
    town.bill()
    made = town.lines()
    assert made["import step 1"][0] == min(100 * KWH, day[30])
    assert made.get("import step 2", (0, 0))[0] == max(0, more) * 1_000


def test_a_tariff_that_changes_inside_an_interval_holds_from_the_next_one(town: Billed) -> None:
    """Two parts, cut at the boundary after the change; steps and days go on; every line under its own version."""
    [house] = town.houses
    change_ms = day_number(2026, 1, 16) * DAY_MS + 7 * 60_000
    town.decide(flat(500_000), change_ms)
    town.flows(house)
    town.bill()
    made = town.invoice()
    boundary_ms = day_number(2026, 1, 16) * DAY_MS + INTERVAL_MS
    assert made["parts"][0]["until_ms"] == made["parts"][1]["from_ms"] == boundary_ms
    first, second = made["lines"]
    assert (first["price_micro"], second["price_micro"]) == (300_000, 500_000)
    assert second["quantity"] == month_mwh(town, start_ms=boundary_ms)
    assert first["quantity"] + second["quantity"] == month_mwh(town)


@pytest.mark.parametrize(("price", "sign"), [(-50_000, -1), (0, 0)])
def test_prices_may_be_zero_or_below(price: int, sign: int) -> None:
    """Negative and zero price: the line is there, and a bill in the customer's favour is credit."""
    town = Billed(tariff=flat(price))
    [house] = town.houses
    town.flows(house)
    town.bill()
    whole = month_mwh(town)
    assert town.lines()["import all"] == (whole, cost(price, whole))
    assert town.account(house)["credit_minor"] == -town.invoice()["total_minor"] == cost(abs(price), whole)
    assert town.view()["standing"]["status"] == "paid"
    assert town.invoice()["due_ms"] == 0


def test_feed_in_below_the_export_fee_is_owed() -> None:
    """Whoever is paid less for export than its fee owes the difference."""
    town = Billed(tariff=flat(feed_in=(Band(name="feed-in", price_micro=20_000),), export_fee_micro=50_000))
    [house] = town.houses
    town.flows(house, {GRID_EXPORT: spread(10_000)})
    town.bill()
    whole = month_mwh(town)
    assert town.invoice()["total_minor"] == cost(30_000, whole) == town.account(house)["open_minor"]


@pytest.mark.parametrize(("month", "quarters", "early"), [(3, 2_972, 31 * 12 - 4), (10, 2_980, 31 * 12 + 4)])
def test_days_of_23_and_25_hours_are_billed_by_the_local_clock(month: int, quarters: int, early: int) -> None:
    """DST both ways: March has 2,972 quarters of an hour, October 2,980, each under the band of its local time."""
    bands = (Band(name="early", price_micro=100_000, until_minute=180), Band(name="late", price_micro=300_000))
    town = Billed(tariff=flat().replace(kind="time_of_use", bands=bands))
    [house] = town.houses
    town.flows(house, month=(2026, month))
    town.bill(2026, month)
    made = town.lines()
    assert made["import early"][0] == early * 10_000
    assert made["import late"][0] == (quarters - early) * 10_000


def test_who_moves_out_and_in_pay_for_their_own_and_nobody_for_the_time_between(town: Billed) -> None:
    """Proration for move-in and move-out: the day of a change counts for who has the point at its end."""
    [house] = town.houses
    town.decide(flat(fixed_minor=31_000), town.now_ms + 60_000)
    out_ms, in_ms = day_number(2026, 1, 10) * DAY_MS + 12 * 3_600_000, day_number(2026, 1, 20) * DAY_MS + 6 * 3_600_000
    town.ok(town.operator, "registry", "move_out", premises=house.premises, at_ms=out_ms)
    town.ok(town.operator, "registry", "add_customer", id="utility:next")
    town.ok(town.operator, "registry", "move_in", premises=house.premises, customer="utility:next", at_ms=in_ms)
    town.flows(house)
    assert town.bill()["invoices"] == 2
    assert town.lines(1)["fixed"] == (9, 9_000)
    assert town.lines(1)["import all"][0] == (out_ms - town.invoice(1)["from_ms"]) // INTERVAL_MS * 10_000
    assert town.lines(2)["fixed"] == (12, 12_000)
    assert town.lines(2)["import all"][0] == month_mwh(town, start_ms=in_ms)
    with pytest.raises(ContractRefused, match="another customer"):
        town.view(2, house.wallet)
    assert town.view(1, house.wallet)["invoice"]["customer"] == house.customer


def test_each_line_is_rounded_once_and_the_rest_is_kept() -> None:
    """Amounts in pico plus remainders are exactly price times energy; the remainders are summed per utility."""
    town = Billed(tariff=flat(333_333, levies=(Levy(name="green", price_micro=7_777),), tax_micro=190_000))
    [house] = town.houses
    town.flows(house, {GRID_IMPORT: spread(10_007)})
    town.bill()
    made = town.invoice()["lines"]
    for line in made:
        if line["unit"] == "mwh":
            exact = line["price_micro"] * line["quantity"]
            assert line["amount_minor"] * 10**8 + line["remainder_pico"] == exact
            assert abs(line["remainder_pico"]) <= 10**8 // 2
    rest = town.ask(town.operator, "billing", "remainder", utility="utility")
    assert rest == sum(line["remainder_pico"] for line in made) != 0


# ---------------------------------------------------------------- what comes late


def test_a_late_reading_before_the_run_is_in_the_month_itself(town: Billed) -> None:
    """Nothing is corrected that was not billed yet."""
    [house] = town.houses
    town.flows(house)
    town.late(house, JANUARY_START_MS + DAY_MS, {GRID_IMPORT: 5_000})
    town.bill()
    assert town.lines() == {"import all": (month_mwh(town) + 5_000, cost(300_000, month_mwh(town) + 5_000))}


def test_a_late_reading_after_the_invoice_is_a_correction_on_the_next_one() -> None:
    """Lateness: at that interval's prices and tax, the difference of every line; what stands never changes."""
    town = Billed(tariff=stepped((30_000, 200_000), (0, 400_000), tax_micro=100_000))
    [house] = town.houses
    town.flows(house)
    town.bill()
    stood = town.view(1)["invoice"]
    town.decide(flat(900_000), town.now_ms + 1_000)
    town.late(house, JANUARY_START_MS + 2 * DAY_MS, {GRID_IMPORT: 10 * KWH}, amount_minor=-500, tax_minor=-50)
    town.late(house, JANUARY_START_MS + 33 * DAY_MS, {GRID_IMPORT: 1 * KWH})
    town.flows(house, {GRID_IMPORT: spread(0)}, (2026, 2))
    town.bill(2026, 2)
    assert town.view(1)["invoice"] == stood
    made = town.lines(2)
    label = "correction 2026-01"
    before_kwh = month_mwh(town) / KWH
    low = min(30, before_kwh + 10) - min(30, before_kwh)
    rows = {name: row for name, row in made.items() if label in name}
    assert rows[f"import {label} step 2"] == (round((10 - low) * KWH), round((10 - low) * 4_000))
    assert rows[f"trade {label} trades"] == (1, -500)
    assert rows[f"tax {label} trades"] == (1, -50)
    assert f"tax {label}" in rows
    assert made["import all"] == (1 * KWH + 3 * 10_000, 9_270)
    town.bill(2026, 2)
    town.flows(house, {GRID_IMPORT: spread(0)}, (2026, 3))
    town.bill(2026, 3)
    assert len(town.told("InvoiceIssued")) == 2


def test_a_correction_reaches_who_had_the_point_then(town: Billed) -> None:
    """A tenant who has moved out gets an invoice of the correction alone; the next tenant has none of it."""
    [house] = town.houses
    town.flows(house)
    town.bill()
    town.ok(town.operator, "registry", "move_out", premises=house.premises)
    town.late(house, JANUARY_START_MS + 2 * DAY_MS, {GRID_IMPORT: -1_000 * 10})
    town.until(2026, 2, 2)
    town.ok(town.operator, "registry", "add_customer", id="utility:next")
    town.ok(town.operator, "registry", "move_in", premises=house.premises, customer="utility:next")
    town.flows(house, month=(2026, 3))
    town.flows(house, month=(2026, 2))
    town.bill(2026, 2)
    town.until(2026, 3, 2)
    town.late(house, JANUARY_START_MS + 3 * DAY_MS, {GRID_IMPORT: 10 * KWH})
    town.bill(2026, 3)
    of_former = [
        number
        for number in range(1, len(town.told("InvoiceIssued")) + 1)
        if town.invoice(number)["customer"] == house.customer
    ]
    assert town.lines(of_former[-1]) == {"import correction 2026-01 all": (10 * KWH, 30_000)}
    assert town.invoice(of_former[-1])["parts"] == []


def test_what_a_prepaid_point_owes_comes_off_its_next_vend() -> None:
    """A trade reversed late is owed; where a prepaid meter is, it is handed over as a debt, once."""
    town = Billed(prepaid=True)
    [house] = town.houses
    town.flows(house)
    town.bill()
    town.late(house, JANUARY_START_MS + DAY_MS, {TRADE_IMPORT: 1_000, GRID_IMPORT: -1_000}, amount_minor=700)
    town.flows(house, {}, (2026, 2))
    town.bill(2026, 2)
    assert town.ask(town.operator, "prepaid", "debts", point=house.point) == {"utility:2": 700}
    assert town.view(2)["standing"]["status"] == "handed_over"
    assert town.account(house)["balance_minor"] == 0


# ---------------------------------------------------------------- runs


def test_a_run_begins_by_timer_and_bills_house_after_house() -> None:
    """Once the month is over, in steps with a cursor and events of progress; then the next month's timer is set."""
    town = Billed(houses=23)
    town.rules(due_days=10)
    for house in town.houses:
        town.flows(house)
    town.until(2026, 2, 1)
    assert town.told("RunStarted") == []
    town.until(2026, 2, 1, 300)
    assert town.status()["status"] == "done"
    steps = town.told("RunProgressed")
    assert [step["done"] for step in steps][-1] == 23
    assert {step["total"] for step in steps} == {23}
    assert len({step["done"] for step in steps}) >= 3
    assert [event["invoice"] for event in town.told("InvoiceIssued")] == [f"utility:{n}" for n in range(1, 24)]
    for house in town.houses:
        town.flows(house, {}, (2026, 2))
    town.until(2026, 3, 1, 300)
    assert town.status(2026, 2)["status"] == "done"


def test_each_bill_is_told_in_a_receipt_that_names_nobody_else() -> None:
    """Whoever proves a bill hands over its whole receipt: the bills of others are not in it, nor what they owe."""
    town = Billed(houses=3)
    for house in town.houses:
        town.flows(house)
    town.until(2026, 2, 1)
    town.ok(town.operator, "billing", "run", utility="utility", year=2026, month=1)
    named: list[set[str]] = []
    told: list[list[str]] = []
    for one in town.ledger.advance(minutes=1):
        named.append({event.payload["customer"] for event in one.events if "customer" in event.payload})
        told.append([event.payload["invoice"] for event in one.events if event.name == "InvoiceIssued"])
    assert max(len(customers) for customers in named) == 1
    assert [invoices for invoices in told if invoices] == [[f"utility:{number}"] for number in (1, 2, 3)]
    assert {event["issued_ms"] for event in town.told("InvoiceIssued")} == {town.invoice()["issued_ms"]}


def test_a_month_is_billed_once_and_when_it_is_over(town: Billed) -> None:
    """Run again nothing is billed twice; before its end it is refused, and to strangers."""
    [house] = town.houses
    town.flows(house)
    asked: dict[str, Any] = {"utility": "utility", "year": 2026, "month": 1}
    assert town.code(town.operator, "billing", "run", **asked) == "NOT_DUE"
    assert town.code(town.stranger, "billing", "run", **asked) == "NOT_YOUR_ORGANISATION"
    town.bill()
    assert town.bill()["status"] == "done"
    assert len(town.told("InvoiceIssued")) == 1


def test_a_house_that_is_not_settled_waits_and_the_others_are_billed() -> None:
    """It is tried again every hour; after the days of the rules it is left to the next run, which bills both months."""
    town = Billed(houses=2)
    waiter, other = town.houses
    town.flows(other)
    assert town.bill()["status"] == "waiting"
    assert town.ask(town.operator, "billing", "waiting", utility="utility") == {waiter.point: "days not settled"}
    assert [event["point"] for event in town.told("InvoiceIssued")] == [other.point]
    assert town.code(town.operator, "billing", "run", utility="utility", year=2025, month=12) == "RUN_BUSY"
    town.until(2026, 2, 7)
    assert (town.status()["status"], town.status()["left_out"]) == ("done", 1)
    town.flows(waiter)
    for house in town.houses:
        town.flows(house, month=(2026, 2))
    town.bill(2026, 2)
    town.ledger.advance(hours=2)
    assert town.status(2026, 2)["status"] == "done"
    months = [town.invoice(number)["month"] % 12 + 1 for number in (1, 2, 3, 4)]
    assert sorted(months) == [1, 1, 2, 2]


def test_the_heaviest_house_is_billed_within_the_budget() -> None:
    """Every class in every interval, bands by time both ways, months corrected: no step is given up.

    One invoice corrects one month; what is left of the adjustments comes on the next.
    """
    tariff = by_time(feed_in=by_time().bands, fixed_minor=7, capacity_minor=9, tax_micro=70_000)
    town = Billed(tariff=tariff)
    every = {kind: [10_000 + 37 * at for at in range(96)] for kind in range(TRADE_IMPORT, GRID_EXPORT + 1)}
    for month in (1, 2, 3, 4):
        for house in town.houses:
            town.flows(house, every if month < 4 else {}, (2026, month))
            for day in range(0, 58 if month == 3 else 0, 2):
                town.late(house, JANUARY_START_MS + day * DAY_MS + 50 * INTERVAL_MS, {GRID_IMPORT: 9, TRADE_IMPORT: -9})
        town.bill(2026, month)
        assert town.status(2026, month)["invoices"] == 1
        assert max(town.units) < 400_000
    months = [month_index(2026, 1), month_index(2026, 2)]
    assert [town.invoice(number)["corrected"] for number in (3, 4)] == [[month] for month in months]
    back = [quantity for name, (quantity, _) in town.lines(4).items() if "correction 2026-02 trade" in name]
    assert sum(back) == -9 * 13


def test_a_house_without_a_tariff_waits_and_is_reported(town: Billed) -> None:
    """Energy that nothing prices is not billed at a guess."""
    [house] = town.houses
    [late] = town.settle_in("late", tariff="utility:none")
    town.flows(house)
    town.flows(late)
    town.bill()
    assert town.told("HouseWaits") == [{"point": late.point, "reason": "tariff missing"}]


# ---------------------------------------------------------------- money


def test_a_payment_goes_to_treasury_taxes_and_levies_to_the_last_minor_unit() -> None:
    """Partial payments: each carries its part, together exactly the invoice's; the same request counts once."""
    town = Billed(tariff=flat(levies=(Levy(name="green", price_micro=10_000),), tax_micro=190_000))
    [house] = town.houses
    town.flows(house)
    town.bill()
    total = town.invoice()["total_minor"]
    made = town.lines()
    before = town.money(house.wallet)
    assert town.pay(house, 333) == "OK"
    assert town.pay(house, 333) == "OK"
    assert town.pay(house, 334) == "REQUEST_USED"
    assert town.view()["standing"]["status"] == "partly"
    assert town.pay(house, total - 333, request="second") == "OK"
    assert town.view()["standing"]["status"] == "paid"
    assert before - town.money(house.wallet) == total
    assert town.money(town.taxes) == made["tax"][1]
    assert town.money(town.levies) == made["levy green"][1]
    assert town.money(town.treasury) == 10**9 + total - made["tax"][1] - made["levy green"][1]
    assert town.account(house)["balance_minor"] == 0
    assert [event["invoice"] for event in town.told("InvoicePaid")] == ["utility:1"]


def test_what_is_paid_beyond_is_credit_that_the_next_invoice_takes(town: Billed) -> None:
    """Overpayment: kept for the customer, set against the next invoice, the rest withdrawn from funded money only."""
    [house] = town.houses
    town.flows(house)
    town.flows(house, {GRID_IMPORT: spread(100)}, (2026, 2))
    town.bill()
    total = town.invoice()["total_minor"]
    assert town.pay(house, total + 5_000) == "OK"
    assert town.account(house)["credit_minor"] == 5_000
    town.bill(2026, 2)
    second = town.invoice(2)["total_minor"]
    assert town.view(2)["standing"]["status"] == "paid"
    left = 5_000 - second
    assert town.account(house)["credit_minor"] == left > 0
    assert town.code(house.wallet, "billing", "withdraw_balance") == "PAYOUT_UNFUNDED"
    assert town.code(town.operator, "billing", "fund", amount_minor=left) == "NOT_THE_TREASURY"
    town.ok(town.treasury, "billing", "fund", amount_minor=left + 10)
    town.ok(town.treasury, "billing", "fund", amount_minor=5)
    before = town.money(house.wallet)
    assert town.ok(house.wallet, "billing", "withdraw_balance") == left
    assert town.money(house.wallet) == before + left
    assert town.code(house.wallet, "billing", "withdraw_balance") == "NOTHING_TO_WITHDRAW"
    assert town.code(town.stranger, "billing", "withdraw_balance") == "NOT_YOUR_INVOICE"
    assert town.account(house)["balance_minor"] == 0
    town.ok(town.treasury, "billing", "take_back", utility="utility", amount_minor=15)
    assert town.ask(town.operator, "billing", "payout", utility="utility")["amount_minor"] == 0


def test_an_invoice_that_is_not_paid_goes_through_the_stages_and_costs_a_fee_once() -> None:
    """Due dates, dunning states and late fees by timer; the fee is an invoice of its own, and bears no fee."""
    town = Billed()
    [house] = town.houses
    town.rules(due_days=10, late_fee_minor=200, late_rate_micro=10_000, dunning=[[0, "overdue"], [5, "last"]])
    town.flows(house)
    town.bill()
    open_minor = town.invoice()["total_minor"] - 100
    assert town.pay(house, 100) == "OK"
    due_ms = town.invoice()["due_ms"]
    town.ledger.advance(ms=due_ms - town.now_ms - 1)
    assert town.view()["standing"]["status"] == "partly"
    town.ledger.advance(ms=2)
    assert town.view()["standing"]["status"] == "overdue"
    fee = town.invoice(2)
    assert (fee["about"], fee["total_minor"]) == ("utility:1", 200 + (open_minor + 50) // 100)
    town.ledger.advance(days=30)
    assert [(one["invoice"], one["stage"]) for one in town.told("DunningChanged")] == [
        ("utility:1", "overdue"),
        ("utility:1", "last"),
        ("utility:2", "overdue"),
        ("utility:2", "last"),
    ]
    assert len(town.told("InvoiceIssued")) == 2
    assert town.pay(house, open_minor, request="rest") == "OK"
    assert town.view()["standing"]["status"] == "paid"
    assert town.account(house)["open"] == [2]


def test_what_is_disputed_rests_until_two_people_have_decided(town: Billed) -> None:
    """No dunning and no setting off meanwhile; then what is open is due anew."""
    [house] = town.houses
    town.flows(house)
    town.bill()
    asked = {"invoice": "utility:1"}
    assert town.code(town.stranger, "billing", "dispute", reason="mine", **asked) == "NOT_YOUR_INVOICE"
    town.ok(house.wallet, "billing", "dispute", reason="I was away", **asked)
    assert town.code(house.wallet, "billing", "dispute", reason="again", **asked) == "DISPUTE_STATE"
    town.ledger.advance(days=40)
    assert town.view()["standing"]["status"] == "disputed"
    assert town.told("DunningChanged") == []
    proposal = town.ok(town.operator, "billing", "propose_resolve", resolution="the meter was read", **asked)
    assert town.code(town.operator, "billing", "approve", proposal=proposal) == "SAME_PERSON"
    town.ok(town.admin, "billing", "approve", proposal=proposal)
    assert town.view()["dispute"]["resolution"] == "the meter was read"
    assert town.view()["standing"]["status"] == "open"
    town.ledger.advance(days=14, minutes=1)
    assert town.view()["standing"]["status"] == "overdue"
    town.account(house)


def credit_line(amount_minor: int) -> dict[str, Any]:
    names = {"kind": "import", "name": "good will", "quantity": 1, "unit": "times", "price_micro": 0}
    return {**names, "amount_minor": amount_minor}


def test_an_invoice_is_corrected_by_credit_notes_of_two_people_never_edited(town: Billed) -> None:
    """A credit note lessens what is open; what was paid beyond is credit; together never more than the invoice."""
    [house] = town.houses
    town.flows(house)
    town.bill()
    stood = town.invoice()
    total = stood["total_minor"]
    asked = {"invoice": "utility:1", "reason": "a wrong meter"}
    refused = town.code(town.operator, "billing", "propose_credit_note", lines=[credit_line(total + 1)], **asked)
    assert refused == "AMOUNT_OUT_OF_RANGE"
    proposal = town.ok(town.operator, "billing", "propose_credit_note", lines=[credit_line(total - 10)], **asked)
    assert town.code(town.operator, "billing", "approve", proposal=proposal) == "SAME_PERSON"
    town.two("billing", "propose_credit_note", lines=[credit_line(8)], **asked)
    assert town.pay(house, total - 20) == "OK"
    town.ok(town.admin, "billing", "approve", proposal=proposal)
    again = town.ok(town.operator, "billing", "propose_credit_note", lines=[credit_line(2)], **asked)
    one_more = town.ok(town.operator, "billing", "propose_credit_note", lines=[credit_line(1)], **asked)
    town.ok(town.admin, "billing", "approve", proposal=again)
    assert town.code(town.admin, "billing", "approve", proposal=one_more) == "AMOUNT_OUT_OF_RANGE"
    assert town.invoice() == stood
    assert town.view()["standing"]["status"] == "credited"
    assert town.account(house)["credit_minor"] == total - 20
    assert town.ask(house.wallet, "billing", "credit", credit="utility:2")["total_minor"] == total - 10


def test_invoices_are_read_by_those_concerned(town: Billed) -> None:
    """The customer, staff, regulators, and whom the customer lets read bills."""
    [house] = town.houses
    town.flows(house)
    town.bill()
    for reader in (house.wallet, town.operator, town.regulator):
        assert town.view(1, reader)["standing"]["customer"] == house.customer
    with pytest.raises(ContractRefused, match="another customer"):
        town.view(1, town.stranger)
    terms = {"point": house.point, "reader": town.stranger.id, "until_ms": town.now_ms + DAY_MS}
    town.ok(house.wallet, "registry", "consent", scopes=["bills"], **terms)
    assert town.view(1, town.stranger)["standing"]["customer"] == house.customer
    with pytest.raises(ContractRefused, match="no customer"):
        town.ask(town.stranger, "billing", "ledger", customer=house.customer)
    with pytest.raises(ContractRefused, match="no invoice"):
        town.view(2)
    assert town.ask(house.wallet, "billing", "invoices", customer=house.customer)[0]["id"] == "utility:1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"dunning": [[5, "a"], [5, "b"]]},
        {"dunning": [[0, ""]]},
        {"run_day": 29},
        {"late_rate_micro": 1_000_001},
    ],
)
def test_rules_that_contradict_themselves_are_refused(town: Billed, wrong: dict[str, Any]) -> None:
    """With the rule they break."""
    asked: dict[str, Any] = {"utility": "utility", "from_ms": town.now_ms + 10, "rules": wrong}
    assert town.code(town.operator, "billing", "propose_rules", **asked) == "RULES_INVALID"
