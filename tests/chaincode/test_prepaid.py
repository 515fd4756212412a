"""Vending: money becomes units, once, in the steps a token carries, and every unit of money arrives somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaincode.vending_town import (
    UTILITY_FLAT,
    UTILITY_STEPS,
    Home,
    VendingTown,
    audited,
    digest,
    hash_of,
    kwh,
)


@pytest.fixture(scope="module")
def town() -> Iterator[VendingTown]:
    town = VendingTown(houses=0)
    yield town
    audited(town)


@pytest.fixture
def home(town: VendingTown) -> Home:
    """A house of its own for every test."""
    return town.settled(UTILITY_FLAT)


@pytest.fixture
def stepper(town: VendingTown) -> Home:
    """One under steps: 0.10 up to 50 kWh a month, 0.20 up to 100, then 0.40; no tax."""
    return town.settled(UTILITY_STEPS)


def where(credit: dict[str, Any]) -> dict[str, Any]:
    return {name: credit[name] for name in ("pan", "base", "tid")}


# ---------------------------------------------------------------- money to units


def test_money_becomes_units_and_arrives_at_treasury_taxes_and_levies(town: VendingTown, home: Home) -> None:
    """Life: reserved -> minted -> delivered -> redeemed; tariff, levy and tax decide the kWh; money in = money out."""
    before = [town.has(who)[0] for who in (town.treasury, town.levies, town.taxes)]
    quote = town.ask(home.wallet, "prepaid", "quote", point=home.point, amount_minor=100_000)
    credit = town.reserve(home, 100_000, "r")
    # 0.31 a kWh and 19 % are 0.3689: 27.1 kWh of 10.0000
    assert (credit["status"], credit["units"], credit["energy_mwh"]) == ("reserved", 271, kwh(27.1))
    assert {name: credit[name] for name in ("units", "lines", "total_minor", "rest_minor")} == {
        name: quote[name] for name in ("units", "lines", "total_minor", "rest_minor")
    }
    assert town.has(home.wallet) == (10_000_000 - credit["total_minor"], credit["total_minor"])
    assert town.mint(credit)["status"] == "minted"
    net, levy, tax = 81_300, 2_710, 15_962
    assert credit["total_minor"] == net + levy + tax == 100_000 - credit["rest_minor"]
    after = [town.has(who)[0] for who in (town.treasury, town.levies, town.taxes)]
    assert [one - two for one, two in zip(after, before, strict=True)] == [net, levy, tax]
    assert town.has(home.wallet) == (10_000_000 - credit["total_minor"], 0)
    assert town.ok(town.operator, "prepaid", "delivered", **where(credit))["status"] == "delivered"
    assert home.take(credit)["status"] == "redeemed"
    account = town.account(home)["account"]
    assert (account["balance_mwh"], account["credited_mwh"]) == (kwh(27.1), kwh(27.1))


def test_what_a_token_cannot_carry_stays_money(town: VendingTown, home: Home) -> None:
    """Amounts: tokens carry only exactly encodable amounts; round down, the rest stays money."""
    rich = 700_000_000  # 70,000 major units: above 16,383 units the steps are of 1 kWh
    town.give(home.wallet, rich)
    credit = town.reserve(home, rich, "large")
    assert credit["units"] > 180_224
    assert (credit["units"] - 180_224) % 100 == 0
    assert town.has(home.wallet)[0] == 10_000_000 + rich - credit["total_minor"]
    assert town.code(home.wallet, "prepaid", "reserve", point=home.point, amount_minor=3, request="small") == (
        "AMOUNT_NOT_ENCODABLE"
    )


def test_steps_count_units_vended_in_a_local_month(town: VendingTown, stepper: Home) -> None:
    """Steps count units vended in a calendar month, local zone: at a boundary, below and above it; anew next month."""
    first = town.reserve(stepper, 49_900, "a")  # 49.9 kWh at 0.10
    second = town.reserve(stepper, 3_000, "b")  # 0.1 at 0.10, 1.4 at 0.20: several reservations see one another
    assert (first["units"], second["units"]) == (499, 15)
    assert [(worth["step"], worth["energy_mwh"]) for worth in second["worths"]] == [(0, kwh(0.1)), (1, kwh(1.4))]
    assert [worth["lifeline"] for worth in second["worths"]] == [True, False]
    town.later(days=31)
    assert town.reserve(stepper, 10_000, "c")["units"] == 100


def test_a_burned_reservation_gives_back_money_steps_and_limit(town: VendingTown, stepper: Home) -> None:
    """A reservation not minted is burned, by a timer; its TID is not given again."""
    credit = town.reserve(stepper, 60_000, "a")
    assert credit["units"] == 550
    town.later(minutes=11)
    [now] = town.ask(stepper.wallet, "prepaid", "credits", point=stepper.point)
    assert (now["status"], town.has(stepper.wallet)) == ("burned", (10_000_000, 0))
    again = town.reserve(stepper, 60_000, "b")
    assert (again["units"], again["tid"] > credit["tid"]) == (550, True)
    assert town.code(town.operator, "prepaid", "mint", **where(credit), token_hash=hash_of(credit)) == "CREDIT_STATUS"
    assert town.ok(town.operator, "prepaid", "release", **where(again))["status"] == "burned"
    assert town.ask(stepper.wallet, "prepaid", "unused", point=stepper.point) == []
    assert town.account(stepper)["account"]["vended_mwh"] == 0


def test_a_repeated_request_gives_the_same_tid_random_and_amount(town: VendingTown, home: Home) -> None:
    """A repeat gives the same TID, RND and amount, and takes no money; another content under it is refused."""
    credit = town.reserve(home, 50_000, "again")
    assert town.reserve(home, 50_000, "again") == credit
    assert town.has(home.wallet)[1] == credit["total_minor"]
    other = {"point": home.point, "amount_minor": 50_001, "request": "again"}
    assert town.code(home.wallet, "prepaid", "reserve", **other) == "REQUEST_REUSED"
    minted = town.mint(credit)
    assert town.mint(credit) == minted
    wrong = {**where(credit), "token_hash": digest("other")}
    assert town.code(town.operator, "prepaid", "mint", **wrong) == "CREDIT_STATUS"


def test_vendors_at_once_get_tids_of_their_own(town: VendingTown, home: Home) -> None:
    """A vendor reserves first on the ledger: max(minute, last TID + 1), so two in one block
    differ; at most 60 minutes ahead, else refused."""
    vendors = [town.ledger.identity(f"vendor-{number}-{home.name}") for number in range(3)]
    for vendor in vendors:
        town.give(vendor)
    asked = [
        town.ledger.sign(vendor, "prepaid", "reserve", {"point": home.point, "amount_minor": 5_000, "request": "r"})
        for vendor in vendors
    ]
    done = town.ledger.block(*asked)
    tids = [each.result["tid"] for each in done]
    assert tids == [tids[0], tids[0] + 1, tids[0] + 2]
    codes = [
        town.code(home.wallet, "prepaid", "reserve", point=home.point, amount_minor=5_000, request=f"{number}")
        for number in range(60)
    ]
    assert codes.count("OK") == 58
    assert codes[58:] == ["TID_AHEAD", "TID_AHEAD"]


# ---------------------------------------------------------------- taking a token


def test_a_token_is_taken_once_by_its_own_meter(town: VendingTown, home: Home) -> None:
    """Redeemed once, by wire or keypad: a repeat of the report has no effect; another is TOKEN_USED; another
    meter's, unminted and altered digits have codes of their own."""
    other = town.settled(UTILITY_FLAT)
    credit = town.reserve(home, 50_000, "a")
    report = home.redemption(credit) | {"balance_mwh": credit["energy_mwh"]}
    assert town.code(home.meter, "prepaid", "redeem", **report) == "TOKEN_UNKNOWN"
    town.mint(credit)
    assert town.code(other.meter, "prepaid", "redeem", **report) == "TOKEN_OTHER_METER"
    assert town.code(home.meter, "prepaid", "redeem", **(report | {"token_hash": digest("1")})) == "TOKEN_UNKNOWN"
    assert town.code(home.meter, "prepaid", "redeem", **(report | {"tid": 7})) == "TOKEN_UNKNOWN"
    first = town.ok(home.meter, "prepaid", "redeem", **report)
    assert town.ok(home.meter, "prepaid", "redeem", **report) == first
    later = report | {"counter": report["counter"] + 1}
    assert town.code(home.meter, "prepaid", "redeem", **later) == "TOKEN_USED"
    assert town.account(home)["account"]["credited_mwh"] == credit["energy_mwh"]
    assert town.code(home.wallet, "prepaid", "redeem", **report) == "ROLE_REFUSED"


def test_digits_stand_for_one_credit(town: VendingTown, home: Home) -> None:
    """One credit = one TID = one digest."""
    one, two = town.reserve(home, 5_000, "a"), town.reserve(home, 5_000, "b")
    town.mint(one)
    assert town.code(town.operator, "prepaid", "mint", **where(two), token_hash=hash_of(one)) == "TOKEN_USED"


def test_what_meters_refuse_is_told(town: VendingTown, home: Home) -> None:
    """Refused tokens are reported with the meter's code, for the list of tokens and for tamper reports."""
    town.ok(home.meter, "prepaid", "refused", token_hash=digest("x"), code="TOKEN_USED")
    told = town.ledger.events("prepaid", "TokenRefused")[-1].payload
    assert (told["point"], told["reason"], told["credit"]) == (home.point, "TOKEN_USED", 0)


def test_reports_may_come_late_and_out_of_order(town: VendingTown, home: Home) -> None:
    """The newest signed word decides the balance; a token used before it still counts; an older balance is refused."""
    credit = town.mint(town.reserve(home, 50_000, "a"))
    units = credit["energy_mwh"]
    early = home.redemption(credit) | {"balance_mwh": units}
    home.balance_mwh = units - kwh(2)
    home.report()
    account = town.account(home)["account"]
    assert (account["balance_mwh"], account["consumed_mwh"]) == (units - kwh(2), kwh(2) - units)
    town.ok(home.meter, "prepaid", "redeem", **early)
    account = town.account(home)["account"]
    assert (account["balance_mwh"], account["consumed_mwh"]) == (units - kwh(2), kwh(2))
    assert sum(lot["left_mwh"] for lot in town.lots(home)) == units - kwh(2)
    old = {"balance_mwh": units, "counter": 1}
    assert town.code(home.meter, "prepaid", "report_balance", **old) == "COUNTER_BACKWARDS"


def test_lots_are_consumed_first_in_first_out(town: VendingTown, stepper: Home) -> None:
    """Units carry lots (vendor, tariff, step, net paid, tax), consumed first in, first out; low credit is told once."""
    town.vend(stepper, 5_000, "a")
    town.vend(stepper, 2_000, "b")
    stepper.use(kwh(4))
    one, two = town.lots(stepper)
    assert (one["left_mwh"], one["left_net_minor"], two["left_mwh"]) == (kwh(1), 1_000, kwh(2))
    stepper.use(kwh(1.5))
    [two] = town.lots(stepper)
    assert (two["left_mwh"], two["left_net_minor"]) == (kwh(1.5), 1_500)
    stepper.use(kwh(0.5))
    low = [event for event in town.ledger.events("prepaid", "LowCredit") if event.payload["point"] == stepper.point]
    assert len(low) == 1


def test_a_balance_may_cross_zero_between_two_reports(town: VendingTown, stepper: Home) -> None:
    """What was used beyond all lots is short, and the next lot covers it first."""
    town.vend(stepper, 1_000, "a")
    stepper.use(kwh(1.2))
    assert town.lots(stepper) == []
    town.vend(stepper, 1_000, "b")
    [lot] = town.lots(stepper)
    assert (lot["left_mwh"], stepper.balance_mwh) == (kwh(0.8), kwh(0.8))


def test_a_balance_crosses_zero_inside_an_interval_that_also_brings_a_return(town: VendingTown, stepper: Home) -> None:
    """The meter decrements all I at once, below zero too; what of it was traded comes back as units for that interval,
    and covers first what was short. Balance = credited - shared - cleared - consumed throughout."""
    town.vend(stepper, 1_000, "a")
    stepper.use(kwh(1.6))
    assert (stepper.balance_mwh, town.account(stepper)["account"]["balance_mwh"]) == (kwh(-0.6), kwh(-0.6))
    rows = [[stepper.point, 900_000, kwh(1.1), "settlement"]]
    assert town.ok(town.operator, "settlement", "return_units", rows=rows) == 1
    assert (town.account(stepper)["waiting_mwh"], town.lots(stepper)) == (kwh(1.1), [])
    town.later(seconds=1)
    [credit] = town.ask(stepper.wallet, "prepaid", "unused", point=stepper.point)
    stepper.take(town.mint(credit))
    found = town.account(stepper)["account"]
    assert found["balance_mwh"] == kwh(0.5) == found["credited_mwh"] - found["consumed_mwh"]
    assert sum(lot["left_mwh"] for lot in town.lots(stepper)) == kwh(0.5)


# ---------------------------------------------------------------- debts, limits, emergency


def test_debts_come_off_the_next_vend_first_capped_in_percent(town: VendingTown, stepper: Home) -> None:
    """Fixed charges and debt come off the next vend first, capped in % (data): half of a vend; the oldest first."""
    debt = {"point": stepper.point, "reason": "invoice", "ref": "invoice/1"}
    number = town.ok(town.operator, "billing", "add_debt", amount_minor=7_000, **debt)
    assert town.ok(town.operator, "billing", "add_debt", amount_minor=7_000, **debt) == number
    treasury = town.has(town.treasury)[0]
    first, second = town.reserve(stepper, 10_000, "a"), town.reserve(stepper, 10_000, "b")
    # two at once do not pay the same
    assert (first["units"], second["units"]) == (50, 80)
    assert [line["amount_minor"] for line in first["lines"] if line["kind"] == "debt"] == [5_000]
    town.mint(first)
    town.mint(second)
    assert town.has(town.treasury)[0] - treasury == 20_000
    assert town.account(stepper)["debts"] == []


def test_a_burned_vend_pays_no_debt(town: VendingTown, stepper: Home) -> None:
    """What a vend holds of a debt is free again when it is not minted; what it holds cannot be written off."""
    number = town.ok(
        town.operator, "billing", "add_debt", point=stepper.point, amount_minor=6_000, reason="invoice", ref="i"
    )
    town.reserve(stepper, 10_000, "a")
    owner = {"utility": "utility", "owner_kind": "customer", "owner": stepper.customer, "number": number}
    proposal = town.ok(town.operator, "prepaid", "propose_write_off", amount_minor=2_000, **owner)
    assert town.code(town.admin, "prepaid", "approve", proposal=proposal) == "DEBT_HELD"
    town.later(minutes=11)
    [debt] = town.account(stepper)["debts"]
    assert (debt["left_minor"], debt["held_minor"]) == (6_000, 0)
    town.two("prepaid", "propose_write_off", amount_minor=2_000, **owner)
    assert town.account(stepper)["debts"][0]["left_minor"] == 4_000


def test_debt_follows_the_person_and_tamper_debt_the_premises(town: VendingTown, stepper: Home) -> None:
    """Debt follows the person, tamper debt the premises."""
    for reason in ("invoice", "tamper"):
        town.two("prepaid", "propose_debt", point=stepper.point, amount_minor=100, reason=reason)
    owners = {debt["reason"]: debt["owner_kind"] for debt in town.account(stepper)["debts"]}
    assert owners == {"invoice": "customer", "tamper": "premises"}
    town.ok(town.operator, "registry", "move_out", premises=stepper.premises)
    town.later(minutes=16)
    assert [debt["reason"] for debt in town.account(stepper)["debts"]] == ["tamper"]


def test_only_billing_and_settlement_may_call_what_is_theirs(town: VendingTown, home: Home) -> None:
    """A function that contracts call refuses people, and other contracts."""
    row = [[home.point, 0, 1, "x"]]
    assert town.code(town.admin, "prepaid", "return_units", credits=row) == "CALLER_REFUSED"
    assert town.code(town.admin, "billing", "return_units", rows=row) == "CALLER_REFUSED"
    debt = {"point": home.point, "amount_minor": 1, "reason": "x", "ref": "x"}
    assert town.code(town.admin, "settlement", "add_debt", **debt) == "CALLER_REFUSED"


def test_no_contract_signs_for_a_meter_or_burns_by_a_timer_of_its_own(town: VendingTown, home: Home) -> None:
    """What people and devices call refuses contracts; what a timer calls refuses other contracts' timers."""
    credit = town.reserve(home, 9_000, "a")
    assert town.code(home.meter, "billing", "report") == "DIRECT_CALLS_ONLY"
    town.ok(town.operator, "billing", "burn_later", **where(credit))
    town.later(seconds=5)
    [waiting] = town.ask(home.wallet, "prepaid", "unused", point=home.point)
    assert waiting["status"] == "reserved"


@pytest.mark.parametrize(
    ("amount", "units"), [(49_999, 499), (50_000, 500), (50_001, 500), (50_199, 500), (50_200, 501)]
)
def test_a_step_ends_where_it_ends(town: VendingTown, stepper: Home, amount: int, units: int) -> None:
    """Tier boundary: up to it at its price, the next 0.1 kWh above it at the next one's."""
    asked = {"point": stepper.point, "amount_minor": amount}
    quote = town.ask(stepper.wallet, "prepaid", "quote", **asked)
    assert (quote["units"], quote["total_minor"] + quote["rest_minor"]) == (units, amount)


def test_time_of_use_needs_postpaid(town: VendingTown, home: Home) -> None:
    """Only flat and step tariffs vend as kWh; a point that is not prepaid takes no token."""
    point = {"point": home.point, "import_rating_w": 10_000, "export_rating_w": 0}
    town.ok(town.operator, "registry", "set_point", prepaid=True, tariff="utility:time", **point)
    town.later(minutes=16)
    asked = {"point": home.point, "amount_minor": 9_000}
    assert town.code(home.wallet, "prepaid", "reserve", request="a", **asked) == "TARIFF_NOT_PREPAID"
    town.ok(town.operator, "registry", "set_point", prepaid=True, tariff="utility:none", **point)
    town.later(minutes=16)
    assert town.code(home.wallet, "prepaid", "reserve", request="a", **asked) == "TARIFF_UNKNOWN"
    town.ok(town.operator, "registry", "set_point", prepaid=False, tariff=UTILITY_FLAT, **point)
    town.later(minutes=16)
    assert town.code(home.wallet, "prepaid", "reserve", request="a", **asked) == "NOT_PREPAID"


def test_who_may_read_what(town: VendingTown, home: Home) -> None:
    """Tenant, staff, regulator and whom they let read a point; the payer reads a credit; staff what is to be minted."""
    credit = town.reserve(home, 9_000, "a", town.stranger_with_money())
    for function in ("account", "credits", "unused", "lots", "shares", "debts"):
        assert town.ask(home.wallet, "prepaid", function, point=home.point) is not None
        with pytest.raises(Exception, match="is read by its tenant"):
            town.ask(town.stranger, "prepaid", function, point=home.point)
    assert town.ask(town.payer, "prepaid", "credit", **where(credit))["number"] == credit["number"]
    with pytest.raises(Exception, match="is read by its tenant"):
        town.ask(town.stranger, "prepaid", "credit", **where(credit))
    with pytest.raises(Exception, match="staff and gateways"):
        town.ask(home.wallet, "prepaid", "to_mint", utility="utility")
    with pytest.raises(Exception, match="staff and regulators"):
        town.ask(home.wallet, "prepaid", "payables", day=1)


# ---------------------------------------------------------------- what two decide


def test_staff_actions_need_a_second_person(town: VendingTown, home: Home) -> None:
    """Staff actions that move money or supply need a second person: the contract refuses one."""
    asked = {"point": home.point, "energy_mwh": kwh(1), "reason": "outage"}
    proposal = town.ok(town.operator, "prepaid", "propose_vend", **asked)
    assert town.code(town.operator, "prepaid", "approve", proposal=proposal) == "SAME_PERSON"
    assert town.code(town.chief, "prepaid", "approve", proposal=proposal) == "NOT_YOUR_ORGANISATION"
    assert town.code(town.chief, "prepaid", "propose_vend", **asked) == "NOT_YOUR_ORGANISATION"
    town.ok(town.admin, "prepaid", "approve", proposal=proposal)
    [credit] = town.ask(home.wallet, "prepaid", "unused", point=home.point)
    assert (credit["kind"], credit["total_minor"], credit["note"]) == ("correction", 0, "outage")


def test_blocking_is_three_things(town: VendingTown, home: Home) -> None:
    """Vending, sharing, supply: one does not stop the others."""
    other = town.settled(UTILITY_FLAT)
    town.vend(home, 50_000, "a")
    town.vend(other, 50_000, "a")

    def tried() -> list[str]:
        bought = {"point": home.point, "amount_minor": 9_000, "request": f"v{town.now_ms}"}
        sent = {"point": home.point, "recipient_pan": other.pan, "energy_mwh": kwh(1), "request": f"s{town.now_ms}"}
        got = {"point": other.point, "recipient_pan": home.pan, "energy_mwh": kwh(1), "request": f"g{town.now_ms}"}
        return [
            town.code(home.wallet, "prepaid", "reserve", **bought),
            town.code(home.wallet, "prepaid", "request_share", **sent),
            town.code(other.wallet, "prepaid", "request_share", **got),
        ]

    def block(kind: str, on: bool) -> None:
        town.two("prepaid", "propose_block", point=home.point, kind=kind, on=on, reason="because")

    block("vending", True)
    assert tried() == ["VENDING_BLOCKED", "OK", "OK"]
    block("vending", False)
    block("sharing", True)
    assert tried() == ["OK", "SHARING_BLOCKED", "RECIPIENT_BLOCKED"]
    block("sharing", False)
    block("supply", True)
    assert tried() == ["OK", "OK", "OK"]
    assert town.ledger.events("prepaid", "SupplyBlocked")[-1].payload["meter"] == home.meter.id
    assert town.account(home)["account"]["supply_blocked"]


def test_a_minted_token_is_refunded_only_with_the_meters_proof(town: VendingTown, home: Home) -> None:
    """A minted token is never cancelled or refunded without the meter's signed proof that its TID is unused and
    burned; then the money comes back from treasury, taxes and levies, once."""
    credit = town.mint(town.reserve(home, 100_000, "a"))
    assert town.code(town.operator, "prepaid", "release", **where(credit)) == "CREDIT_STATUS"
    assert town.code(town.operator, "prepaid", "propose_refund", **where(credit)) == "CREDIT_STATUS"
    town.ok(home.meter, "prepaid", "prove_unused", **where(credit))
    for account in (town.treasury, town.taxes, town.levies):
        for amount in (1, town.has(account)[0] - 1):
            town.ok(account, "prepaid", "fund", utility="utility", amount_minor=amount)
    proposal = town.ok(town.operator, "prepaid", "propose_refund", **where(credit))
    again = town.ok(town.operator, "prepaid", "propose_refund", **where(credit))
    town.ok(town.admin, "prepaid", "approve", proposal=proposal)
    assert town.has(home.wallet) == (10_000_000, 0)
    assert town.code(town.admin, "prepaid", "approve", proposal=again) == "CREDIT_STATUS"
    assert town.code(home.meter, "prepaid", "redeem", **home.redemption(credit)) == "TOKEN_USED"
    assert town.code(home.wallet, "prepaid", "fund", utility="utility", amount_minor=1) == "NOT_YOURS"


# ---------------------------------------------------------------- key change, relocation


def test_a_key_changes_after_its_tokens_are_used(town: VendingTown, home: Home) -> None:
    """Order: pending tokens, key change, then vend. A pending token is reissued only with proof of non-use."""
    old = town.mint(town.reserve(home, 50_000, "a"))
    wanted = {"point": home.point, "base": 2035, "key_revision": 2, "tariff_index": 3, "key_expiry": 255}
    assert town.code(town.operator, "prepaid", "change_key", **wanted) == "TOKENS_PENDING"
    assert town.code(town.operator, "prepaid", "reissue", **where(old)) == "CREDIT_STATUS"
    town.ok(home.meter, "prepaid", "prove_unused", **where(old))
    wanted["base"] = 2014
    town.ok(town.operator, "prepaid", "change_key", **wanted)
    bought = {"point": home.point, "amount_minor": 9_000, "request": "b"}
    assert town.code(home.wallet, "prepaid", "reserve", **bought) == "KEY_CHANGING"
    town.ok(home.meter, "prepaid", "key_changed", key_revision=2, tariff_index=3)
    new = town.ok(town.operator, "prepaid", "reissue", **where(old))
    assert (new["key_revision"], new["tariff_index"], new["units"]) == (2, 3, old["units"])
    assert new["tid"] > old["tid"]
    assert new["total_minor"] == 0
    assert town.code(town.operator, "prepaid", "reissue", **where(old)) == "CREDIT_STATUS"
    home.take(town.mint(new))
    assert sum(lot["left_net_minor"] for lot in town.lots(home)) == sum(worth["net_minor"] for worth in old["worths"])


def test_a_tid_beyond_the_keys_expiry_number_has_its_own_code(town: VendingTown, home: Home) -> None:
    """A TID beyond the key-expiry number has its own code: the key is changed first."""
    key = {"point": home.point, "supply_group": "123457", "base": 2014, "key_revision": 1, "tariff_index": 1}
    assert town.code(town.operator, "prepaid", "set_key", **key, key_expiry=256) == "SETTING_INVALID"
    town.ok(town.operator, "prepaid", "set_key", **key, key_expiry=95)
    bought = {"point": home.point, "amount_minor": 9_000, "request": "b"}
    assert town.code(home.wallet, "prepaid", "reserve", **bought) == "KEY_EXPIRED"
    town.ok(town.operator, "prepaid", "set_key", **key, key_expiry=97)
    assert town.code(home.wallet, "prepaid", "reserve", **bought) == "OK"
    assert town.code(town.operator, "prepaid", "set_key", **key, key_expiry=255) == "TOKENS_PENDING"


def moved(town: VendingTown, home: Home, tariff: str) -> Home:
    """The tenant of a home moves to another one."""
    new = town.settled(tariff)
    clerk = town.operator if new.utility == "utility" else town.clerk
    town.ok(clerk, "registry", "move_out", premises=new.premises)
    town.later(minutes=16)
    town.ok(clerk, "registry", "move_in", premises=new.premises, customer=home.customer)
    town.ok(town.operator, "registry", "move_out", premises=home.premises)
    town.later(minutes=16)
    return new


def test_the_old_meter_is_cleared_before_the_new_one_is_credited(town: VendingTown, stepper: Home) -> None:
    """The old meter signs its final balance and acknowledges clear-credit before the new one is credited; within a
    tariff class in its lots."""
    town.vend(stepper, 5_000, "a")
    pending = town.mint(town.reserve(stepper, 1_000, "b"))
    new = moved(town, stepper, UTILITY_STEPS)
    route = {"from_point": stepper.point, "to_point": new.point}
    assert town.code(town.operator, "prepaid", "relocate", **route) == "NOTHING_LEFT"
    assert town.code(stepper.meter, "prepaid", "cleared", counter=50) == "METER_NOT_CLEARED"
    stepper.balance_mwh -= 1_234_567
    town.ok(stepper.meter, "prepaid", "final_balance", balance_mwh=stepper.balance_mwh, counter=60)
    assert town.code(stepper.meter, "prepaid", "cleared", counter=61) == "TOKENS_PENDING"
    town.ok(stepper.meter, "prepaid", "prove_unused", **where(pending))
    left = town.ok(stepper.meter, "prepaid", "cleared", counter=62)
    assert (left["customer"], left["energy_mwh"]) == (stepper.customer, stepper.balance_mwh)
    wrong = town.settled(UTILITY_STEPS)
    there = {"from_point": stepper.point, "to_point": wrong.point}
    assert town.code(town.operator, "prepaid", "relocate", **there) == "NOTHING_LEFT"
    assert town.ok(town.operator, "prepaid", "relocate", **route) == 65_433
    assert town.code(town.operator, "prepaid", "relocate", **route) == "NOTHING_LEFT"
    [credit] = town.ask(town.operator, "prepaid", "unused", point=new.point)
    assert (credit["kind"], credit["energy_mwh"]) == ("relocation", kwh(3.7))
    new.take(town.mint(credit))
    assert sum(lot["left_mwh"] for lot in town.lots(new)) == kwh(3.7)
    assert town.code(town.operator, "prepaid", "reissue", **where(pending)) == "NOT_YOURS"
    reissued = town.ok(town.operator, "prepaid", "reissue", **where(pending), point=new.point)
    assert (reissued["pan"], reissued["units"]) == (new.pan, pending["units"])

    # the old meter serves the next tenant, from nothing
    next_one = town.ok(town.operator, "registry", "add_customer", id=f"{stepper.customer}-next")
    town.ok(town.operator, "registry", "move_in", premises=stepper.premises, customer=next_one["id"])
    town.later(minutes=16)
    fresh = town.mint(town.reserve(stepper, 5_000, "next"))
    stepper.balance_mwh, stepper.counter = 0, 70
    stepper.take(fresh)
    account = town.account(stepper)["account"]
    assert (account["state"], account["balance_mwh"], account["vended_mwh"]) == ("running", kwh(5), kwh(5))
    assert sum(lot["left_mwh"] for lot in town.lots(stepper)) == kwh(5)


def test_credit_that_moves_to_another_tariff_is_vended_again(town: VendingTown, stepper: Home) -> None:
    """Between tariffs or utilities: value at lot cost, vend again; between utilities the value is owed."""
    town.vend(stepper, 5_000, "a")  # 50 kWh at 0.10
    new = moved(town, stepper, UTILITY_FLAT)
    town.two(
        "prepaid",
        "propose_field_reading",
        point=stepper.point,
        balance_mwh=stepper.balance_mwh,
        token_hash=digest("clear"),
    )
    town.ok(town.operator, "prepaid", "relocate", from_point=stepper.point, to_point=new.point)
    [credit] = town.ask(town.operator, "prepaid", "unused", point=new.point)
    assert credit["units"] == 5_000 // 369
    assert sum(worth["net_minor"] + worth["tax_minor"] for worth in credit["worths"]) == 5_000


def test_a_replaced_meter_has_no_credit_until_the_old_one_is_cleared(town: VendingTown, home: Home) -> None:
    """One meter at a time has a point's account."""
    town.vend(home, 50_000, "a")
    other = town.ledger.identity(f"second-{home.name}", role="meter", organisation="utility")
    pan = town.spare_pan()
    town.ok(
        town.operator,
        "registry",
        "replace",
        point=home.point,
        final_import_mwh=0,
        final_export_mwh=0,
        meter={"id": other.id, "pan": pan},
    )
    bought = {"point": home.point, "amount_minor": 9_000, "request": "b"}
    assert town.code(home.wallet, "prepaid", "reserve", **bought) == "METER_NOT_CLEARED"
    town.ok(home.meter, "prepaid", "final_balance", balance_mwh=home.balance_mwh, counter=10)
    town.ok(home.meter, "prepaid", "cleared", counter=11)
    town.ok(town.operator, "prepaid", "relocate", from_point=home.point, to_point=home.point)
    [credit] = town.ask(home.wallet, "prepaid", "unused", point=home.point)
    assert (credit["pan"], credit["energy_mwh"]) == (pan, home.balance_mwh)
    town.mint(credit)
    taken = {**where(credit), "token_hash": hash_of(credit), "balance_mwh": credit["energy_mwh"], "counter": 1}
    town.ok(other, "prepaid", "redeem", **taken)
    account = town.account(home)["account"]
    assert (account["balance_mwh"], account["consumed_mwh"]) == (home.balance_mwh, 0)


# ---------------------------------------------------------------- rules of a utility


def test_daily_limits_emergency_credit_and_fixed_charges() -> None:
    """Limits per day; emergency credit once, as a debt with its taxes; fixed charges by days, off the next vend."""
    rules = {"vend_limit_minor": 20_000, "emergency_mwh": kwh(5), "emergency_days": 30}
    town = VendingTown(houses=1, tariff=UTILITY_FLAT, **rules)
    [home] = town.homes
    town.reserve(home, 15_000, "a")
    bought = {"point": home.point, "amount_minor": 9_000}
    assert town.code(home.wallet, "prepaid", "reserve", request="b", **bought) == "DAY_LIMIT"
    town.later(days=1)
    assert town.code(home.wallet, "prepaid", "reserve", request="c", **bought) == "OK"
    credit = town.ok(home.wallet, "prepaid", "take_emergency", point=home.point)
    assert (credit["kind"], credit["units"]) == ("emergency", 50)
    [debt] = town.account(home)["debts"]
    assert (debt["amount_minor"], debt["levy_minor"], debt["tax_minor"]) == (18_445, 500, 2_945)
    assert town.code(home.wallet, "prepaid", "take_emergency", point=home.point) == "EMERGENCY_USED"
    assert town.code(town.stranger, "prepaid", "take_emergency", point=home.point) == "NOT_YOURS"
    accounts = (town.treasury, town.levies, town.taxes)
    for day in range(1, 5):
        town.later(days=1)
        town.mint(town.reserve(home, 10_000, f"day {day}"))
    assert town.account(home)["debts"] == []
    energy = sum(
        line["amount_minor"]
        for credit in town.ask(home.wallet, "prepaid", "credits", point=home.point)
        if credit["status"] == "minted"
        for line in credit["lines"]
        if line["kind"] == "tax"
    )
    assert town.has(town.taxes)[0] == energy + 2_945
    spent = 10_000_000 - sum(town.has(home.wallet))
    assert sum(town.has(account)[0] for account in accounts) == spent
    assert town.code(home.wallet, "prepaid", "take_emergency", point=home.point) == "EMERGENCY_USED"

    fixed = town.settled("utility:fixed")  # 3.1000 a month
    town.mint(town.reserve(fixed, 10_000, "a"))
    town.later(days=3)
    quote = town.ask(fixed.wallet, "prepaid", "quote", point=fixed.point, amount_minor=10_000)
    credit = town.reserve(fixed, 10_000, "b")
    [line] = [
        line for line in credit["lines"] if line["kind"] == "debt" and line["quantity"] == credit["owed"][-1]["number"]
    ]
    assert line["amount_minor"] == 3 * 1_000
    assert quote["units"] == credit["units"]
    audited(town)
