"""docs/chaincode.md, done: its files are written out and run as the page says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ledgernode.cli.root import main
from ledgernode.errors import leaves

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parent.parent.parent / "docs" / "chaincode.md"
PAGE = GUIDE.read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)(?: (file|edit)=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(how: str) -> dict[str, str]:
    return {match[3]: match[4] for match in BLOCK.finditer(PAGE) if match[2] == how}


def edited(text: str, edit: str) -> str:
    """The text with each paragraph of the edit applied: its - lines are replaced by its + lines."""
    for change in edit.split("\n\n"):
        lines = change.splitlines()
        before = "\n".join(line[1:] for line in lines if line.startswith("-"))
        after = "\n".join(line[1:] for line in lines if line.startswith("+"))
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def run_tests(folder: Path, *names: str) -> str:
    """As the page says: pytest, in the folder, on these files."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *names]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in blocks("file").items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_contract_and_its_test_run_as_written(folder: Path) -> None:
    """Sections 2 and 3."""
    assert "4 passed" in run_tests(folder, "test_register_book.py")


def test_the_upgrade_runs_as_written(folder: Path) -> None:
    """Section 7: the first version in old/, the edit applied; the first tests hold for the new version too."""
    first = folder / "register_book.py"
    (folder / "old").mkdir()
    (folder / "old" / "register_book.py").write_text(first.read_text())
    first.write_text(edited(first.read_text(), blocks("edit")["register_book.py"]))
    assert "5 passed" in run_tests(folder, "test_register_book.py", "test_upgrade.py")


def test_the_contract_can_fail_its_test(folder: Path) -> None:
    """Without its rule the page's test fails: it is a test."""
    source = folder / "register_book.py"
    rule = "reading.energy_mwh < meter.energy_mwh or "
    assert source.read_text().count(rule) == 1
    source.write_text(source.read_text().replace(rule, ""))
    with pytest.raises(AssertionError, match="1 failed, 3 passed"):
        run_tests(folder, "test_register_book.py")


def commands() -> list[str]:
    lines = "".join(match[4] for match in BLOCK.finditer(PAGE) if match[1] == "sh").splitlines()
    return [line for line in lines if line.startswith("ledgernode ")]


@pytest.mark.parametrize("line", commands())
def test_every_command_of_the_page_exists_with_its_options(line: str, tmp_path: Path) -> None:
    """Parsed as the command line parses it, down to the last option, and not run."""
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, line
        command, words = found, words[1:]
        context = click.Context(command, parent=context)
    # files that the page has made by then
    made = {word: tmp_path / Path(word).name for word in words if word.endswith((".py", ".package", ".json"))}
    for path in made.values():
        path.touch()
    made |= {word: tmp_path for word in words if word.startswith("./") and word not in made}
    command.parse_args(context, [str(made.get(word, word)) for word in words])


def test_every_code_of_the_page_is_one() -> None:
    """The table of refusals names what the ledger gives."""
    known = {error.code for error in leaves()}
    table = PAGE.split("## When it is refused")[1]
    named = re.findall(r"`([A-Z_]{6,})`", table)
    assert len(named) == 10
    assert set(named) <= known
