"""The table of what replaces each key names tests that are there."""

from __future__ import annotations

import re

import pytest

from tests.docs.reading import ROOT

PAGE = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)))
KINDS = (
    "root", "issuing", "member's signing", "member's TLS", "validator's signing", "node's TLS", "gateway's TLS",
    "broker's TLS", "vending key", "webhook", "meter's signing", "customer's key", "wallet",
)  # fmt: skip


@pytest.mark.parametrize(("file", "function"), NAMED, ids=[function or file for file, function in NAMED])
def test_a_test_that_the_page_names_is_there(file: str, function: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert f"def {function}" in text


def test_every_kind_of_key_has_its_row() -> None:
    """With a test in its last cell, or the one of the row above."""
    rows = [line for line in PAGE.partition("## How each kind is replaced")[2].splitlines() if line.startswith("| ")]
    for kind in KINDS:
        [row] = [line for line in rows if kind in line.split("|")[1]]
        assert "`tests/" in row or "the same" in row
