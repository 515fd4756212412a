"""Three phases and a neutral: everything that flows in is taken or lost, and uneven phases lose more."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.house.catalogue import HOME_BATTERY, family
from devices.house.house import step
from devices.house.occupants import Doing
from devices.house.standing import Moment, Standing, Wanted
from devices.house.weather import Air
from devices.physics.feeder import HEAD, Feeder, Section, flows
from devices.physics.four_wires import Cable, Street, Three, flowing
from ledgernode.errors import FeederOverloaded

LOADS = st.tuples(*(st.builds(complex, st.floats(-3_000, 4_000), st.floats(-800, 800)) for _ in range(3)))
TREE = (HEAD, 0, 1, 1, 3)


@st.composite
def streets(draw: st.DrawFn) -> tuple[Street, list[Three]]:
    cables = tuple(
        Cable(parent, draw(st.floats(0.001, 0.05)), draw(st.floats(0, 0.02)), draw(st.none() | st.floats(0.001, 0.1)))
        for parent in TREE
    )
    return Street(230.0, cables), [draw(LOADS) for _ in TREE]


@settings(deadline=None, max_examples=60)
@given(streets())
def test_what_the_head_supplies_is_taken_or_lost(drawn: tuple[Street, list[Three]]) -> None:
    """To a millionth of a watt, whatever flows in which direction on which phase."""
    street, loads = drawn
    state = flowing(street, loads)
    taken_w = sum(va.real for house in loads for va in house)
    assert state.supply_w == pytest.approx(taken_w + state.loss_w, abs=1e-3)
    assert state.loss_w >= 0
    for number, (house, volts) in enumerate(zip(loads, state.voltages, strict=True)):
        children = [state.currents[each] for each, parent in enumerate(TREE) if parent == number]
        for phase in range(3):
            own = state.currents[number][phase] - sum(child[phase] for child in children)
            assert volts[phase] * own.conjugate() == pytest.approx(house[phase], abs=1e-3)


def test_even_phases_need_no_neutral() -> None:
    """Each is as if it had a wire of its own and none back; voltages are those of one phase with half of the wire."""
    street = Street(230.0, tuple(Cable(parent, 0.04) for parent in TREE))
    state = flowing(street, [(1_000 + 300j,) * 3] * 5)
    single = flows(Feeder(230.0, tuple(Section(parent, 0.04) for parent in TREE)), [1_000 + 300j] * 5)
    assert max(state.neutral_v) < 1e-6
    assert state.loss_w == pytest.approx(3 * single.loss_w)
    for volts, alone in zip(state.voltages, single.voltages, strict=True):
        assert [abs(volt) for volt in volts] == pytest.approx([abs(alone)] * 3)


def test_one_phase_alone_is_a_wire_out_and_a_wire_back() -> None:
    """The same power on one phase: the neutral carries all of it, the wires lose six times as much as evenly spread."""
    street = Street(230.0, (Cable(HEAD, 0.05),))
    alone = flowing(street, [(3_000, 0, 0)])
    even = flowing(street, [(1_000, 1_000, 1_000)])
    single = flows(Feeder(230.0, (Section(HEAD, 0.1),)), [3_000])
    assert alone.loss_w == pytest.approx(single.loss_w)
    assert abs(alone.voltages[0][0]) == pytest.approx(abs(single.voltages[0]))
    assert 5.9 < alone.loss_w / even.loss_w < 6.4
    first, second, third = (abs(volt) for volt in alone.voltages[0])
    assert first < 230 < second == pytest.approx(third, abs=0.01)
    assert alone.neutral_v[0] == pytest.approx(abs(alone.currents[0][0]) * 0.05)


def test_sun_on_one_phase_flows_back_on_it_alone() -> None:
    """The sum is taken, one phase gives: reverse flow that a meter of sums does not see; its voltage rises."""
    street = Street(230.0, (Cable(HEAD, 0.1), Cable(0, 0.1)))
    state = flowing(street, [(500, 2_000, 2_000), (-3_500, 200, 200)])
    assert state.supply_w > 0
    assert state.reverse_phases == (0,)
    assert abs(state.voltages[1][0]) > 230 > abs(state.voltages[1][1])
    assert flowing(street, [(0, 0, 0), (-1_000, -1_000, -1_000)]).supply_w < 0


def test_more_than_the_wires_carry_is_refused() -> None:
    """Nothing is computed of a street without voltage."""
    with pytest.raises(FeederOverloaded):
        flowing(Street(230.0, (Cable(HEAD, 2.0),)), [(20_000, 0, 0)])


def test_houses_of_three_phases_see_the_streets_voltages() -> None:
    """What a house's connection shows goes to the street, and the street's voltages to the house."""
    street = Street(230.0, (Cable(HEAD, 0.15), Cable(0, 0.15)))
    houses = [family("a", phases=3, peak_w=9_000), family("b", phases=3, battery=HOME_BATTERY)]
    standing = [Standing.begun(house) for house in houses]
    volts: list[tuple[float, ...]] = [(230.0,) * 3] * 2
    for _ in range(3):
        moments = [Moment(0, 60_000, Air(172, 12.0), Doing(600.0), voltages_v=each) for each in volts]
        stepped = [step(*each, Wanted()) for each in zip(houses, standing, moments, strict=True)]
        loads = [each.va for each in stepped]
        state = flowing(street, loads)  # type: ignore[arg-type]
        volts = [tuple(abs(volt) for volt in house) for house in state.voltages]
    assert state.supply_w < -5_000
    assert all(phase.voltage_mv > 230_500 for phase in stepped[0].phases)
    shown = [phase.voltage_mv / 1_000 for phase in stepped[1].phases]
    assert shown == pytest.approx(volts[1], abs=0.01)
    assert math.isclose(sum(va.real for house in loads for va in house) + state.loss_w, state.supply_w, abs_tol=1e-3)
