"""Two lines of sixteen characters, whatever is shown; every page and code documented."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import devices.meter
from devices.customer_unit import CODES, COLUMNS, PAGES, documentation, kwh, money, render
from ledgernode.errors import by_code

PAGE = Path(__file__).parent.parent.parent / "docs" / "customer-unit.md"
WIDEST: dict[str, Any] = {
    "supply": "OFF",
    "energy": "999999.90",
    "seconds": 9_999,
    "kind": "MAGNET",
    "first": "M" * COLUMNS,
    "second": "M" * COLUMNS,
    "count": 24,
    "typed": "9" * COLUMNS,
    "power": -1_818_524,
    "parts": 4,
    "revision": 9,
    "index": "99",
    "head": "60",
    "pan": "0" * COLUMNS,
    "link": "OFF",
    "label": "M" * COLUMNS,
    "tail": "9999",
    "name": "M" * 10,
    "price": "-1000.0000",
    "when": "2027-01-01",
    "limit": 9_999_999,
    "counter": 99_999_999,
    "code": "TOKEN_MALFORMED",
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_two_lines_of_sixteen_and_loses_nothing(page: str) -> None:
    """With the widest values it can get, too."""
    values = WIDEST | ({"energy": "999999.9"} if page.startswith("share") else {})
    for line, template in zip(render(page, values), PAGES[page][:2], strict=True):
        assert len(line) == COLUMNS
        if page != "refused":
            assert line.rstrip() == template.format(**values).rstrip()


@pytest.mark.parametrize("code", [*CODES, "FROM_A_LATER_VERSION"])
def test_a_refusal_shows_its_number(code: str) -> None:
    """And words that fit beside it."""
    first, second = render("refused", {"code": code})
    assert first.startswith(f"E{CODES[code].number:02d} " if code in CODES else "E99 ")
    assert len(first) == len(second) == COLUMNS
    assert code not in CODES or len(CODES[code].first) <= COLUMNS - 4


def test_every_code_that_the_meter_raises_has_a_number_of_its_own() -> None:
    """Found in its sources; codes of tokens are those of the error tree."""
    raised: set[str] = set()
    for source in Path(inspect.getfile(devices.meter)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refused":
                raised |= {each.value for each in node.args if isinstance(each, ast.Constant)}
    assert len(raised) > 10
    assert raised <= set(CODES)
    assert len({code.number for code in CODES.values()}) == len(CODES)
    assert all(by_code(code).code == code for code in CODES if code.startswith("TOKEN_"))


def test_the_page_is_fresh() -> None:
    """`python -m devices.customer_unit > docs/customer-unit.md` changes nothing."""
    printed = subprocess.run(
        [sys.executable, "-m", "devices.customer_unit"], capture_output=True, check=True, text=True
    )
    assert printed.stdout == documentation() == PAGE.read_text()


@pytest.mark.parametrize(
    ("price_micro", "shown"),
    [(0, "0.0000"), (49, "0.0000"), (50, "0.0001"), (476_000, "0.4760"), (-49, "0.0000"), (-50_049, "-0.0500")],
)
def test_a_price_is_rounded_to_a_hundredth_of_a_cent(price_micro: int, shown: str) -> None:
    assert money(price_micro) == shown


@pytest.mark.parametrize(
    ("energy_mwh", "shown"),
    [(0, "0.00"), (9_999, "0.00"), (10_000, "0.01"), (12_345_678, "12.34"), (-7, "0.00"), (-10_000, "-0.01")],
)
def test_energy_is_rounded_toward_zero(energy_mwh: int, shown: str) -> None:
    """Nobody sees more than there is."""
    assert kwh(energy_mwh) == shown
