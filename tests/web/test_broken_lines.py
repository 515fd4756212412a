"""Pages while what is behind them breaks: gateway killed, ledger silent, database away; and what was forged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.acceptance.watching import observe
from tests.postgres import PostgresServer
from tests.web.pages import FeederPage
from tests.web.site import WAITS_MS, Guest
from tests.web.town import GOOD, Console, Town
from tests.web.words import require_said

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
BREAKS_MS = 60_000
"""Within which a page notices by itself; how the model stands is asked every 15 s."""


def test_a_live_page_goes_on_without_a_gap_when_its_gateway_was_killed(
    town: Town, visitor: Callable[..., Guest]
) -> None:
    """What was measured while nobody told the page is on it afterwards, all of it, without anybody's doing."""
    street = town.street("tx-alpha-09")
    operator = visitor(forgives=True).enter("operator")
    page = FeederPage(operator, street.feeder)
    page.open()
    page.waits_for("Power", "8.1 kW", lambda: observe(street, 1, 8_100, **GOOD))
    expect(operator.page.get_by_text(require_said("Live"), exact=True)).to_be_visible(timeout=WAITS_MS)
    missed = (8_210, 8_320, 8_430)
    town.console.kill()
    try:
        expect(operator.page.get_by_text(require_said("Reconnecting…"))).to_be_visible(timeout=BREAKS_MS)
        page.shows("Power", "8.1 kW")  # what was seen stays seen
        for watts in missed:
            observe(street, 1, watts, **GOOD)
    finally:
        town.console.start()
    page.shows("Power", "8.43 kW")
    expect(operator.page.get_by_text(require_said("Live"), exact=True)).to_be_visible(timeout=BREAKS_MS)
    table = page.table("Power")
    for watts in missed:
        expect(table).to_contain_text(f"{watts / 1_000:.2f} kW")
    expect(operator.page.get_by_text(require_said("You are offline"))).to_have_count(0, timeout=WAITS_MS)


def test_a_silent_ledger_is_said_and_its_figures_stay(town: Town, visitor: Callable[..., Guest]) -> None:
    """The nodes do not answer: what is shown is said to be old; when they are back nothing has to be done."""
    customer = visitor(forgives=True).enter("town-3")
    customer.sees("Your electricity")
    [node] = town.network.nodes
    node.freeze()
    try:
        customer.sees_by(require_said("These figures are behind"), BREAKS_MS)
        customer.sees(f"At {town.house('town', 3).point}")
    finally:
        node.thaw()
    expect(customer.page.get_by_text(require_said("These figures are behind"))).to_have_count(0, timeout=BREAKS_MS)
    town.tell()


def test_001_7_a_database_that_is_away_is_said_and_comes_back(
    town: Town, guests: Callable[..., Guest], tmp_path: Path
) -> None:
    """001-7: what pages show is kept in a SQL database, here PostgreSQL's; while that is down pages say so, with what
    to do, and signing in still works; when it is back they show what they showed."""
    with (
        PostgresServer() as server,
        Console(
            town.community, tmp_path / "gateway", name="console-of-postgres", database=server.url("town")
        ) as console,
    ):
        elsewhere = Elsewhere(town, console)
        operator = guests(elsewhere, forgives=True).enter("operator")
        operator.go("/operator")
        operator.sees(town.street("tx-alpha-09").feeder)
        server.stop()
        operator.go("/operator/customers")
        operator.sees_by(require_said("This could not be loaded"), BREAKS_MS)
        operator.sees("Code ")
        assert operator.page.get_by_role("button", name=require_said("Try again")).count() > 0
        server.start()
        operator.go("/operator/customers")
        operator.sees_by(town.house("town", 1).customer, BREAKS_MS)


class Elsewhere:
    """The same town by another console."""

    def __init__(self, town: Town, console: Console) -> None:
        self._town = town
        self.origin = console.origin

    def phrase_of(self, who: str) -> str:
        return self._town.phrase_of(who)


def test_000_10_a_transaction_that_was_tampered_with_is_refused(town: Town, visitor: Callable[..., Guest]) -> None:
    """000-10: somebody between wallet and gateway changes one bit of what was signed: it is not sent on, and said."""
    customer = visitor().enter("town-3")
    customer.go("/wallet")
    customer.fill("To (account)", town.community.stranger.id)
    customer.fill("Amount", "1")
    customer.press("Continue")

    def tamper(route: Route) -> None:
        body = bytearray(route.request.post_data_buffer or b"")
        body[-1] ^= 1
        route.continue_(post_data=bytes(body))

    customer.page.route("**/api/v1/transactions?*", tamper)
    expect(customer.sheet).to_contain_text("€1.00", timeout=WAITS_MS)
    customer.press("Confirm", within=customer.sheet)
    refused = customer.sheet.get_by_role("status").filter(has_text=require_said("It was not sent"))
    expect(refused).to_be_visible(timeout=WAITS_MS)


def test_002_7_who_is_not_let_in_sees_the_door_and_nothing_behind_it(town: Town, visitor: Callable[..., Guest]) -> None:
    """002-7: a forged session is none; a key that the ledger does not know opens nothing; a page of somebody else's is
    answered as if it was not there; who signed out is out."""
    forger = visitor()
    forger.context.add_cookies([{"name": "session", "value": "f" * 64, "url": town.origin}])
    for path in ("/", "/bills", "/operator", "/ledger"):
        forger.go(path)
        forger.sees("Welcome")
    assert forger.status("/api/v1/blocks") == 401
    customer = visitor().enter("town-3")
    invoice = town.played.invoices["town-2"]["invoice"]["id"] if town.played.invoices else "north:2"
    customer.go("/wallet")
    for path in (f"/api/v1/bills/{invoice}", f"/api/v1/points/{town.house('town', 2).point}"):
        assert customer.status(path) == 404
    customer.press("Settings and account")
    customer.page.get_by_role("menuitem", name=require_said("Sign out")).click()
    customer.sees("Welcome")
    assert customer.status("/api/v1/blocks") == 401
