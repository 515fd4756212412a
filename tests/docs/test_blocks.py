"""Each shell block of each document is followed by a test, or says why not; what it names exists."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ledgernode.cli.root import main
from tests.docs.reading import COMMANDS, ROOT, blocks, documents, logical_lines, named, shell

WITH_BLOCKS = [named(document) for document in documents() if shell(document)]
_TOOLS = COMMANDS - {"cat", "echo", "make", "python", "git", "kind", "pip", "rm"}
"""Whoever writes one of these at the beginning of a line of code means a shell (the others are words, too)."""
_CODE = re.compile(r"^(?:    |)(?:\$ )?(" + "|".join(sorted(_TOOLS)) + r") \S")
_INLINE = re.compile(r"`((?:ledgernode|make) [^`]+)`")
_TARGETS = frozenset(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("document", [named(document) for document in documents()])
def test_nothing_that_looks_like_a_command_escapes(document: str) -> None:
    """A command in a fence without a language, or amid other indented lines, is followed by nobody."""
    text = (ROOT / document).read_text(encoding="utf-8")
    known = {
        line for block in blocks(ROOT / document) for line in range(block.line, block.line + block.text.count("\n") + 2)
    }
    fence, escaped = "", []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fence = "" if fence else line
        code = line.startswith("    ") or fence == "```"
        if code and _CODE.match(line) and number not in known:
            escaped.append(f"{document}:{number}: {line}")
    assert escaped == []


@pytest.mark.parametrize("document", WITH_BLOCKS)
def test_what_is_not_run_says_why(document: str) -> None:
    """In words, and the tests that it names instead exist."""
    for block in shell(ROOT / document):
        if block.not_run:
            assert len(block.not_run.split()) > 2, f"{document}:{block.line}"
            for path in re.findall(r"tests/[\w/.]+\w", block.not_run):
                assert (ROOT / path).exists(), f"{document}:{block.line}: {path}"


@pytest.mark.parametrize("document", WITH_BLOCKS)
def test_every_command_exists_with_its_options(document: str) -> None:
    """Also of blocks that are not run."""
    wrong = [
        f"{document}:{block.line}: {why}"
        for block in shell(ROOT / document)
        for line in logical_lines(block.text)
        for why in _wrong(line)
    ]
    assert wrong == []


@pytest.mark.parametrize("document", [named(document) for document in documents()])
def test_every_command_in_a_sentence_exists(document: str) -> None:
    """`ledgernode …` and `make …` between backticks."""
    if document == "CHANGELOG.md":
        return  # it tells what was
    text = " ".join((ROOT / document).read_text(encoding="utf-8").split())
    wrong = [f"{document}: {why}" for line in _INLINE.findall(text) for why in _wrong(line)]
    assert wrong == []


def _wrong(line: str) -> Iterator[str]:
    """What a line names that is not there: commands, options, targets, modules."""
    for part in re.split(r"\s*(?:\||&&|;)\s*", line):
        try:
            words = shlex.split(part, comments=True)
        except ValueError:
            continue  # a text over several lines, or JSON with a bar in it
        words = words[1:] if words[:1] == ["do"] else words
        if words[:1] == ["make"]:
            targets = [word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)]
            yield from (f"no target {word}" for word in targets if word not in _TARGETS)
        elif words[:2] in (["python", "-m"], ["python3", "-m"]) and words[2:]:
            if words[2].startswith("tests") and importlib.util.find_spec(words[2]) is None:
                yield f"no module {words[2]}"
        elif words[:1] == ["ledgernode"] and words[1:2] != ["$@"]:
            yield from _wrong_command(words[1:])
        elif words[:1] == ["as"]:  # as ORGANISATION COMMAND: docs/operate.md defines it
            yield from _wrong_command(words[2:])


def _wrong_command(words: list[str]) -> Iterator[str]:
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and words and re.fullmatch(r"[a-z-]+", words[0]):
        if words[0].startswith("-"):
            break
        found = command.get_command(context, words[0])
        if found is None:
            yield f"no command {words[0]} of {command.name}"
            return
        command, words = found, words[1:]
        context = click.Context(command, parent=context)
    known = {name for one in (*command.params, *main.params) for name in (*one.opts, *one.secondary_opts)}
    known |= {"--help", "-h"}
    for word in words:
        option = word.partition("=")[0]
        if re.fullmatch(r"--[a-z][a-z-]+", option) and option not in known:
            yield f"{command.name} takes no {option}"


def test_a_wrong_command_would_be_found() -> None:
    assert list(_wrong("ledgernode node ran x")) == ["no command ran of node"]
    assert list(_wrong("ledgernode node run x --quickly")) == ["run takes no --quickly"]
    assert list(_wrong("for org in a b; do as $org node ran x; done")) == ["no command ran of node"]
    assert list(_wrong("make tea")) == ["no target tea"]
    assert list(_wrong("python -m tests.suites.nothing")) == ["no module tests.suites.nothing"]


def test_documents_are_found_with_their_blocks(tmp_path: Path) -> None:
    """Fences, indented lines, hidden ones, markers."""
    page = tmp_path / "page.md"
    page.write_text(
        'a\n\n    ledgernode node run x\n\n    {"a": 1}\n\n<!-- sh\nfill A b\n-->\n```sh\nmake x\n```\n'
        "```text\nout\n```\n<!-- sh: not run: it takes long -->\n\n    make y\n\n```python file=a.py\npass\n```\n"
    )
    found = blocks(page)
    assert [(block.what, block.text) for block in found] == [
        ("sh", "ledgernode node run x\n"), ("sh", "fill A b\n"), ("sh", "make x\n"), ("sh", "make y\n"),
        ("file", "pass\n"),
    ]  # fmt: skip
    assert [block.hidden for block in found] == [False, True, False, False, False]
    assert found[2].shows == "out\n"
    assert found[3].not_run == "it takes long"
