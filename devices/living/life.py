"""Life in a community: what one step does, and what follows from what the ledger says.

    energy flows  ->  meters are told  ->  who is low buys  ->  a quarter ends  ->  houses bid for the next one

Nothing here waits: what takes time runs beside, as a task.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from devices.community.street import HeadShown, Street
from devices.living.awaiting import Awaiting
from devices.living.customers import Customers
from devices.living.figures import Figures, Line
from devices.living.flowing import Flowing
from devices.living.folder import Standing
from devices.living.happenings import Happenings
from devices.living.homes import Home, Homes
from devices.living.kiosk import Kiosk
from devices.living.line import Latencies
from devices.living.place import Place
from devices.living.tasks import Tasks
from devices.living.timing import Time
from devices.living.units import INTERVAL_MS, MINUTE_MS
from devices.living.watching import Watcher
from ledgernode.client import LedgerClient
from ledgernode.local.simulated import SimulatedClock

_BIDS_AFTER_MS: Final = 2 * MINUTE_MS
_LATE_MS: Final = MINUTE_MS


class Life:
    """Of one place, from the moment its gateway serves. Fills `houses` and `heads`."""

    def __init__(
        self,
        place: Place,
        clock: SimulatedClock,
        time: Time,
        address: str,
        kiosk: Kiosk,
        *,
        houses: dict[str, Home],
        heads: dict[str, HeadShown],
        figures: Figures,
        latencies: Latencies,
        problems: list[str],
        tasks: Tasks,
        standing: Standing | None,
    ) -> None:
        self._place = place
        self._clock = clock
        self._time = time
        self._figures = figures
        self._awaiting = Awaiting()
        self._heads = heads
        self._tasks = tasks
        self._standing = standing
        self.houses = houses
        self.homes = Homes(
            place, address, houses, latencies=latencies, tasks=tasks, clock_ms=clock.now_ms, standing=standing
        )
        self._customers = Customers(place, houses, kiosk, problems)
        self._happenings = Happenings(place.scenario, houses, self._customers, tasks, self.tell)
        self._flowing = Flowing(
            place.scenario,
            time,
            houses,
            heads,
            happenings=self._happenings,
            trades=figures.trades,
            standing=standing.streets if standing is not None else None,
        )

    @property
    def streets(self) -> list[Street]:
        return self._flowing.streets

    def stands(self) -> Standing:
        """Once nothing runs any more: all that a later play goes on from."""
        return Standing(
            time_ms=int(self._clock.now_ms()) + 1,
            at_ms=self._time.now_ms,
            streets=self._flowing.standing(),
            instruments=self.homes.instruments,
        )

    async def watch(self, ledger: LedgerClient) -> None:
        """Hear from now on what the ledger says, and look at wallets."""
        names = {self._place.wallet(house).id: house for house in self.houses}
        watcher = Watcher(ledger, self._figures, self._heard, names=names)
        self._figures.height = int((await ledger.facts()).height)
        self._tasks.start(watcher.run(self._figures.height + 1))
        self._tasks.start(self._customers.look_at_money())

    # ------------------------------------------------------------ beginning

    async def buy_first_tokens(self) -> None:
        """Of houses that prepay; their relays close when the tokens are entered."""
        await asyncio.gather(*(self._customers.buy(home, home.house.opening_cents) for home in self._beginners))

    @property
    def are_supplied(self) -> bool:
        """Whether the first tokens are entered."""
        return all(home.meter.is_supplied for home in self._beginners)

    @property
    def _beginners(self) -> list[Home]:
        return [home for home in self.houses.values() if home.is_prepaid and home.house.opening_cents]

    @property
    def is_quiet(self) -> bool:
        """Nothing is on its way: no credit without its token taken, no word without the ledger's answer."""
        return not self._figures.open_credits and not self.homes.is_waiting and not self._customers.are_buying

    @property
    def is_late(self) -> bool:
        """Whether the ledger, or a meter that is heard, should have said long ago what it has not."""
        return self._awaiting.lacks(self._time.now_ms - _LATE_MS, self.homes.is_audible)

    @property
    def awaited(self) -> int:
        """How much is yet to be said."""
        return len(self._awaiting)

    @property
    def is_answered(self) -> bool:
        """Whether each command that was due is said and answered; the ledger's clock may be a little ahead of ours."""
        return not self._awaiting.lacks(int(self._clock.now_ms()), self.homes.is_audible)

    def give_up(self) -> None:
        """What is late is waited for no more."""
        self._awaiting.give_up(self._time.now_ms - _LATE_MS)

    # ------------------------------------------------------------ a step

    def step(self) -> None:
        time = self._time
        self._clock.forward_to(time.now_ms + time.step_ms)
        self._happenings.at(time.scenario_minute)
        self._flowing.step()
        time.steps += 1
        if time.is_reading:
            self._read()
        if time.into_quarter_ms == 0:
            self._quarter_over()
        if time.into_quarter_ms == _BIDS_AFTER_MS // time.step_ms * time.step_ms:
            self._bid()

    def _read(self) -> None:
        self.homes.read(self._time.now_ms, self._heads)
        for home in self.houses.values():
            if home.is_low:
                self._tasks.start(self._customers.buy(home, home.house.top_up_cents))

    def _quarter_over(self) -> None:
        for home in self.houses.values():
            home.quarter_over()

    def _bid(self) -> None:
        next_ms = self._time.over_ms + INTERVAL_MS
        for order in self._customers.orders(next_ms, self._figures.trades):
            self._tasks.start(self._place.people.attempt(order))

    # ------------------------------------------------------------ what is said

    def on_air(self, line: str) -> None:
        """What the gateway has told of a trade that begins, heard at the broker."""
        if line in self._figures.heard:
            return
        self._figures.heard.add(line)
        self._figures.lines.append(Line(self._time.now_ms, "radio", f"broker: {line.replace('north:', '')}"))

    def tell(self, text: str) -> None:
        """What the ledger cannot know, and the reader should."""
        self._figures.lines.append(Line(self._time.now_ms, "event", text))

    def _heard(self, contract: str, name: str, said: dict[str, Any], time_ms: int) -> None:
        self._awaiting.heard(contract, name, said, time_ms)
        if (contract, name) == ("settlement", "TradeAgreed"):
            self._flowing.traded(said["trade"])

    async def ask_settled(self) -> int:
        """Every interval before is closed."""
        people = self._place.people
        people.height = max(people.height, int((await people.ledger.facts()).height))
        found = await people.ask(self._place.operator, "settlement", "area", area=self._place.area)
        return int(found["next_ms"])

    def reported(self, over_ms: int) -> bool:
        """Whether every feeder's last quarter is."""
        feeders = {feeder.name for feeder in self._place.scenario.feeders if feeder.rating_va}
        found = {report.feeder for report in self._figures.reports if report.start_ms == over_ms - INTERVAL_MS}
        return feeders <= found
