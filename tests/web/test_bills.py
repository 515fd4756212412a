"""A month is billed, bills are read, paid, contested and checked: by utility and customers in browsers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.web.pages import Bills, Disputes
from tests.web.site import WAITS_MS, Guest
from tests.web.town import Town

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
ACTIONS = 5


@pytest.fixture(scope="module")
def billed(browser: Browser, town: Town) -> Iterator[Town]:
    """The last month, billed by the operator on its page."""
    played = town.played
    someone = Guest(browser, town).enter("operator")
    someone.go("/operator/runs")
    someone.page.get_by_role("button", name="Bill ").click()
    someone.confirm("north", str(played.year), str(played.month))
    town.community.until(played.is_billed)
    town.caught_up()
    expect(someone.row("north", "2026")).to_be_visible(timeout=WAITS_MS)
    yield town
    assert someone.complaints == []
    someone.context.close()


def test_000_9_a_bill_is_opened_paid_and_verified_in_five_actions(billed: Town, visitor: Callable[..., Guest]) -> None:
    """000-9, 001-8: from the first page to a bill that is paid, and that the browser has checked against the ledger."""
    bill = billed.played.invoices["town-4"]["invoice"]
    customer = visitor().enter("town-4")
    bills = Bills(customer)
    customer.follow("Pay the bill")
    shown = bills.pay("€0.0738")
    assert bill["id"] in shown
    assert ("€1,000.00" in shown, "€999.9262" in shown) == (True, True)
    bills.stands("Paid")
    bills.verify()
    assert customer.actions <= ACTIONS
    customer.sees("1 of 1 validators have signed its block (1 are needed)")
    assert customer.downloads("PDF").read_bytes().startswith(b"%PDF-")
    assert b",738," in customer.downloads("CSV").read_bytes()
    assert billed.played.invoice(billed.house("town", 4).customer)["standing"]["status"] == "paid"
    customer.go("/wallet")
    customer.sees("Available€999.9262")


def test_001_8_what_was_tampered_with_is_not_verified(billed: Town, visitor: Callable[..., Guest]) -> None:
    """001-8: a proof of which one digit is another, and a bill that the page was told wrong, are refused visibly."""
    bill = billed.played.invoices["town-5"]["invoice"]
    customer = visitor().enter("town-5")
    bills = Bills(customer)
    bills.open(bill["id"])
    bills.verify()
    with altered(customer, "**/api/v1/proofs/transactions/*", one_digit_other):
        customer.press("Check again")
        bills.check("This bill could not be verified")
    total = f'"total_minor":{bill["total_minor"]}'
    with altered(customer, "**/api/v1/bills/*", lambda text: text.replace(total, f"{total}0")):
        customer.page.reload()
        customer.press("Verify this bill")
        said = bills.check("This bill could not be verified")
        expect(said).to_contain_text("total_minor")


def test_000_9_a_bill_is_contested_and_two_of_the_utility_end_it(billed: Town, visitor: Callable[..., Guest]) -> None:
    """000-9, 004-7: the customer says what is wrong, one of the staff proposes how it ends, another approves it."""
    bill = billed.played.invoices["town-2"]["invoice"]["id"]
    customer, operator, admin = visitor().enter("town-2"), visitor().enter("operator"), visitor().enter("admin")
    bills, disputes = Bills(customer), Disputes(operator)
    bills.open(bill)
    bills.contest("I was away")
    bills.stands("Contested. Until two people of the utility have decided, nobody reminds you.")
    disputes.propose_end(bill, "read again, and right")
    operator.sees("Proposed by you: somebody else decides.")
    assert operator.page.get_by_role("button", name="Approve", exact=True).count() == 0
    Disputes(admin).approve(bill)
    expect(customer.page.get_by_text("Contested", exact=True)).to_have_count(0, timeout=WAITS_MS)
    bills.stands("Open")


def test_000_9_a_bill_that_is_due_is_told_on_the_first_page(billed: Town, visitor: Callable[..., Guest]) -> None:
    """Low credit and bills are told where one comes in, with the way to what to do."""
    bill = billed.played.invoices["town-5"]["invoice"]
    customer = visitor().enter("town-5")
    customer.sees(f"Bill {bill['id']}: €0.1844 are open")


@contextmanager
def altered(guest: Guest, where: str, change: Callable[[str], str]) -> Iterator[None]:
    """Somebody between gateway and browser changes what is answered."""

    def answer(route: Route) -> None:
        found = route.fetch()
        text = found.text()
        other = change(text)
        assert other != text
        headers = {name: value for name, value in found.headers.items() if name not in ("etag", "content-encoding")}
        route.fulfill(status=found.status, headers=headers, body=other)

    guest.page.route(where, answer)
    yield
    guest.page.unroute(where)


def one_digit_other(text: str) -> str:
    """Of the longest run of hexadecimal digits, which is the receipt or a signature."""
    longest = max(re.findall(r"[0-9a-f]{32,}", text), key=len)
    middle = len(longest) // 2
    other = "0" if longest[middle] != "0" else "1"
    return text.replace(longest, longest[:middle] + other + longest[middle + 1 :])
