"""Houses at work: each with its meter, its sun's meter and its wallet; beside them the transformers' meters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from devices.community.scenario import House
from devices.community.street import HeadShown, Shown
from devices.community.trading import Past
from devices.living.folder import Standing
from devices.living.line import Latencies, Line
from devices.living.meters import HouseMeter, Instrument, phase_of
from devices.living.people import Member
from devices.living.place import Place
from devices.living.tasks import Tasks

_NOTHING: Final = Shown(0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, -1)


class Home:
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
        self.purchases = 0
        """Under way."""
        self.money_minor: tuple[int, int] | None = None
        """Available and in escrow, as the ledger last said."""

    @property
    def name(self) -> str:
        return self.house.name

    @property
    def is_prepaid(self) -> bool:
        return self.house.payment == "prepaid"

    @property
    def is_low(self) -> bool:
        """Whether it would buy now."""
        return self.is_prepaid and self.meter.balance_mwh < self.house.low_wh * 1_000 and not self.purchases

    def lived(self, shown: Shown, step_ms: int) -> None:
        """What its registers now show, and what it used and made."""
        hours = step_ms / 3_600_000
        self.shown = shown
        self.began = (self.began[0] + shown.load_w * hours, self.began[1] + shown.generation_w * hours)

    def quarter_over(self) -> None:
        self.past = Past(*self.began, self.shown.level_micro if self.shown is not None else -1)
        self.began = (0.0, 0.0)


class Homes:
    """All of a place, on lines to one gateway. Fills the `houses` that are shown."""

    def __init__(
        self,
        place: Place,
        address: str,
        houses: dict[str, Home],
        *,
        latencies: Latencies,
        tasks: Tasks,
        clock_ms: Callable[[], int],
        standing: Standing | None,
    ) -> None:
        self._place = place
        self._address = address
        self._latencies = latencies
        self._tasks = tasks
        self._clock_ms = clock_ms
        self._standing = standing
        self.houses = houses
        self.heads: dict[str, Instrument] = {}
        for feeder in place.scenario.feeders:
            for house in feeder.houses:
                houses[house.name] = self._home(house, feeder.name)
            if feeder.rating_va:
                self.heads[feeder.name] = self._instrument(place.head(feeder.name), f"head {feeder.name}")

    def _home(self, house: House, feeder: str) -> Home:
        place = self._place
        meter = HouseMeter(
            place.meter_home(house.name), self._line(place.meter(house.name)), self._label_of, self._clock_ms
        )
        sun = self._instrument(place.sun(house.name), house.name) if house.panels is not None else None
        return Home(house, meter, sun, feeder)

    def _instrument(self, member: Member, name: str) -> Instrument:
        known = self._standing.instruments[name] if self._standing is not None else 0
        return Instrument(self._line(member), known)

    def _line(self, member: Member) -> Line:
        line = Line(member, self._address, self._latencies)
        self._tasks.start(line.run())
        return line

    def _label_of(self, pan: str) -> str:
        found = [name for name, known in self._place.pans.items() if known == pan]
        return found[0].upper()[:16] if found else ""

    # ------------------------------------------------------------ as devices

    @property
    def lines(self) -> Iterator[Line]:
        for home in self.houses.values():
            yield home.meter.line
            if home.sun is not None:
                yield home.sun.line
        for head in self.heads.values():
            yield head.line

    @property
    def most_waiting(self) -> int:
        """Of one line that is heard: what the ledger has not answered for."""
        return max((line.waiting for line in self.lines if not line.silent), default=0)

    def is_audible(self, point: str) -> bool:
        """Whether the house's meter at this point is heard."""
        return not self.houses[point.partition(":")[2]].meter.line.silent

    @property
    def is_waiting(self) -> bool:
        return any(line.waiting for line in self.lines)

    @property
    def instruments(self) -> dict[str, int]:
        """How far each has counted, by the name that it is gone on with."""
        suns = {home.name: home.sun.number for home in self.houses.values() if home.sun is not None}
        return suns | {f"head {name}": head.number for name, head in self.heads.items()}

    def begin(self, at_ms: int) -> None:
        """The first reading of each: registers stand at nothing."""
        for home in self.houses.values():
            home.meter.measured(at_ms, _NOTHING)
            if home.sun is not None:
                home.sun.reading(at_ms, 0, 0, phase_of(0.0, 0.0, 0.0))
        for head in self.heads.values():
            head.reading(at_ms, 0, 0, phase_of(0.0, 0.0, 0.0))

    def read(self, at_ms: int, heads: Mapping[str, HeadShown]) -> None:
        """Every meter is told what its registers show."""
        for home in self.houses.values():
            assert home.shown is not None, "a step comes before a reading"
            home.meter.measured(at_ms, home.shown)
            if home.sun is not None:
                phase = phase_of(home.shown.voltage_v, -home.shown.generation_w, 0.0)
                home.sun.reading(at_ms, 0, home.shown.generated_nwh, phase)
        for name, shown in heads.items():
            instrument = self.heads[name]
            phase = phase_of(shown.voltage_v, shown.power_w, shown.reactive_var)
            instrument.reading(at_ms, shown.import_nwh, shown.export_nwh, phase)
            instrument.sample(at_ms, f"north:{name}", shown)

    def all_heard(self) -> None:
        """No radio is off any more."""
        for home in self.houses.values():
            home.meter.line.silence(False)

    def close(self) -> None:
        for home in self.houses.values():
            home.meter.close()
