"""Where a community stands: so many steps since its first quarter began. The ledger's clock is set by it."""

from __future__ import annotations

from devices.community.scenario import Scenario
from living.units import INTERVAL_MS, MINUTE_MS


class Time:
    """Of one play. Minutes are the community's, counted from its first quarter."""

    def __init__(self, scenario: Scenario) -> None:
        self.step_ms = scenario.step_seconds * 1_000
        self._reading_ms = scenario.reading_seconds * 1_000
        self._length_minutes = scenario.length_minutes
        self.starts_ms = 0
        self.steps = 0
        self.first_step = 0
        """Where this play began: above zero when it goes on."""

    def go_on_from(self, at_ms: int) -> None:
        """A play that ended there is taken up."""
        self.steps = self.first_step = at_ms // self.step_ms - self.starts_ms // self.step_ms

    @property
    def now_ms(self) -> int:
        """The end of the last step."""
        return self.starts_ms + self.steps * self.step_ms

    @property
    def minute(self) -> float:
        return self.steps * self.step_ms / MINUTE_MS

    @property
    def played_minutes(self) -> float:
        """By this play."""
        return (self.steps - self.first_step) * self.step_ms / MINUTE_MS

    @property
    def scenario_minute(self) -> float:
        """What a scenario tells comes again each time that its length is over."""
        return self.minute % self._length_minutes

    @property
    def over_ms(self) -> int:
        """When the last whole quarter that was played ended."""
        return self.now_ms // INTERVAL_MS * INTERVAL_MS

    @property
    def is_reading(self) -> bool:
        """Whether meters are told their registers at the end of the last step."""
        return self.now_ms % self._reading_ms < self.step_ms

    @property
    def into_quarter_ms(self) -> int:
        return self.now_ms % INTERVAL_MS
