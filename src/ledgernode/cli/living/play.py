"""The loop: time goes on, energy flows, meters count and sign, people trade and pay.

A step at a time. The clock of the ledger is set to the step's end, what flowed until then is worked out, and at the
times of readings every meter is told what its registers show. Orders are given after each quarter's readings; tokens
are bought when credit runs low. Where the ledger falls behind, the play waits: time is never ahead of what the meters
have said by more than a few readings.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from devices.community.days import Days
from devices.community.scenario import Event, House, Scenario
from devices.community.street import Behaviour, BusStreet, HeadShown, Shown, Transfer, built
from devices.community.trading import Delivery, Past, orders
from ledgernode.cli.living.carrier import Carrier
from ledgernode.cli.living.founding import (
    INTERVAL_MS,
    MINOR_PER_CENT,
    MINUTE_MS,
    Founded,
    Founding,
    Place,
    Standing,
    chain_of,
    found_nodes,
    read_founded,
    take_standing,
    write_founded,
    write_standing,
)
from ledgernode.cli.living.meters import HouseMeter, Instrument, Latencies, Line, phase_of
from ledgernode.cli.living.people import Call, Member, People
from ledgernode.cli.living.radio import Radio
from ledgernode.cli.living.vending import Vending
from ledgernode.cli.living.watching import Figures, Trade, Watcher
from ledgernode.cli.living.watching import Line as News
from ledgernode.client import LedgerClient
from ledgernode.errors import Conflict, LedgerError
from ledgernode.identity.founding import ADMIN, organisation_directory, read_network
from ledgernode.identity.organisation import identity_directory
from ledgernode.identity.tls import channel_credentials, load_tls
from ledgernode.local.network import LocalNetwork
from ledgernode.local.simulated import CLOCK, SimulatedClock

_BIDS_AFTER_MS: Final = 2 * MINUTE_MS
_NWH_PER_WH: Final = 1_000_000_000
_BEHIND: Final = 6
"""Readings of a meter that the ledger has not answered for; then time stands still."""
_ASKED_EVERY_S: Final = 1.0
_SETTLES_S: Final = 40.0
_ENDS_S: Final = 10.0
Say = Callable[[str], None]


class _Stopped(Exception):
    """Told to stop while the community was being founded."""


class HouseAtWork:
    """A house with its meters and wallet."""

    def __init__(self, house: House, meter: HouseMeter, sun: Instrument | None, feeder: str) -> None:
        self.house = house
        self.meter = meter
        self.sun = sun
        self.feeder = feeder
        self.shown: Shown | None = None
        self.began = (0.0, 0.0)
        """Load and generation since the quarter began, in Wh."""
        self.past: Past | None = None
        self.requests = 0
        self.buying = False
        self.money_minor: tuple[int, int] | None = None
        """Available and in escrow, as the ledger last said."""

    @property
    def name(self) -> str:
        return self.house.name

    @property
    def is_prepaid(self) -> bool:
        return self.house.payment == "prepaid"


class Play:
    """A community on a network in a folder: founded here, or gone on with. Use `run`, then look at what it has."""

    def __init__(self, directory: Path, scenario: Scenario, *, pace: int | None = None, say: Say) -> None:
        self.directory = directory
        self.scenario = scenario
        self.pace = pace or scenario.pace
        self.say = say
        self.figures = Figures()
        self.latencies = Latencies()
        self.houses: dict[str, HouseAtWork] = {}
        self.heads: dict[str, HeadShown] = {}
        self.problems: list[str] = []
        self.minute = 0.0
        self.first_minute = 0.0
        """Where this play began: above zero when it goes on."""
        self.starts_ms = 0
        self.played_s = 0.0
        self.founded_s = 0.0
        self._sold: dict[tuple[str, int], int] = {}
        self._bought: dict[tuple[str, int], int] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._standing: Standing | None = None
        self._number = 0
        """Of the last step."""
        self.idle_s = 0.0
        """So long nothing happens before time goes on: for whoever measures what rest costs."""
        self.resting = asyncio.Event()
        """Set when that begins."""
        self.living = asyncio.Event()
        """Set once the first step is taken."""
        self.over = asyncio.Event()
        """Set once the last one is."""
        self.stopping = asyncio.Event()
        self.closing: Callable[[Play], Any] | None = None
        """Asked last, while the nodes still run; what it answers is in `closed`."""
        self.closed: Any = None

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
        with ExitStack() as opened:
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
            network = read_network(self.directory)
            self.say(f"{len(network.nodes)} {'validator starts' if len(network.nodes) == 1 else 'validators start'}")
            self.nodes = opened.enter_context(LocalNetwork(self.directory))
            await asyncio.to_thread(self.nodes.wait_until_serving)
            endpoints = [node.endpoint for node in network.nodes]
            admin = identity_directory(organisation_directory(self.directory, network.organisations[0]), ADMIN)
            credentials = channel_credentials(load_tls(admin))
            async with LedgerClient(endpoints, network.ledger, credentials, timeout_ms=60_000) as ledger:
                self.people = People(self.directory, ledger, chain_of(self.directory), self.clock.now_ms)
                self.place = Place(self.scenario, self.people)
                if founded is None:
                    founding = Founding(self.place, self.clock, real_ms=time.time_ns() // 1_000_000, say=self.say)
                    founded = await self._unless_stopped(founding.run())
                    write_founded(self.directory, founded)
                self.starts_ms = founded.starts_ms
                self.say("the gateway starts")
                self.radio = Radio(self._on_air)
                setting = await self.radio.start(self.directory / "gateway")
                self.carrier = opened.enter_context(
                    Carrier(self.directory, endpoints, self.place.gateway.directory, network.ledger, setting)
                )
                await asyncio.to_thread(self.carrier.wait_until_serving)
                self.founded_s = time.monotonic() - began
                try:
                    await self._live(ledger, until_minute, seconds)
                finally:
                    await self._end()
        if self.houses:
            write_standing(self.directory, self._stands())

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

    def _stands(self) -> Standing:
        """Once nothing runs any more."""
        instruments = {one.name: one.sun.number for one in self.houses.values() if one.sun is not None}
        heads = {f"head {name}": head.number for name, head in self._head_meters.items()}
        return Standing(
            time_ms=int(self.clock.now_ms()) + 1,
            at_ms=self.starts_ms + self._number * self.scenario.step_seconds * 1_000,
            streets={street.plan.name: street.standing().decode() for street in self.streets},
            instruments=instruments | heads,
        )

    def _found_nodes(self) -> None:
        if self.directory.exists() and any(self.directory.iterdir()):
            raise Conflict(
                f"{self.directory} holds something else, or a community that was not founded to the end: "
                "remove it, or name another folder"
            )
        self.say(f"a ledger is founded in {self.directory}")
        found_nodes(self.directory, self.scenario, time.time_ns() // 1_000_000)

    async def _live(self, ledger: LedgerClient, until_minute: float, seconds: float | None) -> None:
        names = {self.place.wallet(house.name).id: house.name for house in self.scenario.houses}
        self.vending = Vending(self.place)
        watcher = Watcher(ledger, self.figures, self._heard, names=names)
        self.figures.height = int((await ledger.facts()).height)
        self._start(watcher.run(self.figures.height + 1))
        self._start(self.radio.listen(self.nodes.network.ledger))
        self._build()
        self._start(self._look_at_money())
        await self._open_accounts()
        if self.idle_s:
            await self._until(self._is_quiet, "the first readings are on the ledger")
            self.resting.set()
            await asyncio.sleep(self.idle_s)
        began = time.monotonic()
        await self._steps(until_minute, None if seconds is None else began + seconds)
        self.played_s = time.monotonic() - began
        self.over.set()
        await self._settle()
        if self.closing is not None:
            self.closed = await self.closing(self)

    @property
    def now_ms(self) -> int:
        """Of the community: the end of the last step."""
        return self.starts_ms + int(self.minute * MINUTE_MS)

    def _start(self, running: Any) -> None:
        task = asyncio.ensure_future(running)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            error = task.exception()
            self.problems.append(f"{type(error).__name__}: {error}")
            if not isinstance(error, LedgerError):
                self.stopping.set()

    async def _end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self.carrier.stop)
        await self.radio.stop()
        for one in self.houses.values():
            one.meter.close()
        self.clock.keep()

    # ------------------------------------------------------------ the street and its meters

    def _build(self) -> None:
        self.days = Days(self.scenario)
        self.streets = built(self.scenario, self.days)
        self._head_meters: dict[str, Instrument] = {}
        for street in self.streets:
            for house in street.houses:
                self.houses[house.name] = self._house(house, street.plan.name)
            if self._standing is not None:
                street.restore(self._standing.streets[street.plan.name].encode())
            if street.plan.rating_va:
                head = self._instrument(self.place.head(street.plan.name), f"head {street.plan.name}")
                self._head_meters[street.plan.name] = head

    def _house(self, house: House, feeder: str) -> HouseAtWork:
        line = self._line(self.place.meter(house.name))
        meter = HouseMeter(self.place.meter_home(house.name), line, self._label_of, self.clock.now_ms)
        sun = self._instrument(self.place.sun(house.name), house.name) if house.panels is not None else None
        return HouseAtWork(house, meter, sun, feeder)

    def _instrument(self, member: Member, name: str) -> Instrument:
        known = self._standing.instruments[name] if self._standing is not None else 0
        return Instrument(self._line(member), known)

    def _line(self, member: Member) -> Line:
        line = Line(member, self.carrier.address, self.latencies)
        self._start(line.run())
        return line

    def _label_of(self, pan: str) -> str:
        found = [name for name, known in self.place.pans.items() if known == pan]
        return found[0].upper()[:16] if found else ""

    @property
    def lines(self) -> Iterator[Line]:
        for one in self.houses.values():
            yield one.meter.line
            if one.sun is not None:
                yield one.sun.line
        for head in self._head_meters.values():
            yield head.line

    async def _open_accounts(self) -> None:
        """Prepaid houses buy their first token; the clock then stands at the first quarter. Who goes on, goes on."""
        if self._standing is not None:
            step_ms = self.scenario.step_seconds * 1_000
            self._number = max(self._standing.at_ms, int(self.clock.now_ms())) // step_ms - self.starts_ms // step_ms
            self.minute = self.first_minute = self._number * step_ms / MINUTE_MS
            return
        for one in self.houses.values():
            if one.is_prepaid and one.house.opening_cents:
                await self._buy(one, one.house.opening_cents)
        prepaid = [one for one in self.houses.values() if one.is_prepaid and one.house.opening_cents]
        await self._until(lambda: all(one.meter.is_supplied for one in prepaid), "first tokens are entered")
        self.clock.forward_to(self.starts_ms)
        for one in self.houses.values():
            one.meter.measured(self.starts_ms, _NOTHING)
            if one.sun is not None:
                one.sun.reading(self.starts_ms, 0, 0, phase_of(0.0, 0.0, 0.0))
        for head in self._head_meters.values():
            head.reading(self.starts_ms, 0, 0, phase_of(0.0, 0.0, 0.0))

    async def _until(self, condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> bool:
        ends = time.monotonic() + limit_s
        while not condition():
            self._check()
            if time.monotonic() > ends:
                self.problems.append(f"waited {limit_s:.0f} s until {what}")
                return False
            await asyncio.sleep(0.05)
        return True

    def _check(self) -> None:
        self.nodes.check()
        self.carrier.check()

    # ------------------------------------------------------------ time

    async def _steps(self, until_minute: float, ends: float | None) -> None:
        step_ms = self.scenario.step_seconds * 1_000
        began, first, until_minute = time.monotonic(), self._number, until_minute + self.minute
        while self.minute < until_minute and not self.stopping.is_set():
            self._number += 1
            at_ms = self.starts_ms + self._number * step_ms
            self.clock.forward_to(at_ms)
            self._step(at_ms, step_ms)
            self.living.set()
            self._check()
            await self._kept_up()
            ahead_s = began + (self._number - first) * step_ms / 1_000 / self.pace - time.monotonic()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), max(ahead_s, 0.001))
            if ahead_s < -1.0:
                began -= ahead_s  # what was lost is lost: nobody hurries to make up for it
            if ends is not None and time.monotonic() >= ends:
                return

    async def _kept_up(self) -> None:
        """Let the ledger answer, where it is far behind what is said."""
        while not self.stopping.is_set():
            most = max((line.waiting for line in self.lines if not line.silent), default=0)
            if most <= _BEHIND:
                return
            self._check()
            await asyncio.sleep(0.02)

    def _step(self, at_ms: int, step_ms: int) -> None:
        before = self.minute
        self._happens(before)
        for street in self.streets:
            behaviours = {house.name: self._behaviour(house, before, at_ms - step_ms) for house in street.houses}
            if isinstance(street, BusStreet):
                street.transfers(self._transfers(street.plan.name, at_ms - step_ms))
            shown, head = street.step(before, step_ms, behaviours)
            for house, one in zip(street.houses, shown, strict=True):
                self._lived(self.houses[house.name], one, step_ms)
            if head is not None:
                self.heads[street.plan.name] = head
        self.minute = (at_ms - self.starts_ms) / MINUTE_MS
        if at_ms % (self.scenario.reading_seconds * 1_000) < step_ms:
            self._read(at_ms)
        if at_ms % INTERVAL_MS == 0:
            self._quarter_over(at_ms)
        if at_ms % INTERVAL_MS == _BIDS_AFTER_MS // step_ms * step_ms:
            self._bid(at_ms)

    def _lived(self, one: HouseAtWork, shown: Shown, step_ms: int) -> None:
        one.shown = shown
        hours = step_ms / 3_600_000
        one.began = (one.began[0] + shown.load_w * hours, one.began[1] + shown.generation_w * hours)

    def _behaviour(self, house: House, minute: float, at_ms: int) -> Behaviour:
        """What relays, the mains and others do to a house in this step; what is left to deliver of its trades."""
        one = self.houses[house.name]
        minute %= self.scenario.length_minutes
        active = [event for event in self.scenario.events if event.house == house.name]
        running = [event for event in active if event.minute <= minute < event.until_minute]
        slot = at_ms // INTERVAL_MS
        quarters = 3_600_000 // INTERVAL_MS
        relays = one.meter.relays
        return Behaviour(
            supplied=relays["supply"],
            mains=not any(event.kind == "outage" for event in running),
            stolen_w=float(sum(event.power_w or 0 for event in running if event.kind == "theft")),
            sold_w=float(self._sold.get((house.name, slot), 0) * quarters),
            bought_w=float(self._bought.get((house.name, slot), 0) * quarters),
            tie_in=relays["tie_in"],
            tie_out=relays["tie_out"],
        )

    def _transfers(self, feeder: str, at_ms: int) -> list[Transfer]:
        """Trades of this quarter, in their order."""
        return [
            Transfer(trade.number, trade.seller, trade.buyer, trade.energy_wh * _NWH_PER_WH)
            for trade in self.figures.trades.values()
            if trade.from_ms <= at_ms < trade.until_ms and self.houses[trade.seller].feeder == feeder
        ]

    def _read(self, at_ms: int) -> None:
        """Every meter is told what its registers show."""
        for one in self.houses.values():
            assert one.shown is not None
            one.meter.measured(at_ms, one.shown)
            if one.sun is not None:
                phase = phase_of(one.shown.voltage_v, -one.shown.generation_w, 0.0)
                one.sun.reading(at_ms, 0, one.shown.generated_nwh, phase)
            if one.is_prepaid and one.meter.balance_mwh < one.house.low_wh * 1_000 and not one.buying:
                one.buying = True
                self._start(self._buy(one, one.house.top_up_cents))
        for name, head in self.heads.items():
            instrument = self._head_meters[name]
            phase = phase_of(head.voltage_v, head.power_w, head.reactive_var)
            instrument.reading(at_ms, head.import_nwh, head.export_nwh, phase)
            instrument.sample(at_ms, f"north:{name}", head)

    # ------------------------------------------------------------ what the scenario lets happen

    def _happens(self, minute: float) -> None:
        """Events come again each time that the scenario's length is over."""
        step, minute = self.scenario.step_seconds / 60, minute % self.scenario.length_minutes
        for event in self.scenario.events:
            one = self.houses[event.house]
            if event.minute <= minute < event.minute + step:
                self._begins(event, one)
            if event.until_minute <= minute < event.until_minute + step:
                self._ends(event, one)

    def _begins(self, event: Event, one: HouseAtWork) -> None:
        match event.kind:
            case "theft":
                self._tell(f"somebody at {one.name} takes {event.power_w:,} W past the meter: no meter sees it")
            case "outage":
                self._tell(f"{one.name} loses its mains")
                one.meter.mains(False)
            case "silence":
                self._tell(f"the meter of {one.name} is not heard: it goes on, and keeps what it signs")
                one.meter.line.silence(True)
            case "purchase":
                self._start(self._buy(one, event.cents or 0))
            case "share":
                self._start(self._share(one, event))

    def _ends(self, event: Event, one: HouseAtWork) -> None:
        match event.kind:
            case "theft":
                self._tell(f"nobody steals at {one.name} any more")
            case "outage":
                self._tell(f"{one.name} has mains again; its relay waits a while of its own")
                one.meter.mains(True)
            case "silence":
                self._tell(f"the meter of {one.name} is heard again, and says everything it has kept")
                one.meter.line.silence(False)

    def _on_air(self, line: str) -> None:
        """What the gateway has told of a trade that begins, heard at the broker."""
        self.figures.heard += 1
        self.figures.lines.append(News(self.now_ms, "radio", f"broker: {line.replace('north:', '')}"))

    def _tell(self, text: str) -> None:
        """What the ledger cannot know, and the reader should."""
        self.figures.lines.append(News(self.now_ms, "event", text))

    # ------------------------------------------------------------ people

    async def _buy(self, one: HouseAtWork, cents: int) -> None:
        """A wallet pays for a token; what comes of it is heard from the ledger."""
        one.requests += 1
        arguments = {
            "point": self.place.point(one.name),
            "amount_minor": cents * MINOR_PER_CENT,
            "request": f"{one.name} {one.requests} {int(self.clock.now_ms())}",
        }
        outcome = await self.people.attempt(Call(self.place.wallet(one.name), "prepaid", "reserve", arguments))
        if not outcome.succeeded:
            one.buying = False
            self.problems.append(f"{one.name} buys a token: {outcome.code}")

    async def _share(self, one: HouseAtWork, event: Event) -> None:
        assert event.to is not None
        assert event.energy_wh is not None
        arguments = {
            "point": self.place.point(one.name),
            "recipient_pan": self.place.pans[event.to],
            "energy_mwh": event.energy_wh * 1_000,
            "request": f"share {int(self.clock.now_ms())}",
        }
        outcome = await self.people.attempt(Call(self.place.wallet(one.name), "prepaid", "request_share", arguments))
        if not outcome.succeeded:
            self.problems.append(f"{one.name} shares with {event.to}: {outcome.code}")

    def _quarter_over(self, at_ms: int) -> None:
        for one in self.houses.values():
            one.past = Past(*one.began, one.shown.level_micro if one.shown is not None else -1)
            one.began = (0.0, 0.0)
        over = at_ms // INTERVAL_MS - 1
        for kept in (self._sold, self._bought):
            for key in [key for key in kept if key[1] < over]:
                del kept[key]

    def _bid(self, at_ms: int) -> None:
        """Every house gives its order for the next quarter, from what the last one was like."""
        if self.scenario.market.mechanism == "none":
            return
        from_ms = at_ms // INTERVAL_MS * INTERVAL_MS + INTERVAL_MS
        last = next(reversed(self.figures.trades.values()), None)
        delivery = Delivery(from_ms, from_ms + INTERVAL_MS, last.price_micro if last is not None else None)
        for one in self.houses.values():
            if one.past is None or not one.meter.is_supplied:
                continue
            for bid in orders(one.house, one.past, self.scenario, delivery):
                arguments = {
                    "market": self.place.market,
                    "point": self.place.point(one.name),
                    "energy_wh": bid.energy_wh,
                    "price_micro": bid.price_micro,
                }
                self._start(self._order(one, bid.side, arguments))

    async def _order(self, one: HouseAtWork, side: str, arguments: dict[str, Any]) -> None:
        outcome = await self.people.attempt(Call(self.place.wallet(one.name), "market", side, arguments))
        del outcome  # one that is refused is counted where the blocks are read

    # ------------------------------------------------------------ what the ledger says

    def _heard(self, contract: str, name: str, said: dict[str, Any], time_ms: int) -> None:
        del time_ms
        match contract, name:
            case "settlement", "TradeAgreed":
                self._agreed(self.figures.trades[said["trade"]])
            case "prepaid", "CreditReserved":
                self._start(self._mint(said))

    def _agreed(self, trade: Trade) -> None:
        for at_ms in range(trade.from_ms, trade.until_ms, INTERVAL_MS):
            slot, quarters = at_ms // INTERVAL_MS, (trade.until_ms - trade.from_ms) // INTERVAL_MS
            for kept, house in ((self._sold, trade.seller), (self._bought, trade.buyer)):
                kept[house, slot] = kept.get((house, slot), 0) + trade.energy_wh // quarters

    async def _mint(self, said: dict[str, Any]) -> None:
        """The vending service mints; what was bought is typed at the keypad, everything else comes by wire."""
        one = self.houses[said["point"].partition(":")[2]]
        digits = await self.vending.mint(said)
        if not digits:
            return
        if said["kind"] == "vend":
            one.meter.typed(digits)
            one.buying = False
        else:
            one.meter.wired(digits)

    async def _look_at_money(self) -> None:
        """The balances of wallets, as the ledger has them."""
        while True:
            for one in list(self.houses.values()):
                wallet = self.place.wallet(one.name)
                with suppress(LedgerError):
                    found = await self.people.ask(wallet, "currency", "balance", account=wallet.id)
                    one.money_minor = (found["available_minor"], found["escrow_minor"])
            await asyncio.sleep(_ASKED_EVERY_S)

    # ------------------------------------------------------------ the end of it

    async def _settle(self) -> None:
        """Until every meter's word is on the ledger and the last quarter that is over is closed."""
        self.say("the last quarter is settled")
        for one in self.houses.values():
            one.meter.line.silence(False)
        over_ms, limit_s = self.over_ms, _ENDS_S if self.stopping.is_set() else _SETTLES_S
        await self._until(
            lambda: not any(line.waiting for line in self.lines), "every reading is on the ledger", limit_s
        )
        self.clock.forward_to(over_ms + INTERVAL_MS // 2)
        feeders = {feeder.name for feeder in self.scenario.feeders if feeder.rating_va}

        def closed() -> bool:
            reported = all(
                any(
                    report.feeder == feeder and report.start_ms == over_ms - INTERVAL_MS
                    for report in self.figures.reports
                )
                for feeder in feeders
            )
            return self.settled_ms >= over_ms and reported

        if over_ms > self.starts_ms:
            self._start(self._ask_settled())
            await self._until(closed, "the last quarter is closed", limit_s)
        await self._until(self._is_quiet, "every token is in its meter", limit_s)

    def _is_quiet(self) -> bool:
        """Nothing is on its way: no credit without its token taken, no word without the ledger's answer."""
        taken = self.figures.tokens_redeemed == self.figures.credits
        return taken and not any(line.waiting for line in self.lines)

    @property
    def over_ms(self) -> int:
        """When the last whole quarter that was played ended."""
        return self.starts_ms + int(self.minute * MINUTE_MS) // INTERVAL_MS * INTERVAL_MS

    @property
    def read_all(self) -> bool:
        """Whether the last step was one of a reading, so that registers are what was told."""
        return int(self.minute * 60) % self.scenario.reading_seconds == 0

    settled_ms = 0
    """Every interval before is closed, as settlement last said."""

    async def _ask_settled(self) -> None:
        while True:
            with suppress(LedgerError):
                self.people.height = max(self.people.height, int((await self.people.ledger.facts()).height))
                found = await self.people.ask(self.place.operator, "settlement", "area", area=self.place.area)
                self.settled_ms = int(found["next_ms"])
            await asyncio.sleep(0.2)


_NOTHING: Final = Shown(0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, -1)
