"""What people do on the town's pages: a driver for each page, its verbs what a person would say.

Each does what somebody at the page does, by the words of the English table, and returns once the page shows what came
of it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from decimal import Decimal

from playwright.sync_api import Locator, expect

from tests.web.site import WAITS_MS, Guest
from tests.web.words import require_said


class Bills:
    """A customer's bills, and one of them opened."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def list(self) -> None:
        self.guest.go("/bills")

    def open(self, invoice: str) -> None:
        self.guest.go(f"/bills/{invoice.replace(':', '%3A')}")
        expect(self.guest.card("What it is made of")).to_contain_text("The lines add up", timeout=WAITS_MS)

    def pay(self, amount: str) -> str:
        """All that is open of the bill that is open; what the sheet said."""
        self.guest.press(f"Pay {amount}")
        return self.guest.confirm(amount, "Available now", "Available afterwards")

    def stands(self, state: str) -> None:
        self.guest.sees(require_said(state))

    def verify(self) -> None:
        self.guest.press("Verify this bill")
        self.check("This bill stands on the ledger as it is shown here")

    def check(self, says: str) -> Locator:
        found = self.guest.card("Verify").get_by_role("status").filter(has_text=require_said(says))
        expect(found).to_be_visible(timeout=WAITS_MS)
        return found

    def contest(self, reason: str) -> None:
        self.guest.page.get_by_text(require_said("Contest this bill"), exact=True).click()
        self.guest.fill("What is wrong with it", reason)
        self.guest.press("Contest it")
        self.guest.confirm(reason)


class Disputes:
    """The utility's page of contested bills."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        guest.go("/operator/disputes")

    def propose_end(self, bill: str, resolution: str) -> None:
        self.guest.page.get_by_role("listitem").filter(has_text=bill).get_by_role(
            "button", name=require_said("Propose an end")
        ).click()
        self.guest.fill("What was found", resolution)
        self.guest.press("Propose")
        self.guest.confirm(resolution)

    def approve(self, bill: str) -> None:
        approve_waiting(self.guest, bill)


def approve_waiting(guest: Guest, *about: str) -> None:
    """What a colleague has proposed about this: read in full on the sheet, then signed."""
    found = guest.page.get_by_role("listitem").filter(has_text=require_said("Approve"))
    for one in about:
        found = found.filter(has_text=one)
    found.first.get_by_role("button", name=require_said("Approve"), exact=True).click()
    guest.confirm(*about)


class Market:
    """A market, for who may trade in it."""

    def __init__(self, guest: Guest, market: str) -> None:
        self.guest, self.market = guest, market
        guest.go("/market")
        guest.choose("Market", market)
        guest.sees("Orders until")
        guest.actions = 0

    def opens_by_itself(self) -> None:
        """Who has traded here comes back to here, and not to the first market of the ledger."""
        self.guest.go("/market")
        expect(self.guest.page.get_by_label("Market", exact=True).first).to_have_value(self.market, timeout=WAITS_MS)

    def order(self, side: str, energy: str, price: str) -> None:
        """As far as the sheet."""
        self.guest.switch_to(side)
        self.guest.fill("Energy", energy)
        self.guest.fill("Price for a kWh", price)
        self.guest.press("Continue")
        expect(self.guest.sheet).to_be_visible(timeout=WAITS_MS)

    def place(self, side: str, energy: str, price: str) -> str:
        self.order(side, energy, price)
        return self.guest.confirm(f"{energy} kWh")

    def depth(self, side: str, price: str, energy: str) -> None:
        """So much stands in the book at this price."""
        book = self.guest.card("Order book")
        table = book.locator("details")
        if table.get_attribute("open") is None:
            table.get_by_text(require_said("Show as a table")).click()
        levels = book.locator("tbody").filter(has_text=require_said(side))
        expect(levels.get_by_role("row").filter(has_text=price)).to_contain_text(energy, timeout=WAITS_MS)

    def mine(self) -> None:
        self.guest.turn_to("Yours")

    def trade(self) -> None:
        self.guest.turn_to("Trade")

    def take(self, number: int) -> str:
        self.guest.press(f"Take order {number}")
        return self.guest.confirm(str(number))

    def bid_lower(self, number: int, price: str) -> str:
        """A counter-bid to somebody's offer; what the sheet said."""
        self.guest.press(f"Other terms for order {number}")
        terms = self.guest.page.get_by_role("dialog", name=require_said("Bid lower, or take a part"))
        self.guest.fill("Price for a kWh", price, within=terms)
        self.guest.press("Continue", within=terms)
        return self.guest.confirm(str(number), price)

    def accept(self, counter: int) -> str:
        self.guest.press(f"Accept counter-bid {counter}")
        return self.guest.confirm(str(counter))

    def take_back(self, number: int) -> None:
        self.guest.press(f"Take back order {number}")
        self.guest.confirm(str(number))

    def keep_battery(self, *, energy: str, below: str, above: str, target: str, budget: str) -> None:
        """A standing order: buy below one price, sell above another, hold so much."""
        self.guest.turn_to("Standing orders")
        self.guest.choose("What it does", "keep_battery")
        typed = {"Energy": energy, "Price for a kWh": below, "Sell above": above}
        for label, text in {**typed, "Keep the battery at": target, "Budget": budget}.items():
            self.guest.fill(label, text)
        self.guest.press("Continue")
        self.guest.confirm("Keep the battery filled")


class Wallet:
    """A wallet's money."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def money(self) -> tuple[Decimal, Decimal]:
        """Available, and set aside."""
        self.guest.go("/wallet")
        shown = [self._figure(label) for label in ("Available", "Set aside")]
        for one in shown:
            expect(one).to_contain_text("€", timeout=WAITS_MS)
        available, aside = (Decimal(one.inner_text().replace(",", "").removeprefix("€")) for one in shown)
        return available, aside

    def _figure(self, label: str) -> Locator:
        name = re.compile(f"^{re.escape(require_said(label))}$")
        return self.guest.page.locator("p").filter(has_text=name).locator("xpath=following-sibling::p[1]")


class SignUp:
    """Somebody new: from nothing to a wallet that speaks for a home."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def make_wallet(self, name: str) -> str:
        """The twelve words, which are shown once; then three of them are asked for."""
        guest = self.guest
        guest.go("/")
        guest.follow("Make a new wallet")
        guest.fill("Name of this wallet", name)
        guest.press("Make my key")
        guest.sees("Write these twelve words down")
        words = [one.inner_text().split()[-1] for one in guest.page.locator("main ol > li").all()]
        guest.press("I have written them down")
        asked = guest.page.get_by_role("main").get_by_role("textbox")
        expect(asked).to_have_count(3)
        for field in asked.all():
            [label] = [guest.page.locator(f"label[for='{field.get_attribute('id')}']").inner_text()]
            field.fill(words[int(label.split()[-1]) - 1])
        guest.press("Check and keep the key")
        return " ".join(words)

    def request(self) -> str:
        """What is handed to the utility."""
        field = self.guest.page.get_by_label(require_said("Your request"), exact=True)
        expect(field).to_have_value(re.compile("BEGIN CERTIFICATE REQUEST"), timeout=WAITS_MS)
        return field.input_value()

    def claim(self, premises: str, code: str) -> None:
        self.guest.fill("Home, as the bill names it", premises)
        self.guest.fill("Code of the bill", code)
        self.guest.press("Link it")
        self.guest.confirm(premises, "Proof that you know the code")


class Claims:
    """Wallets that ask for a customer, as staff look at them."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        guest.go("/operator/customers")

    def compare(self, premises: str, code: str) -> Locator:
        """The claim, once its code is typed."""
        claim = self.guest.page.get_by_role("listitem").filter(has_text=premises).filter(has_text="Refuse")
        claim.get_by_label(require_said("Code that stands on the bill"), exact=True).fill(code)
        return claim

    def decide(self, claim: Locator, button: str) -> None:
        self.guest.press(button, within=claim)
        self.guest.confirm()


class FeederPage:
    """One feeder and its transformer."""

    def __init__(self, guest: Guest, feeder: str) -> None:
        self.guest = guest
        self.feeder = feeder

    def open(self) -> None:
        self.guest.go(f"/operator/feeders/{self.feeder.replace(':', '%3A')}")

    def shows(self, label: str, value: str) -> None:
        """A figure of the first row."""
        figure = self.guest.page.locator("p", has_text=re.compile(f"^{re.escape(require_said(label))}$")).first
        expect(figure.locator("xpath=..")).to_contain_text(value, timeout=WAITS_MS)

    def table(self, card: str) -> Locator:
        """What is behind a chart, opened."""
        behind = self.guest.card(card).locator("details")
        if behind.get_attribute("open") is None:
            behind.get_by_text(require_said("Show as a table")).click()
        return behind.get_by_role("table")

    def waits_for(self, label: str, value: str, happens: Callable[[], object]) -> int:
        """How long it takes, in ms, from something that happens to a figure of this page which nobody asks for."""
        began = time.monotonic()
        happens()
        self.shows(label, value)
        return round((time.monotonic() - began) * 1_000)


class TariffPage:
    """One tariff, and a draft of its next version."""

    def __init__(self, guest: Guest, tariff: str) -> None:
        self.guest = guest
        guest.go(f"/operator/tariffs/{tariff.replace(':', '%3A')}")

    def draft(self, band: str, price: str) -> None:
        """A price of a band, which has the name that the tariff gives it."""
        self.guest.press("Draft the next version")
        self.guest.page.get_by_label(band, exact=True).fill(price)

    def preview(self, point: str) -> None:
        self.guest.fill("Point", point)
        self.guest.press("Compare")

    def propose(self) -> None:
        self.guest.press("Propose")
        self.guest.confirm()


def by_provider(guest: Guest, group: str) -> Guest:
    """Through the door of the organisation's own provider, as one of a group there."""
    guest.go("/")
    guest.press("Staff: sign in with your organisation")
    guest.page.locator("input[name=login]").fill(group)
    guest.page.locator("input[name=password]").fill("any")
    guest.page.locator("[type=submit]").first.click()
    guest.page.get_by_role("button", name="Continue").click()  # the provider's own word
    expect(guest.page).to_have_url(re.compile(re.escape(guest.place.origin)), timeout=WAITS_MS)
    return guest
