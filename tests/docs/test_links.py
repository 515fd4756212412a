"""No document leads nowhere: links, anchors, and the paths that it names."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.reading import ROOT, documents, named

_LINK = re.compile(r"(?<!!)\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"`((?:docs|src|gateway|devices|tests|proto|deploy)/[\w./*-]*)`")
_PLACEHOLDERS = frozenset({"gateway/web/dist", "gateway/gateway.json", "tests/chaincode/test_x.py"})
"""Made by what the documents tell, or for any of a kind."""
DOCUMENTS = [named(document) for document in documents()]


def slug(heading: str) -> str:
    """The anchor that a heading gets, as GitHub makes it."""
    text = re.sub(r"`|\*|\[|\]\([^)]*\)", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@cache
def anchors(document: Path) -> frozenset[str]:
    text = _CODE.sub("", document.read_text(encoding="utf-8"))
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        made = slug(heading)
        before = found.count(made)
        found.append(made)
        if before:
            found.append(f"{made}-{before}")
    return frozenset(found)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    """To a file of the project, and to a heading that is in it."""
    page = ROOT / document
    broken = []
    for target in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        leads = there.exists() and (not anchor or there.suffix != ".md" or anchor in anchors(there))
        broken += [] if leads else [target]
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_is_named_is_there(document: str) -> None:
    """In the sources, from the root of the project."""
    if document == "CHANGELOG.md":
        return  # it tells what was
    text = (ROOT / document).read_text(encoding="utf-8")
    gone = [
        path
        for path in dict.fromkeys(_PATH.findall(text))
        if path not in _PLACEHOLDERS and not any(ROOT.glob(path.rstrip("/")))
    ]
    assert gone == []


def test_every_document_can_be_reached_from_the_first() -> None:
    """By links alone, from README.md."""
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for target in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
            there = (page.parent / target.partition("#")[0]).resolve()
            if there.is_dir():
                waiting += sorted(there.glob("*.md"))
            elif there.suffix == ".md" and there.exists():
                waiting.append(there)
    assert [named(document) for document in documents() if document not in reached] == []
