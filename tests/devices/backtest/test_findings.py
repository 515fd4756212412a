"""Figures by hand, and what is None."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.backtest.findings import gini_micro, jain_micro
from devices.backtest.mechanisms import MARKETS
from devices.backtest.money import in_minor
from devices.backtest.study import studied
from devices.backtest.yardsticks import YARDSTICKS
from tests.devices.backtest.plans import TAXED, plan


def test_two_houses_by_hand() -> None:
    """One hour, 2 kWh lacking, 1 kWh left; retail 0.30, feed-in 0.06, fee 0.01."""
    study = studied(plan(([2_000], [0]), ([0], [1_000])))
    bills = {found.mechanism: [house.bill_minor for house in found.houses] for found in study.found}
    assert bills["grid-only"] == [60, 0]
    assert bills["feed-in"] == [60, -6]
    assert bills["net-metering"] == [60, -6]
    assert bills["pay-as-bid"] == [60, -29], "the buyer pays its bid of 0.30, of which the seller gets 0.29"
    assert bills["bill-share"] == [37, -6], "the seller gets its ask; the buyer pays 0.06 + 0.01 for half"
    assert bills["mid-market"] == [48, -18], "0.175 for one kWh: 0.185 + 0.30, and 0.175; halves to the even"
    uniform = study.of("uniform")
    assert (uniform.volume_wh, uniform.trades, uniform.price_micro) == (1_000, 1, 60_000 + (290_000 - 60_000))
    assert (uniform.self_sufficiency_micro, uniform.self_consumption_micro) == (500_000, 1_000_000)
    assert (uniform.fee_minor, uniform.surplus_minor, uniform.conserved) == (1, 0, True)


def test_net_metering_counts_a_month_against_itself() -> None:
    """3 kWh given and 2 taken in one month: 2 at retail, 1 at feed-in."""
    study = studied(plan(([2_000, 0], [0, 3_000])))
    assert study.of("net-metering").bill_minor == -6
    assert study.of("feed-in").bill_minor == 60 - 18


def test_tax_and_levy_are_part_of_a_buyers_bill() -> None:
    """Pay-as-bid at what the grid costs: the same bill as from the grid, to the rounding of a bid."""
    study = studied(plan(([1_000], [0]), ([0], [1_000]), terms=TAXED), digits=6)
    assert study.of("feed-in").houses[0].bill_minor == 300_000
    assert 0 <= study.of("feed-in").houses[0].bill_minor - study.of("pay-as-bid").houses[0].bill_minor <= 2


def test_what_is_not_defined_is_none() -> None:
    """A community that neither takes nor gives has no price, no ratio and no fairness; nor has one without trade."""
    empty = studied(plan(([0, 0], [0, 0]), ([0, 0], [0, 0])))
    for found in empty.found:
        assert found.bill_minor == 0
        for figure in ("saving_micro", "price_micro", "self_sufficiency_micro", "self_consumption_micro", "jain_micro"):
            assert getattr(found, figure) is None, figure
    alone = studied(plan(([500], [0])))
    assert alone.of("uniform").price_micro is None
    assert alone.of("uniform").self_consumption_micro is None
    assert alone.of("uniform").self_sufficiency_micro == 0
    assert alone.of("uniform").gini_micro is None


def test_every_mechanism_and_yardstick_is_there() -> None:
    """In their order."""
    study = studied(plan(([500], [100])))
    assert [found.mechanism for found in study.found] == [*YARDSTICKS, *MARKETS]


@pytest.mark.parametrize(
    ("shares", "jain", "gini"),
    [
        ([5, 5, 5, 5], 1_000_000, 0),
        ([8, 0, 0, 0], 250_000, 750_000),
        ([1, 2, 3], 857_142, 222_222),
        ([0, 0], None, None),
        ([3, -1], None, None),
        ([], None, None),
    ],
)
def test_fairness(shares: list[int], jain: int | None, gini: int | None) -> None:
    """Jain's index and Gini's coefficient by hand."""
    assert (jain_micro(shares), gini_micro(shares)) == (jain, gini)


@given(st.integers(-(10**15), 10**15))
def test_money_is_rounded_to_the_nearest(nano: int) -> None:
    """A half goes to the even one."""
    assert abs(in_minor(nano, 2) * 10**7 - nano) <= 5 * 10**6
    assert in_minor(5 * 10**6, 2) == 0
    assert in_minor(15 * 10**6, 2) == 2
