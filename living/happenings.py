"""What a scenario lets happen: theft, no mains, a meter that is not heard, a purchase, a share. Each begins and ends at
its minute, and comes again each time that the scenario's length is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from devices.community.scenario import Event, Scenario
from living.customers import Customers
from living.homes import Home
from living.tasks import Tasks

LASTING: Final = frozenset({"theft", "outage", "silence"})


class Happenings:
    """Of one scenario. `tell` is for what the ledger cannot know, and the reader should."""

    def __init__(
        self,
        scenario: Scenario,
        houses: Mapping[str, Home],
        customers: Customers,
        tasks: Tasks,
        tell: Callable[[str], None],
    ) -> None:
        self._events = scenario.events
        self._step_minutes = scenario.step_seconds / 60
        self._houses = houses
        self._customers = customers
        self._tasks = tasks
        self._tell = tell

    def at(self, minute: float) -> None:
        """Whatever begins or ends in the step from this minute on."""
        for event in self._events:
            home = self._houses[event.house]
            if event.minute <= minute < event.minute + self._step_minutes:
                self._begins(event, home)
            if event.until_minute <= minute < event.until_minute + self._step_minutes:
                self._ends(event, home)

    def running(self, house: str, minute: float) -> list[Event]:
        """What lasts at a house."""
        return [
            event
            for event in self._events
            if event.house == house and event.kind in LASTING and event.minute <= minute < event.until_minute
        ]

    def _begins(self, event: Event, home: Home) -> None:
        match event.kind:
            case "theft":
                self._tell(f"somebody at {home.name} takes {event.power_w:,} W past the meter: no meter sees it")
            case "outage":
                self._tell(f"{home.name} loses its mains")
                home.meter.mains(False)
            case "silence":
                self._tell(f"the meter of {home.name} is not heard: it goes on, and keeps what it signs")
                home.meter.line.silence(True)
            case "purchase":
                self._tasks.start(self._customers.buy(home, event.cents or 0))
            case "share":
                assert event.to is not None
                assert event.energy_wh is not None
                self._tasks.start(self._customers.share(home, event.to, event.energy_wh))

    def _ends(self, event: Event, home: Home) -> None:
        match event.kind:
            case "theft":
                self._tell(f"nobody steals at {home.name} any more")
            case "outage":
                self._tell(f"{home.name} has mains again; its relay waits a while of its own")
                home.meter.mains(True)
            case "silence":
                self._tell(f"the meter of {home.name} is heard again, and says everything it has kept")
                home.meter.line.silence(False)
