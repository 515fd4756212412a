"""The sizing guide: sums that can be followed by hand, and a page that says what the calculator says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ledgernode.bench import sizing
from ledgernode.bench.sizing import Fleet, size
from tests.cli.command_line import done

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/sizing.md").read_text()


def test_the_page_holds_the_table_that_the_calculator_makes() -> None:
    """python -m ledgernode.bench.sizing, between the marks."""
    found = re.search(r"<!-- sizing: begin -->\n(.*?)<!-- sizing: end -->", PAGE, re.DOTALL)
    assert found is not None
    assert found[1] == sizing.page()


def test_a_hundred_thousand_meters_by_hand() -> None:
    """100,000 meters, one reading an hour, each alone: the page's example, line by line."""
    found = size(Fleet(100_000, 60))
    assert found.transactions_per_s == pytest.approx(27.78, abs=0.01)
    assert found.offered_bytes_per_s == pytest.approx(27.78 * 326, rel=0.001)
    assert found.cores == pytest.approx(27.78 * 1_627e-6, rel=0.001)
    assert found.network_bytes_per_s == pytest.approx(27.78 * 326 * 1.5, rel=0.001)
    assert found.disk_bytes_per_year == pytest.approx(27.78 * 86_400 * 365 * 5_124, rel=0.001)
    assert (found.engine, found.ledgers, found.gateways) == ("pbft", 1, 20)


def test_a_day_at_once_costs_a_fraction_of_its_readings_alone() -> None:
    """What each transaction costs, however many rows it has, is paid once."""
    alone, at_once = size(Fleet(1_000_000, 15)), size(Fleet(1_000_000, 15, 96))
    assert alone.readings_per_s == at_once.readings_per_s
    assert alone.cores > 30 * at_once.cores
    assert alone.disk_bytes_per_year > 30 * at_once.disk_bytes_per_year


@pytest.mark.parametrize("meters", sizing.STEPS)
def test_no_ledger_is_planned_beyond_half_a_core(meters: int) -> None:
    """A ledger's execution is one line: more work needs more ledgers, not more cores."""
    for minutes, together in sizing.REPORTING:
        found = size(Fleet(meters, minutes, together))
        assert found.cores / found.ledgers <= sizing.BUSY
        assert (found.log_bytes_per_s > 0) == (found.engine == "jetstream")


def test_every_constant_is_told_on_the_page() -> None:
    """A figure that nobody can look up is a guess."""
    for name in ("TRANSACTION_US", "ROW_US", "SETTLE_US", "GATEWAY_US", "MODEL_US", "ENVELOPE_BYTES", "DISK_BYTES"):
        assert f"{getattr(sizing, name):,}" in PAGE, name


def test_the_command_says_the_same() -> None:
    """ledgernode bench size, for one's own numbers."""
    found = done("bench", "size", "--meters", 100_000, "--period", 60, "--json").document
    assert (found["ledgers"], found["engine"], found["gateways"]) == (1, "pbft", 20)
