"""The customer's guide says what the pages say."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_bold_word_of_the_guide_stands_on_a_page() -> None:
    pages = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "gateway/web/src").rglob("texts.ts"))
    guide = (ROOT / "docs/customer.md").read_text(encoding="utf-8")
    bold = {" ".join(words.split()) for words in re.findall(r"\*\*(.+?)\*\*", guide, re.DOTALL)}
    assert len(bold) > 20
    assert [words for words in sorted(bold) if f'"{words}"' not in pages] == []
