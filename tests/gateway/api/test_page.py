"""docs/http.md is what the application says of itself."""

from __future__ import annotations

import difflib

import pytest

from tests.gateway.api.document import PAGE, written

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60, func_only=True)]  # the town is built once, for all of them


async def test_the_page_is_of_this_application() -> None:
    """Refresh it: python -m tests.gateway.api.document."""
    found, expected = PAGE.read_text(), await written()
    differences = list(difflib.unified_diff(found.splitlines(), expected.splitlines(), "docs/http.md", "written", n=1))
    assert not differences, "\n".join(differences[:40])
