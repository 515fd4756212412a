"""What a community's time waits for: commands that are due, and answers of meters that are heard."""

from __future__ import annotations

from typing import Any

from devices.living.awaiting import Awaiting
from devices.living.units import INTERVAL_MS

FROM_MS, UNTIL_MS = INTERVAL_MS, 2 * INTERVAL_MS


class Told:
    """One trade of two houses, and what the ledger says of it."""

    def __init__(self) -> None:
        self.awaiting = Awaiting()
        self.silent: set[str] = set()
        self.say("TradeAgreed", 0, trade=1, from_ms=FROM_MS, until_ms=UNTIL_MS)

    def say(self, name: str, time_ms: int, **said: Any) -> None:
        self.awaiting.heard("settlement", name, said, time_ms)

    def command(self, number: int, action: str, time_ms: int) -> None:
        point = "north:seller" if action in ("start", "stop") else "north:buyer"
        self.say("DeliveryCommanded", time_ms, command=number, trade=1, action=action, point=point)

    def lacks(self, now_ms: int) -> bool:
        return self.awaiting.lacks(now_ms, lambda point: point not in self.silent)


def test_time_waits_for_the_ledgers_commands_and_for_the_answers() -> None:
    """From when they are due."""
    told = Told()
    assert not told.lacks(FROM_MS - 1)
    assert told.lacks(FROM_MS)
    told.command(1, "start", FROM_MS + 5)
    told.command(2, "in", FROM_MS + 5)
    assert not told.lacks(FROM_MS)
    assert told.lacks(FROM_MS + 5)
    told.say("DeliveryAcknowledged", FROM_MS + 6, command=1)
    assert told.lacks(FROM_MS + 5)
    told.silent.add("north:buyer")
    assert not told.lacks(FROM_MS + 5), "who is not heard need not answer"
    told.silent.clear()
    told.say("DeliveryTimedOut", FROM_MS + 6, command=2)
    assert not told.lacks(UNTIL_MS - 1)
    assert told.lacks(UNTIL_MS)


def test_of_a_trade_that_was_curtailed_no_end_is_due() -> None:
    told = Told()
    for number, action in enumerate(("start", "in", "out", "out"), 1):
        told.command(number, action, FROM_MS)
        told.say("DeliveryAcknowledged", FROM_MS, command=number)
    told.say("TradeCurtailed", FROM_MS, trade=1)
    assert not told.lacks(UNTIL_MS + INTERVAL_MS)


def test_what_was_waited_for_in_vain_is_given_up() -> None:
    told = Told()
    told.awaiting.give_up(FROM_MS)
    assert not told.lacks(UNTIL_MS - 1)
    assert told.lacks(UNTIL_MS), "what comes later is waited for"
