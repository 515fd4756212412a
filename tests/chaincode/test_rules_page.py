"""The page of rules names tests that exist; and rules about what contracts do not do, read from their sources."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent.parent
CONTRACTS = TESTS.parent / "src" / "chaincode"
PAGE = (TESTS.parent / "docs" / "rules.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`((?:sts/)?[a-z_0-9]+)::([a-z_0-9]+)`")
MOVERS = {
    "billing",
    "closing",
    "deliveries",
    "matching",
    "orders",
    "prepaid",
    "prepaid_steps",
    "relief",
    "settlement",
    "strategies",
    "vending",
}
"""Modules of the contracts market, settlement, prepaid and billing."""


@cache
def documented(path: Path) -> frozenset[str]:
    """The tests of a file that say their rule."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and ast.get_docstring(node))


def test_every_rule_of_the_page_has_a_test_that_says_it() -> None:
    """Each row names tests with a docstring, or says which later part keeps it."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| rule", "| mech"))]
    assert len(rows) > 70
    for row in rows:
        named = NAMED.findall(row)
        assert named or row.split(" | ")[-1].strip(" |") in ("device", "page"), row
        for file, name in named:
            folder, _, stem = file.rpartition("/")
            assert f"test_{name}" in documented(TESTS / (folder or "chaincode") / f"test_{stem}.py"), (file, name)


def test_only_these_contracts_move_money() -> None:
    """No other contract charges energy: registry, tariff, metering and feeder never call the currency."""
    found = {
        path.stem
        for path in CONTRACTS.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node).startswith("ctx.call('currency',")
    }
    assert found == MOVERS


def test_no_contract_asks_for_a_pin() -> None:
    """The chaincode never sees a PIN: no argument, field or variable of that name is in any contract."""
    for path in CONTRACTS.glob("*.py"):
        words = {
            word for name in re.findall(r"[A-Za-z_]+", path.read_text(encoding="utf-8")) for word in name.split("_")
        }
        assert not words & {"pin", "PIN"}, path.name
