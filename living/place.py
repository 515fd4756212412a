"""What a community's things are called on the ledger, and who stands behind them.

    north   the utility: feeders, money, tariffs, vending, the gateway      south   another utility
    east    the regulator                                                   west    whose people hold the wallets

Ids: area and market `north:<scenario>`, feeder `north:<feeder>`, house (point, premises, customer) `north:<house>`, its
sun `north:<house>-sun`, the meter at a transformer `north:<feeder>-head`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from devices.community.scenario import House, Scenario
from ledgernode.identity.founding import ADMIN
from ledgernode.sts.keys import DecoderKey, KeyParameters, KeyType, VendingKey, derive
from ledgernode.sts.pan import check_digit, read_pan
from ledgernode.sts.tid import BaseDate
from living.people import Member, People

ORGANISATIONS: Final = ("north", "south", "east", "west")
CURRENCY: Final = "EUR"
TARIFF: Final = "north:flat"
SUPPLY_GROUP: Final = "123457"
BASE_YEAR: Final = 2014
KEY_REVISION: Final = 1
_KEY_TARIFF: Final = "01"


class Place:
    """Names of a scenario's things on the ledger, and who stands behind them."""

    def __init__(self, scenario: Scenario, people: People) -> None:
        self.scenario = scenario
        self.people = people
        self.area = f"north:{scenario.name}"
        self.market = f"north:{scenario.name}-market"
        self.pans = {house.name: pan_of(number) for number, house in enumerate(scenario.houses, 1)}
        self.feeder_of = {house.name: feeder.name for feeder in scenario.feeders for house in feeder.houses}

    @staticmethod
    def point(house: str) -> str:
        return f"north:{house}"

    def wallet(self, house: str) -> Member:
        return self.people.member("west", house)

    def meter(self, house: str) -> Member:
        return self.people.member("north", f"meter-{house}")

    def sun(self, house: str) -> Member:
        return self.people.member("north", f"sun-{house}")

    def head(self, feeder: str) -> Member:
        return self.people.member("north", f"head-{feeder}")

    @property
    def operator(self) -> Member:
        return self.people.member("north", "operator")

    @property
    def vending(self) -> Member:
        return self.people.member("north", "vending")

    @property
    def kiosk(self) -> Member:
        return self.people.member("west", "kiosk")

    @property
    def admin(self) -> Member:
        return self.people.member("north", ADMIN)

    @property
    def gateway(self) -> Member:
        return self.people.member("north", "gateway")

    @property
    def accounts(self) -> dict[str, Member]:
        return {name: self.people.member("north", name) for name in ("treasury", "taxes", "levies")}

    @property
    def prepaid(self) -> list[House]:
        return [house for house in self.scenario.houses if house.payment == "prepaid"]

    def meter_home(self, house: str) -> Path:
        """The folder of its identity: a meter lives where its key was born."""
        return self.meter(house).directory


# ---------------------------------------------------------------- prepayment


def pan_of(number: int) -> str:
    digits = f"600727{number:011d}"
    return digits + check_digit(digits)


def key_of(pan: str, vending_key: VendingKey) -> DecoderKey:
    """What the factory gives a meter and the vending service derives."""
    parameters = KeyParameters(
        pan=read_pan(pan),
        supply_group=SUPPLY_GROUP,
        tariff_index=_KEY_TARIFF,
        key_revision=KEY_REVISION,
        key_type=KeyType.UNIQUE,
        base=BaseDate(BASE_YEAR),
    )
    return derive(vending_key, parameters)
