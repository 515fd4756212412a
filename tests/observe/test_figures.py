"""Figures: cheap to count, right when read, and each with a name that says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from devices import meter_observed as meter
from devices.fleet import observed as fleet
from gateway import metrics as gateway
from gateway.vending import observed as vending
from ledgernode.observe.figures import Codes, Kind, Sheet, Tally, counter, gauge, histogram
from ledgernode.services import metrics as node
from tests.observe.page import ALL as EVERY
from tests.observe.page import page

ALL = {figure.name: figure for figure in EVERY}


def test_a_tally_counts_below_each_bound() -> None:
    """A value on a bound belongs to it, and what is larger than all is counted too."""
    tally = Tally((1.0, 5.0))
    for value in (0.5, 1.0, 3.0, 7.0):
        tally.add(value)
    tally.add(2.0, times=10)
    assert tally.buckets() == [("1", 2.0), ("5", 13.0), ("+Inf", 14.0)]
    assert (tally.count, tally.sum) == (14, 31.5)


def test_codes_beyond_a_bound_are_counted_together() -> None:
    """A contract that invents codes makes no series without end."""
    codes = Codes()
    for number in range(1_000):
        codes.note(f"CODE_{number}")
    codes.note_all(["CODE_0", "CODE_0", "CODE_999"])
    assert len(codes) == 201
    assert (codes["CODE_0"], codes["OTHER"], codes.total()) == (3, 801, 1_003)


def test_a_sheet_is_read_as_it_was_written() -> None:
    """By Prometheus' own parser, labels and all; what has no value is left out."""
    height = gauge("x_height", "How high.", "ledger")
    calls = counter("x_calls_total", "How many.", "method", "code")
    time = histogram("x_time_seconds", "How long.")
    sheet = Sheet((height, calls, time, gauge("x_nothing", "Nothing.")))
    sheet.put(height, 7, 'en"er\ngy')
    sheet.codes(calls, Codes(OK=3), "Submit")
    tally = Tally((0.1,))
    tally.add(0.05)
    sheet.tally(time, tally)
    read = {family.name: family for family in text_string_to_metric_families(sheet.text().decode())}
    assert read["x_height"].samples[0].labels == {"ledger": 'en"er\ngy'}
    assert read["x_calls"].samples[0].value == 3
    assert [sample.value for sample in read["x_time_seconds"].samples] == [1, 1, 1, 0.05]
    assert "x_nothing" not in read
    assert "process_resident_memory_bytes" in read


@pytest.mark.parametrize("name", ALL)
def test_each_figure_says_what_it_is(name: str) -> None:
    """Names as Prometheus wants them; help that ends like a sentence."""
    figure = ALL[name]
    assert name.startswith("ledgernode_")
    assert name.endswith("_total") is (figure.kind is Kind.COUNTER)
    assert figure.help.endswith(".")
    assert not {"le", "job", "instance"} & set(figure.labels)
    assert name.endswith(("_seconds", "_seconds_total")) is (figure.unit == "seconds")


def test_no_name_is_given_twice() -> None:
    """But for what several processes have: their loop, their log, their traces."""
    shared = {figure.name for figure in node.FIGURES} & {figure.name for figure in gateway.FIGURES}
    assert shared == {
        "ledgernode_event_loop_lag_seconds",
        "ledgernode_log_lines_total",
        "ledgernode_trace_spans_total",
    }
    for figures in (node.FIGURES, gateway.FIGURES, vending.FIGURES, meter.FIGURES, fleet.FIGURES):
        assert len({figure.name for figure in figures}) == len(figures)


def test_the_page_of_metrics_is_current() -> None:
    """`python -m tests.observe.page > docs/metrics.md`."""
    assert Path("docs/metrics.md").read_text() == page()
