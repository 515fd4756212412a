"""Source 000, prepaid energy and sharing: what of it is rules, on a running ledger."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from ledgernode import errors
from ledgernode.identity.records import Role
from tests.acceptance.community import (
    FLAT_TARIFF,
    PURSE_MINOR,
    Call,
    Community,
    digest,
    kwh,
)
from tests.acceptance.prepayment import Keypad, VendingService, where

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def vending(community: Community) -> VendingService:
    return VendingService(community)


def test_000_2_a_purchase_becomes_a_token_of_one_meter(community: Community, vending: VendingService) -> None:
    """000-2: money becomes a numeric token bound to one meter; tariff and taxes decide the kWh; a token is not used,
    then used; a meter's tokens are listed."""
    bought, another, _ = community.streets["vending"].houses
    accounts = (community.treasury, community.levies, community.taxes)
    before = [community.money(who)[0] for who in accounts]
    asked = {"point": bought.point, "amount_minor": 100_000}
    quote = community.ask(bought.wallet, "prepaid", "quote", **asked)
    credit = vending.reserve(bought, 100_000, "at the counter")
    # 0.30 and a levy of 0.01, and 19 % on both: 0.3689 a kWh, so 27.1 kWh for 10
    assert (credit["units"], credit["pan"], credit["total_minor"]) == (271, bought.pan, quote["total_minor"])
    assert community.money(bought.wallet) == (PURSE_MINOR - credit["total_minor"], credit["total_minor"])
    digits = vending.mint(credit)
    assert (len(digits), digits.isdecimal()) == (20, True)
    after = [community.money(who)[0] for who in accounts]
    assert [then - now for now, then in zip(before, after, strict=True)] == [81_300, 2_710, 15_962]
    listed = {"point": bought.point}
    assert [one["tid"] for one in community.ask(bought.wallet, "prepaid", "unused", **listed)] == [credit["tid"]]
    keypad = Keypad(community, bought)
    assert keypad.enter(digits) == 271
    assert keypad.send()["status"] == "redeemed"
    assert community.ask(bought.wallet, "prepaid", "unused", **listed) == []
    vending.reserve(bought, 50_000, "by telephone", point=another.point)  # anyone may pay for a neighbour
    [own] = community.ask(community.regulator, "prepaid", "credits", **listed)
    assert (own["status"], own["token_hash"]) == ("redeemed", digest(digits))
    [other] = community.ask(community.regulator, "prepaid", "credits", point=another.point)
    assert (other["status"], other["pan"], other["payer"]) == ("reserved", another.pan, bought.wallet.id)


def test_000_3_the_meter_itself_takes_twenty_digits_once(community: Community, vending: VendingService) -> None:
    """000-3: validated offline; one use only; wrong meter, replay and altered digit are refused with their codes, by
    the meter, and by the ledger if a meter should lie."""
    house, neighbour = community.streets["tokens"].houses
    meter, other = Keypad(community, house), Keypad(community, neighbour)
    credit = vending.reserve(house, 50_000, "a")
    digits = vending.mint(credit)
    with pytest.raises(errors.TokenCheckFailed):
        other.enter(digits)
    altered = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    with pytest.raises(errors.LedgerError):
        meter.enter(altered)
    with pytest.raises(errors.TokenMalformed):
        meter.enter(digits[:-1])
    meter.enter(digits)
    with pytest.raises(errors.TokenUsed) as refused:
        meter.enter(digits)
    signed = {**where(credit), "token_hash": digest(digits), "balance_mwh": 0, "counter": 9}
    lies = signed | {"token_hash": digest(altered)}
    assert community.code(neighbour.meter, "prepaid", "redeem", **signed) == "TOKEN_OTHER_METER"
    assert community.code(house.meter, "prepaid", "redeem", **lies) == "TOKEN_UNKNOWN"
    meter.send()
    assert community.code(house.meter, "prepaid", "redeem", **signed) == "TOKEN_USED"
    community.ok(house.meter, "prepaid", "refused", token_hash=digest(digits), code=refused.value.code)
    told = [one for one in community.events("prepaid", "TokenRefused") if one["point"] == house.point]
    assert [(one["credit"], one["reason"]) for one in told] == [(credit["number"], "TOKEN_USED")]
    account = community.ask(house.wallet, "prepaid", "account", point=house.point)["account"]
    assert account["credited_mwh"] == account["balance_mwh"] == credit["energy_mwh"]


def test_000_4_the_balance_falls_and_a_recharge_connects_again(community: Community, vending: VendingService) -> None:
    """000-4: the balance falls as energy is used; it is told when it is low; at zero the relay opens, after a recharge
    it closes by itself."""
    [house] = community.streets["balance"].houses
    meter = Keypad(community, house)

    def account() -> dict[str, int]:
        found: dict[str, int] = community.ask(house.wallet, "prepaid", "account", point=house.point)["account"]
        return found

    meter.enter(vending.sell(house, 30_000, "first"))  # 8.1 kWh
    meter.use(kwh(5))
    meter.send()
    assert (account()["balance_mwh"], meter.closed) == (kwh(3.1), True)
    meter.use(kwh(2))
    meter.use(kwh(2))
    assert not meter.closed
    meter.send()
    assert (account()["balance_mwh"], account()["consumed_mwh"]) == (0, kwh(8.1))
    assert [one["point"] for one in community.events("prepaid", "LowCredit")].count(house.point) == 1
    meter.enter(vending.sell(house, 10_000, "second"))
    assert meter.closed  # before anyone has heard of it
    meter.send()
    assert (account()["balance_mwh"], account()["credited_mwh"]) == (kwh(2.7), kwh(10.8))


def test_000_5_fifty_become_forty_and_nothing_becomes_ten(community: Community, vending: VendingService) -> None:
    """000-5: by recipient and amount, signed by the sender's meter; the recipient is credited by a token, which reaches
    it by wire or by keypad, so it may be offline."""
    sender, recipient, _ = community.streets["sharing"].houses
    giving, taking = Keypad(community, sender), Keypad(community, recipient)
    giving.enter(vending.grant(sender, kwh(50)))
    giving.send()
    asked = {"point": sender.point, "recipient_pan": recipient.pan, "energy_mwh": kwh(10), "request": "for dinner"}
    share = community.ok(sender.wallet, "prepaid", "request_share", **asked)
    assert (share["status"], share["recipient"]) == ("pending", recipient.point)
    assert community.ask(community.operator, "prepaid", "account", point=recipient.point)["account"]["balance_mwh"] == 0
    giving.share(recipient.pan, kwh(10), share=share["number"], verified=True)
    giving.send()
    digits = vending.mint(vending.unminted(recipient))
    assert not taking.closed
    taking.enter(digits)  # at the keypad: no wire reaches this house
    assert taking.closed
    taking.send()
    balances = [
        community.ask(community.operator, "prepaid", "account", point=house.point)["account"]["balance_mwh"]
        for house in (sender, recipient)
    ]
    assert balances == [sender.balance_mwh, recipient.balance_mwh] == [kwh(40), kwh(10)]
    [now] = community.ask(sender.wallet, "prepaid", "shares", point=sender.point)
    assert now["status"] == "credited"


def test_000_6_what_must_not_be_shared_moves_nothing(community: Community, vending: VendingService) -> None:
    """000-6: too little credit, unknown or blocked recipient, self-transfer, another's meter and a repeated request are
    refused with their codes, and nothing moves. (The PIN stays in the meter: a wrong one signs nothing.)"""
    sender, recipient, blocked = community.streets["refusing"].houses
    giving = Keypad(community, sender)
    giving.enter(vending.grant(sender, kwh(5)))
    giving.send()
    community.two("prepaid", "propose_block", point=blocked.point, kind="sharing", on=True, reason="a meter was opened")
    asked = {"point": sender.point, "recipient_pan": recipient.pan, "energy_mwh": kwh(3), "request": "r"}
    refusals = {
        "TOO_LITTLE_CREDIT": {"energy_mwh": kwh(5.1)},
        "RECIPIENT_UNKNOWN": {"recipient_pan": "600727999999999993"},
        "RECIPIENT_BLOCKED": {"recipient_pan": blocked.pan},
        "SELF_SHARE": {"recipient_pan": sender.pan},
    }
    for code, change in refusals.items():
        assert community.code(sender.wallet, "prepaid", "request_share", **asked | change) == code
    assert community.code(recipient.wallet, "prepaid", "request_share", **asked) == "NOT_YOURS"
    share = community.ok(sender.wallet, "prepaid", "request_share", **asked)
    assert community.ok(sender.wallet, "prepaid", "request_share", **asked) == share
    other = asked | {"energy_mwh": kwh(2)}
    assert community.code(sender.wallet, "prepaid", "request_share", **other) == "REQUEST_REUSED"
    community.advance(3 * 60_000)  # the meter has not signed in time
    community.until(
        lambda: community.ask(sender.wallet, "prepaid", "shares", point=sender.point)[0]["status"] == "timed_out"
    )
    accounts = [
        community.ask(community.regulator, "prepaid", "account", point=house.point)["account"]
        for house in (sender, recipient, blocked)
    ]
    assert [account["balance_mwh"] for account in accounts] == [kwh(5), 0, 0]
    assert [account["shared_mwh"] for account in accounts] == [0, 0, 0]


def test_000_10_people_are_taken_in_and_nobody_else_acts_for_them(community: Community) -> None:
    """000-10, its first half: every request is signed and roles decide; a new user claims a premises by a code and is
    confirmed by the utility's staff."""
    [house] = community.streets["onboarding"].houses
    anna = community.member("anna", Role.CUSTOMER, "west")
    claim = {"premises": house.premises, "code_hash": digest(f"code-7{anna.id}")}
    assert community.code(anna, "registry", "claim", **claim) == "SIGNER_UNKNOWN"
    community.register()
    signed = anna.signer.transaction("registry", "claim", claim, budget=community.facts.parameters.budget)
    forged = signed.envelope.replace(house.premises.encode(), b"north:somewhere-els"[: len(house.premises)])
    with pytest.raises(errors.LedgerError) as refused:
        community.ledger.submit_signed(msgspec.structs.replace(signed, envelope=forged))
    assert refused.value.code == "SIGNATURE_INVALID"
    assert community.ledger.submit_signed(signed).succeeded
    approval = {"premises": house.premises, "wallet": anna.id}
    assert community.code(anna, "registry", "approve_claim", **approval) == "NOT_YOUR_ORGANISATION"
    assert community.code(community.south_admin, "registry", "approve_claim", **approval) == "NOT_YOUR_ORGANISATION"
    [waiting] = community.ask(community.operator, "registry", "claims", premises=house.premises)
    assert waiting["code_hash"] == hashlib.sha256(f"code-7{anna.id}".encode()).hexdigest()
    community.ok(community.operator, "registry", "approve_claim", **approval)
    assert community.ask(anna, "registry", "speaks_for", point=house.point) == house.customer
    assert community.code(anna, "currency", "mint", account=anna.id, amount_minor=1, purpose="for me") != "OK"
    assert community.refusal(community.stranger, "registry", "customer", customer=house.customer) == (
        "NOT_YOUR_ORGANISATION"
    )


def test_000_10_a_tenant_takes_the_unused_credit_along(community: Community, vending: VendingService) -> None:
    """000-10, its second half: the old meter signs its final balance and that it is cleared; then the new meter is
    credited with what was unused."""
    old, new = community.streets["relocating"].houses
    leaving, arriving = Keypad(community, old), Keypad(community, new)
    leaving.enter(vending.sell(old, 40_000, "a"))  # 10.8 kWh
    leaving.use(kwh(2.3))
    leaving.send()
    community.ok(community.operator, "registry", "move_out", premises=new.premises)
    community.to_boundary()
    community.together(
        [
            Call(community.operator, "registry", "move_in", {"premises": new.premises, "customer": old.customer}),
            Call(community.operator, "registry", "move_out", {"premises": old.premises}),
        ]
    )
    community.to_boundary()
    route = {"from_point": old.point, "to_point": new.point}
    assert community.code(community.operator, "prepaid", "relocate", **route) == "NOTHING_LEFT"
    community.ok(old.meter, "prepaid", "final_balance", **old.signed_balance())
    old.counter += 1
    community.ok(old.meter, "prepaid", "cleared", counter=old.counter)
    community.ok(community.operator, "prepaid", "relocate", **route)
    assert community.code(community.operator, "prepaid", "relocate", **route) == "NOTHING_LEFT"
    arriving.enter(vending.mint(vending.unminted(new)))
    arriving.send()
    account = community.ask(old.wallet, "prepaid", "account", point=new.point)["account"]
    assert account["balance_mwh"] == kwh(8.5)
    span = community.ask(community.operator, "registry", "span", point=new.point, time_ms=community.now_ms)
    assert (span["customer"], span["tariff"]) == (old.customer, FLAT_TARIFF)
