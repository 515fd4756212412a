"""Every command and how far it is: pending, delivered, acknowledged, timed out.

A pure core: events of the ledger in, facts to keep and commands to tell out. The position in the ledger's events is a
fact like the commands themselves and is kept in the same write: after a crash the same events come again and make the
same commands.

    pending        known; told again and again until the device says that it has it
    delivered      the device has it
    acknowledged   its signed transaction stands on the ledger
    timed out      the ledger has given up; it is told no more. A late acknowledgement still counts

Devices on one bus are told one command at a time: the next when the one before is acknowledged or timed out. What is
older than its life is not told: a relay must not close for a trade of yesterday. When more are open than may be, the
oldest is given up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from gateway.limits import Limits
from ledgernode.wire.answers import NumberedEvent

CONTRACT: Final = "settlement"
COMMANDED: Final = "DeliveryCommanded"
ACKNOWLEDGED: Final = "DeliveryAcknowledged"
TIMED_OUT: Final = "DeliveryTimedOut"
NAMES: Final = (COMMANDED, ACKNOWLEDGED, TIMED_OUT)
DELIVERY: Final = "delivery"
POSITION: Final = b"commands/position"
COMMANDS: Final = b"command/"
"""Facts: where the position is kept, and how those of commands begin."""
_FIRST_ACTION: Final = "start"


class Status(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    TIMED_OUT = "timed out"


Key: TypeAlias = tuple[str, int]
"""Kind and number."""
_FOR_EVER_MS: Final = 1 << 62
_QUIET_KEPT: Final = 1_000
_OPEN: Final = (Status.PENDING, Status.DELIVERED)


class Command(msgspec.Struct, frozen=True):
    """`device` as the ledger names it: the id of its identity in hex, or a name where it has no key."""

    kind: str
    number: int
    device: str
    payload: bytes
    text: str
    sent_ms: int
    status: Status = Status.PENDING
    height: int = 0
    transaction_id: bytes = b""
    """Where the ledger says it, so that it can be proven."""


class _Said(msgspec.Struct, frozen=True):
    """What we read of an event."""

    command: int
    action: str = ""
    device: str = ""
    text: str = ""


class Position(msgspec.Struct, frozen=True, array_like=True, order=True):
    """The last event that was taken."""

    height: int = 0
    number: int = 0


Facts: TypeAlias = dict[bytes, bytes | None]
_ENCODER: Final = msgspec.msgpack.Encoder()


class Inbox:
    """Of one ledger. `buses` says which devices share one; a device that no bus names has its own."""

    def __init__(self, limits: Limits, buses: Mapping[str, Iterable[str]] | None = None) -> None:
        self._limits = limits
        self._bus_of = {device: f"bus {bus}" for bus, devices in (buses or {}).items() for device in devices}
        self._commands: dict[Key, Command] = {}
        self._open: dict[str, dict[Key, None]] = {}
        self._closed: dict[Key, None] = {}
        self._in_order: dict[Key, None] = {}
        self._quiet_until_ms: dict[int, dict[Key, int]] = {}
        self.position = Position()
        self.lines: list[str] = []
        """What is to be published since this was last emptied."""

    # ------------------------------------------------------------ what is kept

    def load(self, position: bytes | None, commands: Iterable[bytes]) -> None:
        """Go on from what was kept."""
        if position is not None:
            self.position = msgspec.msgpack.decode(position, type=Position)
        found = [read_command(one) for one in commands]
        for command in sorted(found, key=lambda one: (one.sent_ms, one.number)):
            self._put(command)

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())

    # ------------------------------------------------------------ events in

    def event(self, event: NumberedEvent) -> Facts:
        """Take one event of the ledger; what is to be kept. One that was taken before changes nothing."""
        place = Position(int(event.height), event.number)
        if place <= self.position:
            return {}
        self.position = place
        facts: Facts = {POSITION: _ENCODER.encode(place)}
        if event.contract != CONTRACT or event.name not in NAMES:
            return facts
        try:
            said = msgspec.json.decode(event.payload, type=_Said)
        except msgspec.MsgspecError:
            return facts  # another contract than the one we know, under its name
        key = (DELIVERY, said.command)
        if event.name == COMMANDED:
            if said.action == _FIRST_ACTION:
                self.lines.append(said.text)
            found = Command(
                *key,
                device=said.device,
                payload=event.payload,
                text=said.text,
                sent_ms=int(event.time_ms),
                height=int(event.height),
                transaction_id=bytes(event.transaction_id),
            )
            return facts | self._put(found)
        return facts | self._moved(key, Status.ACKNOWLEDGED if event.name == ACKNOWLEDGED else Status.TIMED_OUT)

    def given(self, command: Command) -> Facts:
        """A command that is not of the ledger: a token, a message for the display, a tariff table."""
        return self._put(command) if (command.kind, command.number) not in self._commands else {}

    def received(self, kind: str, number: int, device: str, listener: int) -> Facts:
        """A listener says that the device has it: this one is not told again. Others are: it may not be the device."""
        key = (kind, number)
        command = self._commands.get(key)
        if command is None or command.device != device or command.status not in _OPEN:
            return {}
        self._quiet_until_ms.setdefault(listener, {})[key] = _FOR_EVER_MS
        return self._moved(key, Status.DELIVERED)

    def acknowledged(self, kind: str, number: int) -> Facts:
        """What is not of the ledger is acknowledged where it was given."""
        return self._moved((kind, number), Status.ACKNOWLEDGED)

    # ------------------------------------------------------------ commands out

    def turns(self) -> Iterator[Command]:
        """On each bus the first that is open."""
        for keys in self._open.values():
            yield self._commands[next(iter(keys))]

    def due(self, command: Command, listener: int, now_ms: int) -> bool:
        """Is this listener to be told it now? Then it is told, and again only after a while."""
        if now_ms >= command.sent_ms + self._limits.command_life_ms:
            return False
        key = (command.kind, command.number)
        quiet = self._quiet_until_ms.setdefault(listener, {})
        if now_ms < quiet.get(key, 0):
            return False
        if len(quiet) >= _QUIET_KEPT:
            quiet = self._quiet_until_ms[listener] = {
                key: until for key, until in quiet.items() if key in self._in_order
            }
        quiet[key] = now_ms + self._limits.command_again_ms
        return True

    def left(self, listener: int) -> None:
        """It listens no more; whoever comes next is told everything that is open."""
        self._quiet_until_ms.pop(listener, None)

    # ------------------------------------------------------------ within

    def _moved(self, key: Key, status: Status) -> Facts:
        command = self._commands.get(key)
        if command is None or command.status is Status.ACKNOWLEDGED:
            return {}
        return self._put(msgspec.structs.replace(command, status=status))

    def _put(self, command: Command) -> Facts:
        key = (command.kind, command.number)
        name = self._bus(command.device)
        self._commands[key] = command
        facts: Facts = {_fact(key): _ENCODER.encode(command)}
        if command.status in _OPEN:
            self._open.setdefault(name, {})[key] = None
            self._in_order[key] = None
            if len(self._in_order) > self._limits.commands_kept:
                facts |= self._moved(next(iter(self._in_order)), Status.TIMED_OUT)
            return facts
        bus = self._open.get(name, {})
        bus.pop(key, None)
        if not bus:
            self._open.pop(name, None)
        self._in_order.pop(key, None)
        self._closed[key] = None
        return facts | self._forget_oldest()

    def _forget_oldest(self) -> Facts:
        facts: Facts = {}
        while len(self._closed) > self._limits.acknowledged_kept:
            oldest = next(iter(self._closed))
            del self._closed[oldest]
            del self._commands[oldest]
            facts[_fact(oldest)] = None
        return facts

    def _bus(self, device: str) -> str:
        return self._bus_of.get(device, device)


def read_command(fact: bytes) -> Command:
    """As it was kept."""
    return msgspec.msgpack.decode(fact, type=Command)


def _fact(key: Key) -> bytes:
    return COMMANDS + key[0].encode() + b"/" + key[1].to_bytes(8, "big")
