"""Sharing and returns: units change meters on the sender's signed word, and never get lost or doubled on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaincode.town import DAY_MS
from tests.chaincode.vending_town import (
    COMMUNITY_FLAT,
    UTILITY_FLAT,
    UTILITY_OTHER,
    UTILITY_STEPS,
    Home,
    VendingTown,
    audited,
    kwh,
)


@pytest.fixture(scope="module")
def town() -> Iterator[VendingTown]:
    town = VendingTown(houses=0)
    yield town
    audited(town)


def pair(town: VendingTown, sender: str = UTILITY_FLAT, recipient: str = UTILITY_FLAT) -> tuple[Home, Home]:
    return town.settled(sender), town.settled(recipient)


def unused(town: VendingTown, home: Home) -> Any:
    return town.ask(town.regulator, "prepaid", "unused", point=home.point)


def worth(lots: Any) -> list[tuple[str, int, int]]:
    return [(lot["worth"]["tariff"], lot["left_mwh"], lot["left_net_minor"]) for lot in lots]


def test_fifty_become_forty_and_nothing_becomes_ten(town: VendingTown) -> None:
    """Sender 50 -> 40 kWh, recipient 0 -> 10 kWh: also when the recipient is offline, as a token minted for it."""
    sender, recipient = pair(town)
    town.give_units(sender, kwh(50))
    share = sender.send(recipient.pan, kwh(10), verified=True)
    assert (share["status"], share["verified"], sender.balance_mwh) == ("credited", True, kwh(40))
    [credit] = unused(town, recipient)
    assert (credit["kind"], credit["status"], credit["energy_mwh"]) == ("share", "reserved", kwh(10))
    assert credit in town.to_mint()
    recipient.take(town.mint(credit))
    assert town.account(sender)["account"]["balance_mwh"] == kwh(40)
    assert town.account(recipient)["account"]["balance_mwh"] == kwh(10)


def test_the_same_receipt_counts_once(town: VendingTown) -> None:
    """Only the signed debit credits the recipient; the same number again has no effect, other content is refused."""
    sender, recipient = pair(town)
    town.give_units(sender, kwh(50))
    first = sender.send(recipient.pan, kwh(10))
    again = {"counter": sender.counter, "balance_mwh": sender.balance_mwh, "recipient_pan": recipient.pan}
    assert town.ok(sender.meter, "prepaid", "debit", energy_mwh=kwh(10), **again)["number"] == first["number"]
    assert len(unused(town, recipient)) == 1
    assert town.code(sender.meter, "prepaid", "debit", energy_mwh=kwh(11), **again) == "COUNTER_REUSED"
    assert town.code(sender.wallet, "prepaid", "debit", energy_mwh=kwh(10), **again) == "ROLE_REFUSED"
    assert town.account(sender)["account"]["shared_mwh"] == kwh(10)


def test_a_web_share_is_pending_until_the_receipt(town: VendingTown) -> None:
    """Web shares stay pending until the receipt; a repeated request is the same share."""
    sender, recipient = pair(town)
    town.give_units(sender, kwh(50))
    asked = {"point": sender.point, "recipient_pan": recipient.pan, "energy_mwh": kwh(10), "request": "gift"}
    share = town.ok(sender.wallet, "prepaid", "request_share", **asked)
    assert share["status"] == "pending"
    assert town.ok(sender.wallet, "prepaid", "request_share", **asked) == share
    assert unused(town, recipient) == []
    done = sender.send(recipient.pan, kwh(10), share=share["number"])
    assert (done["number"], done["status"]) == (share["number"], "credited")
    town.later(minutes=5)
    [only] = town.ask(sender.wallet, "prepaid", "shares", point=sender.point)
    assert only["status"] == "credited"


def test_a_share_that_timed_out_gives_the_units_back(town: VendingTown) -> None:
    """Or a time-out that the meter must refuse afterwards: what it signs later is returned to it, numbered."""
    sender, recipient = pair(town)
    town.give_units(sender, kwh(50))
    asked = {"point": sender.point, "recipient_pan": recipient.pan, "energy_mwh": kwh(10), "request": "gift"}
    share = town.ok(sender.wallet, "prepaid", "request_share", **asked)
    town.later(minutes=3)
    assert town.ask(sender.wallet, "prepaid", "shares", point=sender.point)[0]["status"] == "timed_out"
    late = sender.send(recipient.pan, kwh(10), share=share["number"])
    assert (late["status"], late["reason"]) == ("returned", "TIMED_OUT")
    [back] = unused(town, sender)
    assert (back["kind"], back["energy_mwh"], unused(town, recipient)) == ("return", kwh(10), [])
    sender.take(town.mint(back))
    assert sum(lot["left_mwh"] for lot in town.lots(sender)) == sender.balance_mwh == kwh(50)


def test_who_may_ask_for_a_share_and_for_what(town: VendingTown) -> None:
    """The tenant's wallet or customer key; another prepaid meter; no more than the meter last had; whole steps."""
    sender, recipient = pair(town)
    postpaid = town.home(UTILITY_FLAT, prepaid=False)
    town.later(minutes=16)
    town.give_units(sender, kwh(5))

    def code(pan: str, energy_mwh: int, signer: Any = sender.wallet) -> str:
        asked = {"point": sender.point, "recipient_pan": pan, "energy_mwh": energy_mwh, "request": f"{pan}{energy_mwh}"}
        return town.code(signer, "prepaid", "request_share", **asked)

    assert code(recipient.pan, kwh(1), recipient.wallet) == "NOT_YOURS"
    assert code("123", kwh(1)) == code(postpaid.pan, kwh(1)) == "RECIPIENT_UNKNOWN"
    assert code(sender.pan, kwh(1)) == "SELF_SHARE"
    assert code(recipient.pan, kwh(5.1)) == "TOO_LITTLE_CREDIT"
    assert code(recipient.pan, kwh(1) + 1) == "AMOUNT_NOT_ENCODABLE"
    assert code(recipient.pan, kwh(5)) == "OK"
    key = town.ledger.identity("key", organisation="utility")
    assert code(recipient.pan, kwh(1), key) == "NOT_YOURS"
    town.ok(sender.wallet, "registry", "ask_customer_key", point=sender.point, key=key.id)
    town.ok(town.operator, "registry", "confirm_customer_key", point=sender.point)
    assert code(recipient.pan, kwh(1), key) == "OK"


@pytest.mark.parametrize("reason", ["RECIPIENT_UNKNOWN", "SELF_SHARE", "RECIPIENT_BLOCKED", "NOT_ASKED"])
def test_units_for_a_bad_recipient_go_back(town: VendingTown, reason: str) -> None:
    """A bad recipient found later returns the units as a numbered credit, in the lots they came from."""
    sender, recipient = pair(town)
    town.vend(sender, 100_000, "a")
    before = town.lots(sender)
    if reason == "RECIPIENT_BLOCKED":
        town.two("prepaid", "propose_block", point=recipient.point, kind="sharing", on=True, reason="x")
    pans = {"RECIPIENT_UNKNOWN": "600727000000000000", "SELF_SHARE": sender.pan}
    asked = {"share": town.wrong_share(recipient, sender)} if reason == "NOT_ASKED" else {}
    share = sender.send(pans.get(reason, recipient.pan), kwh(3), **asked)
    assert (share["status"], share["reason"]) == ("returned", reason)
    [back] = unused(town, sender)
    sender.take(town.mint(back))
    after = town.lots(sender)
    for field in ("left_mwh", "left_net_minor", "left_tax_minor"):
        assert sum(lot[field] for lot in after) == sum(lot[field] for lot in before)


def test_units_below_a_tokens_step_stay_with_the_sender(town: VendingTown) -> None:
    """Amounts are rounded down, the rest stays with the sender: it waits to be returned."""
    sender, recipient = pair(town)
    town.give_units(sender, kwh(5))
    share = sender.send(recipient.pan, kwh(1) + 34_567)
    assert (share["units"], unused(town, recipient)[0]["energy_mwh"]) == (10, kwh(1))
    assert town.account(sender)["waiting_mwh"] == 34_567
    lots = sum(lot["left_mwh"] for lot in town.lots(sender))
    assert lots == sender.balance_mwh == kwh(4) - 34_567


def test_a_recipient_without_a_free_identifier_is_credited_later(town: VendingTown) -> None:
    """The debit is a fact: it stays debited until the recipient's identifiers are free, then is credited by itself."""
    sender, recipient = pair(town)
    town.give_units(sender, kwh(5))
    codes = [
        town.code(
            recipient.wallet, "prepaid", "reserve", point=recipient.point, amount_minor=4_000, request=f"{number}"
        )
        for number in range(62)
    ]
    assert codes[-1] == "TID_AHEAD"
    share = sender.send(recipient.pan, kwh(1))
    assert (share["status"], share["credit"]) == ("debited", 0)
    town.later(minutes=11)
    [share] = town.ask(sender.wallet, "prepaid", "shares", point=sender.point)
    assert share["status"] == "credited"


# ---------------------------------------------------------------- what the units are worth


def test_within_one_tariff_class_lots_keep_their_price(town: VendingTown) -> None:
    """Lots are shared within one vendor and tariff class as they are; no tax again, nobody's steps."""
    sender, recipient = pair(town)
    town.vend(sender, 36_890, "a")  # 10 kWh
    sender.send(recipient.pan, kwh(4))
    [credit] = unused(town, recipient)
    [share] = credit["worths"]
    assert (share["tariff"], share["net_minor"], share["tax_minor"]) == (UTILITY_FLAT, 12_400, 2_356)
    assert worth(town.lots(sender)) == [(UTILITY_FLAT, kwh(6), 18_600)]
    assert (town.account(recipient)["account"]["vended_mwh"], credit["total_minor"]) == (0, 0)


def test_another_tariff_class_gets_units_at_the_senders_average_price(town: VendingTown) -> None:
    """Lots only within one vendor and tariff class, else revalued at the sender's average price."""
    sender, recipient = pair(town, UTILITY_STEPS, UTILITY_OTHER)
    town.vend(sender, 70_000, "a")  # 50 kWh at 0.10, 10 at 0.20
    sender.send(recipient.pan, kwh(30))
    [credit] = unused(town, recipient)
    [share] = credit["worths"]
    assert (share["vendor"], share["tariff"], share["lifeline"]) == ("utility", UTILITY_OTHER, False)
    assert (share["energy_mwh"], share["net_minor"]) == (kwh(30), 34_999)  # rounded down: the rest stays
    lots = town.lots(sender)
    assert sum(lot["left_net_minor"] for lot in lots) == 35_001
    assert sum(lot["left_mwh"] for lot in lots) == kwh(30)


def test_lifeline_lots_are_shared_only_revalued(town: VendingTown) -> None:
    """Lifeline lots not at all, unless revalued at the sender's average price."""
    sender, recipient = pair(town, UTILITY_STEPS, UTILITY_STEPS)
    town.vend(sender, 70_000, "a")  # 50 kWh lifeline at 0.10, 10 at 0.20
    sender.send(recipient.pan, kwh(6))
    [credit] = unused(town, recipient)
    assert [(each["step"], each["net_minor"]) for each in credit["worths"]] == [(1, 12_000)]
    assert worth(town.lots(sender)) == [(UTILITY_STEPS, kwh(50), 50_000), (UTILITY_STEPS, kwh(4), 8_000)]
    sender.send(recipient.pan, kwh(10))
    second = unused(town, recipient)[1]
    [share] = second["worths"]
    assert (share["net_minor"], share["lifeline"]) == (58_000 * 10 // 54, False)
    assert sum(lot["left_net_minor"] for lot in town.lots(sender)) == 58_000 - share["net_minor"]


def test_between_utilities_the_lot_cost_is_owed_and_netted_daily(town: VendingTown) -> None:
    """Between utilities: a payable at the sender's lot cost, netted daily, and paid treasury to treasury."""
    sender, recipient = pair(town, UTILITY_FLAT, COMMUNITY_FLAT)
    town.vend(sender, 36_890, "a")  # 10 kWh at 0.31 net
    town.vend(recipient, 25_000, "a")  # 10 kWh at 0.25
    day = town.now_ms // DAY_MS
    sender.send(recipient.pan, kwh(4))
    recipient.send(sender.pan, kwh(2))
    assert [(credit["utility"], credit["kind"]) for credit in unused(town, recipient)] == [("community", "share")]
    owed = town.ask(town.regulator, "prepaid", "payables", day=day)
    assert [(each["debtor"], each["amount_minor"]) for each in owed] == [("community", 5_000), ("utility", 12_400)]
    payment = {"day": day, "debtor": "utility", "creditor": "community"}
    assert town.code(town.treasury, "prepaid", "pay_payable", **payment) == "OUT_OF_RANGE"
    town.later(days=1)
    owed = town.ask(town.regulator, "prepaid", "payables", day=day)
    assert [(each["debtor"], each["amount_minor"]) for each in owed] == [("community", 0), ("utility", 7_400)]
    assert town.code(town.operator, "prepaid", "pay_payable", **payment) == "NOT_YOURS"
    before = town.has(town.clerk)[0]
    town.ok(town.treasury, "prepaid", "pay_payable", **payment)
    assert town.has(town.clerk)[0] == before + 7_400
    assert town.code(town.treasury, "prepaid", "pay_payable", **payment) == "OUT_OF_RANGE"


# ---------------------------------------------------------------- returns


def test_returns_are_numbered_credits_that_count_once(town: VendingTown) -> None:
    """Settlement returns trade and pool Wh as one numbered credit per meter and interval, neither sale nor tax event;
    on a token once they are worth one."""
    home, other = pair(town)
    town.vend(home, 36_890, "a")
    home.use(kwh(3))
    worth_before = town.lots(home)
    rows = [[home.point, 900_000, kwh(0.7), "settlement"], [other.point, 900_000, kwh(0.2), "settlement"]]
    assert town.ok(town.operator, "settlement", "return_units", rows=rows) == 2
    assert town.ok(town.operator, "settlement", "return_units", rows=rows) == 0
    assert (town.account(home)["waiting_mwh"], unused(town, home)) == (kwh(0.7), [])
    more = [[home.point, 1_800_000, kwh(0.55), "settlement"]]
    assert town.ok(town.operator, "settlement", "return_units", rows=more) == 1
    town.later(seconds=1)
    [credit] = unused(town, home)
    assert (credit["kind"], credit["energy_mwh"], credit["total_minor"]) == ("return", kwh(1.2), 0)
    assert town.account(home)["waiting_mwh"] == kwh(0.05)
    home.take(town.mint(credit))
    [lot], [before] = town.lots(home), worth_before
    assert (lot["left_mwh"], lot["left_net_minor"]) == (kwh(8.2), before["left_net_minor"] + 3_720)
    collected = town.ok(other.wallet, "prepaid", "collect_returns", point=other.point)
    assert collected["energy_mwh"] == kwh(0.2)
    assert town.code(other.wallet, "prepaid", "collect_returns", point=other.point) == "AMOUNT_NOT_ENCODABLE"


def test_many_returns_are_collected_some_a_block(town: VendingTown) -> None:
    """A step does some points and goes on in the next block; a meter without a free identifier gets its units later."""
    homes = [town.home(UTILITY_FLAT) for _ in range(60)]
    full = homes[0]
    town.later(minutes=16)
    for number in range(62):
        asked = {"point": full.point, "amount_minor": 4_000, "request": f"{number}"}
        town.code(full.wallet, "prepaid", "reserve", **asked)
    rows = [[home.point, 900_000, kwh(1.5), "settlement"] for home in homes]
    assert town.ok(town.operator, "settlement", "return_units", rows=rows) == 60
    town.later(seconds=1)
    assert [len(unused(town, home)) for home in homes[1:]] == [1] * 59
    assert town.account(full)["waiting_mwh"] == kwh(1.5)
    town.later(minutes=61)
    assert town.account(full)["waiting_mwh"] == 0


def test_what_was_advanced_and_not_delivered_is_clawed_back(town: VendingTown) -> None:
    """Settlement claws back the excess: off the next returns, then off the units of the next vends."""
    [home] = [town.settled(UTILITY_STEPS)]
    row = [[home.point, 900_000, kwh(3), "advance/7"]]
    town.ok(town.operator, "settlement", "return_units", rows=row)
    town.later(seconds=1)
    [credit] = unused(town, home)
    home.take(town.mint(credit))
    assert town.ok(town.operator, "settlement", "claw_back", rows=row) == 1
    assert town.ok(town.operator, "settlement", "claw_back", rows=row) == 0
    town.ok(town.operator, "settlement", "return_units", rows=[[home.point, 900_000, kwh(1), "settlement"]])
    assert town.account(home)["waiting_mwh"] == -kwh(2)
    quote = town.ask(home.wallet, "prepaid", "quote", point=home.point, amount_minor=10_000)
    assert (quote["energy_mwh"], quote["withheld_mwh"]) == (kwh(8), kwh(2))
    token = town.vend(home, 10_000, "a")  # 10 kWh were bought
    assert (token["energy_mwh"], town.account(home)["waiting_mwh"]) == (kwh(8), 0)
    assert sum(lot["left_mwh"] for lot in town.lots(home)) <= home.balance_mwh == kwh(11)


def test_limits_per_day_hold_for_shares() -> None:
    """Limits per day: a request above is refused, a debit above goes back; with the next day they begin anew."""
    town = VendingTown(houses=2, share_limit_mwh=kwh(10))
    sender, recipient = town.homes
    town.give_units(sender, kwh(50))
    sender.send(recipient.pan, kwh(8))
    asked = {"point": sender.point, "recipient_pan": recipient.pan, "energy_mwh": kwh(3), "request": "a"}
    assert town.code(sender.wallet, "prepaid", "request_share", **asked) == "DAY_LIMIT"
    assert sender.send(recipient.pan, kwh(3))["reason"] == "DAY_LIMIT"
    town.later(days=1)
    assert town.code(sender.wallet, "prepaid", "request_share", **asked) == "OK"
