"""Orders of two customers, each in a browser of their own; offers and requests on a board; and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from tests.acceptance.trading import cost_minor
from tests.web.pages import Market, Wallet
from tests.web.site import WAITS_MS, Guest
from tests.web.town import Town

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
PURSE = Decimal(1_000)
ROUNDING = Decimal("0.001")
"""What is set aside covers the lines of a price, each rounded."""


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
    assert_moved(buying.guest, cost_minor(1_000, 10) * 6 // 10)
    buying.opens_by_itself()


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
    assert Wallet(beyond.guest).money() == (PURSE, Decimal(0))


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
    taking.take(open_order(town))
    expect(looking.guest.card("Offers and requests")).to_contain_text("The book is empty", timeout=WAITS_MS)
    assert_moved(taking.guest, cost_minor(1_000, 10))
    offering.mine()
    expect(offering.guest.row("Sold #")).to_contain_text("1 kWh", timeout=WAITS_MS)
    offering.opens_by_itself()


def test_002_2_a_buyer_bids_lower_and_the_seller_accepts(town: Town, visitor: Callable[..., Guest]) -> None:
    """002-2: buyers may bid lower; what is bid is set aside, and accepting it trades at that price, at once."""
    town.next_quarter()
    offering = Market(visitor().enter("board-1"), town.board.id)
    bidding = Market(visitor().enter("board-3"), town.board.id)
    offering.place("Sell", "1", "0.20")
    offer = open_order(town)
    bidding.bid_lower(offer, "0.08")
    assert_moved(bidding.guest, cost_minor(1_000, 8))
    [counter] = town.community.ask(town.house("board", 1).wallet, "market", "counters", order=offer)
    offering.trade()
    offering.accept(counter["order"])
    offering.mine()
    row = offering.guest.card("Your trades").get_by_role("row").filter(has_text="€0.08")
    expect(row).to_contain_text("1 kWh", timeout=WAITS_MS)


def open_order(town: Town) -> int:
    """The one that stands on the board."""
    [found] = town.community.ask(town.community.operator, "market", "book", market=town.board.id, slot=slot_of(town))
    number: int = found["order"]
    return number


def assert_moved(guest: Guest, cost: int) -> None:
    """So much has left what is available at once, for the seller, should it deliver; nothing is lost."""
    available, set_aside = Wallet(guest).money()
    assert available + set_aside == PURSE
    assert Decimal(0) <= set_aside - Decimal(cost) / 10_000 < ROUNDING


def slot_of(town: Town) -> int:
    """The delivery that orders are taken for now."""
    window = town.community.ask(town.community.operator, "market", "window", market=town.market.id)
    found: int = window["from_ms"]
    return found
