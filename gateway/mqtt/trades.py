"""The line of each trade, as the papers' controllers read it: `New Transaction #7: energy from north:h1 → north:h2`.

A delivery that begins is noticed on every feeder it touches; the ledger itself counts the notices of a feeder, without
gaps. A line is published, and only when the broker has it the position moves on: a crash in between publishes it once
more, under the number it had. The broker keeps each feeder's last line, and its number is what a gateway that comes
back looks at: what stands there has been said, also where another gateway has said it.

Of several gateways one tells: the first by name of those that are there, as their statuses at the broker say. The
others give it a turn each and then tell what they have not heard. A broker compares nothing before it takes a message,
so two that cannot hear of each other in time still may tell a line twice, under its one number.

`Notices` and `Tellers` are pure cores; `TradeFollower` is the shell around them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
import structlog

from gateway.commands.inbox import Facts, Position
from gateway.mqtt.topics import level
from gateway.outbox.outbox import Outbox
from ledgernode.client import LedgerClient
from ledgernode.errors import LedgerError, Pruned
from ledgernode.wire.answers import NumberedEvent
from ledgernode.wire.unreadable import UNREADABLE

CONTRACT: Final = "settlement"
COMMANDED: Final = "DeliveryCommanded"
POSITION: Final = b"trades/position"
NUMBER: Final = "notice"
CHAIN: Final = "chain"
"""Properties of a line: its number on its feeder, and how the ledger's id begins."""
_NUMBER_DIGITS: Final = 15
_CHAIN_BYTES: Final = 8
_LAST: Final = (1 << 53) - 1
"""After every event of a block."""
_UNTIL_TAKEN_S: Final = 5.0
_REFUSED: Final = 128
_TELLERS: Final = 100
"""Gateways before this one that are waited for."""


class Line(msgspec.Struct, frozen=True):
    """One notice of one feeder."""

    feeder: str
    number: int
    text: str
    trade: int
    energy_wh: int
    until_ms: int
    time_ms: int
    height: int
    chain: str

    @property
    def said(self) -> dict[str, str]:
        """Beside the text, for controllers that speak MQTT 5."""
        return {
            NUMBER: str(self.number),
            CHAIN: self.chain,
            "trade": str(self.trade),
            "energy_wh": str(self.energy_wh),
            "time_ms": str(self.time_ms),
            "until_ms": str(self.until_ms),
            "height": str(self.height),
        }


class _Commanded(msgspec.Struct, frozen=True):
    """What we read of an event."""

    text: str
    trade: int
    energy_wh: int = 0
    until_ms: int = 0
    feeder: str = ""
    notice: int = 0


class Notices:
    """What is to be said, and what has been: events in, lines out."""

    def __init__(self, chain_id: bytes, position: bytes | None) -> None:
        self._chain = chain_id[:_CHAIN_BYTES].hex()
        self.position = Position() if position is None else msgspec.msgpack.decode(position, type=Position)
        self.fresh = position is None
        """Nothing is known: it begins with what comes from now on."""
        self._said: dict[str, int] = {}

    def begin(self, height: int) -> Facts:
        """Everything up to this height is past."""
        self.fresh = False
        return self._moved(Position(height, _LAST))

    def line(self, event: NumberedEvent) -> Line | None:
        """What an event asks to be said; None for what was taken before, says nothing, or has been said."""
        if Position(int(event.height), event.number) <= self.position:
            return None
        if event.contract != CONTRACT or event.name != COMMANDED:
            return None
        try:
            found = msgspec.json.decode(event.payload, type=_Commanded)
        except UNREADABLE:
            return None  # another contract than the one we know, under its name
        if not found.notice or self.was_said(found.feeder, found.notice):
            return None
        return Line(
            found.feeder,
            found.notice,
            found.text,
            found.trade,
            found.energy_wh,
            found.until_ms,
            time_ms=int(event.time_ms),
            height=int(event.height),
            chain=self._chain,
        )

    def was_said(self, feeder: str, number: int) -> bool:
        return number <= self._said.get(level(feeder), 0)

    def heard(self, feeder: str, said: Mapping[str, str]) -> None:
        """A line at the broker, of whichever gateway. Of another ledger, or without properties: nothing is known."""
        number = said.get(NUMBER, "")[:_NUMBER_DIGITS]
        if said.get(CHAIN) == self._chain and number.isascii() and number.isdigit():
            self._said[feeder] = max(int(number), self._said.get(feeder, 0))

    def passed(self, event: NumberedEvent) -> Facts:
        """This event is dealt with; what is to be kept."""
        place = Position(int(event.height), event.number)
        return self._moved(place) if place > self.position else {}

    def _moved(self, place: Position) -> Facts:
        self.position = place
        return {POSITION: msgspec.msgpack.encode(place)}


class Tellers:
    """Which gateways tell trades, by what the broker keeps of each. `own` is this one's name there."""

    def __init__(self, own: str, turn_ms: int, after_ms: int = 0) -> None:
        self._own = own
        self._turn_ms = turn_ms
        self._after_ms = after_ms
        self._before: set[str] = set()

    def heard(self, name: str, status: bytes) -> None:
        """A gateway's status; garbage says that it tells nothing."""
        try:
            tells = name < self._own and msgspec.json.decode(status, type=_Status).tells
        except UNREADABLE:
            tells = False
        if not tells:
            self._before.discard(name)
        elif len(self._before) < _TELLERS:
            self._before.add(name)

    @property
    def after_ms(self) -> int:
        """So long the others have for a line."""
        return self._after_ms + len(self._before) * self._turn_ms


class _Status(msgspec.Struct, frozen=True):
    """What we read of a gateway's status."""

    there: bool
    trades: bool = False

    @property
    def tells(self) -> bool:
        return self.there and self.trades


class Publisher(Protocol):
    """Who has a connection to the broker, now and then."""

    def publish_line(self, feeder: str, line: str, said: Mapping[str, str]) -> asyncio.Future[int] | None: ...


class TradeFollower:
    """Runs until it is cancelled. Waits for a ledger or broker that is away."""

    def __init__(
        self,
        notices: Notices,
        outbox: Outbox,
        connect: Callable[[], LedgerClient],
        publisher: Publisher,
        tellers: Tellers,
    ) -> None:
        self._notices = notices
        self._outbox = outbox
        self._connect = connect
        self._publisher = publisher
        self._tellers = tellers
        self._log: Any = structlog.get_logger("gateway.trades")

    async def run(self) -> None:
        limits = self._outbox.limits
        pause_ms = limits.drain_pause_start_ms
        pruned = False
        while True:
            before = self._notices.position
            try:
                async with self._connect() as client:
                    if self._notices.fresh or pruned:
                        if pruned:
                            self._log.error("earlier trades are pruned: their lines are lost")
                        self._outbox.remember(self._notices.begin(int((await client.facts()).height)))
                        pruned = False
                    await self._follow(client)
            except Pruned:
                pruned = True
            except LedgerError as error:
                self._log.warning("the ledger's trades do not come", code=error.code, reason=str(error))
                pause_ms = limits.drain_pause_start_ms if self._notices.position > before else 2 * pause_ms
                pause_ms = min(pause_ms, limits.drain_pause_limit_ms)
            await asyncio.sleep(pause_ms / 1_000)

    async def _follow(self, client: LedgerClient) -> None:
        async for event in client.events(self._notices.position.height, names=(COMMANDED,)):
            line = self._notices.line(event)
            if line is not None:
                await asyncio.sleep(self._tellers.after_ms / 1_000)  # another gateway may have said it by then
                await self._say(line)
            facts = self._notices.passed(event)
            if facts:
                self._outbox.remember(facts)

    async def _say(self, line: Line) -> None:
        """Until the broker has it, or it was said by another."""
        pause_s = self._outbox.limits.drain_pause_start_ms / 1_000
        while not self._notices.was_said(line.feeder, line.number):
            taken = self._publisher.publish_line(line.feeder, line.text, line.said)
            if taken is not None:
                await asyncio.wait((taken,), timeout=_UNTIL_TAKEN_S)
                if taken.done() and not taken.cancelled():
                    if taken.result() >= _REFUSED:
                        self._log.error("the broker does not let us publish trades", reason=taken.result())
                    else:
                        return
            await asyncio.sleep(pause_s)
