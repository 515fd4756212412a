"""Commands to devices that are asked: those of `http-devices.json` that have a `url`.

The command is a POST, signed with the device's secret (`signature.py`); 2xx means that the device has it. Otherwise it
is asked again every 5 s (`demand_again_ms`), for as long as the command lives. One at a time for each device, many
devices at once: one that does not answer holds up nobody else.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from gateway.commands.inbox import Command, Inbox
from gateway.http.commands import Polled, command_form
from gateway.http.devices import Device, Devices
from gateway.http.post import post, read_url
from gateway.http.signature import Request, authorization
from gateway.limits import Limits
from ledgernode.errors import LedgerError


class Demand:
    """Runs until it is cancelled."""

    def __init__(
        self,
        inbox: Inbox,
        polled: Polled,
        devices: Devices,
        limits: Limits,
        *,
        clock_ms: Callable[[], int],
        steady_ms: Callable[[], int],
    ) -> None:
        self._inbox = inbox
        self._polled = polled
        self._devices = devices
        self._limits = limits
        self._clock_ms = clock_ms
        self._steady_ms = steady_ms
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._again_ms: dict[str, int] = {}
        self._had: dict[str, tuple[str, int]] = {}
        self._log: Any = structlog.get_logger("gateway.http")

    async def run(self) -> None:
        try:
            while True:
                self._ask_all()
                await asyncio.sleep(self._limits.command_turn_ms / 1_000)
        finally:
            for task in self._asking.values():
                task.cancel()

    def _ask_all(self) -> None:
        """Whoever has something to be told, is not being asked, and was not asked just now."""
        asked = {device.listens_as: device for device in self._devices if device.url and device.listens_as}
        if not asked:
            return
        now_ms, steady_ms = self._clock_ms(), self._steady_ms()
        for command in self._inbox.turns():
            device = asked.get(command.device)
            if device is None or device.name in self._asking or len(self._asking) >= self._limits.demands:
                continue
            over = now_ms >= command.sent_ms + self._limits.command_life_ms
            has_it = self._had.get(device.name) == (command.kind, command.number)
            if over or has_it or steady_ms < self._again_ms.get(device.name, 0):
                continue
            self._asking[device.name] = asyncio.create_task(self._ask(device, command))

    async def _ask(self, device: Device, command: Command) -> None:
        try:
            url = read_url(device.url)
            body = msgspec.json.encode(command_form(command))
            signed = Request("POST", url.target, body)
            header = authorization(device.name, device.key, signed, self._clock_ms(), secrets.token_hex(8))
            headers = {"Authorization": header, "Content-Type": "application/json"}
            reply = await post(url, body, headers, timeout_s=self._limits.demand_ms / 1_000)
        except LedgerError as error:
            self._log.info("a device does not take its command", device=device.name, reason=str(error))
        else:
            if reply.taken:
                self._had[device.name] = (command.kind, command.number)
                self._again_ms.pop(device.name, None)
                self._polled.received(command.kind, command.number, command.device)
                return
            self._log.info("a device does not take its command", device=device.name, status=reply.status)
        finally:
            del self._asking[device.name]
        self._again_ms[device.name] = self._steady_ms() + self._limits.demand_again_ms
