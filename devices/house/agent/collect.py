"""Collect: the last value of everything that is heard, and since when nothing was.

A source is a device by its name; a value is an integer under a name that ends with its unit. So many sources, and so
many values of each, are known; more are refused, so that a device that makes up names fills no memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from ledgernode.errors import BadRequest

SOURCES: Final = 64
VALUES: Final = 64
LARGEST: Final = (1 << 53) - 1


class Heard(msgspec.Struct, frozen=True):
    """Of one source."""

    at_ms: int
    values: Mapping[str, int]


class Collected(msgspec.Struct, frozen=True):
    """Of all sources."""

    sources: Mapping[str, Heard] = {}

    def value(self, source: str, name: str, otherwise: int = 0) -> int:
        heard = self.sources.get(source)
        return otherwise if heard is None else heard.values.get(name, otherwise)

    def silent_ms(self, source: str, now_ms: int) -> int | None:
        """For how long nothing was heard; None of a source that never spoke."""
        heard = self.sources.get(source)
        return None if heard is None else max(0, now_ms - heard.at_ms)


def heard(collected: Collected, source: str, at_ms: int, values: Mapping[str, int]) -> Collected:
    """With one message more; an older one than the last of its source changes nothing. Refuses what is no value."""
    known = collected.sources.get(source)
    if known is None and len(collected.sources) >= SOURCES:
        raise BadRequest(f"a home has at most {SOURCES} sources")
    if known is not None and at_ms < known.at_ms:
        return collected
    wrong = [name for name, value in values.items() if type(value) is not int or abs(value) > LARGEST]
    if wrong:
        raise BadRequest(f"{source}: {', '.join(sorted(wrong)[:3])}: values are whole numbers within 2^53")
    joined = {**(known.values if known else {}), **values}
    if len(joined) > VALUES:
        raise BadRequest(f"{source}: at most {VALUES} values")
    return Collected({**collected.sources, source: Heard(at_ms, joined)})
