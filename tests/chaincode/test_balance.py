"""A feeder's balance, checked against a plain reckoning in fractions that was written separately."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chaincode.balance import (
    HOUR_MS,
    House,
    allocate,
    losses,
    mean_power,
    technical_loss,
    uncertainty,
)

KWH = 1_000_000
QUARTER_MS = 900_000

energies = st.integers(0, 30)
houses = st.builds(House, import_mwh=energies, export_mwh=energies, generation_mwh=st.one_of(st.none(), energies))
towns = st.lists(houses, max_size=6)


def house(imported: int, exported: int, generation: int | None = None) -> House:
    return House(import_mwh=imported, export_mwh=exported, generation_mwh=generation)


def solar(generation: int, consumption: int) -> House:
    """A house of which only G and C are known: I = max(C - G, 0), X = max(G - C, 0)."""
    return house(max(consumption - generation, 0), max(generation - consumption, 0), generation)


# ---------------------------------------------------------------- the allocation, against a plain reckoning


def plain_shares(total: int, wanted: list[int]) -> list[int]:
    """Among all ways to round each exact share down or up so that they sum, the one nearest to the exact shares;
    of equally near ones that which rounds up the first."""
    if not total:
        return [0] * len(wanted)
    exact = [Fraction(total * each, sum(wanted)) for each in wanted]
    down = [math.floor(share) for share in exact]
    missing = total - sum(down)
    best: tuple[Fraction, tuple[int, ...]] | None = None
    for chosen in combinations(range(len(wanted)), missing):
        made = [share + (at in chosen) for at, share in enumerate(down)]
        distance = sum((abs(share - true) for share, true in zip(made, exact, strict=True)), Fraction(0))
        if best is None or (distance, chosen) < best:
            best = distance, chosen
    assert best is not None
    return [share + (at in best[1]) for at, share in enumerate(down)]


@given(towns)
@example([])
def test_the_allocation_is_that_of_a_plain_reckoning(town: list[House]) -> None:
    """Self-consumption is min(G, C); the pool goes to what is still needed, in proportion, by largest remainder."""
    made = allocate(town)
    generation = [each.export_mwh if each.generation_mwh is None else each.generation_mwh for each in town]
    consumption = [each.import_mwh + g - each.export_mwh for each, g in zip(town, generation, strict=True)]
    assert made.generation_mwh == generation
    assert made.consumption_mwh == consumption
    over = [g - c if g > c else 0 for g, c in zip(generation, consumption, strict=True)]
    under = [c - g if c > g else 0 for g, c in zip(generation, consumption, strict=True)]
    for own, g, c in zip(made.self_mwh, generation, consumption, strict=True):
        assert own == (0 if c < 0 else min(g, c))
    shared = min(sum(over), sum(under))
    assert made.taken_mwh == plain_shares(shared, under)
    assert made.given_mwh == plain_shares(shared, over)
    assert (made.pool_mwh, made.surplus_mwh, made.deficit_mwh) == (sum(over), sum(over) - shared, sum(under) - shared)


@given(towns)
def test_no_energy_comes_or_goes_in_the_allocation(town: list[House]) -> None:
    """What is made is used by who made it, given or surplus; what is used is one's own, taken, or from the grid."""
    made = allocate(town)
    assert sum(made.given_mwh) == sum(made.taken_mwh)
    assert made.pool_mwh == sum(made.given_mwh) + made.surplus_mwh
    balance = sum(each.import_mwh - each.export_mwh for each in town)
    assert made.deficit_mwh - made.surplus_mwh == balance
    assert sum(made.consumption_mwh) - sum(made.generation_mwh) == balance
    assert min(made.surplus_mwh, made.deficit_mwh) == 0
    for at in range(len(town)):
        g, c = made.generation_mwh[at], made.consumption_mwh[at]
        assert 0 <= made.given_mwh[at] <= max(g - c, 0)
        assert 0 <= made.taken_mwh[at] <= max(c - g, 0)
        if c >= 0:
            assert made.self_mwh[at] + max(g - c, 0) == g


@given(towns, st.randoms(use_true_random=False))
def test_the_order_of_houses_moves_no_more_than_a_rounding(town: list[House], random: object) -> None:
    """Sums are the same in any order; a share by at most one mWh, that of the largest remainder."""
    order = list(range(len(town)))
    random.shuffle(order)  # type: ignore[attr-defined]
    here, there = allocate(town), allocate([town[at] for at in order])
    assert (here.pool_mwh, here.surplus_mwh, here.deficit_mwh) == (there.pool_mwh, there.surplus_mwh, there.deficit_mwh)
    for place, at in enumerate(order):
        assert here.self_mwh[at] == there.self_mwh[place]
        assert abs(here.taken_mwh[at] - there.taken_mwh[place]) <= 1
        assert abs(here.given_mwh[at] - there.given_mwh[place]) <= 1


@given(towns)
def test_shares_are_in_proportion(town: list[House]) -> None:
    """Each share lies within one mWh of the exact one, and who needs more never gets less."""
    made = allocate(town)
    needs = [max(c - g, 0) for g, c in zip(made.generation_mwh, made.consumption_mwh, strict=True)]
    shared = sum(made.taken_mwh)
    for need, taken in zip(needs, made.taken_mwh, strict=True):
        if sum(needs):
            assert abs(taken - Fraction(shared * need, sum(needs))) < 1
    ranked = sorted(zip(needs, made.taken_mwh, strict=True))
    for (need, taken), (more, got) in pairwise(ranked):
        assert need == more or taken <= got


# ---------------------------------------------------------------- the cases of the domain


def test_nothing_is_generated() -> None:
    """G = 0: nothing is shared, all of C comes from the grid."""
    made = allocate([solar(0, 3), solar(0, 5)])
    assert (made.pool_mwh, made.taken_mwh, made.deficit_mwh, made.surplus_mwh) == (0, [0, 0], 8, 0)


def test_nothing_is_used() -> None:
    """C = 0: all that is generated is surplus."""
    made = allocate([solar(3, 0), solar(5, 0)])
    assert (made.pool_mwh, made.given_mwh, made.surplus_mwh, made.deficit_mwh) == (8, [0, 0], 8, 0)


def test_nothing_at_all_happens() -> None:
    """G = C = 0, also where there is no house."""
    for town in ([], [solar(0, 0), solar(0, 0)]):
        made = allocate(town)
        assert (made.pool_mwh, made.surplus_mwh, made.deficit_mwh, sum(made.self_mwh)) == (0, 0, 0, 0)


def test_one_house_shares_with_nobody() -> None:
    """One house: its own use, and the rest from or to the grid."""
    assert allocate([solar(3, 5)]).deficit_mwh == 2
    made = allocate([solar(5, 3)])
    assert (made.self_mwh, made.pool_mwh, made.given_mwh, made.surplus_mwh) == ([3], 2, [0], 2)


def test_all_are_prosumers() -> None:
    """Each uses its own first; who has more gives to who has less, by need."""
    made = allocate([solar(10, 4), solar(1, 3), solar(2, 6)])
    assert made.self_mwh == [4, 1, 2]
    assert (made.pool_mwh, made.given_mwh, made.taken_mwh) == (6, [6, 0, 0], [0, 2, 4])
    assert (made.surplus_mwh, made.deficit_mwh) == (0, 0)


def test_the_battery_is_inside_consumption() -> None:
    """C = I + G - X: a battery that fills is use; one that empties into the feeder is surplus, and no self-use."""
    filling, emptying = house(0, 1, 5), house(0, 4, 0)
    made = allocate([filling, emptying])
    assert made.consumption_mwh == [4, -4]
    assert made.self_mwh == [4, 0]
    assert made.pool_mwh == 5


def test_both_registers_may_move_in_one_interval() -> None:
    """Real registers may both move: C is still I + G - X."""
    made = allocate([house(2, 3, 4)])
    assert (made.consumption_mwh, made.self_mwh, made.surplus_mwh) == ([3], [3], 1)


def test_without_a_generation_meter_generation_is_what_leaves_the_house() -> None:
    """What is made and used behind the connection is not seen, and not guessed."""
    made = allocate([house(2, 5)])
    assert (made.generation_mwh, made.consumption_mwh, made.surplus_mwh) == ([5], [2], 3)


# ---------------------------------------------------------------- loss


@given(st.integers(-50, 50), towns, st.integers(0, 5), st.integers(0, 20))
def test_loss_is_what_went_in_and_did_not_come_out(
    supply: int, town: list[House], technical: int, uncertain: int
) -> None:
    """L = T + sum X - sum I = T + G - C; its two parts sum to it; a fault only below -u."""
    imports, exports = [each.import_mwh for each in town], [each.export_mwh for each in town]
    found = losses(supply, imports, exports, technical, uncertain)
    made = allocate(town)
    assert found.loss_mwh == supply + sum(made.generation_mwh) - sum(made.consumption_mwh)
    assert found.technical_mwh + found.non_technical_mwh == found.loss_mwh
    assert found.fault == (found.loss_mwh + uncertain < 0)


def test_a_fault_is_only_below_the_uncertainty() -> None:
    """At -u the meters may still be honest; one mWh less and they cannot be."""
    assert not losses(0, [0], [0], 0, 0).fault
    assert not losses(90, [100], [0], 0, 10).fault
    assert losses(89, [100], [0], 0, 10).fault


@given(
    st.lists(st.tuples(st.integers(0, 10**7), st.floats(-1, 1)), min_size=1, max_size=6),
    st.floats(-1, 1),
    st.integers(0, 20_000),
    st.integers(0, 20_000),
)
def test_honest_meters_never_give_a_fault(
    shown: list[tuple[int, float]], head_error: float, class_micro: int, head_class_micro: int
) -> None:
    """u takes class errors at their worst: meters within their class stay above -u, whatever each one's error is."""
    imports = [energy for energy, _ in shown]
    supply = sum(
        (Fraction(energy) * (1 + Fraction(error) * class_micro / 10**6) for energy, error in shown), Fraction(0)
    )
    measured = supply / (1 + Fraction(head_error) * head_class_micro / 10**6)
    head = math.ceil(measured)
    bound = uncertainty(sum(imports), head, class_micro, head_class_micro, 0, QUARTER_MS)
    assert not losses(head, imports, [0] * len(imports), 0, bound).fault


def test_the_uncertainty_is_class_and_clock() -> None:
    """1 % of 10 kWh, 0.5 % of 4 kWh, and 9 s of 900 at both ends of all 14: rounded up."""
    assert uncertainty(10 * KWH, 4 * KWH, 10_000, 5_000, 0, QUARTER_MS) == 120_000
    assert uncertainty(10 * KWH, 4 * KWH, 0, 0, 9_000, QUARTER_MS) == 280_000
    assert uncertainty(1, 0, 1, 0, 0, QUARTER_MS) == 1
    assert uncertainty(0, 0, 10_000, 5_000, 5_000, QUARTER_MS) == 0


@given(
    st.integers(0, 10**9), st.integers(0, 10**4), st.integers(10**5, 10**6), st.integers(1, 3), st.integers(1, 10**7)
)
def test_technical_loss_is_current_squared_times_resistance(
    apparent: int, resistance: int, low: int, phases: int, interval: int
) -> None:
    """In SI units: each phase carries S / (p U); p I² R over the time, to the nearest mWh."""
    amperes = Fraction(apparent, 1_000) / phases / Fraction(low, 1_000)
    watts = phases * amperes**2 * Fraction(resistance, 1_000)
    exact = watts * 1_000 * interval / HOUR_MS
    assert abs(technical_loss(apparent, resistance, low, phases, interval) - exact) <= Fraction(1, 2)


def test_technical_loss_of_a_known_feeder() -> None:
    """12.7 A in each of three phases of 100 mOhm: 48.4 W, 12.1 Wh in a quarter of an hour."""
    assert technical_loss(8_762_887, 100, 230_000, 3, QUARTER_MS) == 12_096


@pytest.mark.parametrize(("energy", "power"), [(2_125_000, 8_500_000), (-250_000, -1_000_000), (0, 0)])
def test_mean_power_of_an_interval(energy: int, power: int) -> None:
    """2.125 kWh in a quarter of an hour are 8.5 kW; what flows back is below zero."""
    assert mean_power(energy, QUARTER_MS) == power
