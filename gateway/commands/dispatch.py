"""Commands to devices that are here, by a stream or at a broker, and what the devices say of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from gateway.commands.inbox import Command, Inbox
from gateway.outbox.outbox import Outbox
from gateway.v1 import gateway_pb2 as pb


class Listener(Protocol):
    """Whoever can be told commands of these devices."""

    devices: tuple[bytes, ...]

    def tell_command(self, command: pb.Command) -> None: ...


class Dispatch:
    """Runs until it is cancelled."""

    def __init__(self, inbox: Inbox, outbox: Outbox) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._here: dict[Listener, int] = {}
        self._listening: dict[str, list[Listener]] = {}
        self._numbers = 0
        self._work = asyncio.Event()

    def changed(self) -> None:
        """There may be something to tell."""
        self._work.set()

    def give(self, command: Command) -> None:
        """Tell a device what no event says: a token, under the number of its credit. Given again: no effect."""
        facts = self._inbox.given(command)
        if facts:
            self._outbox.remember(facts)
            self.changed()

    def devices(self, stream: Listener, here: bool) -> None:
        """A stream has begun, or ended."""
        devices = [device.hex() for device in stream.devices]
        if here:
            self._numbers += 1
            self._here[stream] = self._numbers
            for device in devices:
                self._listening.setdefault(device, []).append(stream)
        elif stream in self._here:
            self._inbox.left(self._here.pop(stream))
            for device in devices:
                self._listening[device].remove(stream)
                if not self._listening[device]:
                    del self._listening[device]
        self.changed()

    def received(self, stream: Listener, told: pb.CommandReceived) -> None:
        """A device has a command."""
        facts = self._inbox.received(told.kind, told.number, told.device.hex(), self._here[stream])
        if facts:
            self._outbox.remember(facts)
            if self._inbox.traces is not None:
                self._inbox.traces.received(told.kind, told.number)

    async def run(self) -> None:
        turn_s = self._outbox.limits.command_turn_ms / 1_000
        while True:
            self._tell()
            self._work.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(turn_s):
                    await self._work.wait()

    def _tell(self) -> None:
        now_ms = self._outbox.clock_ms()
        for command in self._inbox.turns():
            for stream in self._listening.get(command.device, ()):
                if self._inbox.due(command, self._here[stream], now_ms):
                    stream.tell_command(_message(command))
                    if self._inbox.traces is not None:
                        self._inbox.traces.told(command)


def _message(command: Command) -> pb.Command:
    return pb.Command(
        number=command.number,
        device=bytes.fromhex(command.device),
        kind=command.kind,
        payload=command.payload,
        text=command.text,
        sent_ms=command.sent_ms,
        height=command.height,
        transaction_id=command.transaction_id,
        evidence=command.evidence,
    )
