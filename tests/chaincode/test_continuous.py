"""The auction without windows: its rules one by one, and whole days of it against a slower reading of the rules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode.book import Book, Order, Pair
from chaincode.continuous import (
    ASK,
    BID,
    NotYourOrder,
    OrderExists,
    OrderExpired,
    OrderInvalid,
    OrderUnknown,
    SideUnknown,
    cancel,
    expire,
    match,
    place,
    rest,
)
from tests.chaincode.books import book, fee_of, order

EMPTY = book([], [])


def names(orders: list[Order]) -> list[tuple[str, int]]:
    return [(one.id, one.energy_wh) for one in orders]


def fills(done: object) -> list[tuple[str, str, int, int]]:
    return [(one.bid, one.ask, one.energy_wh, one.price_micro_per_kwh) for one in done.fills]  # type: ignore[attr-defined]


def evening() -> Book:
    """Three asks, two of one price."""
    market = rest(EMPTY, ASK, order("s1", "ada", 5, 30))
    market = rest(market, ASK, order("s2", "ben", 5, 20))
    return rest(market, ASK, order("s3", "cem", 5, 20))


# ---------------------------------------------------------------- rules


def test_price_goes_before_time() -> None:
    """The cheapest ask first; of equal ones the older; at the price of the one that was there."""
    done = match(evening(), BID, order("b", "dia", 12, 40))
    assert fills(done) == [("b", "s2", 5, 20), ("b", "s3", 5, 20), ("b", "s1", 2, 30)]
    assert done.rest_wh == 0
    assert names(done.book.asks) == [("s1", 3)]


def test_an_arriving_ask_gets_what_the_resting_bid_pays_less_the_fee() -> None:
    """The price is the resting order's, the fee is the buyer's."""
    market = rest(book([], [], fee=4), BID, order("b", "ada", 5, 30))
    assert fills(match(market, ASK, order("s", "ben", 5, 26))) == [("b", "s", 5, 26)]
    assert fills(match(market, ASK, order("s", "ben", 5, 10))) == [("b", "s", 5, 26)]
    assert fills(match(market, ASK, order("s", "ben", 5, 27))) == []


def test_what_is_left_rests_behind_its_price() -> None:
    """A partly filled order waits with the rest of its energy."""
    done = place(evening(), BID, order("b", "dia", 12, 25))
    assert (done.rest_wh, names(done.book.bids), names(done.book.asks)) == (2, [("b", 2)], [("s1", 5)])
    market = rest(done.book, BID, order("later", "eli", 1, 25))
    market = rest(market, BID, order("better", "eli", 1, 26))
    assert names(market.bids) == [("better", 1), ("b", 2), ("later", 1)]


def test_a_partly_filled_order_keeps_its_turn() -> None:
    """Losing energy costs no place among equal prices."""
    market = match(evening(), BID, order("b", "dia", 2, 20)).book
    assert names(market.asks) == [("s2", 3), ("s3", 5), ("s1", 5)]


def test_cancel_after_a_partial_fill_returns_what_is_left() -> None:
    """What was traded stays traded; the rest is gone from the book."""
    market, taken = cancel(match(evening(), BID, order("b", "dia", 2, 20)).book, "s2", "ben")
    assert taken.energy_wh == 3
    assert names(market.asks) == [("s3", 5), ("s1", 5)]


def test_a_cancel_that_loses_the_race_refuses() -> None:
    """After the match has taken all of it there is nothing to cancel, and nothing changes."""
    market = match(evening(), BID, order("b", "dia", 5, 20)).book
    with pytest.raises(OrderUnknown, match="no order s2"):
        cancel(market, "s2", "ben")


def test_a_cancel_that_wins_the_race_leaves_nothing_to_match() -> None:
    """The match that comes after it takes the next order."""
    market, _ = cancel(evening(), "s2", "ben")
    assert fills(match(market, BID, order("b", "dia", 5, 20))) == [("b", "s3", 5, 20)]
    with pytest.raises(OrderUnknown):
        cancel(market, "s2", "ben")


def test_nobody_cancels_for_another() -> None:
    """An order is cancelled by its customer."""
    with pytest.raises(NotYourOrder):
        cancel(evening(), "s2", "ada")
    market = rest(EMPTY, BID, order("b", "ada", 1, 1))
    assert cancel(market, "b", "ada") == (EMPTY, order("b", "ada", 1, 1))


def test_an_expired_order_trades_no_more() -> None:
    """At its very time an order is over: it is passed over, and dropped."""
    market = rest(evening(), ASK, order("brief", "dia", 5, 10, expires_ms=1_000), now_ms=999)
    bid = order("b", "eli", 1, 40)
    assert fills(match(market, BID, bid, now_ms=999)) == [("b", "brief", 1, 10)]
    assert fills(match(market, BID, bid, now_ms=1_000)) == [("b", "s2", 1, 20)]
    kept, dropped = expire(market, 1_000)
    assert (kept, names(dropped)) == (evening(), [("brief", 5)])
    assert expire(market, 999) == (market, [])


def test_an_order_for_a_closed_slot_is_refused() -> None:
    """What is over before it arrives neither trades nor rests."""
    late = order("b", "dia", 1, 40, expires_ms=1_000)
    for step in (match, rest, place):
        with pytest.raises(OrderExpired, match="over since 1000, it is 1000"):
            step(evening(), BID, late, 1_000)


def test_an_order_passes_over_its_own_customer() -> None:
    """Self-trade is blocked; both orders stay, and the next one is taken."""
    done = place(evening(), BID, order("b", "ben", 7, 20))
    assert fills(done) == [("b", "s3", 5, 20)]
    assert (names(done.book.bids), names(done.book.asks)) == ([("b", 2)], [("s2", 5), ("s1", 5)])
    assert fills(match(done.book, ASK, order("s4", "ada", 1, 1))) == [("b", "s4", 1, 20)]


def test_prices_may_be_zero_or_negative() -> None:
    """Who must get rid of energy pays for that."""
    market = rest(EMPTY, ASK, order("s", "ada", 5, -10))
    assert fills(match(market, BID, order("b", "ben", 5, 0))) == [("b", "s", 5, -10)]
    assert fills(match(market, BID, order("b", "ben", 5, -11))) == []


def test_the_nearer_order_may_be_the_better_one() -> None:
    """With fees by feeder an arriving order goes by what it pays in the end."""
    pairs = (Pair(seller_feeder="elm", buyer_feeder="oak", fee_micro_per_kwh=9),)
    market = rest(book([], [], pairs=pairs), ASK, order("far", "ada", 5, 20, "elm"))
    market = rest(market, ASK, order("near", "ben", 5, 25, "oak"))
    assert fills(match(market, BID, order("b", "cem", 7, 40, "oak"))) == [("b", "near", 5, 25), ("b", "far", 2, 20)]
    market = rest(market.replace(asks=[]), BID, order("b", "cem", 5, 40, "oak"))
    market = rest(market, BID, order("b2", "dia", 5, 35, "elm"))
    done = match(market, ASK, order("s", "eli", 7, 10, "elm"))
    assert fills(done) == [("b2", "s", 5, 35), ("b", "s", 2, 31)]


def test_what_no_book_can_hold_is_refused() -> None:
    """A side, an order's fields, an id that is there already."""
    with pytest.raises(SideUnknown):
        match(EMPTY, "swap", order("b", "ada", 1, 1))
    with pytest.raises(OrderInvalid, match="bid b: energy_wh is 1 to"):
        place(EMPTY, BID, order("b", "ada", 0, 1))
    with pytest.raises(OrderExists, match="an order s2"):
        place(evening(), BID, order("s2", "dia", 1, 1))


# ---------------------------------------------------------------- a day of trading

Step = tuple[str, str, int, int, str, int]  # what, owner, energy, price, feeder, how long it stays


def day() -> st.SearchStrategy[list[Step]]:
    return st.lists(
        st.tuples(
            st.sampled_from(("bid", "ask", "bid", "ask", "cancel", "wait")),
            st.sampled_from("abc"),
            st.integers(1, 4),
            st.integers(-2, 4),
            st.sampled_from("xy"),
            st.integers(0, 6),
        ),
        max_size=25,
    )


@settings(max_examples=200, deadline=None)
@given(day(), st.integers(0, 2), st.none() | st.integers(0, 2))
def test_a_day_agrees_with_a_slower_reading_of_the_rules(steps: list[Step], fee: int, far: int | None) -> None:
    """One Wh at a time to whoever is best now, looked for among all; energy is conserved at every step."""
    pairs = () if far is None else (Pair(seller_feeder="x", buyer_feeder="y", fee_micro_per_kwh=far),)
    market = book([], [], fee, pairs)
    waiting: dict[str, tuple[str, int, Order]] = {}  # id: (side, arrival, order)
    now_ms = 1
    for number, (what, owner, energy_wh, price, feeder, stays) in enumerate(steps):
        if what == "wait":
            now_ms += 2
            market, dropped = expire(market, now_ms)
            over = {name for name, (_, _, one) in waiting.items() if 0 < one.expires_ms <= now_ms}
            assert {one.id for one in dropped} == over
            waiting = {name: one for name, one in waiting.items() if name not in over}
        elif what == "cancel":
            mine = sorted(name for name, (_, _, one) in waiting.items() if one.owner == owner)
            if mine:
                market, gone = cancel(market, mine[0], owner)
                assert gone == waiting.pop(mine[0])[2]
        else:
            arriving = order(f"o{number}", owner, energy_wh, price, feeder, now_ms + stays if stays else 0)
            done = place(market, what, arriving, now_ms)
            assert [(one.bid, one.ask, one.energy_wh, one.price_micro_per_kwh) for one in done.fills] == slowly(
                market, what, arriving, number, waiting
            )
            assert sum(one.energy_wh for one in done.fills) + done.rest_wh == energy_wh
            market = done.book
        for side, resting in (("bid", market.bids), ("ask", market.asks)):
            sign = -1 if side == "bid" else 1
            expected = sorted(
                (sign * one.price_micro_per_kwh, since, one.id, one.energy_wh)
                for at, since, one in waiting.values()
                if at == side
            )
            assert [(name, left_wh) for _, _, name, left_wh in expected] == names(resting)


def slowly(
    market: Book, side: str, arriving: Order, number: int, waiting: dict[str, tuple[str, int, Order]]
) -> list[tuple[str, str, int, int]]:
    """What should happen, Wh by Wh; `waiting` is brought up to date."""
    found: dict[tuple[str, str, int], int] = {}
    left_wh = arriving.energy_wh
    while left_wh:
        ranked: list[tuple[int, int, str, int]] = []
        for name, (at, since, other) in waiting.items():
            bid, ask = (arriving, other) if side == "bid" else (other, arriving)
            fee = fee_of(market, bid, ask)
            if (
                at != side
                and other.owner != arriving.owner
                and bid.price_micro_per_kwh >= ask.price_micro_per_kwh + fee
            ):
                cost = ask.price_micro_per_kwh + fee if side == "bid" else fee - bid.price_micro_per_kwh
                price = ask.price_micro_per_kwh if side == "bid" else bid.price_micro_per_kwh - fee
                # of what costs the same in the end, the better price, then the older
                own_rank = other.price_micro_per_kwh if side == "bid" else -other.price_micro_per_kwh
                ranked.append((cost * 100 + own_rank, since, name, price))
        if not ranked:
            break
        _, since, name, price = min(ranked)
        at, since, other = waiting.pop(name)
        if other.energy_wh > 1:
            waiting[name] = (at, since, other.replace(energy_wh=other.energy_wh - 1))
        pair = (arriving.id, name) if side == "bid" else (name, arriving.id)
        found[(*pair, price)] = found.get((*pair, price), 0) + 1
        left_wh -= 1
    if left_wh:
        waiting[arriving.id] = (side, number, arriving.replace(energy_wh=left_wh))
    return [(bid, ask, energy_wh, price) for (bid, ask, price), energy_wh in found.items()]
