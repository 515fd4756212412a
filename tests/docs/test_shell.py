"""Documents are true: whoever copies their commands, block by block, has each of them do what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.playing import follow, missing
from tests.docs.reading import ROOT, blocks, documents, named

pytestmark = pytest.mark.slow

FOLLOWED = [
    named(document)
    for document in documents()
    if any(block.what == "sh" and not block.not_run for block in blocks(document))
]


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("document", FOLLOWED)
def test_every_shell_block_does_what_the_document_says(document: str, tmp_path: Path) -> None:
    """All of it, in its order, on a machine of its own: half a minute at most where nothing else runs."""
    if why := missing():
        pytest.fail(why)
    follow(ROOT / document, tmp_path, limit_s=1_190)
