"""What a document of ours holds for a shell, block by block.

A block is a fence of ```sh, or lines indented by four that begin with a command. A comment before it, which no reader
sees, says what a test needs to know of it:

    <!-- sh: not run: REASON -->      why nobody runs it here; its commands and options must exist all the same
    <!-- sh: stop -->                 what serves until now is stopped first

A comment of several lines that begins with `<!-- sh` is a block too: what the document says to have before, or what its
reader replaces (`fill HASH "$hash"`: where the page writes HASH, its reader writes what was printed).

```LANGUAGE file=NAME is a file that the reader writes, edit=NAME a change to it (lines with - go, those with + come).
```text right after a block is what it prints, to the letter.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
COMMANDS: Final = frozenset(
    (
        "bash", "cat", "cp", "curl", "docker", "echo", "export", "git", "helm", "journalctl", "kind", "kubectl",
        "ledgernode", "make", "mkdir", "mosquitto", "npm", "openssl", "pip", "podman", "printf", "promtool", "psql",
        "pytest", "python", "python3", "rm", "sudo", "systemctl", "unset",
    )
)  # fmt: skip
"""A line that begins with one of these, indented, is for a shell."""
_FENCE: Final = re.compile(r"^(```+)\s*(\w*)\s*(.*)$")
_MARKER: Final = re.compile(r"^<!-- sh: (.+) -->$")
NOT_RUN: Final = "not run: "


class Block(NamedTuple):
    """`what` is sh, file or edit; `line` is where it begins; `shows` is what it must print, None where nothing says."""

    what: str
    text: str
    line: int
    name: str = ""
    not_run: str = ""
    stop: bool = False
    hidden: bool = False
    shows: str | None = None


@cache
def documents() -> tuple[Path, ...]:
    """Every Markdown file of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return tuple(ROOT / name for name in sorted(listed.stdout.split()) if (ROOT / name).exists())


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


@cache
def blocks(document: Path) -> tuple[Block, ...]:
    """All of a document, in its order."""
    return tuple(_marked(list(_found(document.read_text(encoding="utf-8").splitlines()))))


class _Found(NamedTuple):
    what: str
    text: str
    line: int
    name: str
    end: int


def _found(lines: list[str]) -> Iterator[_Found]:
    at = 0
    while at < len(lines):
        line, begin = lines[at], at
        fence = _FENCE.match(line)
        if fence is not None:
            at += 1
            while at < len(lines) and lines[at].rstrip() != fence[1]:
                at += 1
            at += 1
            text = "\n".join(lines[begin + 1 : at - 1]) + "\n"
            how = re.match(r"(file|edit)=(\S+)", fence[3])
            if how is not None:
                yield _Found(how[1], text, begin + 1, how[2], at)
            elif fence[2] in {"sh", "bash", "shell", "console"}:
                yield _Found("sh", text, begin + 1, fence[3], at)
            elif fence[2] == "text":
                yield _Found("text", text, begin + 1, "", at)
        elif line == "<!-- sh":
            while lines[at] != "-->":
                at += 1
            at += 1
            yield _Found("hidden", "\n".join(lines[begin + 1 : at - 1]) + "\n", begin + 1, "", at)
        elif _MARKER.match(line):
            at += 1
            yield _Found("marker", line[len("<!-- sh: ") : -len(" -->")], begin + 1, "", at)
        elif line.startswith("    ") and (not begin or not lines[begin - 1].strip() or _MARKER.match(lines[begin - 1])):
            while at < len(lines) and lines[at].startswith("    "):
                at += 1
            text = "\n".join(part[4:] for part in lines[begin:at]) + "\n"
            if text.split()[0] in COMMANDS:
                yield _Found("sh", text, begin + 1, "", at)
        else:
            at += 1


def _marked(found: list[_Found]) -> Iterator[Block]:
    """Markers join the block after them, what is printed the block before."""
    marks: list[str] = []
    for at, one in enumerate(found):
        if one.what == "marker":
            marks.append(one.text)
            continue
        if one.what == "text":
            continue
        after = found[at + 1] if at + 1 < len(found) else None
        shows = after.text if after is not None and after.what == "text" and after.line == one.end + 1 else None
        not_run = next((mark[len(NOT_RUN) :] for mark in marks if mark.startswith(NOT_RUN)), "")
        what = "sh" if one.what == "hidden" else one.what
        yield Block(
            what, one.text, one.line, one.name, not_run, "stop" in marks, one.what == "hidden",
            shows if what == "sh" else None,
        )  # fmt: skip
        unknown = [mark for mark in marks if mark != "stop" and not mark.startswith(NOT_RUN)]
        assert not unknown, f"line {one.line}: {unknown} means nothing"
        marks = []
    assert not marks, f"{marks} stands before no block"


def shell(document: Path) -> list[Block]:
    """What its reader sees of commands."""
    return [block for block in blocks(document) if block.what == "sh" and not block.hidden]


def logical_lines(text: str) -> list[str]:
    """Commands, those over several lines joined; here-documents and comments left out."""
    lines: list[str] = []
    until = ""
    for line in text.replace("\\\n", " ").splitlines():
        if until:
            until = "" if line.strip() == until else until
            continue
        here = re.search(r"<<-?\s*'?(\w+)'?", line)
        until = here[1] if here else ""
        if line.strip() and not line.lstrip().startswith("#"):
            lines.append(line.strip())
    return lines
