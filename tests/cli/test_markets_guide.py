"""docs/markets.md is true: its commands print what stands beneath them, and its program runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chaincode.clearing import MECHANISMS

PAGE = (Path(__file__).parents[2] / "docs" / "markets.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END_OF_BLOCK = "--- end of block"


@pytest.mark.slow
def test_every_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    """One shell runs all blocks, in their order, in an empty folder."""
    program = tmp_path / "bin" / "ledgernode"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ledgernode.cli "$@" 2>&1\n')
    program.chmod(0o755)
    blocks = BLOCK.findall(PAGE)
    assert all(f"--mechanism {name} " in "".join(commands for commands, _ in blocks) for name in MECHANISMS)
    ended = subprocess.run(
        ["bash", "-euc", "".join(f"{commands}echo '{END_OF_BLOCK}'\n" for commands, _ in blocks)],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    printed = ended.stdout.split(END_OF_BLOCK + "\n")
    assert printed == [*(shown for _, shown in blocks), ""]


def test_the_program_of_the_page_runs() -> None:
    """As it stands; it asserts what it says."""
    (source,) = PROGRAM.findall(PAGE)
    known: dict[str, object] = {}
    exec(compile(source, "docs/markets.md", "exec"), known)
    assert "assert rest.energy_wh == 600" in source
