"""Pages that are made from the code are as the code is; and all pages together are a site without a broken link."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs import commands, schemas
from tests.docs.reading import ROOT, documents


@pytest.mark.parametrize("made", [commands, schemas], ids=["docs/cli.md", "docs/grpc.md"])
def test_a_page_is_as_its_sources_are(made: ModuleType) -> None:
    """By the command that it names, in a process of its own: click keeps how a command was asked first."""
    command = [sys.executable, "-m", made.__name__]
    written = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    page: Path = made.PAGE
    assert page.read_text(encoding="utf-8") == written, f"{page.relative_to(ROOT)} is old"


def test_every_call_and_command_is_told() -> None:
    assert "### ledgernode node run\n" in commands.PAGE.read_text(encoding="utf-8")
    told = schemas.PAGE.read_text(encoding="utf-8")
    assert "| `SubmitMany` |" in told
    assert "| `Connect` | stream of ConnectRequest | stream of ConnectResponse |" in told


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_site_has_every_page_and_no_broken_link(tmp_path: Path) -> None:
    """As `make site` builds it: a warning is an error."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-c", "docs/site", "docs", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4_000:]
    pages = [path.relative_to(ROOT / "docs") for path in documents() if path.is_relative_to(ROOT / "docs")]
    assert [str(page) for page in pages if not (tmp_path / page.with_suffix(".html")).exists()] == []
