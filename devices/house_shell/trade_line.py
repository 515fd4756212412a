"""The gateway's trade line, heard by the bus: a delivery that begins on the ledger becomes a transfer.

    ledgernode/<ledger>/trades/<feeder>     `New Transaction #n: energy from seller → buyer`, over MQTT 5
        energy_wh, until_ms                 properties: how much was bought, and when its window is over

The broker keeps the session, so that lines said while the bus was away come when it is back; a line is acknowledged
when its trade is on disk. A line that comes again, also the one the broker retains, has a number that is known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from devices.house.transfer import Agreed, announced
from gateway.mqtt.connection import Access, Connection, Message
from ledgernode.errors import BadRequest, LedgerError

RETRY_S: Final = 5.0
SESSION_S: Final = 86_400
MESSAGE_BYTES: Final = 4_096
_DIGITS: Final = 15


class TradeLine:
    """`agree` takes a trade and refuses (BadRequest) what is none of this bus; `access` is to a broker of MQTT 5."""

    def __init__(
        self,
        access: Access,
        topic: str,
        agree: Callable[[Agreed], None],
        *,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        retry_s: float = RETRY_S,
    ) -> None:
        self._access = msgspec.structs.replace(access, session_s=SESSION_S, message_bytes=MESSAGE_BYTES)
        self._topic, self._agree = topic, agree
        self._clock_ms, self._retry_s = clock_ms, retry_s
        self._connection: Connection | None = None
        self._log: Any = structlog.get_logger("trade line")

    async def run(self) -> None:
        """Until it is cancelled. A broker that is away is tried again."""
        while True:
            connection = self._connection = Connection(self._access, self._took)
            try:
                await connection.open()
                await connection.subscribe([self._topic])
                self._log.info("listening", topic=self._topic)
                self._log.warning("the broker is gone", why=await connection.ended)
            except LedgerError as error:
                self._log.warning("no broker", code=error.code, why=str(error))
            finally:
                self._connection = None
                await connection.close()
            await asyncio.sleep(self._retry_s)

    def _took(self, message: Message) -> None:
        """Where the disk fails the connection ends without an acknowledgement, and the line comes again."""
        try:
            self._agree(agreed(message, self._clock_ms()))
        except BadRequest as error:
            self._log.warning("not taken", line=repr(message.payload[:200]), why=str(error))
        if self._connection is not None:
            self._connection.acknowledge(message.number)


def agreed(message: Message, now_ms: int) -> Agreed:
    """The trade that a line says. Refuses one that does not say its energy, as lines over MQTT 3.1.1."""
    try:
        text = message.payload.decode()
    except UnicodeDecodeError as error:
        raise BadRequest("a line is UTF-8") from error
    said = dict(message.properties)
    energy_mwh, until_ms = 1_000 * _number(said, "energy_wh"), _number(said, "until_ms")
    return msgspec.structs.replace(announced(text, now_ms), energy_mwh=energy_mwh, until_ms=until_ms)


def _number(said: dict[str, str], name: str) -> int:
    found = said.get(name, "")
    if not found.isascii() or not found.isdigit() or len(found) > _DIGITS:
        raise BadRequest(f"a line says its {name} as a property")
    return int(found)
