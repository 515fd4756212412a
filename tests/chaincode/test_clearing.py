"""The market's rules, one by one. The docstring is the rule."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from chaincode.book import (
    LARGEST_ENERGY_WH,
    LARGEST_PRICE_MICRO,
    Book,
    BookInvalid,
    Cleared,
    Match,
    Pair,
    fault_of,
    in_micro,
)
from chaincode.clearing import (
    MECHANISMS,
    FeesDiffer,
    MechanismUnknown,
    bill_share,
    central,
    clear,
    mid_market,
    pay_as_bid,
    truthful,
    uniform,
)
from chaincode.routing import BookTooWide
from ledgernode.errors import LedgerError
from ledgernode.testing import TestLedger
from tests.chaincode.books import book, order, require_fair

SOURCES = Path(__file__).parent.parent.parent / "src" / "chaincode"


def pairs(outcome_matches: list[Match]) -> list[tuple[str, str, int, int]]:
    return [(match.bid, match.ask, match.energy_wh, match.price_micro_per_kwh) for match in outcome_matches]


def evening(fee: int = 0) -> Book:
    """Three buyers and three sellers, of whom two and two meet."""
    return book(
        [
            order("b1", "ada", 2_000, 300_000),
            order("b2", "ben", 1_000, 250_000),
            order("b3", "cem", 1_000, 100_000),
        ],
        [
            order("s1", "dia", 1_000, 80_000),
            order("s2", "eli", 2_000, 150_000),
            order("s3", "fay", 1_000, 280_000),
        ],
        fee,
    )


# ---------------------------------------------------------------- the domain's corners


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_an_empty_side_clears_to_nothing(mechanism: str) -> None:
    """Without bids, without asks, or without both there is no price, no volume and no match."""
    full = evening()
    for market in (book([], []), book(full.bids, []), book([], full.asks)):
        outcome = clear(mechanism, market)
        assert (outcome.volume_wh, outcome.price_micro_per_kwh, outcome.welfare_micro) == (0, None, 0)
        assert (outcome.surplus_micro, outcome.matches) == (0, [])


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_orders_that_do_not_meet_clear_to_nothing(mechanism: str) -> None:
    """Bids below all asks move no energy."""
    market = book([order("b", "ada", 5, 99)], [order("s", "ben", 5, 100)])
    assert clear(mechanism, market).matches == []


def test_one_bid_that_crosses_all_asks_takes_them_all() -> None:
    """A bid larger and higher than all asks buys every one of them; what it has left sets the price."""
    asks = [order(f"s{number}", f"seller-{number}", 1_000, 10_000 * number) for number in range(1, 6)]
    market = book([order("b", "ada", 7_000, 90_000)], asks)
    outcome = uniform(market)
    assert outcome.volume_wh == 5_000
    assert outcome.price_micro_per_kwh == 90_000  # she would have bought more at any lower price
    assert [match.ask for match in outcome.matches] == ["s1", "s2", "s3", "s4", "s5"]
    assert bill_share(market).matches[0].buyer_price_micro_per_kwh == 30_000
    assert central(market).volume_wh == pay_as_bid(market).volume_wh == mid_market(market).volume_wh == 5_000
    assert truthful(market).volume_wh == 0  # the only buyer would set the price for himself


@pytest.mark.parametrize("mechanism", [name for name in MECHANISMS if name != "truthful"])
def test_all_prices_equal(mechanism: str) -> None:
    """Where all name one price, that is the price; the shorter side trades whole, nobody gains."""
    market = book(
        [order("b1", "ada", 4, 7), order("b2", "ben", 4, 7)],
        [order("s1", "cem", 3, 7), order("s2", "dia", 3, 7)],
    )
    outcome = clear(mechanism, market)
    assert (outcome.volume_wh, outcome.welfare_micro) == (6, 0)
    assert {match.price_micro_per_kwh for match in outcome.matches} == {7}


def test_all_prices_equal_under_trade_reduction() -> None:
    """One buyer and one seller stand back; the others trade at the one price there is."""
    bids = [order(f"b{n}", f"buyer-{n}", 5, 7) for n in range(4)]
    asks = [order(f"s{n}", f"seller-{n}", 5, 7) for n in range(4)]
    outcome = truthful(book(bids, asks))
    assert (outcome.volume_wh, outcome.surplus_micro) == (15, 0)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("price", [0, -30_000])
def test_negative_and_zero_prices_are_prices(mechanism: str, price: int) -> None:
    """Who must get rid of energy may ask less than nothing; the buyer is then paid for taking it."""
    market = book(
        [order("b1", "ada", 1_000, price + 10_000), order("b2", "ben", 1_000, price)],
        [order("s1", "cem", 1_000, price - 10_000), order("s2", "dia", 1_000, price)],
    )
    outcome = clear(mechanism, market)
    assert outcome.volume_wh >= 1_000
    require_fair(market, outcome)


def test_feed_in_below_the_export_fee_keeps_energy_at_home() -> None:
    """When the fee eats more than the feed-in price, only a buyer who pays for both gets the energy."""
    seller = order("s", "ada", 1_000, 40_000)  # what feed-in pays
    short = book([order("b", "ben", 1_000, 89_999)], [seller], fee=50_000)
    enough = book([order("b", "ben", 1_000, 90_000)], [seller], fee=50_000)
    for mechanism in ("uniform", "pay-as-bid", "central", "bill-share"):
        assert clear(mechanism, short).volume_wh == 0
        assert pairs(clear(mechanism, enough).matches) == [("b", "s", 1_000, 40_000)]
    assert mid_market(enough, retail_micro_per_kwh=80_000, feed_in_micro_per_kwh=40_000).volume_wh == 0
    paid = book([order("b", "ben", 1_000, 30_000)], [order("s", "ada", 1_000, -20_000)], fee=50_000)
    assert uniform(paid).price_micro_per_kwh == -20_000


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_nobody_trades_with_himself(mechanism: str) -> None:
    """Self-trade is that of one customer, over any of his orders, wallets and meters."""
    market = book(
        [order("b1", "ada", 5, 90), order("b2", "ada", 5, 80)], [order("s1", "ada", 5, 10), order("s2", "ada", 5, 20)]
    )
    assert clear(mechanism, market).matches == []


@pytest.mark.parametrize("mechanism", ["uniform", "pay-as-bid", "central", "bill-share"])
def test_who_cannot_trade_with_himself_trades_with_the_next(mechanism: str) -> None:
    """A customer's own cheaper ask does not stand between his bid and another seller."""
    market = book([order("b", "ada", 5, 100)], [order("own", "ada", 5, 10), order("s", "ben", 5, 20)])
    assert [(match.bid, match.ask) for match in clear(mechanism, market).matches] == [("b", "s")]


def test_partners_are_exchanged_rather_than_volume_lost() -> None:
    """Two customers whose best orders meet their own trade crosswise."""
    market = book(
        [order("b1", "ada", 3, 100), order("b2", "ben", 3, 90)], [order("s1", "ada", 3, 10), order("s2", "ben", 3, 20)]
    )
    assert {(match.bid, match.ask) for match in central(market).matches} == {("b1", "s2"), ("b2", "s1")}


def test_the_greedy_match_is_not_the_best() -> None:
    """The highest bid with the cheapest ask of another, one after the other, would leave ada with herself: 90."""
    market = book(
        [order("b1", "ben", 1_000, 100), order("b2", "ada", 1_000, 95)],
        [order("s1", "cem", 1_000, 10), order("s2", "ada", 1_000, 15)],
    )
    outcome = central(market)
    assert outcome.welfare_micro == 170
    assert {(match.bid, match.ask) for match in outcome.matches} == {("b1", "s2"), ("b2", "s1")}


# ---------------------------------------------------------------- prices


def test_the_uniform_price_is_half_way_between_those_who_could_change_it() -> None:
    """The middle between the last ask or next bid and the last bid or next ask, half a micro rounded down."""
    bids = [order("b1", "ada", 1, 100), order("b2", "ben", 1, 70), order("b3", "cem", 1, 31)]
    asks = [order("s1", "dia", 1, 10), order("s2", "eli", 1, 30), order("s3", "fay", 1, 60)]
    assert uniform(book(bids, asks)).price_micro_per_kwh == (31 + 60) // 2 == 45
    assert uniform(book(bids[:2], asks[:2])).price_micro_per_kwh == (30 + 70) // 2
    assert uniform(book([order("b", "a", 1, -3)], [order("s", "b", 1, -6)])).price_micro_per_kwh == -5


def test_the_fee_is_a_wedge_between_bid_and_ask() -> None:
    """A match needs bid >= ask + fee; prices are the seller's, the buyer pays the fee on top."""
    assert uniform(evening()).volume_wh == 3_000
    assert uniform(evening(fee=100_000)).price_micro_per_kwh == 150_000  # b2 has no gain left
    assert uniform(evening(fee=100_001)).volume_wh == 2_000
    assert uniform(evening(fee=220_000)).matches == [
        Match(bid="b1", ask="s1", energy_wh=1_000, price_micro_per_kwh=80_000, buyer_price_micro_per_kwh=80_000)
    ]


def test_pay_as_bid_leaves_the_seller_the_bid_less_the_fee() -> None:
    """Every buyer pays what it bid, fee included."""
    assert pairs(pay_as_bid(evening(fee=20_000)).matches) == [
        ("b1", "s1", 1_000, 280_000),
        ("b1", "s2", 1_000, 280_000),
        ("b2", "s2", 1_000, 230_000),
    ]


def test_single_units_trade_whole_when_the_next_pair_names_the_price() -> None:
    """McAfee: the middle of the first bid and ask outside, if the last ones inside can live with it."""
    bids = [order(f"b{n}", f"buyer-{n}", 1_000, price) for n, price in enumerate((90, 70, 40))]
    asks = [order(f"s{n}", f"seller-{n}", 1_000, price) for n, price in enumerate((10, 30, 61))]
    outcome = truthful(book(bids, asks))
    assert (outcome.volume_wh, outcome.price_micro_per_kwh, outcome.surplus_micro) == (2_000, 50, 0)


def test_the_last_pair_stands_back_when_the_next_one_cannot_name_the_price() -> None:
    """McAfee: buyers pay the last bid, sellers get the last ask; the difference is left to the operators."""
    bids = [order(f"b{n}", f"buyer-{n}", 1_000, price) for n, price in enumerate((90, 70, 5))]
    asks = [order(f"s{n}", f"seller-{n}", 1_000, price) for n, price in enumerate((10, 30, 31))]
    outcome = truthful(book(bids, asks))
    assert (outcome.volume_wh, outcome.price_micro_per_kwh, outcome.surplus_micro) == (1_000, None, 40)
    assert outcome.matches == [
        Match(bid="b0", ask="s0", energy_wh=1_000, price_micro_per_kwh=30, buyer_price_micro_per_kwh=70)
    ]


def test_orders_of_many_sizes_give_up_the_excess_evenly() -> None:
    """Huang: without the last buyer and seller, the longer side gives up the same Wh for each order."""
    bids = [order("b1", "ada", 4_000, 90), order("b2", "ben", 1_000, 80), order("b3", "cem", 2_000, 50)]
    asks = [order("s1", "dia", 3_000, 10), order("s2", "eli", 4_000, 30)]
    outcome = truthful(book(bids, asks))
    assert outcome.volume_wh == 3_000  # 5,000 wanted, 3,000 there: each buyer gives up 1,000
    assert [(match.bid, match.energy_wh) for match in outcome.matches] == [("b1", 3_000)]
    assert outcome.surplus_micro == (50 - 30) * 3


def test_of_equal_prices_the_smaller_order_stands_back() -> None:
    """Trade reduction gives up as little as it can, whoever came first and whatever the ids are."""
    sizes = {"b1": 1_000, "b2": 3_000}
    asks = [order("s1", "cem", 4_000, 10), order("s2", "dia", 100, 20)]
    for names in (("b1", "b2"), ("b2", "b1")):
        bids = [order(name, f"buyer-{name}", sizes[name], 50) for name in names]
        bids += [order("b0", "ben", 100, 50)]
        assert truthful(book(bids, asks)).volume_wh == 4_000


def test_one_who_could_trade_with_himself_shares_what_is_left_among_his_orders() -> None:
    """The others trade whole, with him alone; his orders share that by energy."""
    market = book(
        [order("own-bid", "ada", 9_000, 100), order("b", "ben", 300, 100)],
        [order("own-1", "ada", 2_000, 0), order("own-2", "ada", 1_000, 0), order("s", "cem", 600, 0)],
    )
    outcome = mid_market(market)
    assert {(match.bid, match.ask, match.energy_wh) for match in outcome.matches} == {
        ("own-bid", "s", 600),
        ("b", "own-1", 200),
        ("b", "own-2", 100),
    }


def test_the_middle_of_the_market_lies_between_retail_and_feed_in() -> None:
    """Half way between what energy costs and earns outside; sellers share the demand by what they have."""
    market = book(
        [order("b1", "ada", 900, 300_000)],
        [order("s1", "ben", 1_000, 60_000), order("s2", "cem", 500, 60_000), order("s3", "dia", 500, 190_001)],
    )
    outcome = mid_market(market, retail_micro_per_kwh=300_000, feed_in_micro_per_kwh=80_000)
    assert outcome.price_micro_per_kwh == 190_000
    assert [(match.ask, match.energy_wh) for match in outcome.matches] == [("s1", 600), ("s2", 300)]
    assert mid_market(market).price_micro_per_kwh == 180_000  # the book's own best prices stand for the outside


def test_a_bill_is_shared_by_energy() -> None:
    """Sellers get their asks; what that comes to is one price for all buyers, rounded up to a micro."""
    outcome = bill_share(evening())
    assert outcome.price_micro_per_kwh is None
    assert [match.price_micro_per_kwh for match in outcome.matches] == [80_000, 150_000, 150_000]
    assert {match.buyer_price_micro_per_kwh for match in outcome.matches} == {126_667}  # 380,000 by 3 kWh
    assert outcome.surplus_micro == 1


def test_welfare_is_rounded_once_and_half_to_even() -> None:
    """Thousandths of a micro unit are summed exactly; the sum alone is rounded."""
    assert [in_micro(value) for value in (499, 500, 501, 1_500, 2_500, -500, -501, -1_500)] == [
        0,
        0,
        1,
        2,
        2,
        0,
        -1,
        -2,
    ]
    bids = [order(f"b{n}", f"buyer-{n}", 1, 300) for n in range(5)]
    assert uniform(book(bids, [order("s", "ada", 5, 0)])).welfare_micro == 2  # five times 0.3 micro


# ---------------------------------------------------------------- feeders


def test_each_pair_of_feeders_has_its_fee() -> None:
    """The coordinator sends energy where it is worth most after the fee; home is cheaper than far."""
    market = book(
        [order("home", "ada", 1_000, 100, "oak"), order("far", "ben", 1_000, 110, "elm")],
        [order("s", "cem", 1_000, 20, "oak")],
        pairs=(Pair(seller_feeder="oak", buyer_feeder="elm", fee_micro_per_kwh=11),),
    )
    assert pairs(central(market).matches) == [("home", "s", 1_000, 60)]
    assert pairs(pay_as_bid(market.replace(bids=market.bids[1:])).matches) == [("far", "s", 1_000, 99)]


def test_energy_is_sent_elsewhere_when_that_helps_a_third() -> None:
    """The first and best pair gives way: oak's cheap ask goes far, so that elm's own can stay at home."""
    market = book(
        [order("b1", "ada", 1_000, 100, "oak"), order("b2", "ben", 1_000, 90, "elm")],
        [order("s1", "cem", 1_000, 10, "oak"), order("s2", "dia", 1_000, 20, "ash")],
        fee=50,
        pairs=(
            Pair(seller_feeder="oak", buyer_feeder="oak", fee_micro_per_kwh=0),
            Pair(seller_feeder="oak", buyer_feeder="elm", fee_micro_per_kwh=5),
            Pair(seller_feeder="ash", buyer_feeder="oak", fee_micro_per_kwh=1),
        ),
    )
    outcome = central(market)
    assert {(match.bid, match.ask) for match in outcome.matches} == {("b1", "s2"), ("b2", "s1")}
    assert outcome.welfare_micro == 79 + 75


def test_a_line_carries_its_limit_and_no_more() -> None:
    """What does not fit the line goes to the next best buyer."""
    market = book(
        [order("far", "ben", 5_000, 200, "elm"), order("home", "ada", 1_000, 100, "oak")],
        [order("s", "cem", 5_000, 20, "oak")],
        pairs=(Pair(seller_feeder="oak", buyer_feeder="elm", limit_wh=3_000),),
    )
    assert {(match.bid, match.energy_wh) for match in central(market).matches} == {("far", 3_000), ("home", 1_000)}


def test_on_a_limited_line_nobody_bids_for_his_own() -> None:
    """A bid that would pay for an ask of its own customer is set aside, and the line keeps its limit."""
    market = book(
        [order("own", "ada", 5_000, 200, "elm"), order("b", "ben", 5_000, 100, "elm")],
        [order("s1", "ada", 5_000, 20, "oak"), order("s2", "cem", 5_000, 30, "oak")],
        pairs=(Pair(seller_feeder="oak", buyer_feeder="elm", limit_wh=3_000),),
    )
    assert pairs(central(market).matches) == [("b", "s1", 3_000, 60)]


@pytest.mark.parametrize("mechanism", ["uniform", "truthful", "mid-market", "bill-share"])
def test_one_price_for_all_needs_one_fee_for_all(mechanism: str) -> None:
    """Mechanisms with one price refuse a book whose pairs of feeders differ in fee, or have limits."""
    orders = [order("b", "ada", 1, 100, "elm")], [order("s", "cem", 1, 20, "oak"), order("t", "cem", 1, 20, "elm")]
    with pytest.raises(FeesDiffer, match=f"{mechanism} has one price for all"):
        clear(mechanism, book(*orders, pairs=(Pair(seller_feeder="oak", buyer_feeder="elm", fee_micro_per_kwh=1),)))
    with pytest.raises(FeesDiffer):
        clear(mechanism, book(*orders, pairs=(Pair(seller_feeder="oak", buyer_feeder="elm", limit_wh=5),)))
    elsewhere = (Pair(seller_feeder="ash", buyer_feeder="fir", fee_micro_per_kwh=9, limit_wh=0),)
    assert clear(mechanism, book(*orders, pairs=elsewhere)) == clear(mechanism, book(*orders))


def test_a_clearing_is_bounded() -> None:
    """With fees by pair, customers who would pay for their own asks multiply the ways: too many are refused."""
    bids = [order(f"b{n}", f"owner-{n}", 1, 100, "elm") for n in range(70)]
    asks = [order(f"s{n}", f"owner-{n}", 1, 20, "oak" if n else "elm") for n in range(70)]
    market = book(bids, asks, pairs=(Pair(seller_feeder="oak", buyer_feeder="elm", fee_micro_per_kwh=1),))
    with pytest.raises(BookTooWide, match="70 groups of asks, 70 of bids: at most 4096 pairs"):
        central(market)
    assert uniform(market.replace(pairs=())).volume_wh == 70


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("market", "at", "field"),
    [
        (book([order("b", "ada", 0, 1)], []), "bid b", "energy_wh"),
        (book([order("b", "ada", -4, 1)], []), "bid b", "energy_wh"),
        (book([], [order("s", "ada", LARGEST_ENERGY_WH + 1, 1)]), "ask s", "energy_wh"),
        (book([], [order("s", "ada", 1, LARGEST_PRICE_MICRO + 1)]), "ask s", "price_micro_per_kwh"),
        (book([], [order("s", "ada", 1, -LARGEST_PRICE_MICRO - 1)]), "ask s", "price_micro_per_kwh"),
        (book([order("b", "", 1, 1)], []), "bid b", "owner"),
        (book([order("b", "ada", 1, 1), order("", "ada", 1, 1)], []), "bid 1", "id"),
        (book([order("b", "ada", 1, 1, "f" * 129)], []), "bid b", "feeder"),
        (book([order("b", "ada", 1, 1)], [order("b", "ben", 1, 1)]), "ask b", "id"),
        (book([], [], fee=-1), "", "fee_micro_per_kwh"),
        (
            book([], [], pairs=(Pair(seller_feeder="x", buyer_feeder="y", fee_micro_per_kwh=-1),)),
            "pair x-y",
            "fee_micro_per_kwh",
        ),
        (book([], [], pairs=(Pair(seller_feeder="x", buyer_feeder="y", limit_wh=-1),)), "pair x-y", "limit_wh"),
        (book([], [], pairs=(Pair(seller_feeder="x", buyer_feeder="y"),) * 2), "pair x-y", "pairs"),
        (book([order(f"b{n}", "ada", 1, 1, f"f{n}") for n in range(33)], []), "", "feeder of the bids"),
    ],
)
def test_a_fault_names_the_order_the_field_and_the_limit(market: Book, at: str, field: str) -> None:
    """Every mechanism refuses a book with a fault, and says what may stand there."""
    fault = fault_of(market)
    assert fault is not None
    assert (fault.order, fault.field) == (at, field)
    assert fault.limit in fault.text or "twice" in fault.text
    for mechanism in MECHANISMS:
        with pytest.raises(BookInvalid) as refused:
            clear(mechanism, market)
        assert refused.value.message == fault.text


def test_a_mechanism_is_one_of_six() -> None:
    """Another name is refused."""
    with pytest.raises(MechanismUnknown, match="uniform, pay-as-bid"):
        clear("lottery", evening())


# ---------------------------------------------------------------- in a contract

PROBE = '''"""Clears what it is given, as a market would what it has stored."""

from chaincode.api import Context, Contract, transaction
from chaincode.book import Book, Cleared, Order
from chaincode.clearing import clear
from chaincode.continuous import place


class Probe(Contract):
    name = "probe"
    version = "1.0.0"

    @transaction
    def clear(self, ctx: Context, mechanism: str, book: Book) -> Cleared:
        done = clear(mechanism, book)
        return done.replace(matches=done.matches[:3])

    @transaction
    def look(self, ctx: Context, mechanism: str, book: Book) -> int:
        return len(book.bids)

    @transaction
    def place(self, ctx: Context, book: Book, side: str, order: Order) -> int:
        return place(book, side, order, ctx.time_ms).rest_wh
'''


@pytest.fixture
def ledger(tmp_path: Path) -> TestLedger:
    (tmp_path / "probe.py").write_text(PROBE)
    for name in ("book", "clearing", "continuous", "one_price", "pairing", "routing", "units"):
        (tmp_path / f"{name}.py").write_text((SOURCES / f"{name}.py").read_text())
    ledger = TestLedger()
    ledger.deploy(tmp_path / "probe.py")
    return ledger


def plain(value: Book | Cleared) -> dict[str, object]:
    return dict(msgspec.to_builtins(value))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_contract_clears_as_this_process_does(ledger: TestLedger, mechanism: str) -> None:
    """The modules pass the check of contracts, and mean in the sandbox what they mean outside."""
    own = book(
        [order("b1", "ada", 900, 100), order("b2", "ben", 400, 90)],
        [order("s1", "ada", 500, 10), order("s2", "ben", 300, 20)],
    )
    for market in (evening(), own):
        found = ledger.submit(ledger.admin(), "probe", "clear", mechanism=mechanism, book=plain(market)).result
        assert found == plain(clear(mechanism, market))
    with pytest.raises(LedgerError) as refused:
        ledger.submit(
            ledger.admin(), "probe", "clear", mechanism=mechanism, book=plain(book([order("b", "a", 0, 0)], []))
        )
    assert refused.value.facts["code"] == "probe.BOOK_INVALID"


def many(orders: int) -> Book:
    """So many orders, about half of which meet."""
    return book(
        [
            order(f"b{n}", f"buyer-{n % 97}", 500 + n * 37 % 1_000, 50_000 + n * 7_919 % 100_000)
            for n in range(orders // 2)
        ],
        [
            order(f"s{n}", f"seller-{n % 97}", 500 + n * 53 % 1_000, 20_000 + n * 6_007 % 100_000)
            for n in range(orders // 2)
        ],
    )


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_what_a_clearing_costs_a_contract(ledger: TestLedger, mechanism: str) -> None:
    """Units of the budget, the arguments' own cost apart: at most 250 an order, so that 1,000 fit half a call."""
    for orders in (100, 1_000):
        market = plain(many(orders))
        whole = ledger.submit(ledger.admin(), "probe", "clear", mechanism=mechanism, book=market)
        before = ledger.submit(ledger.admin(), "probe", "look", mechanism=mechanism, book=market)
        used = whole.receipt.budget_used - before.receipt.budget_used
        assert used < 250 * orders
