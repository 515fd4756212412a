"""Price tables that the meter is told: each replaces what it knew of that time and later; what is over goes."""

from __future__ import annotations

import msgspec

from devices.meter.events import SetTariff
from devices.meter.prices import Table, Tariff
from devices.meter.settings import TABLE_BYTES, TABLES
from devices.meter.turn import Refused, Turn


def told(turn: Turn, command: SetTariff) -> None:
    """Keep a table. Refuses what is none."""
    if len(command.table) > TABLE_BYTES:
        raise Refused("TARIFF_INVALID")
    try:
        table = msgspec.json.decode(command.table, type=Table)
    except msgspec.MsgspecError as error:
        raise Refused("TARIFF_INVALID") from error
    before = [one for one in turn.state.tariffs if one.from_ms < command.from_ms]
    kept = [*before, Tariff(command.from_ms, command.tariff, table)]
    if turn.state.clock.valid:
        over = [one for one in kept if one.from_ms <= turn.now_ms][:-1]
        kept = [one for one in kept if one not in over]
    turn.put(tariffs=tuple(kept[:TABLES]))
