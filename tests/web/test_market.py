"""Orders of two customers, each in a browser of their own; offers and requests on a board; and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.acceptance.trading import cost_minor
from tests.web.pages import Market, Wallet
from tests.web.site import WAITS_MS, Guest
from tests.web.town import Town

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
PURSE_MINOR = 10_000_000


def money(minor: int) -> str:
    return f"€{minor / 10_000:,.4f}".removesuffix("00")


def test_002_5_orders_of_two_customers_match_in_two_browsers(town: Town, visitor: Callable[..., Guest]) -> None:
    """002-5, 003-6: what one places the other sees at once; they match; each has the trade among its own; what is left
    is taken back, and its money is free again."""
    town.next_quarter()
    selling = Market(visitor().enter("market-1"), town.market.id)
    buying = Market(visitor().enter("market-2"), town.market.id)
    selling.place("Sell", "1", "0.10")
    buying.depth("Offered", "€0.10", "1 kWh")
    shown = buying.place("Buy", "0.6", "0.12")
    assert "Worth" in shown
    assert "Available now" in shown
    selling.depth("Offered", "€0.10", "0.4 kWh")
    for market, word in ((selling, "Sold"), (buying, "Bought")):
        market.mine()
        row = market.guest.card("Your trades").get_by_role("row").filter(has_text=f"{word} #")
        expect(row).to_contain_text("0.6 kWh", timeout=WAITS_MS)
    [left] = town.community.ask(town.community.operator, "market", "book", market=town.market.id, slot=slot_of(town))
    selling.take_back(left["order"])
    expect(selling.guest.row(f"#{left['order']}", "Taken back")).to_be_visible(timeout=WAITS_MS)
    Wallet(buying.guest).has(money(PURSE_MINOR - cost_minor(600, 10)), money(cost_minor(600, 10)))


def test_004_7_what_comes_too_late_or_goes_too_far_is_refused_with_the_reason(
    town: Town, visitor: Callable[..., Guest]
) -> None:
    """A market's window and its limits are the contract's: the sheet says why nothing was moved."""
    town.next_quarter()
    late = Market(visitor().enter("market-3"), town.market.id)
    late.order("Buy", "1", "0.10")
    town.next_quarter()
    late.guest.is_refused("market.")
    beyond = Market(visitor().enter("board-4"), town.board.id)
    beyond.order("Buy", "1", "0.31")
    beyond.guest.is_refused("market.PRICE_OUT_OF_BAND")
    beyond.order("Buy", "4.001", "0.20")
    beyond.guest.is_refused("market.QUANTITY_LIMIT")
    Wallet(beyond.guest).has("€1,000.00", "€0.00")


def test_002_2_an_offer_on_the_board_is_seen_by_all_and_taken_by_anyone(
    town: Town, visitor: Callable[..., Guest]
) -> None:
    """002-2: a sell offer with amount and price, visible to all peers; who takes it has moved its money at once."""
    town.next_quarter()
    offering = Market(visitor().enter("board-1"), town.board.id)
    taking = Market(visitor().enter("board-2"), town.board.id)
    looking = Market(visitor(viewport={"width": 360, "height": 740}).enter("board-3"), town.board.id)
    offering.place("Sell", "1", "0.10")
    for market in (taking, looking):
        expect(market.guest.card("Offers and requests")).to_contain_text("€0.10", timeout=WAITS_MS)
    [offer] = town.community.ask(town.community.operator, "market", "book", market=town.board.id, slot=slot_of(town))
    taking.take(offer["order"])
    expect(looking.guest.card("Offers and requests")).to_contain_text("The book is empty", timeout=WAITS_MS)
    price = cost_minor(1_000, 10)
    Wallet(taking.guest).has(money(PURSE_MINOR - price), money(price))
    offering.mine()
    expect(offering.guest.row("Sold #")).to_contain_text("1 kWh", timeout=WAITS_MS)


def slot_of(town: Town) -> int:
    """The delivery that orders are taken for now."""
    window = town.community.ask(town.community.operator, "market", "window", market=town.market.id)
    found: int = window["from_ms"]
    return found
