"""What a customer does first: enter, buy, share, trade; each in a few actions, each signed from a sheet."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from devices.living.founding import pan_of
from tests.web.site import WAITS_MS, Guest

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
ACTIONS = 5
"""A first-time task takes no more."""


def test_000_9_a_token_is_bought_and_is_in_the_meter(guest: Callable[..., Guest]) -> None:
    """000-9, 002-5: five actions at most; the sheet says what it costs and what is left; the meter has it."""
    customer = guest().enter("customer")
    customer.follow("Buy electricity")
    customer.press("€10.00")
    customer.press("Continue")
    customer.confirm("27.1 kWh", "€9.9972", "Available afterwards")
    assert customer.actions <= ACTIONS
    row = customer.page.get_by_role("row").filter(has_text="€9.99")
    expect(row.first).to_contain_text("In the meter", timeout=WAITS_MS)
    customer.go("/wallet")
    customer.sees(re.compile(r"Available\s+€40\.00"))


def test_000_5_units_are_shared_with_another_meter(guest: Callable[..., Guest]) -> None:
    """000-5: by the number on its plate and an amount; what is too much is refused before anything is signed."""
    customer = guest().enter("customer")
    customer.go("/share")
    own = re.search(r"\d{18}", customer.words.replace(" ", ""))
    assert own is not None, customer.words
    other = pan_of(2)
    assert own[0] == pan_of(3)
    customer.actions = 0
    customer.fill("Meter number of who gets it", other)
    customer.fill("How much", "0.2")
    customer.press("Continue")
    shown = customer.confirm("0.2 kWh", "Available now")
    assert customer.actions <= ACTIONS
    assert other in shown.replace(" ", "")
    customer.sees(re.compile("0.2 kWh"))


def test_002_5_what_is_rejected_is_not_sent(guest: Callable[..., Guest]) -> None:
    """002-5: the person confirms or rejects; a rejected call leaves no trace on the ledger."""
    customer = guest().enter("customer")
    sent: list[str] = []
    customer.page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    customer.go("/tokens")
    customer.press("€20.00")
    customer.press("Continue")
    expect(customer.sheet).to_be_visible(timeout=WAITS_MS)
    customer.press("Reject", within=customer.sheet)
    expect(customer.sheet).to_be_hidden(timeout=WAITS_MS)
    assert [url for url in sent if "/transactions" in url] == []


def test_002_2_an_order_is_placed_and_stands_in_the_book(guest: Callable[..., Guest]) -> None:
    """002-2: amount and price, signed; it is the customer's own, and can be cancelled."""
    customer = guest().enter("customer")
    customer.go("/market")
    customer.fill("Energy", "0.3")
    customer.fill("Price for a kWh", "0.10")
    customer.press("Continue")
    customer.confirm("0.3 kWh")
    customer.page.get_by_role("tab", name="Yours").click()
    customer.sees(re.compile(r"0\.3 kWh"))


def test_002_5_a_wallet_comes_back_on_another_device(guest: Callable[..., Guest]) -> None:
    """002-5: two browsers, the same words, the same account; signing out ends one and not the other."""
    here, there = guest().enter("customer"), guest().enter("customer")
    here.go("/wallet")
    there.go("/wallet")
    account = re.search(r"[0-9a-f]{16}…[0-9a-f]{4}", here.words)
    assert account is not None, here.words
    there.sees(account[0])


def test_a_page_follows_what_happens(guest: Callable[..., Guest]) -> None:
    """Blocks arrive without anybody asking."""
    customer = guest().enter("customer")
    height = customer.page.get_by_text(re.compile(r"Block [\d,]+")).first
    before = height.inner_text()
    expect(height).not_to_have_text(before, timeout=WAITS_MS)


def test_wrong_words_are_refused_with_what_to_do(guest: Callable[..., Guest]) -> None:
    stranger = guest()
    stranger.go("/")
    stranger.follow("I have a recovery phrase")
    stranger.fill("Recovery phrase", "zebra " * 12)
    stranger.press("Bring it back")
    expect(stranger.page.get_by_role("alert").first).to_be_visible(timeout=WAITS_MS)
