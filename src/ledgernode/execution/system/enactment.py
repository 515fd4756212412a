"""What a change does, once it is decided: plain values, so that it can be examined without being done."""

from __future__ import annotations

from typing import Any

import msgspec

from ledgernode.execution.system.access import SystemContext
from ledgernode.identity.records import IDENTITY

Puts = tuple[tuple[str, Any], ...]
"""Keys of governance's own state, and what is written there."""
Calls = tuple[tuple[str, dict[str, Any]], ...]
"""Functions of `identity`, and their arguments."""


class Enactment(msgspec.Struct, frozen=True):
    """Writes, then calls, then the event that tells of it."""

    event: str
    payload: dict[str, Any]
    puts: Puts = ()
    calls: Calls = ()


def perform(ctx: SystemContext, enactment: Enactment) -> None:
    for key, value in enactment.puts:
        ctx.put(key, value)
    for function, arguments in enactment.calls:
        ctx.call(IDENTITY, function, **arguments)
    ctx.emit(enactment.event, **enactment.payload)
