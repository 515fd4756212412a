"""docs/prepayment-tokens.md is true: its program runs, its codes are ours (its commands run in tests/docs)."""

from __future__ import annotations

import re
from pathlib import Path

from ledgernode.errors import leaves

PAGE = (Path(__file__).parents[2] / "docs" / "prepayment-tokens.md").read_text(encoding="utf-8")
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_program_of_the_page_runs() -> None:
    """As it stands; it asserts what it says."""
    (source,) = PROGRAM.findall(PAGE)
    known: dict[str, object] = {}
    exec(compile(source, "docs/prepayment-tokens.md", "exec"), known)
    assert "assert token ==" in source


def test_every_code_of_the_page_is_one() -> None:
    """Whoever looks a refusal up finds it."""
    named = set(re.findall(r"`(TOKEN_[A-Z_]+)`", PAGE))
    assert len(named) >= 4
    assert named <= {error.code for error in leaves()}
