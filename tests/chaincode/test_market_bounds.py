"""What one call can clear bounds a book; money behind an order is rounded so that it always suffices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chaincode.calendar import FIXED_UTC
from chaincode.orders import Order, affordable_wh, cost_minor, most_orders, spread
from chaincode.venue import Market, Venue, Wedge

HOUR_MS = 3_600_000


def venue(mechanism: str = "uniform", wedges: int = 0) -> Venue:
    market = Market(id="a:m", operator="a", area="a:a", mechanism=mechanism, zone=FIXED_UTC, cap_micro=1_000_000)
    between = [Wedge(from_feeder=f"a:{at}", to_feeder="a:x", fee_micro=1, account="") for at in range(wedges)]
    return Venue(market=market, wedges=between, interval_ms=HOUR_MS // 4, digits=4)


def test_a_book_is_no_larger_than_one_call_clears() -> None:
    """Fees by pair cost a flow over pairs of feeders; a shared bill a trade for each pair of orders."""
    assert most_orders(venue(), 20) == 800
    assert [most_orders(venue("central", 1), feeders) for feeders in (1, 3, 4, 8, 20)] == [250, 250, 200, 50, 8]
    assert most_orders(venue("bill_share"), 20) == 34


@given(
    micro=st.integers(-(10**6), 10**7),
    tax=st.integers(0, 10**6),
    energy=st.integers(1, 10**6),
    digits=st.integers(0, 6),
)
def test_money_for_energy_suffices_and_not_a_unit_less_would(micro: int, tax: int, energy: int, digits: int) -> None:
    """What is set aside pays all of it; the most that money pays costs no more than that."""
    amount = cost_minor(micro, tax, energy, digits)
    exact_pico = energy * 1_000 * max(micro, 0) * (1_000_000 + tax)
    assert (amount - 1) * 10 ** (18 - digits) < exact_pico <= amount * 10 ** (18 - digits)
    assert affordable_wh(micro, tax, amount, digits) >= energy
    assert affordable_wh(micro, tax, -1, digits) == 0
    if micro > 0:
        most = affordable_wh(micro, tax, amount, digits)
        assert cost_minor(micro, tax, most, digits) <= amount


@given(before=st.integers(0, 10**6), more=st.integers(0, 10**6), quarters=st.integers(1, 96))
def test_energy_is_spread_evenly_and_grows_nowhere_backwards(before: int, more: int, quarters: int) -> None:
    """Over the intervals of a delivery, to a Wh; so open and sold parts of an order always add up in each."""
    order = Order(
        number=1,
        market="a:m",
        side="ask",
        kind="limit",
        point="a:p",
        customer="a:c",
        wallet="w",
        feeder="a:f",
        energy_wh=1,
        left_wh=1,
        price_micro=1,
        from_ms=0,
        until_ms=quarters * HOUR_MS // 4,
        expires_ms=0,
        cover_micro=0,
        tax_micro=0,
        levy_micro=0,
        held_minor=0,
        placed_ms=0,
    )
    small, large = spread(before, order, venue()), spread(before + more, order, venue())
    assert sum(large) == before + more
    assert max(large) - min(large) <= 1
    assert all(one <= other for one, other in zip(small, large, strict=True))
