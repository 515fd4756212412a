"""What anybody who is let in may look up, what regulators check and take away, and what each role has in reach."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pyarrow.parquet
import pytest
from playwright.sync_api import expect

from tests.web.pages import Market
from tests.web.site import WAITS_MS, Guest
from tests.web.town import Town
from tests.web.words import require_said

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
NOT_CHECKED = "Nothing to check"


def test_002_6_blocks_are_found_by_their_hash(town: Town, visitor: Callable[..., Guest]) -> None:
    """002-6: a block with hash, parent, time, size and transactions; found by its hash, and by a transaction's."""
    facts = town.community.ledger.facts()
    name, transaction = town.community.founding[-1]
    customer = visitor().enter("town-3")
    customer.go("/ledger")
    search = customer.page.get_by_label(require_said("Search the ledger"), exact=True)
    search.fill(transaction.hex())
    customer.card("Found").get_by_role("link").first.click()
    contract, function = name.partition(": ")[2].split(".")
    customer.sees(contract)
    customer.sees(function)
    customer.page.locator("main a[href^='/ledger/blocks/']").first.click()
    for label in ("Hash", "Block before", "Time", "Root of transactions", "Certificate of the block"):
        customer.sees(require_said(label))
    customer.go("/ledger")
    search.fill(facts.header_hash.hex())
    expect(customer.card("Found").get_by_role("link").first).to_be_visible(timeout=WAITS_MS)


def test_004_7_each_role_has_its_own_pages(town: Town, visitor: Callable[..., Guest]) -> None:
    """004-7: modules of admins and customers, tabs of market, wallet and explorer; by role."""
    everybody = {"Market", "Wallet", "Ledger"}
    shown = {
        "town-3": {"Home", "Usage", "Tokens", "Share", "Bills"} | everybody,
        "admin": {"Operations"} | everybody,
        "regulator": {"Audit", "Operations"} | everybody,
    }
    for who, pages in shown.items():
        someone = visitor().enter(who)
        links = someone.page.get_by_role("navigation", name=require_said("Pages")).first.get_by_role("link")
        assert {link.inner_text() for link in links.all()} == {require_said(page) for page in pages}
        if who == "town-3":
            someone.go("/operator/customers")
            for other in ("town-1", "town-2"):
                expect(someone.page.get_by_text(f"north:{other}", exact=True)).to_have_count(0, timeout=WAITS_MS)
            assert someone.status("/api/v1/exports/bills.csv") in (403, 404)


def test_003_6_a_solar_house_has_its_meter_its_sun_and_the_market(town: Town, visitor: Callable[..., Guest]) -> None:
    """003-6: the meter now and over months, what the roof gave, a rule that keeps a battery, the market's prices."""
    customer = visitor().enter("town-3")
    customer.follow("See your consumption")
    customer.press("Earlier")
    customer.sees("Given back5 kWh")
    neighbour = visitor().enter("moving-2")
    neighbour.go("/consumption")
    neighbour.switch_to("Month")
    neighbour.sees("Given back1.6 kWh")
    market = Market(visitor().enter("market-4"), town.market.id)
    market.keep_battery(energy="1", below="0.05", above="0.30", target="5", budget="10")
    expect(market.guest.row("Keep the battery filled")).to_contain_text("Running", timeout=WAITS_MS)
    market.guest.choose("Market", town.played.market.id)
    market.guest.turn_to("Prices")
    market.guest.sees("What was paid, by hour.")


def test_a_regulator_checks_conservation_and_takes_tables_away(town: Town, visitor: Callable[..., Guest]) -> None:
    """Every check that has something to look at holds; tables come as CSV and Parquet, with the same rows."""
    regulator = visitor().enter("regulator")
    regulator.go("/regulator")
    checks = regulator.card("Conservation checks")
    expect(checks.get_by_text(require_said("Checking"), exact=True)).to_have_count(0, timeout=WAITS_MS)
    results = [row.get_by_role("cell").nth(1).inner_text() for row in checks.get_by_role("row").all()[1:]]
    assert len(results) == 8
    assert set(results) <= {require_said("Holds"), require_said(NOT_CHECKED)}
    assert results.count("Holds") >= 6
    regulator.follow("Exports")
    regulator.choose("Table", "readings")
    rows = list(csv.DictReader(io.StringIO(regulator.downloads("CSV").read_text(encoding="utf-8-sig"))))
    table = pyarrow.parquet.read_table(regulator.downloads("Parquet"))
    assert len(rows) == table.num_rows > 100
    assert list(rows[0]) == table.column_names
