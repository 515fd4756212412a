"""docs/security.md claims nothing that no test holds: each row of its table names tests that there are."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parent.parent.parent
_PAGE: Final = _ROOT / "docs" / "security.md"
_HEADING: Final = "## Claims, and their tests"
_TEST: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def claims() -> dict[str, list[tuple[str, str]]]:
    """Of the table: each claim, and the tests that it names."""
    section = _PAGE.read_text(encoding="utf-8").partition(_HEADING)[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {claim: _TEST.findall(tests) for claim, tests in rows[1:]}


@cache
def defined_in(file: str) -> frozenset[str]:
    path = _ROOT / file
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("claim", claims())
def test_a_claim_names_tests_that_there_are(claim: str) -> None:
    named = claims()[claim]
    assert named, "a claim without a test is a wish"
    missing = [f"{file}::{test}" for file, test in named if test not in defined_in(file)]
    assert not missing


def test_the_table_is_read_whole() -> None:
    """A page that is written otherwise would claim nothing, and pass."""
    assert len(claims()) > 30
