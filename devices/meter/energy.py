"""Energy: what flows moves the registers and, at once and all of it, the balance; readings wait in a ring.

A reading is taken in each period (`reading_ms`), and at once when something was tampered with. The ring holds readings
until a batch takes them along. When it is full, every second one of its older half goes, its flags joined to the next:
registers count on, so no energy is lost, only when exactly it flowed in the days that were longest ago.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from devices.meter.events import Measured, Phase, RegistersRead
from devices.meter.outbox import (
    RECORD,
    acknowledge_delivery,
    counted_today,
    drop_batch,
    has_room,
    has_room_for_news,
    is_recording,
    notice,
    tell,
)
from devices.meter.settings import BUDGET, BYPASS_MWH
from devices.meter.state import Reading
from devices.meter.turn import Turn

TAMPER_FLAGS: Final = {"cover": 1, "magnet": 2, "bypass": 4}
POWER_FAILED: Final = 16
CLOCK_SET: Final = 32
RELAY_OPEN: Final = 128
_NAMES: Final = ("voltage_mv", "current_ma", "power_mw", "reactive_mvar", "power_factor_milli")


def measured(turn: Turn, event: Measured) -> None:
    """Count what flowed; import through a relay that stands open says that the meter is bridged."""
    assert event.import_mwh >= 0
    assert event.export_mwh >= 0
    registers, credit, modulus = turn.state.registers, turn.state.credit, turn.settings.modulus_mwh
    turn.recall(phases=event.phases)
    turn.change(
        "registers",
        import_mwh=(registers.import_mwh + event.import_mwh) % modulus,
        export_mwh=(registers.export_mwh + event.export_mwh) % modulus,
    )
    if turn.settings.prepaid:
        turn.change(
            "credit",
            balance_mwh=credit.balance_mwh - event.import_mwh,
            consumed_mwh=credit.consumed_mwh + event.import_mwh,
        )
    closed = turn.state.supply.closed
    leaked_mwh = turn.session.leaked_mwh + event.import_mwh if turn.session.was_open and not closed else 0
    turn.recall(was_open=not closed, leaked_mwh=leaked_mwh)
    if leaked_mwh >= BYPASS_MWH:
        tampered(turn, "bypass")


def registers_read(turn: Turn, event: RegistersRead) -> None:
    """Count what the measuring part's registers have gained since they were last read; the first time nothing."""
    now = (event.import_mwh, event.export_mwh)
    before = turn.state.registers.seen
    if before is not None and (now[0] < before[0] or now[1] < before[1]):
        notice(turn, "registers_back", f"{before[0]}, {before[1]} mWh before")
        before = None
    import_mwh, export_mwh = (now[0] - before[0], now[1] - before[1]) if before is not None else (0, 0)
    turn.change("registers", seen=now)
    if event.trade is not None:
        _attributed(turn, event.trade, {"tie_in": import_mwh, "tie_out": export_mwh})
        _ended(turn, event.trade, event.closed)
    measured(turn, Measured(event.now_ms, import_mwh, export_mwh, event.phases))


def _attributed(turn: Turn, trade: int, gained_mwh: Mapping[str, int]) -> None:
    """What flowed was for this trade, and for no other that is delivered."""
    ties = tuple(
        msgspec.structs.replace(
            tie, moved_mwh=(tie.moved_mwh or 0) + (gained_mwh[tie.relay] if tie.trade == trade else 0)
        )
        for tie in turn.state.ties
    )
    if ties != turn.state.ties:
        turn.put(ties=ties)


def _ended(turn: Turn, trade: int, closed: tuple[str, ...]) -> None:
    """What was ended and was read with its relay open, or while another trade has it, is acknowledged."""
    for tie in turn.state.ties:
        is_open = tie.relay not in closed or tie.trade != trade
        if tie.ending is not None and is_open and has_room(turn):
            acknowledge_delivery(turn, tie.ending, tie.moved_mwh or 0)
            turn.put(ties=tuple(each for each in turn.state.ties if each is not tie))


def tampered(turn: Turn, kind: str) -> None:
    """Noticed once, until a token clears it; said by a reading of its own, within a bound a day."""
    assert kind in TAMPER_FLAGS
    if kind in turn.state.supply.tamper:
        return
    turn.change("supply", tamper=(*turn.state.supply.tamper, kind))
    turn.alarm("TAMPER", kind)
    flag(turn, TAMPER_FLAGS[kind])
    if counted_today(turn):
        take_reading(turn)


def flag(turn: Turn, flags: int) -> None:
    """The next reading says so."""
    turn.change("numbers", flags=turn.state.numbers.flags | flags)


def forget_after(turn: Turn, time_ms: int) -> None:
    """Readings of a time that has not come yet: the clock was wrong, and no ledger has taken them."""
    if turn.state.numbers.last_reading_ms > time_ms:
        turn.change("numbers", last_reading_ms=time_ms)
        turn.put(readings=tuple(reading for reading in turn.state.readings if reading.time_ms <= time_ms))
        drop_batch(turn, time_ms)


def read_when_due(turn: Turn) -> None:
    period_ms = turn.settings.reading_ms
    if turn.now_ms // period_ms > turn.state.numbers.last_reading_ms // period_ms:
        take_reading(turn)


def take_reading(turn: Turn) -> None:
    """A row of the registers as they are; none without a time, or at one that was read already."""
    numbers = turn.state.numbers
    if not turn.state.clock.valid or turn.now_ms <= numbers.last_reading_ms:
        return
    flags = numbers.flags | (0 if turn.state.supply.closed else RELAY_OPEN)
    registers, values = turn.state.registers, values_of(turn.session.phases, turn.settings.phases)
    row = (numbers.reading, turn.now_ms, registers.import_mwh, registers.export_mwh, flags, *values)
    readings = (*turn.state.readings, Reading(row))
    if len(readings) > turn.settings.ring:
        before = len(readings)
        readings = thinned(readings)
        turn.change("numbers", thinned=numbers.thinned + before - len(readings))
        turn.alarm("READINGS_THINNED", str(before - len(readings)))
    turn.put(readings=readings)
    turn.change("numbers", reading=numbers.reading + 1, last_reading_ms=turn.now_ms, flags=0)


def thinned(readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """Without every second reading of the older half."""
    half = len(readings) // 2 & ~1
    pairs = zip(readings[0:half:2], readings[1:half:2], strict=True)
    joined = (Reading((*late.row[:4], early.flags | late.flags, *late.row[5:])) for early, late in pairs)
    return (*joined, *readings[half:])


def send_batch(turn: Turn) -> None:
    """A batch when enough readings wait or the oldest waits long enough; one at a time, so that order is kept."""
    settings, readings = turn.settings, turn.state.readings
    if not readings or not turn.session.link or is_recording(turn) or not has_room_for_news(turn):
        return
    tampering = any(reading.flags & sum(TAMPER_FLAGS.values()) for reading in readings[-settings.batch_rows :])
    ripe = len(readings) >= settings.batch_rows or turn.now_ms - readings[0].time_ms >= settings.send_ms
    if ripe or tampering:
        rows = [list(reading.row) for reading in readings[: settings.batch_rows]]
        turn.put(readings=readings[len(rows) :])
        budget = min(20_000 + 400 * len(rows), BUDGET)
        tell(turn, "metering", RECORD, budget, rows=rows, columns=columns_of(settings.phases))


def columns_of(phases: int) -> list[str]:
    if phases == 1:
        return list(_NAMES)
    return [f"{name}_{phase}" for phase in range(1, phases + 1) for name in _NAMES]


def values_of(phases: tuple[Phase, ...], count: int) -> list[int]:
    """One number for each column; zeros where nothing was measured."""
    there = (*phases, *(Phase(0, 0, 0, 0) for _ in range(count)))[:count]
    return [value for phase in there for value in (*msgspec.structs.astuple(phase), power_factor_milli(phase))]


def power_factor_milli(phase: Phase) -> int:
    """Active by apparent power, toward zero, never beyond one; 0 where nothing flows."""
    apparent_mva = phase.voltage_mv * phase.current_ma // 1_000
    if apparent_mva <= 0:
        return 0
    size = min(abs(phase.power_mw) * 1_000 // apparent_mva, 1_000)
    return size if phase.power_mw >= 0 else -size
