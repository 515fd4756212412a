"""Every command and how far it is: pending, delivered, acknowledged, timed out.

A pure core: events of the ledger in, facts to keep and commands to tell out. The position in the ledger's events is a
fact like the commands themselves and is kept in the same write: after a crash the same events come again and make the
same commands.

    pending        known; told again and again until the device says that it has it
    delivered      the device has it
    acknowledged   its signed transaction stands on the ledger; `code` is what it says there, OK or why not
    timed out      the ledger has given up; it is told no more. A late acknowledgement still counts

    kind       the ledger's event                          its number            over by
    delivery   settlement.DeliveryCommanded                the command's         DeliveryAcknowledged, DeliveryTimedOut
    share      prepaid.ShareRequested                      the share's           ShareDebited, ShareTimedOut
    supply     prepaid.SupplyBlocked, SupplyUnblocked      its place             commands.SupplyAnswered
    command    commands.MeterCommanded                     the command's         commands.CommandAnswered
    token      (vended, never an event: `given`)           the credit's          prepaid.CreditRedeemed, CreditBurned

Devices on one bus are told one delivery at a time: the next when the one before is acknowledged or timed out. The
commands of a utility to one meter likewise, for their order matters; others do not wait for one another. A delivery
that is older than its life does not begin: a relay must not close for a trade of yesterday. One that ends is told until
the device acknowledges it, though the ledger waits no more: a relay must not stay closed either. Others do not wait for
it then. When more are open than may be, the oldest is given up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

from gateway.limits import Limits
from ledgernode.evidence import WITHIN
from ledgernode.wire.answers import NumberedEvent
from ledgernode.wire.unreadable import UNREADABLE

if TYPE_CHECKING:
    from gateway.commands.traced import TracedCommands

DELIVERY: Final = "delivery"
SHARE: Final = "share"
SUPPLY: Final = "supply"
COMMAND: Final = "command"
DIGITS: Final = "token"


class _Tells(NamedTuple):
    """An event that tells a device something: under which names it says the number and the device."""

    kind: str
    number: str
    device: str


class _Ends(NamedTuple):
    """An event that is the end of a command."""

    kind: str
    number: str
    acknowledges: bool = True

    def of(self, said: dict[str, Any]) -> int:
        if self.kind == SUPPLY:
            return _whole(said["height"]) * WITHIN + _whole(said["within"])
        return _whole(said[self.number])


_TELLS: Final[Mapping[tuple[str, str], _Tells]] = {
    ("settlement", "DeliveryCommanded"): _Tells(DELIVERY, "command", "device"),
    ("prepaid", "ShareRequested"): _Tells(SHARE, "share", "meter"),
    ("prepaid", "SupplyBlocked"): _Tells(SUPPLY, "", "meter"),
    ("prepaid", "SupplyUnblocked"): _Tells(SUPPLY, "", "meter"),
    ("commands", "MeterCommanded"): _Tells(COMMAND, "command", "meter"),
}
_ENDS: Final[Mapping[tuple[str, str], _Ends]] = {
    ("settlement", "DeliveryAcknowledged"): _Ends(DELIVERY, "command"),
    ("settlement", "DeliveryTimedOut"): _Ends(DELIVERY, "command", acknowledges=False),
    ("prepaid", "ShareDebited"): _Ends(SHARE, "share"),
    ("prepaid", "ShareTimedOut"): _Ends(SHARE, "share", acknowledges=False),
    ("commands", "SupplyAnswered"): _Ends(SUPPLY, ""),
    ("commands", "CommandAnswered"): _Ends(COMMAND, "command"),
    ("prepaid", "CreditRedeemed"): _Ends(DIGITS, "credit"),
    ("prepaid", "CreditBurned"): _Ends(DIGITS, "credit", acknowledges=False),
}
NAMES: Final = tuple(sorted({name for _, name in (*_TELLS, *_ENDS)}))
POSITION: Final = b"commands/position"
COMMANDS: Final = b"command/"
"""Facts: where the position is kept, and how those of commands begin."""
_FIRST_ACTION: Final = "start"
_LAST_ACTIONS: Final = ("stop", "out")
_DONE: Final = "OK"


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
    evidence: bytes = b""
    """The proof that a device can check (`ledgernode.evidence`)."""
    code: str = ""
    """What the device has said of it on the ledger."""
    ends: bool = False
    """A delivery that is over."""
    late: bool = False
    """The ledger waits no more for its acknowledgement."""


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
        self.traces: TracedCommands | None = None
        """Told of commands on their way, where somebody traces them."""
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

    def under_way(self) -> Counter[tuple[str, str]]:
        """How many have no end yet, by kind and status."""
        return Counter((key[0], self._commands[key].status.value) for key in self._in_order)

    def digits(self, credit: int) -> str:
        """Of a token that was given to be told: what its customer may type instead; '' where it is not here."""
        found = self._commands.get((DIGITS, credit))
        try:
            said = msgspec.json.decode(found.payload) if found is not None else {}
        except UNREADABLE:
            return ""
        digits = said.get("digits", "") if isinstance(said, dict) else ""
        return digits if isinstance(digits, str) else ""

    # ------------------------------------------------------------ events in

    def wanted(self, event: NumberedEvent) -> bool:
        """Whether this event is a command that was not taken before: its evidence is needed."""
        return (event.contract, event.name) in _TELLS and Position(int(event.height), event.number) > self.position

    def event(self, event: NumberedEvent, evidence: bytes = b"", at: int = 0) -> Facts:
        """Take one event of the ledger; what is to be kept. One that was taken before changes nothing.

        `evidence` and `at` (its place, `ledgernode.evidence`) are those of a command.
        """
        place = Position(int(event.height), event.number)
        if place <= self.position:
            return {}
        self.position = place
        facts: Facts = {POSITION: _ENCODER.encode(place)}
        try:
            said = msgspec.json.decode(event.payload, type=dict[str, Any])
            return facts | self._told(event, said, evidence, at) | self._ended(event, said)
        except (*UNREADABLE, KeyError, TypeError, ValueError):
            return facts  # another contract than the one we know, under its name

    def _told(self, event: NumberedEvent, said: dict[str, Any], evidence: bytes, at: int) -> Facts:
        """A command, where the event is one."""
        tells = _TELLS.get((event.contract, event.name))
        if tells is None:
            return {}
        number = _whole(said[tells.number]) if tells.number else at
        device, text = said[tells.device], said.get("text", "")
        if not isinstance(device, str) or not isinstance(text, str):
            raise TypeError("a device and a text are texts")
        if tells.kind == DELIVERY and said.get("action") == _FIRST_ACTION:
            self.lines.append(text)
        if not device or (tells.kind, number) in self._commands:
            return {}  # nobody hangs there, or it is told already
        found = Command(
            tells.kind,
            number,
            device=device,
            payload=event.payload,
            text=text,
            sent_ms=int(event.time_ms),
            height=int(event.height),
            transaction_id=bytes(event.transaction_id),
            evidence=evidence,
            ends=tells.kind == DELIVERY and said.get("action") in _LAST_ACTIONS,
        )
        return self._put(found)

    def _ended(self, event: NumberedEvent, said: dict[str, Any]) -> Facts:
        ends = _ENDS.get((event.contract, event.name))
        if ends is None:
            return {}
        status = Status.ACKNOWLEDGED if ends.acknowledges else Status.TIMED_OUT
        code, key = said.get("code", _DONE if ends.acknowledges else ""), (ends.kind, ends.of(said))
        command = self._commands.get(key)
        if not ends.acknowledges and command is not None and command.ends and command.status in _OPEN:
            self._leave_turn(command)
            return self._put(msgspec.structs.replace(command, late=True))
        return self._moved(key, status, str(code))

    def given(self, command: Command) -> Facts:
        """A command that is not of the ledger: a token, under the number of its credit."""
        return self._put(command) if (command.kind, command.number) not in self._commands else {}

    def received(self, kind: str, number: int, device: str, listener: int) -> Facts:
        """A listener says that the device has it: this one is not told again. Others are: it may not be the device."""
        key = (kind, number)
        command = self._commands.get(key)
        if command is None or command.device != device or command.status not in _OPEN:
            return {}
        self._quiet_until_ms.setdefault(listener, {})[key] = _FOR_EVER_MS
        return self._moved(key, Status.DELIVERED)

    # ------------------------------------------------------------ commands out

    def turns(self) -> Iterator[Command]:
        """Of each turn the first that is open."""
        for keys in self._open.values():
            yield self._commands[next(iter(keys))]

    def due(self, command: Command, listener: int, now_ms: int) -> bool:
        """Is this listener to be told it now? Then it is told, and again only after a while."""
        is_old = now_ms >= command.sent_ms + self._limits.command_life_ms
        if command.kind == DELIVERY and is_old and not command.ends:
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

    def _moved(self, key: Key, status: Status, code: str = "") -> Facts:
        command = self._commands.get(key)
        if command is None or command.status is Status.ACKNOWLEDGED:
            return {}
        return self._put(msgspec.structs.replace(command, status=status, code=code))

    def _put(self, command: Command) -> Facts:
        key, name = (command.kind, command.number), self._turn(command)
        self._commands[key] = command
        facts: Facts = {_fact(key): _ENCODER.encode(command)}
        if command.status in _OPEN:
            self._open.setdefault(name, {})[key] = None
            self._in_order[key] = None
            if len(self._in_order) > self._limits.commands_kept:
                facts |= self._moved(next(iter(self._in_order)), Status.TIMED_OUT)
            return facts
        self._leave_turn(command)
        self._in_order.pop(key, None)
        self._closed[key] = None
        return facts | self._forget_oldest()

    def _leave_turn(self, command: Command) -> None:
        name = self._turn(command)
        waiting = self._open.get(name, {})
        waiting.pop((command.kind, command.number), None)
        if not waiting:
            self._open.pop(name, None)

    def _forget_oldest(self) -> Facts:
        facts: Facts = {}
        while len(self._closed) > self._limits.acknowledged_kept:
            oldest = next(iter(self._closed))
            del self._closed[oldest]
            del self._commands[oldest]
            facts[_fact(oldest)] = None
        return facts

    def _turn(self, command: Command) -> str:
        """Commands of one turn are told one after the other."""
        if command.kind == DELIVERY and not command.late:
            return self._bus_of.get(command.device, f"device {command.device}")
        if command.kind == COMMAND:
            return f"{command.kind} {command.device}"
        return f"{command.kind} {command.number}"


def read_command(fact: bytes) -> Command:
    """As it was kept."""
    return msgspec.msgpack.decode(fact, type=Command)


def commands_in(facts: Facts) -> Iterator[Command]:
    """Those that are to be kept."""
    for name, fact in facts.items():
        if fact is not None and name.startswith(COMMANDS):
            yield read_command(fact)


def _whole(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise TypeError("a number counts from 0")
    return value


def _fact(key: Key) -> bytes:
    return COMMANDS + key[0].encode() + b"/" + key[1].to_bytes(8, "big")
