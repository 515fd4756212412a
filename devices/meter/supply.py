"""When the load has power: decided anew after every event, by everything that speaks against it.

    no credit · blocked by the utility · tampered with · too much power or too uneven phases, for a minute
    no mains, and after an outage a wait of its own length for each house, so that not all come back at once

The wait is derived from the hardware secret and the number of the outage: random to others, the same after a crash.
Lock-outs of the PIN, of vending and of sharing have no part in it.
"""

from __future__ import annotations

import hmac
from typing import Final

from devices.meter.energy import POWER_FAILED, flag
from devices.meter.outbox import notice
from devices.meter.settings import OVERLOAD_MS
from devices.meter.turn import Turn

SUPPLY: Final = "supply"


def power_lost(turn: Turn) -> None:
    supply = turn.state.supply
    if supply.mains:
        turn.change("supply", mains=False, outages=supply.outages + 1)
        flag(turn, POWER_FAILED)


def power_restored(turn: Turn) -> None:
    supply = turn.state.supply
    if not supply.mains:
        turn.change("supply", mains=True, reconnect_ms=turn.now_ms + wait_ms(turn))


def wait_ms(turn: Turn) -> int:
    """From the outage's number: uniform from 0 to the longest wait."""
    message = b"reconnect" + turn.state.supply.outages.to_bytes(8, "big")
    drawn = hmac.digest(turn.settings.hardware_secret, message, "sha256")
    return int.from_bytes(drawn[:8], "big") % (turn.settings.reconnect_ms + 1)


def why_open(turn: Turn) -> str:
    """The first reason for which the load has no power; '' where it has."""
    supply = turn.state.supply
    if not supply.mains:
        return "outage"
    if turn.settings.tamper_opens and supply.tamper:
        return "tampered"
    if supply.blocked:
        return "blocked"
    if turn.settings.prepaid and turn.state.credit.balance_mwh <= 0:
        return "empty"
    if turn.now_ms < supply.overload_ms:
        return "overload"
    if turn.now_ms < supply.reconnect_ms:
        return "waiting"
    return ""


def watch_power(turn: Turn) -> None:
    """Open for a minute when the load draws more than a token allows, or its phases differ by more."""
    supply, powers_w = turn.state.supply, [phase.power_mw // 1_000 for phase in turn.session.phases]
    if not powers_w or not supply.closed:
        return
    over = supply.limit_w and sum(powers_w) > supply.limit_w
    uneven = supply.unbalance_w and max(powers_w) - min(powers_w) > supply.unbalance_w
    if over or uneven:
        turn.change("supply", overload_ms=turn.now_ms + OVERLOAD_MS)
        notice(turn, "overload" if over else "unbalance", f"{sum(powers_w)} W")


def switch(turn: Turn) -> None:
    """Bring the relay to where it should be, and warn once of low credit."""
    closed = why_open(turn) == ""
    if closed != turn.state.supply.closed:
        turn.change("supply", closed=closed)
        turn.relays[SUPPLY] = closed
    credit = turn.state.credit
    low = turn.settings.prepaid and credit.balance_mwh < credit.low_mwh
    if low and not credit.warned:
        turn.alarm("LOW_CREDIT", f"{credit.balance_mwh} mWh")
    turn.change("credit", warned=low)
