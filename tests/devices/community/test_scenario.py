"""Scenarios: strict documents, whose errors say file, line, field and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.community.days import Days
from devices.community.scenario import found_scenario, parse_scenario, read_scenario, shipped
from devices.history.reading import read_houses
from devices.history.series import resampled
from ledgernode.errors import BadRequest

GOOD = """\
name: street
title: A street
feeders:
  - name: lane
    rating_va: 25000
    houses:
      - name: h1
        load: {daily_wh: 7000}
        payment: prepaid
      - name: h2
        load: {constant_w: 300}
        panels: {peak_w: 3000}
        battery: {capacity_wh: 5000, power_w: 2000}
events:
  - {kind: theft, minute: 5, house: h2, power_w: 500}
"""


def refusal(text: str) -> str:
    with pytest.raises(BadRequest) as refused:
        parse_scenario(text, "mine.yaml")
    return str(refused.value)


def test_a_scenario_is_read_with_its_defaults() -> None:
    """What is not said is what the document's words say."""
    found = parse_scenario(GOOD, "mine.yaml")
    assert [house.name for house in found.houses] == ["h1", "h2"]
    assert (found.engine, found.pace, found.begins_minute, found.on_grid) == ("solo", 60, 600, True)
    assert found.events[0].until_minute == 35


@pytest.mark.parametrize(
    ("was", "instead", "said"),
    [
        ("rating_va: 25000", "rating_kva: 25", "mine.yaml:4: feeders[0]: Object contains unknown field `rating_kva`"),
        ("daily_wh: 7000", "daily_wh: 7.5", "mine.yaml:8: feeders[0].houses[0].load.daily_wh: Expected `int | null`"),
        ("peak_w: 3000", "peak_w: -5", "mine.yaml:12: feeders[0].houses[1].panels.peak_w: Expected `int` >= 1"),
        (
            "daily_wh: 7000",
            "daily_wh: 7000, constant_w: 3",
            "houses[0].load: say one of daily_wh, constant_w, intervals_wh",
        ),
        ("name: h2", "name: h1", "mine.yaml:10: feeders[0].houses[1].name: another house is called h1"),
        ("house: h2", "house: h3", "mine.yaml:15: events[0].house: no house is called h3: the houses are h1, h2"),
        (", power_w: 500", "", "mine.yaml:15: events[0]: a theft needs power_w"),
        ("minute: 5", "minute: 500", "events[0].minute: minute 500 never comes: the scenario lasts 120 minutes"),
        ("kind: theft", "kind: arson", "mine.yaml:15: events[0].kind: Invalid enum value 'arson'"),
        ("title: A street", "title: A street\ntitle: B", "mine.yaml:3: title stands here twice: leave one of them"),
        (
            "rating_va: 25000",
            "voltage_v: 230",
            "mine.yaml:4: feeders[0]: a feeder on the grid has a transformer: say its rating_va",
        ),
        ("feeders:", "feeders: [", "this is no YAML"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_to_do(was: str, instead: str, said: str) -> None:
    """Unknown words, numbers that are none or out of bounds, things that nobody built."""
    assert was in GOOD
    assert said in refusal(GOOD.replace(was, instead, 1))


def test_sharing_wants_two_houses_that_prepay() -> None:
    """Units live in meters that have a purse."""
    event = "  - {kind: share, minute: 1, house: h1, to: h2, energy_wh: 100}\n"
    assert "events[1].to: units are shared with another house with `payment: prepaid`" in refusal(GOOD + event)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_what_is_shipped_is_right(name: str) -> None:
    """Each is found by its name, and says where it comes from."""
    found = read_scenario(found_scenario(name))
    assert found.name == name
    assert found.title


def test_an_unknown_name_is_told_what_there_is() -> None:
    """A file or a name."""
    with pytest.raises(BadRequest, match=r"there is no scenario nowhere: name a file, or one of .*two-houses"):
        found_scenario("nowhere")


def test_a_measured_house_lives_as_it_was_measured(tmp_path: Path) -> None:
    """Load and sun of a real file, quarter by quarter, to the Wh; what the file does not say is refused."""
    file = Path(__file__).parents[2] / "data" / "citylearn2022" / "Building_1.csv"
    text = GOOD.replace("load: {daily_wh: 7000}", f"measured: {{file: {file}, day: 3}}")
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    found = read_scenario(path)
    [series] = read_houses([file])
    quarters = resampled(series, 900_000)
    first = 3 * 96 + 40  # the fourth day, 10:00
    house = found.houses[0]
    assert house.load is not None
    assert house.load.intervals_wh is not None
    assert len(house.load.intervals_wh) == 8
    assert sum(house.load.intervals_wh) == sum(quarters.load_mwh[first : first + 8]) // 1_000
    days = Days(found)
    used_wh = sum(days.load_w(house, minute) for minute in range(120)) / 60
    assert used_wh == pytest.approx(sum(house.load.intervals_wh))
    path.write_text(text.replace("day: 3", "day: 90000"))
    with pytest.raises(BadRequest, match="does not say all of 120 minutes"):
        read_scenario(path)
