"""Every mechanism against every possible outcome of small books."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode.book import Book, Cleared, Order
from chaincode.clearing import MECHANISMS, central, clear, mid_market, pay_as_bid, truthful, uniform, bill_share
from tests.chaincode.books import best_sums, books, greatest_volume, require_fair, Sums

PRICES = range(-6, 8)


def fits(price: int, market: Book):
    return lambda bid, ask: bid.price_micro_per_kwh - market.fee_micro_per_kwh >= price >= ask.price_micro_per_kwh


@settings(max_examples=400, deadline=None)
@given(books())
def test_central_and_pay_as_bid_find_the_greatest_welfare(market: Book) -> None:
    best = best_sums(market)
    assert require_fair(market, central(market)) == best
    assert require_fair(market, pay_as_bid(market)) == best

@settings(max_examples=300, deadline=None)
@given(books(owners="ab", feeders="xy"))
def test_central_fees(market: Book) -> None:
    best = best_sums(market)
    assert require_fair(market, central(market)) == best

@settings(max_examples=300, deadline=None)
@given(books(owners="abcdefgh", feeders="xy", limits=True))
def test_central_limits(market: Book) -> None:
    crossing = lambda bid: any(ask.owner == bid.owner for ask in market.asks)
    best = best_sums(market)
    got = require_fair(market, central(market))
    if not any(crossing(b) for b in market.bids):
        assert got == best

@settings(max_examples=400, deadline=None)
@given(books())
def test_uniform_volume(market: Book) -> None:
    got = require_fair(market, uniform(market))
    best = max(greatest_volume(market, fits(p, market)) for p in PRICES)
    assert got.volume_wh == best
    if got.volume_wh:
        p = uniform(market).price_micro_per_kwh
        assert got == best_sums(market, fits(p, market))
