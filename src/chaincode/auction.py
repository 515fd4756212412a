"""Auction: the mechanisms over a book, as questions that other contracts ask. It keeps no state and moves nothing.

    clear   a book by the name of a mechanism (`chaincode.clearing`, `docs/markets.md`)
    match   what an arriving order takes from the resting ones (`chaincode.continuous`)
    judge   what a coordinator's match of a book comes to, when it is one, and the best there is

It stands beside `market` so that each stays small enough to be read before it is approved; an organisation that
approves another version of it approves other prices.

Roles: everyone asks. No events. Errors: MATCH_INVALID, those of a book (`BOOK_INVALID`, `FEES_DIFFER`,
`BOOK_TOO_WIDE`, `MECHANISM_UNKNOWN`), and of an order that arrives (`ORDER_INVALID`, `ORDER_EXPIRED`, `ORDER_EXISTS`).
"""

from chaincode.api import Context, Contract, Refusal, query
from chaincode.book import Book, Cleared, Match, Order, check, costs_of, in_micro
from chaincode.clearing import MID_MARKET, central, clear, mid_market
from chaincode.continuous import match
from chaincode.one_price import middle


class MatchInvalid(Refusal):
    """The coordinator's match is not one of this book, or not its best."""

    code = "MATCH_INVALID"


class Auction(Contract):
    name = "auction"
    version = "1.0.0"

    @query
    def clear(
        self,
        ctx: Context,  # noqa: ARG002 - a query has one
        mechanism: str,
        book: Book,
        retail_micro_per_kwh: int | None = None,
        feed_in_micro_per_kwh: int | None = None,
    ) -> Cleared:
        """Who trades how much with whom at which price; the outside prices are for mid-market alone."""
        if mechanism == MID_MARKET:
            return mid_market(book, retail_micro_per_kwh, feed_in_micro_per_kwh)
        return clear(mechanism, book)

    @query
    def match(self, ctx: Context, book: Book, side: str, order: Order) -> list[Match]:
        """What an order takes from a book, in the order in which it does."""
        return match(book, side, order, ctx.time_ms).fills

    @query
    def judge(
        self,
        ctx: Context,  # noqa: ARG002 - a query has one
        book: Book,
        pairs: list[tuple[str, str, int]],
    ) -> Cleared:
        """A coordinator's match, (bid, ask, Wh), each pair at the middle of what it gains.

        Refuses what goes beyond a price, an order or a line, self-trade, and a welfare below the best there is.
        """
        return judged(book, pairs)


def judged(book: Book, pairs: list[tuple[str, str, int]]) -> Cleared:
    check(book)
    bids, asks = {bid.id: bid for bid in book.bids}, {ask.id: ask for ask in book.asks}
    costs = costs_of(book)
    left = {order.id: order.energy_wh for order in [*book.bids, *book.asks]}
    lines: dict[tuple[str, str], int] = {}
    matches: list[Match] = []
    volume_wh = welfare = 0
    for bid_id, ask_id, energy_wh in pairs:
        bid, ask = bids.get(bid_id), asks.get(ask_id)
        if bid is None or ask is None or bid.owner == ask.owner or energy_wh < 1:
            raise MatchInvalid(f"bid {bid_id} and ask {ask_id} are no pair of this book")
        fee = costs.fee(ask, bid)
        gain = bid.price_micro_per_kwh - ask.price_micro_per_kwh - fee
        line = (ask.feeder, bid.feeder)
        lines[line] = lines.get(line, 0) + energy_wh
        left[bid.id] -= energy_wh
        left[ask.id] -= energy_wh
        if gain < 0 or left[bid.id] < 0 or left[ask.id] < 0 or 0 <= costs.limit(ask, bid) < lines[line]:
            raise MatchInvalid(f"bid {bid_id} and ask {ask_id} go beyond a price, an order or a line")
        price = middle(ask.price_micro_per_kwh, bid.price_micro_per_kwh - fee)
        found = Match(
            bid=bid.id, ask=ask.id, energy_wh=energy_wh, price_micro_per_kwh=price, buyer_price_micro_per_kwh=price
        )
        matches.append(found)
        volume_wh += energy_wh
        welfare += gain * energy_wh
    best = central(book).welfare_micro
    if in_micro(welfare) < best:
        raise MatchInvalid(f"a match worth {best} micro is known, this one is worth {in_micro(welfare)}")
    return Cleared(
        volume_wh=volume_wh,
        price_micro_per_kwh=None,
        welfare_micro=in_micro(welfare),
        surplus_micro=0,
        matches=matches,
    )
