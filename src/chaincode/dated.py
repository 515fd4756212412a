"""Values that hold from a time on: rules and tariffs change without rewriting what was.

    version   under a kind, a name and the time from which it holds; never changed, never removed

A version is put ahead of its time, or at the block's own; what held before that stays readable for ever.
"""

from typing import Any

from chaincode.api import Context, Refusal


class Backdated(Refusal):
    """A change would hold from a time that has passed, or before a later one that is already decided."""

    code = "BACKDATED"


def put_dated(ctx: Context, kind: str, name: str, from_ms: int, value: Any) -> None:
    """Let a value hold from a time on. Refuses times that have passed, or lie before the latest version's."""
    if from_ms < ctx.time_ms:
        raise Backdated(f"a change holds from now on at the earliest, {ctx.time_ms}, not from {from_ms}")
    for key, _ in ctx.matching(kind, name, reverse=True):
        if from_ms < int(ctx.parts(key)[2]):
            raise Backdated(f"a later version is decided already, from {int(ctx.parts(key)[2])} on")
        break
    ctx.put(ctx.key(kind, name, f"{from_ms:015d}"), value)


def dated_at(ctx: Context, kind: str, name: str, at_ms: int, type: Any) -> Any:
    """The value that holds at a time, as a record of this type; None before the first."""
    for key, value in ctx.matching(kind, name, type=type, reverse=True):
        if int(ctx.parts(key)[2]) <= at_ms:
            return value
    return None
