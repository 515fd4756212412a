"""Commands for devices that ask for them, and from services that have something to tell a device.

    GET  /api/v1/commands?wait_ms=20000                  what is to be done; waits for it so long
    POST /api/v1/commands/{kind}/{number}/received       the device has it
    POST /api/v1/commands                                a service tells a device: a token, a line for the display

A command comes with every answer until the device says that it has it, at most each 10 s (`command_again_ms`): the
number tells the device what it knows already. That it has done it, its signed transaction says on the ledger.
"""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gateway.commands.inbox import Command, Inbox
from gateway.http.app import PREFIX, answer, gives, read_json, takes
from gateway.http.devices import Caller, Devices
from gateway.http.door import waits
from gateway.outbox.outbox import Outbox
from ledgernode.errors import BadRequest, CommandUnknown, RateLimited, RoleRefused

_SPREAD_MS = 5_000
_DEVICE_CHARACTERS = 100
WaitMs = Annotated[int, Query(ge=0, le=3_600_000)]
"""A gateway waits no longer than its own limit."""
DeviceName = Annotated[str, Query(max_length=_DEVICE_CHARACTERS)]


class CommandForm(msgspec.Struct, frozen=True):
    """A command as a device is told it."""

    kind: str
    number: int
    device: str
    text: str
    sent_ms: int
    payload: msgspec.Raw
    height: int
    transaction_id: str
    evidence: str
    """The proof that the ledger says so (base64), where the gateway has it: `ledgernode.evidence`."""


class GivenForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command that is not the ledger's own. One of this kind and number that is known already changes nothing."""

    kind: str
    number: int
    device: str
    payload: dict[str, Any]
    text: str = ""


class CommandsToldForm(msgspec.Struct, frozen=True):
    commands: list[CommandForm]
    time_ms: int


class Polled:
    """Devices that wait, and what they were told. Runs until it is cancelled. `changed` wakes those on streams."""

    def __init__(self, inbox: Inbox, outbox: Outbox, changed: Callable[[], None]) -> None:
        self._inbox = inbox
        self._changed = changed
        self._outbox = outbox
        self._limits = outbox.limits
        self._listeners: OrderedDict[str, int] = OrderedDict()
        self._numbers = 0
        self._waiting: dict[str, list[asyncio.Future[list[Command]]]] = {}
        self._count = 0
        self._work = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Devices that wait now."""
        return self._count

    async def next(self, device: str, wait_ms: int) -> list[Command]:
        """What this device is to be told, as soon as there is something. Raises RateLimited when too many wait."""
        if self._count >= self._limits.http_waiting:
            raise RateLimited("as many devices wait as may", retry_ms=_SPREAD_MS)
        found: asyncio.Future[list[Command]] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(device, []).append(found)
        self._count += 1
        self._work.set()
        try:
            async with asyncio.timeout(max(wait_ms, self._limits.command_turn_ms) / 1_000):
                return await found
        except TimeoutError:
            return []
        finally:
            self._count -= 1
            waiting = self._waiting.get(device, [])
            if found in waiting:
                waiting.remove(found)
            if not waiting:
                self._waiting.pop(device, None)

    def received(self, kind: str, number: int, device: str) -> asyncio.Future[None] | None:
        """The device has it; done when that is on disk, None where it was known or is unknown."""
        facts = self._inbox.received(kind, number, device, self.listener(device))
        if facts and self._inbox.traces is not None:
            self._inbox.traces.received(kind, number)
        return self._outbox.remember(facts) if facts else None

    def given(self, command: Command) -> asyncio.Future[None] | None:
        """A service's command; the same."""
        facts = self._inbox.given(command)
        if not facts:
            return None
        self._work.set()
        self._changed()
        return self._outbox.remember(facts)

    def end(self) -> None:
        """Nobody is kept waiting any more."""
        for waiting in self._waiting.values():
            for one in waiting:
                if not one.done():
                    one.set_result([])

    def knows(self, kind: str, number: int, device: str) -> bool:
        """Is it one of this device's, open or over?"""
        return any((one.kind, one.number, one.device) == (kind, number, device) for one in self._inbox)

    def listener(self, device: str) -> int:
        """One number for each device that asks, below zero: streams have those above."""
        number = self._listeners.get(device)
        if number is None:
            if len(self._listeners) >= self._limits.http_waiting:
                self._inbox.left(self._listeners.popitem(last=False)[1])
            self._numbers -= 1
            number = self._listeners[device] = self._numbers
        self._listeners.move_to_end(device)
        return number

    async def run(self) -> None:
        turn_s = self._limits.command_turn_ms / 1_000
        while True:
            if self._waiting:
                self._tell()
            self._work.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(turn_s):
                    await self._work.wait()

    def _tell(self) -> None:
        now_ms = self._outbox.clock_ms()
        for command in list(self._inbox.turns()):
            waiting = self._waiting.get(command.device)
            if waiting and self._inbox.due(command, self.listener(command.device), now_ms):
                for one in waiting:
                    if not one.done():
                        one.set_result([command])
                if self._inbox.traces is not None:
                    self._inbox.traces.told(command)
                del self._waiting[command.device]


def router(polled: Polled, devices: Devices, outbox: Outbox) -> APIRouter:
    """The area."""
    area = APIRouter(prefix=PREFIX, tags=["devices"])
    limits = outbox.limits

    @area.get("/commands", responses=gives(CommandsToldForm, "What is to be done now; empty when the wait is over"))
    async def next_commands(
        request: Request,
        wait_ms: WaitMs = 20_000,
        device: DeviceName = "",
    ) -> Response:
        """Wait for a command to this device."""
        asked = _listens_as(await devices.caller(request), device)
        waits(request)
        found = await polled.next(asked, min(wait_ms, limits.http_wait_ms))
        told = CommandsToldForm([command_form(command) for command in found], outbox.clock_ms())
        return answer(told)

    @area.post("/commands/{kind}/{number}/received", status_code=204)
    async def command_received(request: Request, kind: str, number: int, device: DeviceName = "") -> Response:
        """The device has this command."""
        asked = _listens_as(await devices.caller(request), device)
        written = polled.received(kind, number, asked)
        if written is not None:
            await written
        elif not polled.knows(kind, number, asked):
            raise CommandUnknown(f"no command {kind} {number} is for {asked}")
        return Response(status_code=204)

    @area.post("/commands", status_code=202, openapi_extra=takes(GivenForm))
    async def give_command(request: Request) -> Response:
        """Tell a device something; for services."""
        caller = await devices.caller(request)
        if caller.device is None or not caller.device.service:
            raise RoleRefused("commands are given by services")
        form = await read_json(request, GivenForm)
        if form.kind not in ("token", "display") or form.number < 1 or not 0 < len(form.device) <= _DEVICE_CHARACTERS:
            raise BadRequest("a command is of kind token or display, numbered from 1, to a device")
        command = Command(
            form.kind,
            form.number,
            device=form.device,
            payload=msgspec.json.encode(form.payload),
            text=form.text[:200],
            sent_ms=outbox.clock_ms(),
        )
        written = polled.given(command)
        if written is not None:
            await written
        return Response(status_code=202)

    return area


def _listens_as(caller: Caller, device: str) -> str:
    """As whom it asks: the file's own name for it; by a certificate the device says so itself."""
    own = caller.device.listens_as if caller.device is not None else device
    if not own or (device and device != own):
        raise RoleRefused("a device asks for its own commands")
    return own


def command_form(command: Command) -> CommandForm:
    """As a device is told it."""
    return CommandForm(
        command.kind,
        command.number,
        command.device,
        command.text,
        command.sent_ms,
        msgspec.Raw(command.payload or b"{}"),
        command.height,
        command.transaction_id.hex(),
        base64.b64encode(command.evidence).decode("ascii"),
    )
