"""A slice of `make bench-console`: every question of the explorer, over HTTP, by each who may ask it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suites.explorer import EVERYBODY, measured, place, served, slow, told

PATIENT_MS = 5_000
"""This machine may be busy; how fast it is on a quiet one stands in docs/performance.md."""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_question_of_the_explorer_is_answered_over_http(tmp_path: Path) -> None:
    """By a real gateway, before a real node, from a read model of made-up blocks that came the way of real ones."""
    with place(tmp_path, 500, month_rows=720) as at, served(tmp_path, at) as origin:
        figures = measured(origin, at.people, runs=2)
    assert slow(figures, PATIENT_MS) == []
    assert {role for by in figures.values() for role in by} == set(EVERYBODY)
    assert len(figures) > 40
    assert "| a block by hash |" in told(figures)
