"""Somebody at a broker who hears all of some topics."""

from __future__ import annotations

from gateway.mqtt.connection import Connection, Message
from tests.gateway.mqtt.running import access
from tests.mosquitto import Mosquitto


class Listening:
    """Everything that is said on some topics."""

    def __init__(self, broker: Mosquitto, *filters: str, user: str = "gateway-2", version: str = "5") -> None:
        self.heard: list[Message] = []
        self._filters = filters
        asked = access(broker, user, client=f"listening to {filters[0]}", session_s=0, version=version)
        self.connection = Connection(asked, self._took)

    def _took(self, message: Message) -> None:
        self.heard.append(message)
        self.connection.acknowledge(message.number)

    async def __aenter__(self) -> Listening:
        await self.connection.open()
        await self.connection.subscribe(self._filters)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()
