"""The balance of a feeder in one interval: what its houses made and used, who could share it, what got lost.

    import, export   of a house, at its connection: facts, they are what settlement classes
    G                what its own plant generated; C = import + G - export is what it used, its battery inside
    self             min(G, C): used behind the meter. What is left of G is its surplus, what is left of C its need
    pool             the surpluses together; they go to the needs in proportion, by largest remainder
    deficit          sum C - sum G when that is above zero, else the feeder has a surplus: both at the connections
    loss             T + sum export - sum import, T positive into the feeder. That is T + G - C
    u                what class errors and clocks can make of that: a fault is only below -u

The allocation is the source's own: a report that pays nobody. A house without a generation meter shows only what
crosses its connection: G is taken for its export. A house whose battery gives more than it uses has a C below zero;
nothing is self-consumed then, and what it gives is surplus like any other.

Loss belongs to the grid operator, never to the participants. Its technical part is I²R of the feeder's current at
its head, estimated; what houses pass to one another on the way is not seen there, so it is a lower bound. Class errors
and clocks are taken at their worst, all in one direction: an honest set of meters never gives a fault.

Pure functions over integers (mWh, mW, ms, micro); no state.
"""

from collections.abc import Sequence

from chaincode.api import Record
from chaincode.units import MICRO, half_even, largest_remainder

HOUR_MS = 3_600_000
EDGES = 2
"""A clock that is wrong moves energy over both ends of an interval."""


class House(Record):
    """One house's energy of an interval; `generation_mwh` None where nothing measures it."""

    import_mwh: int
    export_mwh: int
    generation_mwh: int | None = None


class Allocation(Record):
    """By house, in their order: what it made, used, used of its own, gave to the pool and took from it; all in mWh."""

    generation_mwh: list[int]
    consumption_mwh: list[int]
    self_mwh: list[int]
    given_mwh: list[int]
    taken_mwh: list[int]
    pool_mwh: int
    surplus_mwh: int
    deficit_mwh: int


class Losses(Record):
    """What got lost, and what can be said of it. `uncertainty_mwh` is u; a fault is a loss below -u."""

    loss_mwh: int
    technical_mwh: int
    non_technical_mwh: int
    uncertainty_mwh: int
    fault: bool


def allocate(houses: Sequence[House]) -> Allocation:
    """The source's allocation: own use first, then the pool by what is still needed.

    Of a pool larger than all needs each gives in proportion to its surplus; both sides sum to the same, exactly.
    What is left of the pool is the feeder's surplus, what is left of the needs its deficit.
    """
    generation: list[int] = []
    consumption: list[int] = []
    own: list[int] = []
    surpluses: list[int] = []
    needs: list[int] = []
    for house in houses:
        made_mwh = house.export_mwh if house.generation_mwh is None else house.generation_mwh
        used_mwh = house.import_mwh + made_mwh - house.export_mwh
        generation.append(made_mwh)
        consumption.append(used_mwh)
        own.append(max(min(made_mwh, used_mwh), 0))
        surpluses.append(max(made_mwh - used_mwh, 0))
        needs.append(max(used_mwh - made_mwh, 0))
    pool_mwh, needed_mwh = sum(surpluses), sum(needs)
    shared_mwh = min(pool_mwh, needed_mwh)
    return Allocation(
        generation_mwh=generation,
        consumption_mwh=consumption,
        self_mwh=own,
        given_mwh=largest_remainder(shared_mwh, surpluses),
        taken_mwh=largest_remainder(shared_mwh, needs),
        pool_mwh=pool_mwh,
        surplus_mwh=pool_mwh - shared_mwh,
        deficit_mwh=needed_mwh - shared_mwh,
    )


def losses(
    supply_mwh: int, imports: Sequence[int], exports: Sequence[int], technical_mwh: int, uncertainty_mwh: int
) -> Losses:
    """L = T + sum X - sum I, apart into technical and the rest. Only for an interval that every meter covers."""
    loss_mwh = supply_mwh + sum(exports) - sum(imports)
    return Losses(
        loss_mwh=loss_mwh,
        technical_mwh=technical_mwh,
        non_technical_mwh=loss_mwh - technical_mwh,
        uncertainty_mwh=uncertainty_mwh,
        fault=loss_mwh < -uncertainty_mwh,
    )


def uncertainty(
    passed_mwh: int, head_passed_mwh: int, class_micro: int, head_class_micro: int, skew_ms: int, interval_ms: int
) -> int:
    """u: how far L can be off. `passed_mwh`: what went through all houses' registers, both ways; rounded up.

    A register of class c is off by c of what passed it; a clock that is off by so much by what passes meanwhile,
    at the interval's own mean power, at both its ends.
    """
    class_part = passed_mwh * class_micro + head_passed_mwh * head_class_micro
    clock_part = (passed_mwh + head_passed_mwh) * EDGES * skew_ms * MICRO // interval_ms
    return -(-(class_part + clock_part) // MICRO)


def technical_loss(apparent_mva: int, resistance_milliohm: int, low_mv: int, phases: int, interval_ms: int) -> int:
    """I²R over an interval, in mWh: the current that this apparent power makes in each phase of this voltage.

    S in mVA, R in mOhm, U in mV: the thousandths cancel, and p * (S / (p * U))² * R is in mW.
    """
    heat_mw_mv2 = apparent_mva * apparent_mva * resistance_milliohm
    return half_even(heat_mw_mv2 * interval_ms, phases * low_mv * low_mv * HOUR_MS)


def mean_power(energy_mwh: int, interval_ms: int) -> int:
    """mW that give this energy in an interval."""
    return half_even(energy_mwh * HOUR_MS, interval_ms)
