"""A concentrator's line to a gateway: what is due goes out, answers and outcomes come in.

A line goes one of several ways: a stream to a gateway, or a broker with gateways behind it. When one is gone, or says
that it goes, the next of the list is tried; after all of them there is a pause that grows. What had no answer is sent
again, whichever way answers: the ledger takes a reading once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import grpc

from devices.fleet.meters import Meters
from devices.fleet.reporting import Answer, Reporting
from gateway.client import GatewayClient
from ledgernode.errors import LedgerError, NodeUnreachable

if TYPE_CHECKING:  # a fleet without a broker needs no MQTT
    from gateway.mqtt.client import BrokerClient

Client: TypeAlias = "GatewayClient | BrokerClient"
Way: TypeAlias = Callable[[], Client]
"""Makes a client that is not connected yet."""

GATHER_S: Final = 0.1
"""So long readings gather for a message: a concentrator's patience, not a meter's."""
PAUSE_FIRST_S: Final = 0.2
PAUSE_MOST_S: Final = 5.0


class Line:
    """Of one process' meters, by these ways in turn."""

    def __init__(self, reporting: Reporting, meters: Meters, ways: Sequence[Way]) -> None:
        self._reporting = reporting
        self._meters = meters
        self._ways = tuple(ways)

    async def run(self) -> None:
        """Until it is cancelled."""
        pause_s, turn = PAUSE_FIRST_S, 0
        while True:
            before = self._reporting.counts.safe
            code = await self._connected(self._ways[turn % len(self._ways)])
            self._reporting.dropped()
            self._reporting.counts.lost_connection(code)
            turn += 1
            if self._reporting.counts.safe > before:
                pause_s = PAUSE_FIRST_S
            elif turn % len(self._ways) == 0:
                pause_s = min(2 * pause_s, PAUSE_MOST_S)
            await asyncio.sleep(pause_s)

    async def _connected(self, way: Way) -> str:
        """Once, to its end; the code that ended it."""
        tasks: list[asyncio.Task[None]] = []
        try:
            async with way() as client:
                welcome = await client.connect()
                room = asyncio.Semaphore(welcome.unanswered)
                ended = asyncio.create_task(_ended(client))
                failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                tasks += [ended, asyncio.create_task(self._hear(client))]
                tasks.append(asyncio.create_task(self._send(client, room, welcome.items, tasks, failed)))
                await asyncio.wait((*tasks, failed), return_when=asyncio.FIRST_COMPLETED)
                for done in (failed, *tasks):
                    if done.done():
                        done.result()
        except LedgerError as error:
            return error.code
        except (TimeoutError, grpc.aio.AioRpcError, grpc.aio.UsageError) as error:
            return type(error).__name__
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return "ENDED"

    async def _send(
        self,
        client: Client,
        room: asyncio.Semaphore,
        most: int,
        tasks: list[asyncio.Task[None]],
        failed: asyncio.Future[None],
    ) -> None:
        while True:
            await room.acquire()
            while (message := self._reporting.taken(now_ms(), most)) is None:
                await asyncio.sleep(GATHER_S)
                self._reporting.passed(now_ms())
            envelopes = []
            for at, reading in enumerate(message.readings, 1):
                envelopes.append(self._meters.envelope(reading))
                if at % 20 == 0:
                    await asyncio.sleep(0)
            task = asyncio.create_task(self._answer(client, message.number, envelopes, room, failed))
            tasks.append(task)
            task.add_done_callback(tasks.remove)

    async def _answer(
        self,
        client: Client,
        number: int,
        envelopes: list[bytes],
        room: asyncio.Semaphore,
        failed: asyncio.Future[None],
    ) -> None:
        try:
            answers = await client.answers(envelopes)
        except (LedgerError, TimeoutError, grpc.aio.AioRpcError) as error:
            if not failed.done():
                failed.set_exception(error)
            return
        self._reporting.answered(number, [Answer(one.code, one.retry_ms) for one in answers], now_ms())
        room.release()

    async def _hear(self, client: Client) -> None:
        async for message in client.told():
            at_ms = now_ms()
            for one in message.settled.outcomes:
                place = self._meters.place_of(one.creator)
                if place is not None:
                    self._reporting.settled(place, one.sequence, one.code, at_ms)


async def _ended(client: Client) -> None:
    reason = await client.ended()
    raise reason if isinstance(reason, Exception) else NodeUnreachable(reason)


def now_ms() -> int:
    return time.time_ns() // 1_000_000
