"""What became of what devices brought by way of the broker, told to them: those of a device together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.mqtt.topics import Device
from gateway.outbox.entry import Entry
from gateway.v1 import gateway_pb2 as pb

_TOGETHER_S: Final = 0.03
_OF_MESSAGE: Final = 500
_KNOWN: Final = 100_000


class Outcomes:
    """Runs until it is cancelled. `tell` publishes to a device, where there is a broker."""

    def __init__(self, tell: Callable[[Device, pb.Settled], None]) -> None:
        self._tell = tell
        self._accounts: dict[bytes, Device] = {}
        self._waiting: dict[Device, list[pb.Outcome]] = {}
        self._due = asyncio.Event()

    def remember(self, account: bytes, device: Device) -> None:
        """Who has brought something."""
        if len(self._accounts) < _KNOWN:
            self._accounts[account] = device

    def settled(self, entry: Entry, code: str, height: int) -> None:
        """What became of an entry; of one that came another way nothing is told here."""
        device = self._accounts.get(entry.lane[: len(entry.lane) - len(entry.creator)])
        if device is None:
            return
        outcome = pb.Outcome(
            creator=entry.creator, sequence=entry.sequence, transaction_id=entry.id, code=code, height=height
        )
        self._waiting.setdefault(device, []).append(outcome)
        self._due.set()

    async def run(self) -> None:
        while True:
            await self._due.wait()
            await asyncio.sleep(_TOGETHER_S)
            self._due.clear()
            waiting, self._waiting = self._waiting, {}
            for device, found in waiting.items():
                for first in range(0, len(found), _OF_MESSAGE):
                    self._tell(device, pb.Settled(outcomes=found[first : first + _OF_MESSAGE]))
