"""The clock: while it is right, a gateway moves it by a minute at most, and once an hour; while it is known to be
wrong, by whatever is needed, but not to before the last reading. The utility's own command sets it, and it is never
behind the time of a certified block that the meter was shown: that time is past.

What is waited for moves with the clock, so that it is waited for as long as before. A clock that is wrong goes on from
the last reading; energy and balance need no time.
"""

from __future__ import annotations

from devices.meter.energy import CLOCK_SET, flag, forget_after
from devices.meter.outbox import notice
from devices.meter.settings import CLOCK_EVERY_MS, CLOCK_STEP_MS
from devices.meter.turn import Turn


def started(turn: Turn, valid: bool) -> None:
    """After a start: a clock that lost its supply, or stands before the last reading, is wrong."""
    behind_ms = turn.state.numbers.last_reading_ms - turn.now_ms
    turn.change("clock", valid=valid and behind_ms <= 0)
    if behind_ms > 0:
        turn.change("clock", offset_ms=turn.state.clock.offset_ms + behind_ms)


def synced(turn: Turn, true_ms: int) -> None:
    clock, difference_ms = turn.state.clock, true_ms - turn.now_ms
    if clock.valid:
        if not difference_ms or abs(turn.now_ms - clock.synced_ms) < CLOCK_EVERY_MS:
            return
        if abs(difference_ms) > CLOCK_STEP_MS:
            notice(turn, "clock_differs", f"{difference_ms} ms")
        move(turn, max(-CLOCK_STEP_MS, min(difference_ms, CLOCK_STEP_MS)))
    elif true_ms < turn.state.numbers.last_reading_ms:
        turn.alarm("CLOCK_DIFFERS", f"{difference_ms} ms")
    else:
        move(turn, difference_ms)


def not_behind(turn: Turn, certified_ms: int) -> None:
    """Validators have agreed that this time is past."""
    if certified_ms - turn.now_ms > CLOCK_STEP_MS:
        notice(turn, "clock_behind", f"{certified_ms - turn.now_ms} ms")
        move(turn, certified_ms - turn.now_ms)


def set_by_utility(turn: Turn, true_ms: int) -> None:
    """To whatever the utility says: readings of later than that were taken by a wrong clock."""
    forget_after(turn, true_ms)
    move(turn, true_ms - turn.now_ms)


def move(turn: Turn, by_ms: int) -> None:
    """Set the clock forward or back; from now on it is right."""
    clock = turn.state.clock
    turn.change("clock", offset_ms=clock.offset_ms + by_ms, valid=True, synced_ms=turn.now_ms + by_ms)
    flag(turn, CLOCK_SET)
    _moved(turn, by_ms)


def _moved(turn: Turn, by_ms: int) -> None:
    supply, state = turn.state.supply, turn.state
    turn.change("supply", reconnect_ms=supply.reconnect_ms + by_ms, overload_ms=supply.overload_ms + by_ms)
    turn.change("customer", locked_ms=state.customer.locked_ms + by_ms)
    turn.change("credit", reported_ms=state.credit.reported_ms + by_ms)
    turn.change("tokens", sections_ms=state.tokens.sections_ms + by_ms)
