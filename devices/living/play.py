"""A community on a network in a folder, from founding to the last settled quarter.

    nodes  ->  founding  ->  broker, gateway, and what stands beside  ->  life, at its pace  ->  settled, stopped, kept

What is begun is ended in the opposite order, whatever happens. Who adds a service that lives as long as the community
does appends it to `beside`.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from devices.community.scenario import Scenario
from devices.community.street import HeadShown, Street
from devices.living.carrier import Carrier
from devices.living.figures import Figures
from devices.living.folder import (
    Founded,
    Standing,
    chain_of,
    read_founded,
    take_standing,
    write_founded,
    write_standing,
)
from devices.living.founding import Founding, found_nodes
from devices.living.homes import Home
from devices.living.kiosk import Kiosk
from devices.living.life import Life
from devices.living.line import Latencies
from devices.living.pacing import paced
from devices.living.people import People
from devices.living.place import Place
from devices.living.radio import Radio
from devices.living.tasks import Tasks
from devices.living.timing import Time
from devices.living.units import INTERVAL_MS
from devices.living.vending import VendingService
from devices.living.visitors import Visitors, enrol, visitors_of
from ledgernode.client import LedgerClient
from ledgernode.errors import Conflict, LedgerError
from ledgernode.identity.founding import ADMIN, organisation_directory, read_network
from ledgernode.identity.home import NodeConfig
from ledgernode.identity.organisation import identity_directory
from ledgernode.identity.tls import channel_credentials, load_tls
from ledgernode.local.network import LocalNetwork
from ledgernode.local.simulated import CLOCK, SimulatedClock
from ledgernode.observe.listener import observe_at

_OPENS_S: Final = 60.0
_SETTLES_S: Final = 40.0
_ENDS_S: Final = 10.0
Say = Callable[[str], None]


class _Stopped(Exception):
    """Told to stop while the community was being founded."""


class Play:
    """A community on a network in a folder: founded here, or gone on with. Use `run`, then look at what it has."""

    def __init__(self, directory: Path, scenario: Scenario, *, pace: int | None = None, say: Say) -> None:
        self.directory = directory
        self.scenario = scenario
        self.pace = pace or scenario.pace
        self.say = say
        self.time = Time(scenario)
        self.figures = Figures()
        self.latencies = Latencies()
        self.houses: dict[str, Home] = {}
        self.heads: dict[str, HeadShown] = {}
        self.problems: list[str] = []
        self.founded_s = 0.0
        self.played_s = 0.0
        self.idle_s = 0.0
        """So long nothing happens before time goes on: for whoever measures what rest costs."""
        self.resting = asyncio.Event()
        """Set when that begins."""
        self.living = asyncio.Event()
        """Set once the first step is taken."""
        self.over = asyncio.Event()
        """Set once the last one is."""
        self.stopping = asyncio.Event()
        self.beside: list[Callable[[Play], AbstractAsyncContextManager[object]]] = []
        """What stands beside the gateway: entered once that serves, left before it ends."""
        self.has_console = False
        """Is the gateway to serve pages, and are people to enter there?"""
        self.observe = ""
        """HOST:PORT where the first node shows health and metrics; the others and the gateway follow. Empty:
        nowhere.
        """
        self.visitors: Visitors | None = None
        self.closing: Callable[[Play], Coroutine[Any, Any, Any]] | None = None
        """Asked last, while the nodes still run; what it answers is in `closed`."""
        self.closed: Any = None
        self._tasks = Tasks(self.problems, self.stopping)
        self._standing: Standing | None = None
        self._life: Life | None = None

    @property
    def streets(self) -> list[Street]:
        return self._life.streets if self._life is not None else []

    # ------------------------------------------------------------ beginning and end

    async def run(self, *, until_minute: float, seconds: float | None = None) -> None:
        """Found what is not founded, play until a minute of the community or so many seconds of ours, and stop all.

        Who is told to stop before anything is founded leaves nothing, and one that could not go on can go on later.
        """
        try:
            await self._run(until_minute, seconds)
        except _Stopped:
            shutil.rmtree(self.directory)
        except BaseException:
            if self._standing is not None and not self.living.is_set():
                write_standing(self.directory, self._standing)
            raise

    async def _run(self, until_minute: float, seconds: float | None) -> None:
        began = time.monotonic()
        founded = read_founded(self.directory)
        if founded is None:
            self._found_nodes()
        else:
            self._require_same(founded)
            self._standing = take_standing(self.directory)
        self.clock = SimulatedClock(self.directory / CLOCK)
        if self._standing is not None:
            self.say(f"the community in {self.directory} goes on")
            self.clock.stand_at(self._standing.time_ms)
        async with AsyncExitStack() as running:
            ledger = await self._connected(running)
            founding = Founding(self.place, self.clock, real_ms=time.time_ns() // 1_000_000, say=self.say)
            if founded is None:
                founding.make_keys()
            radio = await self._services_start(running)
            if founded is None:
                founded = await self._unless_stopped(founding.run())
                write_founded(self.directory, founded)
            self.time.starts_ms = founded.starts_ms
            life = await self._carried(running, radio)
            await life.watch(ledger)
            if self.visitors is not None:
                await enrol(self.place, self.visitors)
            for stand in self.beside:
                await running.enter_async_context(stand(self))
            self.founded_s = time.monotonic() - began
            await self._live(life, until_minute, seconds)
        write_standing(self.directory, life.stands())

    async def _connected(self, running: AsyncExitStack) -> LedgerClient:
        """The validators run, and somebody speaks with them."""
        network = read_network(self.directory)
        self.say(f"{len(network.nodes)} {'validator starts' if len(network.nodes) == 1 else 'validators start'}")
        places = observed_at(self.observe, len(network.nodes) + 1)
        for node, place in zip(network.nodes, places, strict=False):
            home = self.directory / node.home
            msgspec.structs.replace(NodeConfig.read(home), observe=place).write(home)
        self.nodes = running.enter_context(LocalNetwork(self.directory))
        await asyncio.to_thread(self.nodes.wait_until_serving)
        admin = identity_directory(organisation_directory(self.directory, network.organisations[0]), ADMIN)
        credentials = channel_credentials(load_tls(admin))
        client = LedgerClient(self._endpoints, network.ledger, credentials, timeout_ms=60_000)
        ledger = await running.enter_async_context(client)
        self.place = Place(self.scenario, People(self.directory, ledger, chain_of(self.directory), self.clock.now_ms))
        return ledger

    async def _services_start(self, running: AsyncExitStack) -> Radio:
        """Gateway and vending service are begun, and not waited for."""
        if self.has_console:
            self.visitors = visitors_of(self.directory)
        radio = Radio(self._on_air)
        setting = await radio.start(self.directory / "gateway")
        running.push_async_callback(radio.stop)
        self.carrier = running.enter_context(
            Carrier(
                self.directory,
                self.place.gateway.directory,
                broker=setting,
                visitors=self.visitors,
                observe=observed_at(self.observe, len(self.nodes.nodes) + 1)[-1],
            )
        )
        self.vending = running.enter_context(VendingService(self.directory, self.place.vending.directory, self.carrier))
        return radio

    async def _carried(self, running: AsyncExitStack, radio: Radio) -> Life:
        """The services serve, and devices are on their lines to the gateway."""
        self.say("the gateway and the vending service are waited for")
        for service in (self.carrier, self.vending):
            await asyncio.to_thread(service.wait_until_serving)
        running.callback(self.clock.keep)
        kiosk = Kiosk(self.place, self.vending.url, self.vending.kiosk_secret)
        life = self._life = Life(
            self.place,
            self.clock,
            self.time,
            self.carrier.address,
            kiosk,
            houses=self.houses,
            heads=self.heads,
            figures=self.figures,
            latencies=self.latencies,
            problems=self.problems,
            tasks=self._tasks,
            standing=self._standing,
        )
        running.callback(life.homes.close)
        running.push_async_callback(self._tasks.end)
        self._tasks.start(radio.listen(self.nodes.network.ledger))
        return life

    def _on_air(self, line: str) -> None:
        assert self._life is not None, "nobody listens before"
        self._life.on_air(line)

    @property
    def _endpoints(self) -> list[str]:
        return [node.endpoint for node in self.nodes.network.nodes]

    async def _unless_stopped(self, founding: Coroutine[Any, Any, Founded]) -> Founded:
        """What it comes to; given up when the play is told to stop."""
        task = asyncio.create_task(founding)
        stopping = asyncio.create_task(self.stopping.wait())
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise _Stopped
        return task.result()

    def _require_same(self, founded: Founded) -> None:
        """Refuses to go on with another scenario than was founded."""
        was = founded.scenario
        if msgspec.structs.replace(was, length_minutes=self.scenario.length_minutes) != self.scenario:
            raise Conflict(
                f"{self.directory} holds the community {was.name}, ordered by {was.engine}, at up to {was.pace}x: "
                "go on with the same, remove it, or name another folder"
            )

    def _found_nodes(self) -> None:
        if self.directory.exists() and any(self.directory.iterdir()):
            raise Conflict(
                f"{self.directory} holds something else, or a community that was not founded to the end: "
                "remove it, or name another folder"
            )
        self.say(f"a ledger is founded in {self.directory}")
        found_nodes(self.directory, self.scenario, time.time_ns() // 1_000_000)

    # ------------------------------------------------------------ life

    async def _live(self, life: Life, until_minute: float, seconds: float | None) -> None:
        await self._begin(life)
        if self.idle_s:
            await self._until(lambda: life.is_quiet, "the first readings are on the ledger", _OPENS_S)
            self.resting.set()
            await asyncio.sleep(self.idle_s)
        began = time.monotonic()
        await paced(
            life,
            self.time,
            self.pace,
            until_minute=self.time.minute + until_minute,
            ends=None if seconds is None else began + seconds,
            check=self._check,
            stopping=self.stopping,
            living=self.living,
        )
        self.played_s = time.monotonic() - began
        self.over.set()
        await self._settle(life)
        if self.closing is not None:
            self.closed = await self.closing(self)

    async def _begin(self, life: Life) -> None:
        """Prepaid houses buy their first token; the clock then stands at the first quarter. Who goes on, goes on."""
        if self._standing is not None:
            self.time.go_on_from(max(self._standing.at_ms, int(self.clock.now_ms())))
            return
        await life.buy_first_tokens()
        await self._until(lambda: life.are_supplied, "first tokens are entered", _OPENS_S)
        self.clock.forward_to(self.time.starts_ms)
        life.homes.begin(self.time.starts_ms)

    async def _settle(self, life: Life) -> None:
        """Until every meter's word is on the ledger and the last quarter that is over is closed."""
        self.say("the last quarter is settled")
        life.homes.all_heard()
        over_ms, limit_s = self.time.over_ms, _ENDS_S if self.stopping.is_set() else _SETTLES_S
        await self._until(lambda: not life.homes.is_waiting, "every reading is on the ledger", limit_s)
        await self._until(lambda: life.is_answered, "every command is answered", limit_s)
        self.clock.forward_to(over_ms + INTERVAL_MS // 2)
        if over_ms > self.time.starts_ms:
            settled_ms = 0

            async def ask() -> None:
                nonlocal settled_ms
                while settled_ms < over_ms:
                    with suppress(LedgerError):
                        settled_ms = await life.ask_settled()
                    await asyncio.sleep(0.2)

            self._tasks.start(ask())
            await self._until(
                lambda: settled_ms >= over_ms and life.reported(over_ms), "the last quarter is closed", limit_s
            )
        await self._until(lambda: life.is_quiet, "every token is in its meter", limit_s)

    async def _until(self, condition: Callable[[], bool], what: str, limit_s: float) -> None:
        """One that does not come is a problem that is told, and no end."""
        ends = time.monotonic() + limit_s
        while not condition():
            self._check()
            if time.monotonic() > ends:
                self.problems.append(f"waited {limit_s:.0f} s until {what}")
                return
            await asyncio.sleep(0.05)

    def _check(self) -> None:
        """Raises when a process has ended by itself."""
        self.nodes.check()
        self.carrier.check()
        self.vending.check()


def observed_at(first: str, count: int) -> list[str]:
    """So many neighbouring ports, from HOST:PORT on; nowhere where that is empty."""
    if not first:
        return [""] * count
    host, port = observe_at(first)
    return [f"{host}:{port + at if port else 0}" for at in range(count)]
