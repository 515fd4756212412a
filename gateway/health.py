"""Is a gateway begun, worth sending devices to, and getting anywhere? Pure rules over what is seen of it.

A gateway without a ledger is ready: what a device is told is safe is safe, and keeping it until the ledger is back is
what a gateway is for. It is not ready when it has no room for more, when it stops, and, where it shows people a
console, until what it shows them has once come near to the ledger. It is stuck when what was handed in does not get to
its disk.
"""

from __future__ import annotations

import msgspec

from ledgernode.observe.health import Verdict

FULL_PERCENT = 98
MODEL_BLOCKS = 100


class Condition(msgspec.Struct, frozen=True):
    """What is seen of a gateway."""

    serving: bool = True
    stopping: bool = False
    waiting: int = 0
    """Entries that the ledger has not taken yet."""
    kept_bytes: int = 0
    limit_bytes: int = 1
    ledger_away_ms: int = 0
    """For so long the ledger has taken nothing of what waits."""
    still_ms: int = 0
    """For so long nothing of what was handed in has got to the disk."""
    model: str = ""
    """How the read model stands; empty: there is none."""
    model_behind: int = 0
    model_was_near: bool = True
    console: bool = False


def started(seen: Condition) -> Verdict:
    if not seen.serving:
        return Verdict(False, "starting", "the gateway is being opened")
    return Verdict(True, "started", facts=_facts(seen))


def ready(seen: Condition) -> Verdict:
    facts = _facts(seen)
    if seen.stopping:
        return Verdict(False, "stopping", "the gateway is shutting down", facts)
    if not seen.serving:
        return Verdict(False, "starting", "the gateway is being opened", facts)
    if seen.kept_bytes * 100 >= seen.limit_bytes * FULL_PERCENT:
        said = f"it keeps {seen.kept_bytes} of {seen.limit_bytes} bytes for the ledger, and has no room for more"
        return Verdict(False, "full", said, facts)
    if seen.console and not seen.model_was_near:
        said = f"what it would show people is {seen.model_behind} blocks behind ({seen.model})"
        return Verdict(False, "reading", said, facts)
    away = f"the ledger has taken nothing for {seen.ledger_away_ms // 1_000} s: what comes is kept"
    return Verdict(True, "ready", away if seen.ledger_away_ms else "", facts)


def live(seen: Condition, stuck_after_ms: int) -> Verdict:
    if seen.still_ms >= stuck_after_ms and not seen.stopping:
        said = f"nothing that was handed in has got to the disk for {seen.still_ms // 1_000} s"
        return Verdict(False, "stuck", said, _facts(seen))
    return Verdict(True, "live", facts=_facts(seen))


def is_near(behind: int, state: str) -> bool:
    """Has the read model come near to a ledger that it knows?"""
    return state in ("following", "catching up") and behind <= MODEL_BLOCKS


def _facts(seen: Condition) -> dict[str, object]:
    facts: dict[str, object] = {"waiting": seen.waiting, "kept_bytes": seen.kept_bytes}
    if seen.model:
        facts |= {"read_model": seen.model, "read_model_behind": seen.model_behind}
    return facts
