"""One process of a fleet: a task in its first line of input, a line of output now and then, until its input ends.

It ends with whoever started it, however that ended: the input is closed then.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import msgspec
import uvloop

from devices.fleet.counts import Counts
from devices.fleet.directory import read_fleet_secret, read_plan
from devices.fleet.houses import Courses, Houses, SeededHouses
from devices.fleet.line import Line, Way, now_ms
from devices.fleet.meters import Meters
from devices.fleet.plan import Plan, Run, Schedule
from devices.fleet.reporting import Reporting
from gateway.client import GatewayClient
from ledgernode.identity.tls import TlsFiles, channel_credentials
from ledgernode.wire.types import ChainId

SAY_EVERY_S: Final = 0.5
ANSWER_MS: Final = 20_000


class Broker(msgspec.Struct, frozen=True):
    """A broker with gateways behind it, and as whom a concentrator comes there. Its printed form shows no password."""

    address: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Broker({self.username} at {self.address})"


class Task(msgspec.Struct, frozen=True):
    """What a process is to do: meters of these places report over these gateways."""

    directory: str
    first_place: int
    places: int
    own: int
    gateways: tuple[str, ...]
    tls: TlsFiles
    runs: tuple[Run, ...]
    first: int
    """Rounds from here on are sent, those before `fresh` for the second time perhaps."""
    fresh: int
    hear_ms: int
    """How long outcomes are waited for when everything is safe."""
    broker: Broker | None = None
    """Instead of the gateways."""


class Said(msgspec.Struct, frozen=True):
    counts: Counts
    waiting: int
    unheard: int
    safe_until: int
    ended: bool = False


async def report(task: Task) -> None:
    """Until everything is safe and heard of, or the input ends."""
    plan = read_plan(Path(task.directory))
    places = range(task.first_place, task.first_place + task.places)
    courses = Courses(houses_of(plan), task.runs)
    meters = Meters(read_fleet_secret(Path(task.directory)), ChainId(bytes.fromhex(plan.chain_id)), places, courses)
    schedule = Schedule(task.runs, plan.seed, places)
    after = task.runs[-1].after
    reporting = Reporting(schedule, places, first=task.first, fresh=task.fresh, after=after)
    line = asyncio.create_task(Line(reporting, meters, ways(task, plan)).run())
    told = asyncio.create_task(_end_of_input())
    try:
        await _until_done(reporting, task.hear_ms, told, line)
    finally:
        _say(reporting, ended=True)
        line.cancel()
        await asyncio.gather(line, return_exceptions=True)


def houses_of(plan: Plan) -> Houses:
    if plan.history:
        from devices.fleet.measured import measured_houses

        return measured_houses(plan.history)
    return SeededHouses(Random(plan.seed))  # noqa: S311  # the same from the same seed


def ways(task: Task, plan: Plan) -> list[Way]:
    """Each gateway, its own one first; or the broker."""
    if task.broker is not None:
        return [_by_broker(task, task.broker, plan)]
    own = task.own % len(task.gateways)
    credentials = channel_credentials(task.tls)
    in_turn = (*task.gateways[own:], *task.gateways[:own])
    return [partial(GatewayClient, gateway, credentials, timeout_ms=ANSWER_MS) for gateway in in_turn]


def _by_broker(task: Task, broker: Broker, plan: Plan) -> Way:
    from gateway.mqtt.client import BrokerClient
    from gateway.mqtt.connection import Access, tls_context
    from gateway.mqtt.reach import read_address

    host, port = read_address(broker.address)
    device = f"{plan.organisation}/{plan.carriers[task.own]}"
    access = Access(
        host,
        port,
        client=f"{plan.name}-{task.own}",
        tls=tls_context(task.tls.roots, "", b""),
        username=broker.username or device,
        password=broker.password,
    )
    return partial(BrokerClient, access, plan.ledger, device, timeout_ms=ANSWER_MS)


async def _until_done(reporting: Reporting, hear_ms: int, told: asyncio.Task[None], line: asyncio.Task[None]) -> None:
    loop = asyncio.get_running_loop()
    heard, heard_at = -1, loop.time()
    while not (told.done() or line.done()):
        await asyncio.wait((told, line), timeout=SAY_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
        reporting.passed(now_ms())
        _say(reporting)
        if not reporting.all_safe or reporting.unheard != heard:
            heard, heard_at = reporting.unheard, loop.time()
        if reporting.all_safe and (not reporting.unheard or loop.time() - heard_at > hear_ms / 1_000):
            return
    if line.done():
        line.result()


async def _end_of_input() -> None:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    await reader.read()


def _say(reporting: Reporting, *, ended: bool = False) -> None:
    spent = os.times()
    reporting.counts.cpu_us = int((spent.user + spent.system) * 1_000_000)
    said = Said(reporting.counts, reporting.waiting, reporting.unheard, reporting.safe_until, ended)
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: whoever started us says when it ends
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    uvloop.run(report(task))


if __name__ == "__main__":
    main()
