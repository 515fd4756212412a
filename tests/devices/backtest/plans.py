"""Small communities for tests, and random ones for laws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from devices.backtest.plan import Plan, planned
from devices.history.series import HOUR_MS, Series
from devices.house.strategy import CostPlus, FixedPrice, PriceFollower, Strategy, Terms, ZeroIntelligence
from devices.physics.battery import Battery

TERMS = Terms(retail_micro=300_000, feed_in_micro=60_000, fee_micro=10_000)
TAXED = Terms(retail_micro=300_000, feed_in_micro=60_000, fee_micro=10_000, levy_micro=5_000, tax_micro=190_000)
STRATEGIES: tuple[Strategy, ...] = (FixedPrice(), ZeroIntelligence(7), PriceFollower(3_000), CostPlus(20_000))
SMALL = Battery(capacity_wh=4_000, charge_w=2_000.0, discharge_w=2_500.0, standing_w=3.0)


def house(name: str, load_wh: Sequence[int], pv_wh: Sequence[int]) -> Series:
    load, pv = (1_000 * np.array(values, dtype=np.int64) for values in (load_wh, pv_wh))
    return Series(name, 0, HOUR_MS, load, pv, np.ones(len(load), dtype=np.bool_))


def plan(
    *houses: tuple[Sequence[int], Sequence[int]],
    terms: Terms = TERMS,
    batteries: Sequence[Battery | None] = (None,),
    strategies: Sequence[Strategy] = (FixedPrice(),),
    expected: Sequence[tuple[Sequence[int], Sequence[int]]] | None = None,
    seed: int = 1,
) -> Plan:
    """Houses as (load, generation) in Wh, hour by hour."""
    named = [house(f"house-{number}", *energies) for number, energies in enumerate(houses, 1)]
    believed = None
    if expected is not None:
        believed = [tuple(1_000 * np.array(side, dtype=np.int64) for side in sides) for sides in expected]
    return planned(
        named,
        retail_micro=[terms.retail_micro],
        terms=terms,
        batteries=batteries,
        strategies=strategies,
        expected=believed,  # type: ignore[arg-type]  # pairs, as written above
        seed=seed,
    )


@st.composite
def plans(draw: st.DrawFn, *, batteries: bool = True, surprises: bool = True, strategies: bool = True) -> Plan:
    """Up to five houses over up to a day."""
    hours, count = draw(st.integers(1, 24)), draw(st.integers(1, 5))
    energies = st.lists(st.integers(0, 6_000), min_size=hours, max_size=hours)
    pairs = st.lists(st.tuples(energies, energies), min_size=count, max_size=count)
    chosen = draw(st.lists(st.sampled_from(STRATEGIES), min_size=1, max_size=3)) if strategies else [FixedPrice()]
    return plan(
        *draw(pairs),
        terms=draw(st.sampled_from([TERMS, TAXED])),
        batteries=draw(st.lists(st.sampled_from([None, SMALL]), min_size=1, max_size=3)) if batteries else [None],
        strategies=chosen,
        expected=draw(st.none() | pairs) if surprises else None,
        seed=draw(st.integers(0, 99)),
    )
