"""Price tables that the meter is told: each replaces what it knew of that time and later; what is over goes.

A meter that knows none asks the ledger for what holds at its point: a new one, or one that has lost what it knew. Its
moment is derived from the hardware secret, so that a street whose power comes back does not ask at once.
"""

from __future__ import annotations

import hmac
from typing import Final

import msgspec

from devices.meter.events import SetTariff
from devices.meter.outbox import has_room_for_news, tell
from devices.meter.prices import Table, Tariff
from devices.meter.settings import DAY_MS, TABLE_BYTES, TABLES
from devices.meter.turn import Refused, Turn
from ledgernode.wire.unreadable import UNREADABLE

_BUDGET: Final = 300_000


def told(turn: Turn, command: SetTariff) -> None:
    """Keep a table. Refuses what is none."""
    if len(command.table) > TABLE_BYTES:
        raise Refused("TARIFF_INVALID")
    try:
        table = msgspec.json.decode(command.table, type=Table)
    except UNREADABLE as error:
        raise Refused("TARIFF_INVALID") from error
    before = [one for one in turn.state.tariffs if one.from_ms < command.from_ms]
    kept = [*before, Tariff(command.from_ms, command.tariff, table)]
    if turn.state.clock.valid:
        over = [one for one in kept if one.from_ms <= turn.now_ms][:-1]
        kept = [one for one in kept if one not in over]
    turn.put(tariffs=tuple(kept[:TABLES]))


def ask_when_due(turn: Turn) -> None:
    """Once within `ask_ms` after a link, and then once a day."""
    if not turn.settings.ask_ms or turn.state.tariffs or not turn.session.link or not turn.state.clock.valid:
        return
    at_ms, now_ms = turn.state.numbers.ask_ms, turn.now_ms
    if not at_ms or at_ms > now_ms + DAY_MS:  # never asked; or a clock that was years ahead
        turn.change("numbers", ask_ms=now_ms + _wait_ms(turn))
    elif now_ms >= at_ms and has_room_for_news(turn):
        turn.change("numbers", ask_ms=now_ms + DAY_MS)
        tell(turn, "commands", "ask_tariffs", _BUDGET)


def _wait_ms(turn: Turn) -> int:
    drawn = hmac.digest(turn.settings.hardware_secret, b"ask", "sha256")
    return int.from_bytes(drawn[:8], "big") % turn.settings.ask_ms
