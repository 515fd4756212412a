"""Orders in, deals out, by the market contract's own code: the one place where devices see contracts' clearing.

Six mechanisms clear a sealed book at once (`chaincode.clearing`). What `bill-share` matches is then shared out as the
market contract does (`chaincode.matching`), so that each deal stands for itself where some are not delivered. Two more
are the markets where peers choose:

    continuous   houses come one after another, in an order drawn from the seed, and each takes what suits it of what
                 rests (`chaincode.continuous`)
    hybrid       every other house comes to the continuous book; what rests of it, and those who left it to the
                 coordinator, are then matched for greatest welfare (`chaincode.clearing.central`)
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from chaincode.book import Book, Match
from chaincode.book import Order as Entry
from chaincode.clearing import BILL_SHARE, CENTRAL, MECHANISMS, MID_MARKET, clear, mid_market
from chaincode.continuous import ASK, BID, place
from chaincode.matching import shared_out
from devices.house.strategy import Order, Terms

CONTINUOUS: Final = "continuous"
HYBRID: Final = "hybrid"
MARKETS: Final = (*MECHANISMS, CONTINUOUS, HYBRID)


class Deal(NamedTuple):
    """Energy that a seller's house owes a buyer's: the seller gets `price_micro`, the buyer pays its own, fee apart."""

    buyer: int
    seller: int
    energy_wh: int
    price_micro: int
    buyer_price_micro: int


def deals(mechanism: str, orders: Sequence[Sequence[Order]], terms: Terms, chance: random.Random) -> list[Deal]:
    """What houses trade in a delivery: `orders` are each house's, in the order of the houses."""
    entries: list[tuple[str, int, Entry]] = []
    owners: list[int] = []
    sides = set()
    for house, given in enumerate(orders):
        for order in given:
            entry = Entry(
                id=str(len(owners)), owner=str(house), energy_wh=order.energy_wh, price_micro_per_kwh=order.price_micro
            )
            entries.append((order.side, house, entry))
            owners.append(house)
            sides.add(order.side)
    if len(sides) < 2:
        return []
    matches = _matches(mechanism, entries, terms, chance)
    if mechanism == BILL_SHARE:
        matches = [Match(**found) for found in shared_out([msgspec.to_builtins(match) for match in matches])]
    return [
        Deal(
            owners[int(match.bid)],
            owners[int(match.ask)],
            match.energy_wh,
            match.price_micro_per_kwh,
            match.buyer_price_micro_per_kwh,
        )
        for match in matches
    ]


def _matches(
    mechanism: str, entries: Sequence[tuple[str, int, Entry]], terms: Terms, chance: random.Random
) -> list[Match]:
    if mechanism == CONTINUOUS:
        return _continuous(Book([], [], terms.fee_micro), entries, chance)[1]
    if mechanism == HYBRID:
        choosing = [(side, house, entry) for side, house, entry in entries if house % 2 == 0]
        book, chosen = _continuous(Book([], [], terms.fee_micro), choosing, chance)
        leaving = [(side, entry) for side, house, entry in entries if house % 2 == 1]
        rest = Book(
            bids=[*book.bids, *(entry for side, entry in leaving if side == BID)],
            asks=[*book.asks, *(entry for side, entry in leaving if side == ASK)],
            fee_micro_per_kwh=terms.fee_micro,
        )
        return chosen + clear(CENTRAL, rest).matches
    book = Book(
        bids=[entry for side, _, entry in entries if side == BID],
        asks=[entry for side, _, entry in entries if side == ASK],
        fee_micro_per_kwh=terms.fee_micro,
    )
    if mechanism == MID_MARKET:
        return mid_market(book, terms.worth_micro, terms.feed_in_micro).matches
    return clear(mechanism, book).matches


def _continuous(
    book: Book, entries: Sequence[tuple[str, int, Entry]], chance: random.Random
) -> tuple[Book, list[Match]]:
    """(what rests, what was matched) when these come in a drawn order, each house with all its orders."""
    turn = {house: chance.random() for house in dict.fromkeys(house for _, house, _ in entries)}
    matches: list[Match] = []
    for side, _, entry in sorted(entries, key=lambda coming: turn[coming[1]]):
        placed = place(book, side, entry)
        matches += placed.fills
        book = placed.book
    return book, matches
