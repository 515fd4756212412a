"""A community as a document: strict, units in every name, errors that say where.

    name: two-houses                     a feeder:                a house:
    pace: 60                               name: lane               name: oak
    begins: "10:00"                        rating_va: 25000         load: {daily_wh: 9000, shape: home}
    length_minutes: 120                    houses: [...]            panels: {peak_w: 4000}
    feeders: [...]                                                  battery: {capacity_wh: 6000, power_w: 2500}

Whole numbers only: money in cents, energy in Wh, power in W; what a wire resists is in milliohm. A name that is not
known, a number out of its limits, a house that an event names and nobody built: each is refused with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import yaml

from ledgernode.errors import BadRequest

LARGEST_HOUSES: Final = 60
INTERVAL_MINUTES: Final = 15
_MINUTES_OF_A_DAY: Final = 1_440
_NAME: Final = r"^[a-z][a-z0-9-]{0,19}$"

Name = Annotated[str, msgspec.Meta(pattern=_NAME)]
Watts = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
SomeWatts = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
WattHours = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Cents = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Minutes = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Hour = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):(00|15|30|45)$")]
Milliohm = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A word that is not known is a mistake, not a wish."""


class Load(_Strict, frozen=True, kw_only=True):
    """What a house uses: so much a day in a shape drawn from the seed, so much power all the time, or so much in each
    interval (in Wh, from the beginning; then again from the first)."""

    daily_wh: WattHours | None = None
    shape: Literal["home", "worker", "shop", "evening"] = "home"
    constant_w: Watts | None = None
    intervals_wh: tuple[Annotated[int, msgspec.Meta(ge=0, le=1_000_000)], ...] | None = None


class Panels(_Strict, frozen=True, kw_only=True):
    """Under the scenario's sky; or so much power all the time; or so much in each interval, as a load."""

    peak_w: SomeWatts | None = None
    tilt_deg: Annotated[int, msgspec.Meta(ge=0, le=90)] = 25
    azimuth_deg: Annotated[int, msgspec.Meta(ge=0, le=360)] = 180
    constant_w: Watts | None = None
    intervals_wh: tuple[Annotated[int, msgspec.Meta(ge=0, le=1_000_000)], ...] | None = None


class Measured(_Strict, frozen=True, kw_only=True):
    """Load and sun of a real house, out of a file (`devices.history` says which): `file` as seen from the scenario,
    `house` where the file has several, from so many days after its beginning on."""

    file: str
    house: str = ""
    day: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0


class Battery(_Strict, frozen=True, kw_only=True):
    capacity_wh: WattHours
    power_w: SomeWatts
    level_percent: Percent = 50
    reserve_percent: Percent = 10


class Vehicle(_Strict, frozen=True, kw_only=True):
    """An electric car: away every day from one time to another, charged up to what it needs to leave."""

    capacity_wh: WattHours = 40_000
    power_w: SomeWatts = 7_400
    level_percent: Percent = 50
    needed_percent: Percent = 70
    lends: bool = False
    """To the house, what it does not need."""
    leaves: Hour = "08:00"
    returns: Hour = "17:00"
    trip_wh: WattHours = 7_000

    @property
    def leaves_minute(self) -> int:
        return _minute_of(self.leaves)

    @property
    def returns_minute(self) -> int:
        return _minute_of(self.returns)


class House(_Strict, frozen=True, kw_only=True):
    """Its load, or what was measured of it. `opening_cents`: what it buys a first token for, where it prepays;
    `purse_cents`: what its wallet begins with."""

    name: Name
    load: Load | None = None
    measured: Measured | None = None
    panels: Panels | None = None
    battery: Battery | None = None
    vehicle: Vehicle | None = None
    machines: tuple[Literal["refrigerator", "boiler", "washing", "dishes", "television"], ...] = ()
    """Beside the load, as `devices.house.catalogue` has them."""
    payment: Literal["prepaid", "postpaid"] = "postpaid"
    opening_cents: Cents = 200
    top_up_cents: Cents = 200
    low_wh: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 1_000
    """Below this it buys again."""
    purse_cents: Cents = 5_000
    trades: bool = True
    strategy: Literal["by-charge", "fixed-price", "cost-plus", "zero-intelligence", "price-follower"] = "by-charge"
    """by-charge: the fuller its battery the cheaper it sells; the others are those of `devices.house.strategy`."""


class FeederPlan(_Strict, frozen=True, kw_only=True):
    """Houses along one line, behind a transformer where there is a grid. `voltage_v` 12 and no rating: a DC bus."""

    name: Name
    houses: Annotated[tuple[House, ...], msgspec.Meta(min_length=1, max_length=LARGEST_HOUSES)]
    rating_va: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 0
    voltage_v: Annotated[int, msgspec.Meta(ge=12, le=400)] = 230
    section_milliohm: Milliohm = 15
    """From one house to the next."""
    power_factor_percent: Annotated[int, msgspec.Meta(ge=50, le=100)] = 97
    loss_w: Watts | None = None
    """The wires lose exactly this, whatever flows; without it they lose what they resist."""


class Prices(_Strict, frozen=True, kw_only=True):
    """Cents a kWh."""

    retail_cents: Cents = 30
    feed_in_cents: Cents = 8
    levy_cents: Cents = 1
    tax_percent: Percent = 19
    pool_cents: Cents = 14
    fee_cents: Cents = 1


class MarketPlan(_Strict, frozen=True, kw_only=True):
    mechanism: Literal["uniform", "pay_as_bid", "truthful", "continuous", "mid_market", "none"] = "uniform"
    """none: what is left over goes to the pool alone."""
    pool: bool = True


class Event(_Strict, frozen=True, kw_only=True):
    """theft: power past the meter, beside the house's own. bypass: a wire around the meter takes a part (percent).
    tamper: the meter counts a part (percent). phase-loss, stuck, magnet: it counts two thirds, nothing, or nothing at
    times. outage: no mains at a house. silence: its meter is not heard. purchase: a token is bought. share: units go to
    another prepaid house."""

    kind: Literal[
        "theft", "bypass", "tamper", "phase-loss", "stuck", "magnet", "outage", "silence", "purchase", "share"
    ]
    minute: Minutes
    house: Name
    minutes: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 30
    power_w: SomeWatts | None = None
    percent: Percent | None = None
    cents: Cents | None = None
    energy_wh: WattHours | None = None
    to: Name | None = None

    @property
    def until_minute(self) -> int:
        return self.minute + self.minutes


class Scenario(_Strict, frozen=True, kw_only=True):
    """`pace`: minutes of the community in a minute of ours. `day_of_year` and `latitude_deg` are the sun's."""

    name: Name
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    source: Annotated[str, msgspec.Meta(max_length=200)] = ""
    feeders: Annotated[tuple[FeederPlan, ...], msgspec.Meta(min_length=1, max_length=8)]
    engine: Literal["pbft", "pow", "solo"] = "solo"
    pace: Annotated[int, msgspec.Meta(ge=1, le=300)] = 60
    begins: Hour = "10:00"
    length_minutes: Annotated[int, msgspec.Meta(ge=INTERVAL_MINUTES, le=14 * _MINUTES_OF_A_DAY)] = 120
    step_seconds: Literal[1, 2, 3, 5, 6, 9, 10, 12, 15, 18, 20, 30, 36, 45, 60] = 15
    reading_seconds: Literal[60, 180, 300, 900] = 60
    day_of_year: Annotated[int, msgspec.Meta(ge=1, le=366)] = 172
    latitude_deg: Annotated[int, msgspec.Meta(ge=-66, le=66)] = 33
    clear_percent: Annotated[int, msgspec.Meta(ge=15, le=100)] = 75
    ambient_c: Annotated[int, msgspec.Meta(ge=-40, le=60)] = 30
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 1
    prices: Prices = Prices()
    market: MarketPlan = MarketPlan()
    events: tuple[Event, ...] = ()

    @property
    def houses(self) -> list[House]:
        return [house for feeder in self.feeders for house in feeder.houses]

    @property
    def begins_minute(self) -> int:
        return _minute_of(self.begins)

    @property
    def on_grid(self) -> bool:
        return any(feeder.rating_va for feeder in self.feeders)


def _minute_of(hour: str) -> int:
    return int(hour[:2]) * 60 + int(hour[3:])


# ---------------------------------------------------------------- reading one


def read_scenario(path: Path) -> Scenario:
    """Refuses, with file and line, what is not a scenario, and says what to write instead."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} cannot be read: {error}") from error
    scenario = parse_scenario(text, str(path))
    feeders = tuple(
        msgspec.structs.replace(feeder, houses=tuple(_lived(house, scenario, path) for house in feeder.houses))
        for feeder in scenario.feeders
    )
    return msgspec.structs.replace(scenario, feeders=feeders)


def _lived(house: House, scenario: Scenario, path: Path) -> House:
    """A measured house with its quarters written out, so that the scenario stands by itself."""
    if house.measured is None:
        return house
    from devices.history.reading import read_houses
    from devices.history.series import resampled, whole_wh

    found = read_houses([path.parent / house.measured.file])
    names = [series.name for series in found]
    name = house.measured.house or names[0]
    if name not in names:
        raise BadRequest(f"{path}: {house.measured.file} has no house {name}: it has {', '.join(names[:20])}")
    series = resampled(found[names.index(name)], INTERVAL_MINUTES * 60_000)
    first = house.measured.day * _MINUTES_OF_A_DAY // INTERVAL_MINUTES + scenario.begins_minute // INTERVAL_MINUTES
    last = first - (-scenario.length_minutes // INTERVAL_MINUTES)
    if last > len(series) or not series.known[first:last].all():
        raise BadRequest(
            f"{path}: {house.measured.file} does not say all of {scenario.length_minutes} minutes of {name}"
        )
    load = Load(intervals_wh=tuple(int(energy) for energy in whole_wh(series.load_mwh[first:last])))
    made = tuple(int(energy) for energy in whole_wh(series.pv_mwh[first:last]))
    panels = Panels(intervals_wh=made) if any(made) else None
    return msgspec.structs.replace(house, measured=None, load=load, panels=panels)


def parse_scenario(text: str, origin: str) -> Scenario:
    """The same of a text; `origin` is how errors name it."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        plain = yaml.safe_load(text)
    except (RecursionError, ValueError) as error:
        raise BadRequest(f"{origin}: it is nested too deep, or a number in it is too long") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f":{mark.line + 1}" if mark is not None else ""
        raise BadRequest(f"{origin}{at}: this is no YAML: {getattr(error, 'problem', None) or error}") from error
    where = _Places(origin, tree)
    where.require_each_key_once()
    try:
        scenario = msgspec.convert(plain, Scenario)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        raise where.refusal(path.rstrip("`") or "$", message) from error
    for place, message in _faults(scenario):
        raise where.refusal(place, message)
    return scenario


class _Places:
    """Where in the text a value stands, by msgspec's path to it."""

    def __init__(self, origin: str, tree: yaml.Node | None) -> None:
        self._origin = origin
        self._tree = tree

    def refusal(self, path: str, message: str) -> BadRequest:
        node, named = self._tree, []
        for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
            found = _child(node, key, index)
            if found is None:
                break
            node = found
            named.append(key or f"[{index}]")
        line = node.start_mark.line + 1 if node is not None else 1
        field = ".".join(named).replace(".[", "[") or "the document"
        return BadRequest(f"{self._origin}:{line}: {field}: {message}")

    def require_each_key_once(self) -> None:
        """YAML takes the last of two; here that is a mistake."""
        waiting = [self._tree]
        while waiting:
            node = waiting.pop()
            if isinstance(node, yaml.MappingNode):
                seen: set[str] = set()
                for key, value in node.value:
                    if key.value in seen:
                        line = key.start_mark.line + 1
                        raise BadRequest(f"{self._origin}:{line}: {key.value} stands here twice: leave one of them")
                    seen.add(key.value)
                    waiting.append(value)
            elif isinstance(node, yaml.SequenceNode):
                waiting += node.value


def _child(node: yaml.Node | None, key: str, index: str) -> yaml.Node | None:
    if key and isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    if index and isinstance(node, yaml.SequenceNode) and int(index) < len(node.value):
        found: Any = node.value[int(index)]
        return found if isinstance(found, yaml.Node) else None
    return None


def _faults(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """What no single field shows: a path and what is wrong there."""
    names: set[str] = set()
    feeders: set[str] = set()
    for number, feeder in enumerate(scenario.feeders):
        at = f"$.feeders[{number}]"
        if feeder.name in feeders:
            yield f"{at}.name", f"another feeder is called {feeder.name}: give this one a name of its own"
        feeders.add(feeder.name)
        if not feeder.rating_va and feeder.voltage_v > 60:
            yield at, "a feeder on the grid has a transformer: say its rating_va (or voltage_v up to 60)"
        for index, house in enumerate(feeder.houses):
            yield from _faults_of(house, f"{at}.houses[{index}]", names)
            names.add(house.name)
    if len(names) > LARGEST_HOUSES:
        yield "$.feeders", f"there are {len(names)} houses, and {LARGEST_HOUSES} is the most"
    if len({bool(feeder.rating_va) for feeder in scenario.feeders}) > 1:
        yield "$.feeders", "either all feeders have a transformer (rating_va), or none"
    prepaid = {house.name for house in scenario.houses if house.payment == "prepaid"}
    for number, event in enumerate(scenario.events):
        yield from _faults_of_event(event, f"$.events[{number}]", names, prepaid, scenario.length_minutes)


def _faults_of(house: House, at: str, names: set[str]) -> Iterator[tuple[str, str]]:
    if house.name in names:
        yield f"{at}.name", f"another house is called {house.name}: give this one a name of its own"
    if (house.load is None) == (house.measured is None):
        yield at, "say what it uses: load, or measured"
    if house.measured is not None and house.panels is not None:
        yield f"{at}.panels", "a measured house brings its own sun: leave panels out"
    if len(set(house.machines)) < len(house.machines):
        yield f"{at}.machines", "each machine once"
    if house.load is not None:
        yield from _not_one(f"{at}.load", house.load, ("daily_wh", "constant_w", "intervals_wh"))
    if house.panels is not None:
        yield from _not_one(f"{at}.panels", house.panels, ("peak_w", "constant_w", "intervals_wh"))


def _not_one(at: str, told: Load | Panels, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Of these words one is said, and not with an empty list."""
    if sum(getattr(told, name) is not None for name in names) != 1:
        yield at, f"say one of {', '.join(names)}"
    if told.intervals_wh == ():
        yield f"{at}.intervals_wh", "a list of one number or more"


def _faults_of_event(
    event: Event, at: str, names: set[str], prepaid: set[str], length_minutes: int
) -> Iterator[tuple[str, str]]:
    needs = {"theft": "power_w", "bypass": "percent", "tamper": "percent", "purchase": "cents", "share": "energy_wh"}
    if event.house not in names:
        yield f"{at}.house", f"no house is called {event.house}: the houses are {', '.join(sorted(names))}"
    if event.minute >= length_minutes:
        yield f"{at}.minute", f"minute {event.minute} never comes: the scenario lasts {length_minutes} minutes"
    if (field := needs.get(event.kind)) and getattr(event, field) is None:
        yield at, f"a {event.kind} needs {field}"
    if event.kind in {"purchase", "share"} and event.house not in prepaid:
        yield f"{at}.house", f"{event.house} does not prepay: choose a house with `payment: prepaid`"
    if event.kind == "share" and (event.to not in prepaid or event.to == event.house):
        yield f"{at}.to", "units are shared with another house with `payment: prepaid`"


# ---------------------------------------------------------------- those that are shipped

SCENARIOS: Final = Path(__file__).parent / "scenarios"


def shipped() -> dict[str, Path]:
    """By name, in alphabetical order."""
    return {path.stem: path for path in sorted(SCENARIOS.glob("*.yaml"))}


def found_scenario(named: str) -> Path:
    """A shipped one by its name, or a file."""
    path = shipped().get(named, Path(named))
    if not path.is_file():
        raise BadRequest(f"there is no scenario {named}: name a file, or one of {', '.join(shipped())}")
    return path
