"""From a block to rows: pure, one module for each area, one small function for each event.

An event of a form that is not known here does not stop the model: it stands in the table `unread`, with the reason,
and the status counts it. What an event leaves out is taken from the arguments and the result of the call that emitted
it, where that was a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.readmodel.changes import Changes
from gateway.readmodel.decoded import Call, Decoded, Event
from gateway.readmodel.projector import (
    billing,
    feeders,
    governance,
    ledger,
    market,
    metering,
    money,
    prepaid,
    registry,
    settlement,
    staff,
)
from gateway.readmodel.tables.ledger import UNREAD

Handler = Callable[[Changes, Call, Event], None]

EVENTS: Final[dict[str, Handler]] = {
    **governance.EVENTS,
    **registry.EVENTS,
    **metering.EVENTS,
    **money.EVENTS,
    **prepaid.EVENTS,
    **billing.EVENTS,
    **market.EVENTS,
    **settlement.EVENTS,
    **feeders.EVENTS,
}
"""By "contract.Event"."""
_MISREAD: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError)


def project(out: Changes, block: Decoded) -> None:
    """Add what a block changes. Blocks come in order of height."""
    ledger.block(out, block)
    for call in block.calls:
        out.at(call)
        ledger.call(out, call)
        if not call.succeeded:
            continue
        for event in call.events:
            ledger.event(out, call, event)
            try:
                staff.event(out, call, event)
                handler = EVENTS.get(f"{event.contract}.{event.name}")
                if handler is not None:
                    handler(out, call, event)
            except _MISREAD as error:
                told, reason = f"{event.contract}.{event.name}", f"{type(error).__name__}: {error}"[:200]
                out.append(
                    UNREAD, height=call.height, number=event.number, position=call.position, event=told, reason=reason
                )
        if call.is_call_of("feeder", "observe"):
            feeders.observed(out, call)


def found(out: Changes, genesis_bytes: bytes) -> None:
    """What block 0 says: organisations, their admins and validators, from the genesis file."""
    governance.found(out, genesis_bytes)
