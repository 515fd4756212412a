"""Somebody new, from no wallet to a home whose figures are seen; and credit that moves or runs low."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from ledgernode.identity.records import Role
from tests.acceptance.community import kwh
from tests.acceptance.prepayment import Keypad
from tests.web.pages import Claims, SignUp
from tests.web.site import WAITS_MS, Guest
from tests.web.town import Town

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
CODE = "7H2K-19QX"


def test_000_10_who_signs_up_is_approved_and_sees_the_meter(town: Town, visitor: Callable[..., Guest]) -> None:
    """000-10: a key with its phrase shown once, the utility's certificate, a claim by the code of the bill. A wrong
    code is seen by who decides and refused, and the customer is told; the right one links the meter."""
    newcomer, staff = visitor(), visitor().enter("admin")
    signing, premises = SignUp(newcomer), town.house("moving", 1).premises
    phrase = signing.make_wallet("Home")
    assert len(set(phrase.split())) > 6
    assert phrase.split()[0] not in newcomer.words
    town.register("north", Role.CUSTOMER, signing.request())
    newcomer.sees("Link your home")

    signing.claim(premises, "1111-1111")
    newcomer.sees("Waiting for your utility")
    claims = Claims(staff)
    claim = claims.compare(premises, CODE)
    expect(claim).to_contain_text("The wallet knows another code than this.", timeout=WAITS_MS)
    claims.decide(claim, "Refuse")
    newcomer.sees(f"Your utility has refused the claim on {premises}")

    signing.claim(premises, CODE)
    claim = claims.compare(premises, CODE)
    expect(claim).to_contain_text("The wallet knows this code.", timeout=WAITS_MS)
    claims.decide(claim, "Approve")
    newcomer.sees(f"At {town.house('moving', 1).point}")
    newcomer.sees("Today2 kWh")


def test_002_5_a_lost_phrase_is_cured_by_the_utility(town: Town, visitor: Callable[..., Guest]) -> None:
    """002-5: who has lost words and wallet makes new ones; the utility, which knows the person, puts the new key in the
    place of the old. Home and identity stay, the person is told, and the old words open nothing."""
    house = town.house("moving", 2)
    lost = town.lost_wallet(house)
    customer = visitor()
    signing = SignUp(customer)
    signing.make_wallet("Home")
    town.rekey("north", lost.identity, signing.request(), "words and device lost, known in person")
    customer.sees(f"At {house.point}")
    customer.sees("Look at your keys")
    former = visitor()
    former.bring_back(lost.phrase)
    former.sees("Hand this to your utility")


def test_000_10_credit_moves_with_the_customer(town: Town, visitor: Callable[..., Guest]) -> None:
    """000-10: who moves finds the unused credit on the new meter, and where it came from."""
    community, (old, new) = town.community, town.street("relocating").houses
    customer = visitor().enter("relocating-1")
    leaving, arriving = Keypad(community, old), Keypad(community, new)
    leaving.enter(town.played.vending.sell(old, 40_000, "before moving"))  # 10.8 kWh
    leaving.use(kwh(2.3))
    leaving.send()
    community.ok(community.operator, "registry", "move_out", premises=new.premises)
    community.to_boundary()
    community.ok(community.operator, "registry", "move_in", premises=new.premises, customer=old.customer)
    community.ok(community.operator, "registry", "move_out", premises=old.premises)
    community.to_boundary()
    community.ok(old.meter, "prepaid", "final_balance", **old.signed_balance())
    old.counter += 1
    community.ok(old.meter, "prepaid", "cleared", counter=old.counter)
    community.ok(community.operator, "prepaid", "relocate", from_point=old.point, to_point=new.point)
    arriving.enter(town.played.vending.mint(town.played.vending.unminted(new)))
    arriving.send()
    town.caught_up()
    customer.go("/tokens")
    customer.sees("8.5 kWh")
    expect(customer.row("Moved here")).to_contain_text("In the meter", timeout=WAITS_MS)


def test_000_9_low_credit_is_told_on_the_page_that_is_open(town: Town, visitor: Callable[..., Guest]) -> None:
    """The meter says so, and who is looking sees it without asking."""
    house = town.house("tokens", 1)
    keypad = Keypad(town.community, house)
    keypad.enter(town.played.vending.sell(house, 10_000, "a little"))  # 2.7 kWh
    keypad.send()
    customer = visitor().enter("tokens-1")
    customer.sees("Credit in the meter2.7 kWh")
    keypad.use(kwh(2.5))
    keypad.send()
    customer.sees("Only 0.2 kWh are left in the meter")
    customer.follow("Buy electricity")
    customer.sees("Credit runs low")
