"""From readings to bills: a short month of a few houses, and what the command says of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledgernode.bench.bills import Bills, Plan, expected
from ledgernode.errors import LedgerError
from tests.cli.command_line import done

HOUSES, DAYS = 20, 3


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bills, list[tuple[int, int]]]]:
    """A month that was gone through, and all that it told on the way."""
    told: list[tuple[int, int]] = []
    with Bills(Plan(HOUSES, 60, DAYS), tmp_path_factory.mktemp("month")) as measured:
        for _, step in measured.steps:
            step(lambda finished, total: told.append((finished, total)))
        yield measured, told


def test_readings_become_bills_whose_every_line_is_right(month: tuple[Bills, list[tuple[int, int]]]) -> None:
    """Every meter's every reading is recorded and settled, every house billed once; the figures are of that run.

    Three houses of ten have a second meter. On the first of these days the clocks go forward. Days are settled by UTC,
    so that two hours more are read; a meter begins with what it shows before the first interval.
    """
    found, told = month[0].figures(), month[1]
    assert (found.houses, found.meters, found.invoices) == (HOUSES, HOUSES + 6, HOUSES)
    assert found.readings == found.meters * (DAYS * 24 - 1 + 2 + 1)
    phases = {one.name: one for one in found.phases}
    assert list(phases) == ["found", "settle", "sign", "check", "record", "bill", "audit"]
    assert phases["record"].transactions == found.meters * (DAYS + 1) == found.transactions
    assert phases["settle"].timer_calls > 0 < phases["bill"].timer_calls
    assert found.blocks >= found.transactions / 400
    assert all(one.seconds >= 0 for one in found.phases)
    assert found.readings_per_s == pytest.approx(found.readings / found.seconds, rel=0.05)
    assert found.billed_minor > 0
    assert found.disk_bytes > 100 * found.readings
    assert found.peak_memory_bytes > 10_000_000
    assert told[-1] == (HOUSES, HOUSES)
    assert (found.readings, found.readings) in told


def test_an_invoice_that_is_not_right_is_found(
    month: tuple[Bills, list[tuple[int, int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check is no formality: one minor unit beside what it works out, and it refuses."""

    def dearer(*args: Any) -> dict[str, tuple[int, int]]:
        made = expected(*args)
        quantity, amount_minor = made["tax "]
        return made | {"tax ": (quantity, amount_minor + 1)}

    monkeypatch.setattr("ledgernode.bench.bills.expected", dearer)
    with pytest.raises(LedgerError, match="is not what its meter counted"):
        month[0].audit(lambda finished, total: None)


def test_bills_are_worked_out_exactly() -> None:
    """Half to even, once a line: 0.125 and 0.375 of a cent above a whole one, days of a month of 31."""
    made = expected({"day": 1_000_000, "night": 0}, 0, 31)
    assert made == {"import day": (1_000_000, 32), "levy grid": (1_000_000, 6), "fixed ": (31, 950), "tax ": (988, 188)}
    assert expected({"day": 0, "night": 0}, 1_000_000, 1)["feed_in feed-in"] == (1_000_000, -8)


@pytest.mark.slow
def test_the_command_says_what_was_measured() -> None:
    """A quarter of an hour each, and a row for each phase."""
    found = done("bench", "bills", "--houses", 3, "--days", 1, "--interval", "15m", "--json").document
    assert (found["houses"], found["interval_minutes"], found["days"], found["invoices"]) == (3, 15, 1, 3)
    assert {one["name"] for one in found["phases"]} >= {"sign", "check", "record", "settle", "bill"}
    assert "readings a second" in done("bench", "bills", "--houses", 1, "--days", 1).out
