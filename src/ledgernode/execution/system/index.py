"""Lists kept beside the records: simple keys of parts joined by "/", in the order they are read.

No part may contain "/" or NUL: names, hexadecimal text and status words do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chaincode.api import Page
from ledgernode.execution.system.access import SystemContext

_AFTER = "0"  # the character after "/"


def entry(*parts: str) -> str:
    return "/".join(parts)


def entries(ctx: SystemContext, *parts: str) -> Iterator[tuple[str, Any]]:
    """Last part and value of everything filed under these parts, in order."""
    start = entry(*parts)
    for key, value in ctx.range(start + "/", start + _AFTER):
        yield key.rpartition("/")[2], value


def page_of(ctx: SystemContext, *parts: str, size: int, bookmark: str) -> Page:
    """One page of the same; the context refuses a size out of range."""
    start = entry(*parts)
    page = ctx.page(start + "/", start + _AFTER, size=size, bookmark=bookmark)
    return Page(items=[(key.rpartition("/")[2], value) for key, value in page.items], bookmark=page.bookmark)
