"""Deliveries: the ledger lets a tie's relay be closed for a trade, until it says otherwise or the trade's window ends.

What flows for a trade is counted from the register at its start, or for the trade alone where the tie says which trade
it is in (`energy`). A window that ends without a word of the ledger, because no gateway came, opens the relay by the
meter's own clock. A clock that goes back afterwards begins nothing again, and what flows through the meter later is not
the trade's.
"""

from __future__ import annotations

from typing import Final

import msgspec

from devices.meter.events import Deliver
from devices.meter.outbox import acknowledge_delivery, require_room
from devices.meter.settings import DELIVERY_MS
from devices.meter.state import Tie
from devices.meter.turn import Refused, Turn

STARTS: Final = ("start", "in")
RELAYS: Final = {"start": "tie_out", "stop": "tie_out", "in": "tie_in", "out": "tie_in"}
AT_ONCE: Final = 600
"""Twice what settlement lets an area have in an interval: those of the next begin before the last are stopped."""


def is_late(turn: Turn, command: Deliver, said_ms: int) -> bool:
    """Whether it would begin what is over, or what the ledger may have ended since."""
    over = command.until_ms and turn.now_ms >= command.until_ms
    return command.action in STARTS and (bool(over) or turn.now_ms - said_ms > DELIVERY_MS)


def deliver(turn: Turn, command: Deliver) -> None:
    """Close a tie relay for a trade; or open it when no other trade needs it, and say what flowed. A trade that is
    curtailed or disputed is `out` at both of its ends."""
    if command.action not in RELAYS:
        raise Refused("COMMAND_UNKNOWN")
    require_room(turn)
    if any(tie.ending == command.command for tie in turn.state.ties):
        return
    starts, relay = command.action in STARTS, RELAYS[command.action]
    running = [tie for tie in turn.state.ties if tie.trade == command.trade and (not starts or tie.relay == relay)]
    if running:
        relay = running[0].relay
    others = tuple(tie for tie in turn.state.ties if tie not in running)
    measured_mwh = 0
    if starts:
        if not running and len(others) == AT_ONCE:
            raise Refused("TOO_MANY_DELIVERIES")
        begun = (
            running[0] if running else Tie(command.trade, relay, _register_mwh(turn, relay), until_ms=command.until_ms)
        )
        turn.put(ties=(*others, begun))
    else:
        if running and running[0].moved_mwh is not None:
            others = (*others, msgspec.structs.replace(running[0], ending=command.command))  # `energy` acknowledges it
        elif running:
            end_mwh = running[0].over_mwh
            end_mwh = _register_mwh(turn, relay) if end_mwh is None else end_mwh
            measured_mwh = (end_mwh - running[0].start_mwh) % turn.settings.modulus_mwh
        turn.put(ties=others)
    turn.relays[relay] = closed(turn)[relay]
    if not any(tie.ending == command.command for tie in turn.state.ties):
        acknowledge_delivery(turn, command.command, measured_mwh)


def watch(turn: Turn) -> None:
    """Open what is closed for a trade whose window is over."""
    over = [tie for tie in turn.state.ties if tie.lasts and 0 < tie.until_ms <= turn.now_ms]
    if over:
        ended = [msgspec.structs.replace(tie, over_mwh=_register_mwh(turn, tie.relay)) for tie in over]
        turn.put(ties=(*(tie for tie in turn.state.ties if tie not in over), *ended))
        turn.relays |= {tie.relay: closed(turn)[tie.relay] for tie in ended}


def closed(turn: Turn) -> dict[str, bool]:
    """The relays of a tie, as the ledger lets them be."""
    return {name: any(tie.relay == name and tie.lasts for tie in turn.state.ties) for name in ("tie_in", "tie_out")}


def _register_mwh(turn: Turn, relay: str) -> int:
    registers = turn.state.registers
    return registers.export_mwh if relay == "tie_out" else registers.import_mwh
