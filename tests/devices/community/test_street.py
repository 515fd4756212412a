"""Streets: what flows closes, theft and wires are a loss, a bus carries what was bought and no more."""

from __future__ import annotations

import pytest

from devices.community.days import Days
from devices.community.scenario import Event, Scenario, parse_scenario
from devices.community.street import Behaviour, BusStreet, GridStreet, Traded, Transfer, built
from devices.community.wrong import injection

STEP_MS = 15_000
GRID = """\
name: street
title: A street
begins: "11:00"
feeders:
  - name: lane
    rating_va: 25000
    section_milliohm: 20
    houses:
      - name: h1
        load: {daily_wh: 7000}
        panels: {peak_w: 5000}
        battery: {capacity_wh: 5000, power_w: 2000, level_percent: 80}
      - name: h2
        load: {daily_wh: 12000, shape: shop}
"""
BUS = """\
name: bus
title: A bus
feeders:
  - name: bus
    voltage_v: 12
    section_milliohm: 10
    houses:
      - name: h1
        load: {constant_w: 20}
        panels: {constant_w: 60}
        battery: {capacity_wh: 600, power_w: 200, level_percent: 80}
      - name: h2
        load: {constant_w: 30}
        battery: {capacity_wh: 300, power_w: 200, level_percent: 20}
"""


def scenario(text: str) -> Scenario:
    return parse_scenario(text, "test")


def grid() -> GridStreet:
    found = scenario(GRID)
    [street] = built(found, Days(found))
    assert isinstance(street, GridStreet)
    return street


def bus() -> BusStreet:
    found = scenario(BUS)
    [street] = built(found, Days(found))
    assert isinstance(street, BusStreet)
    return street


def behaviours(**changes: Behaviour) -> dict[str, Behaviour]:
    return {"h1": Behaviour(), "h2": Behaviour()} | changes


def test_the_same_seed_is_the_same_day() -> None:
    """And another seed another one."""
    found = scenario(GRID)
    other = scenario(GRID.replace("title: A street", "title: A street\nseed: 2"))
    house = found.houses[1]
    day, again, another = ([Days(one).load_w(house, minute) for minute in range(90)] for one in (found, found, other))
    assert day == again != another


def test_a_day_uses_what_it_is_said_to_use() -> None:
    """Within a fifth: people differ from day to day."""
    found = scenario(GRID)
    days = Days(found)
    used_wh = sum(days.load_w(found.houses[1], minute) for minute in range(1_440)) / 60
    assert used_wh == pytest.approx(12_000, rel=0.2)


def test_what_flows_behind_a_transformer_closes() -> None:
    """Supply and sun are use, batteries, heat and theft; only roundings remain."""
    street = grid()
    steps = 240
    for number in range(steps):
        stolen = Behaviour(stolen_w=800.0 if number > 100 else 0.0)
        shown, head = street.step(number / 4, STEP_MS, behaviours(h2=stolen))
    truth = street.truth
    assert abs(street.imbalance_nwh()) <= 4 * steps
    assert truth.stolen_nwh == pytest.approx(139 * 800 / 240 * 1e9, rel=1e-9)
    assert 0 < truth.heat_nwh < truth.consumed_nwh // 20
    # what meters see is less than the head supplies, by exactly heat and theft
    seen_nwh = sum(one.import_nwh - one.export_nwh for one in shown)
    lost_nwh = head.import_nwh - head.export_nwh - seen_nwh
    assert lost_nwh == pytest.approx(truth.heat_nwh + truth.stolen_nwh, abs=4 * steps)


def test_a_house_without_mains_or_behind_an_open_relay_takes_and_gives_nothing() -> None:
    """Its inverter stands still as well."""
    for behaviour in (Behaviour(mains=False), Behaviour(supplied=False)):
        shown, _ = grid().step(0.0, STEP_MS, behaviours(h1=behaviour))
        assert (shown[0].import_nwh, shown[0].export_nwh, shown[0].generated_nwh) == (0, 0, 0)


def test_a_battery_gives_what_was_sold() -> None:
    """The house exports at least what it has sold for this time."""
    street = grid()
    street.traded("h1", "h2", Traded(0, 15, 375, 100_000))
    shown, _ = street.step(0.0, STEP_MS, behaviours())
    assert shown[0].power_w == pytest.approx(-1_500.0, abs=1.0)


def test_a_bus_carries_what_was_bought_and_no_more_and_closes_exactly() -> None:
    """Only while both relays are closed; the wires' heat is the seller's export less the buyer's import."""
    street = bus()
    bought_nwh = 5 * 10**9
    street.transfers([Transfer(1, "h1", "h2", bought_nwh)])
    shown, _ = street.step(0.0, STEP_MS, behaviours(h1=Behaviour(tie_out=True)))
    assert shown[1].import_nwh == 0
    both = behaviours(h1=Behaviour(tie_out=True), h2=Behaviour(tie_in=True))
    for number in range(1, 40):
        street.transfers([Transfer(1, "h1", "h2", bought_nwh)])
        shown, _ = street.step(number / 4, STEP_MS, both)
    assert shown[1].import_nwh == bought_nwh
    assert shown[0].export_nwh - bought_nwh == street.truth.heat_nwh > 0
    assert street.imbalance_nwh() == 0


def test_a_house_without_grid_misses_what_it_has_not() -> None:
    """An empty battery and no sun: the load is shed, and the balance still closes."""
    street = bus()
    for number in range(900):
        street.step(number / 4, STEP_MS, behaviours())
    truth = street.truth
    assert truth.shed_nwh > 0
    assert street.imbalance_nwh() == 0


FULL = """\
name: full
title: A street with everything
begins: "07:30"
feeders:
  - name: lane
    rating_va: 25000
    section_milliohm: 20
    houses:
      - name: h1
        load: {daily_wh: 5000}
        panels: {peak_w: 6000}
        battery: {capacity_wh: 5000, power_w: 2000, level_percent: 20}
        vehicle: {level_percent: 30, leaves: "08:00", returns: "09:00"}
        machines: [refrigerator, boiler, washing, dishes, television]
      - name: h2
        load: {constant_w: 1000}
"""


def full() -> GridStreet:
    found = scenario(FULL)
    [street] = built(found, Days(found))
    assert isinstance(street, GridStreet)
    return street


def test_a_house_with_a_car_and_machines_closes_too_and_can_go_on() -> None:
    """The car must leave with what it needs, drives, and takes the sun when it is back; half way everything is kept
    and taken up by another street, which lives on to the same registers."""
    street, other = full(), full()
    steps = 4 * 60 * 4
    for number in range(steps):
        if number == steps // 2:
            other.restore(street.standing())
        shown, _ = street.step(number / 4, STEP_MS, behaviours())
        if number >= steps // 2:
            again, _ = other.step(number / 4, STEP_MS, behaviours())
    assert abs(street.imbalance_nwh()) <= 4 * steps
    state = street.homes["h1"].state
    assert state.vehicle is not None
    assert state.vehicle.driven_nwh == 7_000 * 10**9
    assert state.flowed.vehicle_in_nwh > 7_000 * 10**9
    assert street.truth.consumed_nwh > (5_000 * 4 / 24 * 0.4 + 4_000) * 10**9
    assert other.imbalance_nwh() == street.imbalance_nwh()
    assert [(one.import_nwh + one.export_nwh) // 10**12 for one in again] == [
        (one.import_nwh + one.export_nwh) // 10**12 for one in shown
    ], "agents begin anew; what flowed differs by no more than they know"


@pytest.mark.parametrize(
    ("kind", "counted", "stolen"),
    [("bypass", 0.6, 0.4), ("tamper", 0.4, 0.0), ("phase-loss", 2 / 3, 0.0), ("stuck", 0.0, 0.0), ("magnet", 0.0, 0.0)],
)
def test_what_goes_wrong_at_a_meter_is_a_loss_of_the_street(kind: str, counted: float, stolen: float) -> None:
    """The house lives as before, its meter shows less, and what is missing is told in truth and nowhere else."""
    street = grid()
    event = Event(kind=kind, minute=0, house="h2", percent=40)  # type: ignore[arg-type]
    wrong = Behaviour(wrong=(injection(event, 1),))
    honest = grid()
    for number in range(60):
        shown, head = street.step(number / 4, STEP_MS, behaviours(h2=wrong))
        true, _ = honest.step(number / 4, STEP_MS, behaviours())
    assert shown[1].import_nwh == pytest.approx(true[1].import_nwh * counted, abs=60)
    truth = street.truth
    assert truth.stolen_nwh == pytest.approx(true[1].import_nwh * stolen, abs=60)
    assert truth.uncounted_nwh == pytest.approx(true[1].import_nwh * (1 - counted - stolen), abs=60)
    assert truth.consumed_nwh == honest.truth.consumed_nwh
    seen_nwh = sum(one.import_nwh - one.export_nwh for one in shown)
    missing_nwh = head.import_nwh - head.export_nwh - seen_nwh - truth.heat_nwh
    assert missing_nwh == pytest.approx(truth.stolen_nwh + truth.uncounted_nwh, abs=240)
    assert abs(street.imbalance_nwh()) <= 240
