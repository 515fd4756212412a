"""The village's radio: a broker within this process, where the gateway tells each trade that begins, and a listener.

The papers' controllers hear of trades by MQTT: `New Transaction #7: energy from north:h1 → north:h2`. What is heard
here has gone from the ledger through the gateway and the broker.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from gateway.mqtt.broker import EmbeddedBroker
from gateway.mqtt.connection import Access, Connection, Message
from gateway.mqtt.topics import ROOT, TRADES
from ledgernode.errors import NodeUnreachable
from ledgernode.identity.secret_file import create_secret

GATEWAY: Final = "gateway"
LISTENER: Final = "listener"
KEPT_IN: Final = "broker.secret"
_AGAIN_S: Final = 0.5


class Radio:
    """Start it before the gateway, stop it after. `heard` is told every line."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._passwords = {name: secrets.token_hex(16) for name in (GATEWAY, LISTENER)}
        self._broker = EmbeddedBroker(self._passwords, gateways=[GATEWAY])
        self._heard = heard

    async def start(self, gateway: Path) -> dict[str, Any]:
        """Listen on this machine; what the gateway of this folder is to be set to."""
        await self._broker.start()
        self._hand_over(gateway)
        return {
            "address": self._broker.address,
            "username": GATEWAY,
            "password_file": KEPT_IN,
            "tls": False,
            "version": "3.1.1",
        }

    def _hand_over(self, gateway: Path) -> None:
        """Its password to the gateway, for nobody else to read."""
        gateway.mkdir(exist_ok=True)
        (gateway / KEPT_IN).unlink(missing_ok=True)
        create_secret(gateway / KEPT_IN, self._passwords[GATEWAY].encode())

    async def listen(self, ledger: str) -> None:
        """Hear every trade of a ledger, until this is cancelled."""
        access = Access(
            self._broker.host,
            self._broker.port,
            client=LISTENER,
            tls=None,
            username=LISTENER,
            password=self._passwords[LISTENER],
            version="3.1.1",
        )
        while True:
            with suppress(NodeUnreachable):
                await self._heard_over(access, f"{ROOT}/{ledger}/{TRADES}/+")
            await asyncio.sleep(_AGAIN_S)

    async def _heard_over(self, access: Access, topic: str) -> None:
        """One connection, until it ends."""

        def took(message: Message) -> None:
            self._heard(message.payload.decode(errors="replace"))
            if message.number:
                connection.acknowledge(message.number)

        connection = Connection(access, took)
        try:
            await connection.open()
            await connection.subscribe([topic])
            await asyncio.shield(connection.ended)
        finally:
            await connection.close()

    async def stop(self) -> None:
        await self._broker.stop()
