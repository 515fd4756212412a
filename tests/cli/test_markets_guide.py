"""docs/markets.md is true: it shows every mechanism, and its program runs (its commands do in tests/docs)."""

from __future__ import annotations

import re
from pathlib import Path

from chaincode.clearing import MECHANISMS

PAGE = (Path(__file__).parents[2] / "docs" / "markets.md").read_text(encoding="utf-8")
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_shows_every_mechanism() -> None:
    """As its commands, which `tests/docs` runs."""
    commands = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    assert all(f"--mechanism {name} " in commands for name in MECHANISMS)


def test_the_program_of_the_page_runs() -> None:
    """As it stands; it asserts what it says."""
    (source,) = PROGRAM.findall(PAGE)
    known: dict[str, object] = {}
    exec(compile(source, "docs/markets.md", "exec"), known)
    assert "assert rest.energy_wh == 600" in source
