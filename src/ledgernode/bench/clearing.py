"""How long a market takes to clear outside the sandbox: processor time of every mechanism over one book, the
median of some rounds.

The book is the same each time: prices and sizes are spread, every fifth customer both buys and sells, and about
half of the orders meet. Two further rows clear it where that is hardest: by flow between feeders of different fees,
and by one price when one customer would trade mostly with himself.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from chaincode.book import Book, Cleared, Order, Pair
from chaincode.clearing import MECHANISMS, central, clear, uniform

_FEEDERS: Final = ("oak", "elm", "ash")


class Timing(msgspec.Struct, frozen=True):
    """One mechanism's median, and what it came to."""

    mechanism: str
    ms: float
    matches: int
    volume_wh: int


def measure(orders: int, rounds: int) -> tuple[Timing, ...]:
    """All mechanisms over a book of so many orders."""
    book = spread(orders)
    runs: dict[str, Callable[[], Cleared]] = {name: partial(clear, name, book) for name in MECHANISMS}
    runs["central, three feeders"] = partial(central, between_feeders(book))
    runs["uniform, own orders cross"] = partial(uniform, with_own_orders(book))
    return tuple(_timed(name, run, rounds) for name, run in runs.items())


def spread(orders: int) -> Book:
    """Half bids, half asks; primes spread prices and sizes without chance."""
    half = orders // 2

    def owner(number: int, side: str) -> str:
        return f"prosumer-{number}" if number % 5 == 0 else f"{side}-{number}"

    bids = [
        Order(
            id=f"b{number}",
            owner=owner(number, "buyer"),
            energy_wh=200 + number * 7_919 % 4_801,
            price_micro_per_kwh=60_000 + number * 104_729 % 240_001,
        )
        for number in range(half)
    ]
    asks = [
        Order(
            id=f"s{number}",
            owner=owner(number, "seller"),
            energy_wh=200 + number * 6_113 % 4_801,
            price_micro_per_kwh=40_000 + number * 99_991 % 240_001,
        )
        for number in range(orders - half)
    ]
    return Book(bids=bids, asks=asks, fee_micro_per_kwh=5_000)


def between_feeders(book: Book) -> Book:
    """The same book with orders on three feeders, and a higher fee between them."""

    def placed(orders: list[Order]) -> list[Order]:
        return [order.replace(owner=order.id, feeder=_FEEDERS[place % 3]) for place, order in enumerate(orders)]

    pairs = tuple(
        Pair(seller_feeder=seller, buyer_feeder=buyer, fee_micro_per_kwh=15_000)
        for seller in _FEEDERS
        for buyer in _FEEDERS
        if seller != buyer
    )
    return book.replace(bids=placed(book.bids), asks=placed(book.asks), pairs=pairs)


def with_own_orders(book: Book) -> Book:
    """The same book where one customer has two thirds of all orders, on both sides."""

    def owned(orders: list[Order]) -> list[Order]:
        return [order.replace(owner="one") if place % 3 else order for place, order in enumerate(orders)]

    return book.replace(bids=owned(book.bids), asks=owned(book.asks))


def _timed(mechanism: str, run: Callable[[], Cleared], rounds: int) -> Timing:
    times: list[float] = []
    for _ in range(rounds):
        begun = time.process_time()
        outcome = run()
        times.append(time.process_time() - begun)
    return Timing(mechanism, round(statistics.median(times) * 1_000, 1), len(outcome.matches), outcome.volume_wh)
