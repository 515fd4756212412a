"""The simulator notices a broken rule: every mutant is hunted on every run."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, Mutant, hunt

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant: Mutant) -> None:
    """Random schedules end in a violation when this rule is broken."""
    assert hunt(mutant, limit_s=50) is not None
