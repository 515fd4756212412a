"""Seeds from the published vectors: what every decoder of signed bytes must take."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

_VECTORS: Final = Path(__file__).parent.parent.parent / "vectors"


@cache
def vectors(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((_VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def hexadecimal(name: str, field: str) -> Callable[[], Sequence[bytes]]:
    """The bytes of a field of every vector of this kind."""
    return lambda: [bytes.fromhex(one[field]) for one in vectors(name)]


def genesis_bytes() -> bytes:
    return str(vectors("genesis")[0]["genesis"]).encode()


def genesis_document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(genesis_bytes())
    return found
