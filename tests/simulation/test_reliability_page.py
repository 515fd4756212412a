"""docs/reliability.md names tests; each of them exists, and says its rule."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| [^|]+ \| ([^|]+) \| `(test_\w+)` \|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "docs/reliability.md").read_text())


def file_of(named: str) -> Path:
    name = named.strip("`")
    if name.startswith("tests/"):
        return ROOT / name
    return Path(__file__).parent / (name if name.endswith(".py") else f"test_scenarios_{name}.py")


@cache
def documented(file: Path) -> dict[str, str | None]:
    """Every function of a test file, and what its docstring says."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {n.name: ast.get_docstring(n) for n in ast.parse(file.read_text()).body if isinstance(n, functions)}


def test_the_page_has_scenarios() -> None:
    """The rows are read at all."""
    assert len(ROWS) > 50


@pytest.mark.parametrize(("named", "test"), ROWS, ids=[test for _, test in ROWS])
def test_a_named_scenario_is_a_test_that_states_its_rule(named: str, test: str) -> None:
    """Nobody is sent to look for what was renamed."""
    assert documented(file_of(named)).get(test), f"{file_of(named)} has no {test}, or it states no rule"
