"""Parameters that would stop a ledger are refused before they are in force."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import BadArguments, BadParameters, GovernanceRefused
from ledgernode.execution.system.parameters import changed
from ledgernode.wire.parameters import Parameters


def test_numbers_that_a_ledger_cannot_live_with_are_refused() -> None:
    """By the same rules as in genesis, against the parameters as they would be."""
    with pytest.raises(BadParameters, match="block_budget"):
        changed(Parameters(), {"view_timeout_ms": 1_500})
    assert changed(Parameters(), {"view_timeout_ms": 1_500, "block_budget": 3_750_000}).view_timeout_ms == 1_500


@pytest.mark.parametrize(
    "changes", [{}, {"colour": 1}, {"budget": "many"}, {"budget": True}, {"budget": None}, {"budget": [1]}]
)
def test_what_is_no_parameter_is_refused(changes: dict[str, object]) -> None:
    """Unknown names and wrong types are the caller's mistake, told as such."""
    with pytest.raises(BadArguments):
        changed(Parameters(), changes)


def test_a_change_that_changes_nothing_is_refused() -> None:
    """Nobody should vote on it."""
    with pytest.raises(GovernanceRefused, match="already"):
        changed(Parameters(), {"budget": Parameters().budget})


@given(st.integers(1, 100_000))
def test_a_change_touches_what_it_names_and_nothing_else(block_transactions: int) -> None:
    """The other fields stay as they are."""
    before = Parameters(block_transactions=100_000 if block_transactions != 100_000 else 1)
    after = changed(before, {"block_transactions": block_transactions})
    assert after == msgspec.structs.replace(before, block_transactions=block_transactions)
