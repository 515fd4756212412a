"""What a gateway did with the commands that are traced: noted as they pass, told when they are over.

    command    event ─▶ deliver ─▶ acknowledge

A command stands in the trace of the transaction that caused it. `event` is the time from its event here to its
evidence, `deliver` that from telling the device to its word that it has it, `acknowledge` that until the device's own
transaction stands on the ledger; a link leads to that one. What was under way when a gateway ended is not told.
"""

from __future__ import annotations

import msgspec

from gateway.commands.inbox import Command, Key
from ledgernode.config import TRACED_TRANSACTIONS
from ledgernode.observe.traces import COMMAND, HEIGHT, LEDGER, Facts, Step, Tracer, root_of
from ledgernode.wire.answers import NumberedEvent

_TIMED_OUT = "TIMED_OUT"


class _Told(msgspec.Struct):
    """Of one command. `cause` is the transaction that says it."""

    cause: bytes
    heard_ns: int
    shown_ns: int
    told_ns: int = 0
    received_ns: int = 0


class TracedCommands:
    """Of one ledger."""

    def __init__(self, ledger: str, tracer: Tracer) -> None:
        self._ledger = ledger
        self._tracer = tracer
        self._commands: dict[Key, _Told] = {}

    def now_ns(self) -> int:
        return self._tracer.now_ns()

    def commanded(self, command: Command, heard_ns: int) -> None:
        """An event of the ledger is a command; heard then, and shown by its evidence now."""
        if command.transaction_id and self._tracer.takes(command.transaction_id):
            if len(self._commands) >= TRACED_TRANSACTIONS:
                del self._commands[next(iter(self._commands))]
            told = _Told(command.transaction_id, heard_ns, self._tracer.now_ns())
            self._commands[command.kind, command.number] = told

    def told(self, command: Command) -> None:
        found = self._commands.get((command.kind, command.number))
        if found is not None:
            found.told_ns = found.told_ns or self._tracer.now_ns()

    def received(self, kind: str, number: int) -> None:
        """Its device says that it has it."""
        found = self._commands.get((kind, number))
        if found is not None:
            found.received_ns = found.received_ns or self._tracer.now_ns()

    def ended(self, command: Command, by: NumberedEvent, *, acknowledged: bool) -> None:
        """The ledger says what its device has answered, or that it waits no more."""
        key = (command.kind, command.number)
        found = self._commands.pop(key, None)
        if found is None:
            return
        answer = (root_of(bytes(by.transaction_id)),) if acknowledged else ()
        steps = (
            Step("event", found.heard_ns, found.shown_ns),
            Step("deliver", found.told_ns, found.received_ns),
            Step("acknowledge", found.received_ns or found.shown_ns, self._tracer.now_ns(), answer),
        )
        named = f"{command.kind} {command.number}"
        facts: Facts = {LEDGER: self._ledger, COMMAND: named, HEIGHT: command.height}
        code = command.code if acknowledged else _TIMED_OUT
        self._tracer.part(found.cause, "command", steps, facts, of=named, code=code)
