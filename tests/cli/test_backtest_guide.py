"""docs/backtest.md and docs/forecast.md are true: their commands print what stands beneath them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```sh\n(.*?)^```\n```text\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
BLOCKS = {
    f"{page}-{number}": found
    for page in ("backtest", "forecast")
    for number, found in enumerate(BLOCK.findall((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")), 1)
}


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS)
def test_every_command_prints_what_the_page_shows(block: str, tmp_path: Path) -> None:
    """At the root of the project."""
    commands, shown = BLOCKS[block]
    program = tmp_path / "ledgernode"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ledgernode.cli "$@" 2>&1\n')
    program.chmod(0o755)
    ended = subprocess.run(
        ["bash", "-euc", commands],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=55,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout == shown


def test_both_pages_show_something() -> None:
    """Their examples are found."""
    assert {name.partition("-")[0] for name in BLOCKS} == {"backtest", "forecast"}
