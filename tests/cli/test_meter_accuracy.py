"""`ledgernode meter accuracy`: the table for people and for programs, and how it ends."""

from __future__ import annotations

import pytest

from tests.cli.command_line import command, done

pytestmark = pytest.mark.slow

FEW = ("--waveforms", "35", "--seed", "4")


def test_the_document_has_a_cell_for_each_current_and_power_factor() -> None:
    """Seven bands by three power factors, seven of direct current, seven by four loads of three phases; creep tests."""
    found = done("meter", "accuracy", *FEW, "--json").document
    assert found["within"] is True
    assert (found["waveforms"], found["seed"]) == (35, 4)
    places = {(cell["current_from"], cell["current_to"], cell["power_factor"]) for cell in found["alternating"]}
    assert len(places) == len(found["alternating"]) == 21
    assert {factor for _, _, factor in places} == {"1", "0.5 lagging", "0.5 leading"}
    for cell in found["alternating"]:
        assert 0 < cell["worst_percent"] <= cell["limit_percent"]
        assert (cell["worst_reactive_percent"] is None) == (cell["power_factor"] == "1")
    assert len(found["direct"]) == 7
    loads = {(cell["current_from"], cell["current_to"], cell["load"]) for cell in found["three_phase"]}
    assert len(loads) == len(found["three_phase"]) == 28
    for kind, meters in (("creep", 10), ("direct_creep", 10), ("three_phase_creep", 5)):
        assert found[kind] == {"meters": meters, "moved": 0, "started": meters}


def test_people_see_a_table() -> None:
    shown = done("meter", "accuracy", *FEW).out
    assert "PF 0.5 lagging" in shown
    assert "12 V DC" in shown
    assert "0 of 25 meters moved" in shown
    assert "held" in shown


def test_a_broken_limit_ends_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is shown all the same."""
    monkeypatch.setattr("devices.metrology.unit.STILL", 0.0)
    ended = command("meter", "accuracy", *FEW)
    assert ended.code == 1
    assert "BROKEN" in ended.out


def test_fewer_waveforms_than_cells_are_refused() -> None:
    assert command("meter", "accuracy", "--waveforms", "34").code == 2
