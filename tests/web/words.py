"""The English words of the pages, read from their tables: what tests press must stand there.

A word that was changed on the pages fails where it is used, and says so, instead of being waited for.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_SOURCES = Path(__file__).parents[2] / "gateway" / "web" / "src"
_TABLE = re.compile(r"\btexts\(\s*\{(.*?)^ {2}\},\s*^ {2}\{", re.DOTALL | re.MULTILINE)
_SAID = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
_HOLE = re.compile(r"\$\{[^}]*\}")
_LETTERS = re.compile(r"[A-Za-z]{2}")


def english() -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    """What is said as it stands, and what has places for names and figures."""
    return _read()


@cache
def _read() -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    tables = [
        table for path in sorted(_SOURCES.rglob("*.ts*")) for table in _TABLE.findall(path.read_text(encoding="utf-8"))
    ]
    said = [match for table in tables for match in _SAID.findall(table)]
    plain = frozenset(words for words, _ in said if words)
    holes = (_HOLE.split(words) for _, words in said if words)
    patterns = tuple(re.compile(".+".join(re.escape(part) for part in parts)) for parts in holes)
    return plain, patterns


def require_said(words: str) -> str:
    """These words; refuses what no English table has. Figures and ids say themselves."""
    plain, patterns = english()
    known = words in plain or not _LETTERS.search(words) or any(one.fullmatch(words) for one in patterns)
    assert known, f"no page says {words!r}: look into the English tables of gateway/web/src"
    return words
