"""A utility whose month is measured: houses and their meters on a ledger of its own, and what each of them uses.

Every part is a real one: contracts from their packages, meters with keys and certificates, blocks that are written
durably before the next one begins. One validator orders them, in this process: a month has to pass while somebody
waits for it, and a node in a process of its own lives by the clock of the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

import chaincode
from chaincode.calendar import CENTRAL_EUROPE, local
from ledgernode.execution.sandbox.package import pack
from ledgernode.store.kv import KeyValueStore
from ledgernode.testing import Member, TestLedger

Report = Callable[[int, int], None]
"""Called with what is done of a phase, and what there is to do."""

ORGANISATION: Final = "utility"
CONTRACTS: Final = ("registry", "currency", "tariff", "metering", "settlement", "billing")
TARIFF: Final = "utility:day-and-night"
DIGITS: Final = 2
HOUSES_A_FEEDER: Final = 100
FEEDERS_AN_AREA: Final = 2
HOUSES_A_CALL: Final = 50
SOLAR_OF_A_THOUSAND: Final = 345
"""So many houses of a thousand have a second meter, of what they generate: an hourly month is a million readings."""
IMPORT_W: Final = 12_000
EXPORT_W: Final = 10_000
DAY_FROM_MINUTE, DAY_UNTIL_MINUTE = 6 * 60, 22 * 60
BANDS: Final = {"night": 240_000, "day": 320_000}
FEED_IN_MICRO: Final = 80_000
LEVY_MICRO: Final = 60_000
TAX_MICRO: Final = 190_000
FIXED_MINOR: Final = 950
HOUR_MS: Final = 3_600_000


class Point:
    """Where one meter hangs: a house's connection, or what it generates."""

    def __init__(self, id: str, house: int, meter: Member, *, solar: bool, generates: bool = False) -> None:
        self.id = id
        self.house = house
        self.meter = meter
        self.solar = solar
        self.generates = generates
        self.import_mwh = self.export_mwh = 0
        self.sequence = self.batches = 0

    def flow(self, number: int, hour: int) -> tuple[int, int]:
        """What is taken and given in an interval of this number, in mWh: spread by primes, the same each time."""
        made_mwh = 0
        if self.solar and 7 <= hour < 18:
            made_mwh = (6 - abs(hour - 12)) * (250_000 + (self.house * 7_919 + number * 104_729) % 90_001)
        if self.generates:
            return 0, made_mwh
        used_mwh = 150_000 + (self.house * 6_113 + number * 99_991) % 650_001
        return max(used_mwh - made_mwh, 0), max(made_mwh - used_mwh, 0)


class Utility:
    """Founded with its houses shortly before `start_ms`; they move in then."""

    def __init__(self, store: KeyValueStore, houses: int, interval_ms: int, start_ms: int, report: Report) -> None:
        self.ledger = TestLedger(organisations=(ORGANISATION,), store=store)
        self.admin = self.ledger.admin()
        self.operator = self._member("operator", "operator")
        self.interval_ms = interval_ms
        self.areas: list[str] = []
        self.houses: list[Point] = []
        self.generators: list[Point] = []
        self._contracts()
        self._begin(start_ms)
        for first in range(0, houses, HOUSES_A_FEEDER):
            self._feeder(first, min(first + HOUSES_A_FEEDER, houses), report, houses)
        for area in self.areas:
            self.ok("settlement", "open_area", area=area)
        self.ledger.advance(ms=start_ms - self.ledger.time_ms)

    @property
    def points(self) -> list[Point]:
        return self.houses + self.generators

    # ------------------------------------------------------------ calling

    def ok(self, contract: str, function: str, **arguments: Any) -> Any:
        """By the operator; raises what is refused."""
        return self.ledger.submit(self.operator, contract, function, **arguments).result

    def ask(self, contract: str, function: str, **arguments: Any) -> Any:
        return self.ledger.query(self.operator, contract, function, **arguments)

    def two(self, contract: str, function: str, **arguments: Any) -> None:
        """Proposed by the operator, approved by the admin."""
        proposal = self.ok(contract, function, **arguments)
        self.ledger.submit(self.admin, contract, "approve", proposal=proposal)

    # ------------------------------------------------------------ founding

    def _contracts(self) -> None:
        folder = Path(chaincode.__path__[0])
        for name in CONTRACTS:
            self.ledger.deploy(pack(folder / f"{name}.py"))

    def _begin(self, start_ms: int) -> None:
        accounts = {name: self._member(name, "operator").id for name in ("treasury", "tax_account", "levy_account")}
        self.ledger.submit(self.admin, "registry", "establish", interval_ms=self.interval_ms, digits=DIGITS)
        zone = msgspec.to_builtins(CENTRAL_EUROPE)
        self.ledger.submit(self.admin, "registry", "enlist", zone=zone, **accounts)
        self.two("tariff", "propose_tariff", tariff=tariff(), from_ms=self.ledger.time_ms + 1_000)
        self.ledger.advance(ms=start_ms - self.interval_ms // 2 - self.ledger.time_ms)

    def _feeder(self, first: int, until: int, report: Report, houses: int) -> None:
        number = first // HOUSES_A_FEEDER
        if number % FEEDERS_AN_AREA == 0:
            self.areas.append(f"utility:area-{len(self.areas) + 1}")
            self.ok("registry", "add_area", id=self.areas[-1])
        feeder, transformer = f"utility:feeder-{number + 1}", f"utility:transformer-{number + 1}"
        self.ok("registry", "add_transformer", id=transformer, rating_va=400_000, low_mv=230_000, high_mv=11_000_000)
        self.ok("registry", "add_feeder", id=feeder, transformer=transformer, area=self.areas[-1])
        for place in range(first, until, HOUSES_A_CALL):
            self._houses(feeder, range(place, min(place + HOUSES_A_CALL, until)))
            report(min(place + HOUSES_A_CALL, until), houses)

    def _houses(self, feeder: str, places: Sequence[int]) -> None:
        ratings = {"import_rating_w": IMPORT_W, "export_rating_w": EXPORT_W}
        points = [
            Point(f"utility:house-{place:06d}", place, self._member(f"meter-{place}", "meter"), solar=is_solar(place))
            for place in places
        ]
        rows = [
            {"premises": point.id, "point": point.id, "customer": point.id, "meter": {"id": point.meter.id}}
            for point in points
        ]
        self.ok("registry", "add_houses", feeder=feeder, houses=rows, tariff=TARIFF, **ratings)
        self.houses += points
        for house in points:
            if house.solar:
                meter = self._member(f"generation-{house.house}", "meter")
                point = Point(f"{house.id}-solar", house.house, meter, solar=True, generates=True)
                where = {"kind": "generation", "feeder": feeder, "premises": house.id}
                self.ok("registry", "add_point", id=point.id, **where, **ratings)
                self.ok("registry", "install", point=point.id, meter={"id": meter.id})
                self.generators.append(point)

    def _member(self, name: str, role: str) -> Member:
        return self.ledger.identity(name, role=role, organisation=ORGANISATION)


# ---------------------------------------------------------------- what is used


def is_solar(place: int) -> bool:
    """Spread evenly over the houses."""
    return (place + 1) * SOLAR_OF_A_THOUSAND // 1_000 > place * SOLAR_OF_A_THOUSAND // 1_000


def hour_of(time_ms: int) -> int:
    return local(CENTRAL_EUROPE, time_ms).minute // 60


def band_of(time_ms: int) -> str:
    minute = local(CENTRAL_EUROPE, time_ms).minute
    return "day" if DAY_FROM_MINUTE <= minute < DAY_UNTIL_MINUTE else "night"


def tariff() -> dict[str, Any]:
    """Dearer by day than by night, with a standing charge, a levy and a tax."""
    return {
        "id": TARIFF,
        "utility": ORGANISATION,
        "zone": msgspec.to_builtins(CENTRAL_EUROPE),
        "kind": "time_of_use",
        "bands": [
            {
                "name": "day",
                "price_micro": BANDS["day"],
                "from_minute": DAY_FROM_MINUTE,
                "until_minute": DAY_UNTIL_MINUTE,
            },
            {"name": "night", "price_micro": BANDS["night"]},
        ],
        "feed_in": [{"name": "feed-in", "price_micro": FEED_IN_MICRO}],
        "fixed_minor": FIXED_MINOR,
        "levies": [{"name": "grid", "price_micro": LEVY_MICRO}],
        "tax_micro": TAX_MICRO,
    }
