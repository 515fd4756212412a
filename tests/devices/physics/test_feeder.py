"""A feeder's balance follows from its wires; theft leaves a loss that they do not explain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.physics.feeder import HEAD, Feeder, Section, flows
from ledgernode.errors import FeederOverloaded


@st.composite
def trees(draw: st.DrawFn) -> tuple[Feeder, list[complex]]:
    """Up to twelve houses, any shape, loads and generation that wires of this size carry."""
    count = draw(st.integers(1, 12))
    ohms = st.floats(0, 0.05)
    sections = tuple(Section(draw(st.integers(HEAD, n - 1)), draw(ohms), draw(ohms)) for n in range(count))
    loads = [complex(draw(st.floats(-3_000, 3_000)), draw(st.floats(-1_000, 1_000))) for _ in range(count)]
    return Feeder(230.0, sections), loads


@given(trees())
def test_what_the_head_supplies_is_taken_or_lost(tree: tuple[Feeder, list[complex]]) -> None:
    """Nothing in the sweep assumes it."""
    feeder, loads = tree
    found = flows(feeder, loads)
    assert found.supply_w == pytest.approx(sum(load.real for load in loads) + found.loss_w, abs=1e-3)
    assert found.loss_w >= 0
    reactance_var = sum(
        abs(current) ** 2 * section.reactance_ohm
        for section, current in zip(feeder.sections, found.currents, strict=True)
    )
    assert found.head_va.imag == pytest.approx(sum(load.imag for load in loads) + reactance_var, abs=1e-3)


@given(trees())
def test_ohm_and_kirchhoff_hold(tree: tuple[Feeder, list[complex]]) -> None:
    """Along each section, and at each house."""
    feeder, loads = tree
    found = flows(feeder, loads)
    for number, section in enumerate(feeder.sections):
        before = feeder.head_v if section.parent == HEAD else found.voltages[section.parent]
        assert before - found.voltages[number] == pytest.approx(section.impedance * found.currents[number], abs=1e-6)
        own = (loads[number] / found.voltages[number]).conjugate()
        behind = sum(found.currents[n] for n, other in enumerate(feeder.sections) if other.parent == number)
        assert found.currents[number] == pytest.approx(own + behind, abs=1e-6)


def test_one_house_on_one_wire_is_a_quadratic_equation() -> None:
    """V*I is the load and V + R*I the head: 2,300 W behind 0.5 ohm at 230 V."""
    found = flows(Feeder(230.0, (Section(HEAD, 0.5),)), [2_300 + 0j])
    volts = (230 + (230**2 - 4 * 0.5 * 2_300) ** 0.5) / 2
    assert found.voltages[0] == pytest.approx(volts)
    assert found.loss_w == pytest.approx((2_300 / volts) ** 2 * 0.5)


def test_a_neighbours_panels_spare_the_line() -> None:
    """Energy that goes next door is not lost on the way from the transformer."""
    feeder = Feeder(230.0, (Section(HEAD, 0.3), Section(0, 0.05)))
    alone = flows(feeder, [2_000 + 0j, 0j])
    shared = flows(feeder, [2_000 + 0j, -1_900 + 0j])
    assert shared.loss_w < alone.loss_w / 5
    assert abs(shared.voltages[1]) > abs(shared.voltages[0])
    given_back = flows(feeder, [0j, -3_000 + 0j])
    assert given_back.supply_w < 0
    assert abs(given_back.voltages[1]) > 230


def test_theft_is_a_loss_that_no_wire_explains() -> None:
    """Ten houses; one takes 1.5 kW past its meter. What is missing is the theft and what its current heats."""
    feeder = Feeder(230.0, (Section(HEAD, 0.02), *(Section(n, 0.01) for n in range(9))))
    loads = [800 + 200j] * 10
    honest = flows(feeder, loads)
    assert honest.supply_w - 8_000 == pytest.approx(honest.loss_w, abs=1e-3)
    stolen = [*loads[:6], loads[6] + 1_500, *loads[7:]]
    found = flows(feeder, stolen)
    unexplained_w = found.supply_w - 8_000 - found.loss_w
    assert unexplained_w == pytest.approx(1_500, abs=1e-3)


def test_more_than_the_wires_carry_is_refused() -> None:
    """Beyond V²/4R no state exists."""
    with pytest.raises(FeederOverloaded):
        flows(Feeder(230.0, (Section(HEAD, 1.0),)), [20_000 + 0j])


def test_an_empty_feeder_carries_nothing() -> None:
    found = flows(Feeder(230.0, ()), [])
    assert (found.supply_w, found.loss_w) == (0, 0)


def test_a_section_begins_where_one_before_it_ends() -> None:
    with pytest.raises(AssertionError):
        Feeder(230.0, (Section(0, 0.1),))
