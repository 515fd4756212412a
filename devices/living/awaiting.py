"""What is due of deliveries: the ledger's commands when a trade's window begins and ends, and the meters' answers.

A community's time goes faster than the machine's, and a command times out by the community's: a machine that is busy
would make of every delivery one that nobody answered. So time stands still while something is late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Awaiting:
    """Told of every event of the ledger. Points are houses'."""

    def __init__(self) -> None:
        self._due: dict[tuple[int, str], int] = {}
        """When the ledger is to say it: trade and action."""
        self._open: dict[int, tuple[str, int]] = {}
        """Who is to answer a command, and since when."""

    def __len__(self) -> int:
        return len(self._due) + len(self._open)

    def heard(self, contract: str, name: str, said: dict[str, Any], time_ms: int) -> None:
        if contract == "settlement":
            self._settlement_said(name, said, time_ms)

    def _settlement_said(self, name: str, said: dict[str, Any], time_ms: int) -> None:
        match name:
            case "TradeAgreed":
                begins = {(said["trade"], action): said["from_ms"] for action in ("start", "in")}
                ends = {(said["trade"], action): said["until_ms"] for action in ("stop", "out")}
                self._due |= begins | ends
            case "DeliveryCommanded":
                self._due.pop((said["trade"], said["action"]), None)
                self._open[said["command"]] = said["point"], time_ms
            case "DeliveryAcknowledged" | "DeliveryTimedOut":
                self._open.pop(said["command"], None)
            case "TradeCurtailed" | "TradeDisputed":
                self._due = {due: at_ms for due, at_ms in self._due.items() if due[0] != said["trade"]}

    def lacks(self, until_ms: int, is_audible: Callable[[str], bool]) -> bool:
        """Whether something is missing that was due until then; who is not heard need not answer."""
        unanswered = (point for point, at_ms in self._open.values() if at_ms <= until_ms)
        return any(at_ms <= until_ms for at_ms in self._due.values()) or any(map(is_audible, unanswered))

    def give_up(self, until_ms: int) -> None:
        """What was due until then is waited for no more."""
        self._due = {due: at_ms for due, at_ms in self._due.items() if at_ms > until_ms}
        self._open = {command: told for command, told in self._open.items() if told[1] > until_ms}
