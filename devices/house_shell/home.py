"""A home's folder: what its agent needs to know of it, and what it keeps.

home.json        who it is on the ledger, what stands in it, how it trades
owner.token      the owner's, for its page
ledger.slots     how far the ledger's events are read, orders on their way    (`surroundings`)
sink.journal     what waits for the time-series store                        (`sink`)
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import msgspec

from devices.house.agent.control import Preferences
from devices.house.agent.core import Bounds, Settings
from devices.house.catalogue import CAR, family
from devices.house.strategy import Strategy
from devices.house_shell.surroundings import Place
from devices.physics.battery import Battery
from ledgernode.errors import BadRequest
from ledgernode.identity.secret_file import create_secret, read_secret
from ledgernode.wire.unreadable import UNREADABLE

FILE: Final = "home.json"
TOKEN: Final = "owner.token"  # noqa: S105  # a file's name
LEDGER: Final = "ledger.slots"
SINK: Final = "sink.journal"


class Home(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`home.json`. Energies in Wh, powers in W, prices in micro major units per kWh."""

    name: str
    """As its devices call it at the broker: `home/<name>/…`."""
    point: str
    market: str
    board: bool = False
    """Whether the market is a board: requests and offers instead of bids and asks."""
    generation: str = ""
    """The generation meter's point."""
    peak_w: float = 0.0
    battery_wh: int = 0
    battery_w: float = 0.0
    car: bool = False
    boiler: bool = False
    phases: int = 1
    plugs: tuple[str, ...] = ()
    """Smart plugs, as they are called at the broker; a demand response may switch `sheds` of them off."""
    sheds: tuple[str, ...] = ()
    lends_car: bool = False
    cheap_micro: int = 0
    retail_micro: int | None = None
    feed_in_micro: int | None = None
    bounds: Bounds = Bounds()

    @property
    def place(self) -> Place:
        return Place(self.point, self.market, self.generation, self.retail_micro, self.feed_in_micro)

    def settings(self, strategy: Strategy) -> Settings:
        """Of its agent."""
        battery = Battery(self.battery_wh, self.battery_w, self.battery_w) if self.battery_wh else None
        house = family(
            self.name,
            phases=self.phases,
            peak_w=self.peak_w,
            battery=battery,
            vehicle=msgspec.structs.replace(CAR, lends=self.lends_car) if self.car else None,
            boiler=self.boiler,
        )
        preferences = Preferences(self.cheap_micro, self.sheds, self.lends_car)
        return Settings(self.point, self.market, house, strategy, preferences, bounds=self.bounds, board=self.board)


def create_home(directory: Path, home: Home) -> None:
    """Refuses a folder in which a home is."""
    if min(home.peak_w, home.battery_wh, home.battery_w) < 0 or home.phases not in {1, 3}:
        raise BadRequest("powers and energies are not below zero, and a house has one phase or three")
    if bool(home.battery_wh) != bool(home.battery_w):
        raise BadRequest("a battery has a size and a power")
    create_secret(directory / FILE, msgspec.json.format(msgspec.json.encode(home)) + b"\n")
    create_secret(directory / TOKEN, secrets.token_urlsafe(32).encode())


def read_home(directory: Path) -> tuple[Home, str]:
    """The home, and its owner's token. Refuses a folder that is none."""
    if not (directory / FILE).exists():
        raise BadRequest(f"{directory} is no home: `ledgernode house new` makes one")
    try:
        home = msgspec.json.decode(read_secret(directory / FILE), type=Home)
    except UNREADABLE as error:
        raise BadRequest(f"{directory / FILE} does not say what stands in it: {error}") from error
    return home, read_secret(directory / TOKEN).decode()
