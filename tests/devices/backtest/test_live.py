"""What limits do to what a strategy wants, and what is believed of a delivery."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from devices.backtest.live import (
    BUDGET,
    CHEAPEST_ASK,
    DAY_LIMIT,
    DEAREST_BID,
    ORDER_LIMIT,
    Limits,
    Used,
    cost_micro,
    decide,
    guarded,
    outlook_of,
)
from devices.backtest.trader import used_of
from devices.history.series import DAY_MS, HOUR_MS, Series
from devices.house.strategy import ASK, BID, FixedPrice, Order
from tests.devices.backtest.plans import TERMS

ORDERS = st.lists(
    st.builds(Order, st.sampled_from([BID, ASK]), st.integers(1, 10_000), st.integers(-50_000, 500_000)), max_size=6
)
LIMITS = st.builds(
    Limits,
    order_wh=st.sampled_from([0, 700]),
    day_wh=st.sampled_from([0, 5_000]),
    dearest_bid_micro=st.none() | st.integers(0, 400_000),
    cheapest_ask_micro=st.none() | st.integers(0, 400_000),
    day_budget_micro=st.sampled_from([0, 1_000_000]),
)


def test_each_limit_is_named() -> None:
    """One order, one limit each."""
    bid, ask = Order(BID, 2_000, 300_000), Order(ASK, 2_000, 50_000)
    for order, limits, allowed_wh, name in (
        (bid, Limits(order_wh=500), 500, ORDER_LIMIT),
        (bid, Limits(day_wh=1_200), 1_200, DAY_LIMIT),
        (bid, Limits(dearest_bid_micro=299_999), 0, DEAREST_BID),
        (ask, Limits(cheapest_ask_micro=50_001), 0, CHEAPEST_ASK),
        (bid, Limits(day_budget_micro=300_000), 1_000, BUDGET),
    ):
        allowed, (held,) = guarded([order], limits, Used())
        assert [one.energy_wh for one in allowed] == ([allowed_wh] if allowed_wh else [])
        assert (held.order, held.allowed_wh, held.limit) == (order, allowed_wh, name)
    assert guarded([bid, ask], Limits(), Used()) == ((bid, ask), ())


@given(ORDERS, LIMITS)
def test_limits_hold_whatever_is_wanted(wanted: list[Order], limits: Limits) -> None:
    """Nothing is larger or dearer than it was wanted, and no sum passes a limit."""
    allowed, _ = guarded(wanted, limits, Used())
    for order in allowed:
        assert any(
            (order.side, order.price_micro) == (one.side, one.price_micro) and order.energy_wh <= one.energy_wh
            for one in wanted
        )
        assert not limits.order_wh or order.energy_wh <= limits.order_wh
    for side in (BID, ASK):
        total = sum(order.energy_wh for order in allowed if order.side == side)
        assert not limits.day_wh or total <= limits.day_wh
    cost = sum(cost_micro(order) for order in allowed if order.side == BID)
    assert not limits.day_budget_micro or cost <= limits.day_budget_micro + len(wanted)


def test_what_was_ordered_before_counts() -> None:
    """Filled and open, of that UTC day alone; cancelled energy is given back."""
    row = {"side": BID, "price_micro": 200_000, "left_wh": 0, "filled_wh": 0, "from_ms": DAY_MS, "status": "open"}
    own = [
        {**row, "filled_wh": 300, "left_wh": 200},
        {**row, "filled_wh": 100, "left_wh": 400, "status": "cancelled"},
        {**row, "left_wh": 900, "from_ms": 2 * DAY_MS},
        {**row, "side": ASK, "filled_wh": 50, "status": "matched"},
    ]
    assert used_of(own, 1) == Used(bid_wh=600, ask_wh=50, bid_cost_micro=120_000)


def test_a_delivery_is_believed_to_be_as_a_day_before() -> None:
    """Where that is not known, as the last interval that is; without any, nothing is ordered."""
    load = np.arange(48, dtype=np.int64) * 10_000
    known = np.ones(48, dtype=np.bool_)
    known[47] = False
    load[47] = 0
    shown = Series("p", 0, HOUR_MS, load, np.zeros(48, dtype=np.int64), known)
    assert outlook_of(shown, 2 * DAY_MS - HOUR_MS, 2 * DAY_MS + HOUR_MS, TERMS).load_wh == (23 + 24) * 10
    assert outlook_of(shown, 3 * DAY_MS, 3 * DAY_MS + HOUR_MS, TERMS).load_wh == 460
    nothing = Series(
        "p", 0, HOUR_MS, np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.bool_)
    )
    assert decide(FixedPrice(), outlook_of(nothing, DAY_MS, DAY_MS + HOUR_MS, TERMS), Limits(), Used()).orders == ()
