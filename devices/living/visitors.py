"""Who may look at a community in a browser: a customer, an operator and a regulator, each by twelve words.

Their wallets are made for this folder alone and stand for nothing elsewhere, so their words are kept in a file and
shown. The customer's wallet speaks for a prepaid house beside that house's own, with a little money of its own; the
operator is the utility's, the regulator the regulator's. Whoever starts the community again enters by the same words,
at the same address where its port is still free: a browser keeps wallets by address.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import msgspec

from devices.living.people import LARGE, Call
from devices.living.place import Place
from devices.living.units import MINOR_PER_CENT
from ledgernode.errors import Missing
from ledgernode.identity.authority import build_request
from ledgernode.identity.founding import ADMIN, organisation_directory
from ledgernode.identity.organisation import sign_request
from ledgernode.identity.phrase import key_from_phrase, new_phrase
from ledgernode.identity.records import Role
from ledgernode.identity.secret_file import create_secret, read_secret
from ledgernode.local.node import free_ports, is_free
from ledgernode.wire.types import identity_id

FILE: Final = "visitors.json"
PORT: Final = 8_080
"""Where a browser is sent first."""
PURSE_CENTS: Final = 5_000


class Visitor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who may enter, and the words for it."""

    role: Role
    organisation: str
    phrase: str

    @property
    def name(self) -> str:
        """Of the identity, in its organisation."""
        return f"console-{self.role}"

    @property
    def identity(self) -> str:
        return identity_id(key_from_phrase(self.phrase).public_key).hex()


class Visitors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    port: int
    everybody: tuple[Visitor, ...]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def visitors_of(directory: Path) -> Visitors:
    """Those of a community's folder; new ones the first time."""
    path = directory / FILE
    if path.exists():
        known = msgspec.json.decode(read_secret(path), type=Visitors)
        if is_free(known.port):
            return known
        path.unlink()
        visitors = msgspec.structs.replace(known, port=free_ports(1))
    else:
        whose = ((Role.CUSTOMER, "west"), (Role.OPERATOR, "north"), (Role.REGULATOR, "east"))
        everybody = tuple(Visitor(role, organisation, new_phrase()) for role, organisation in whose)
        visitors = Visitors(PORT if is_free(PORT) else free_ports(1), everybody)
    create_secret(path, msgspec.json.format(msgspec.json.encode(visitors), indent=2) + b"\n")
    return visitors


def house_of(place: Place) -> str:
    """The house that the customer speaks for: one that buys tokens and has sun, where there is one."""
    found = sorted(place.scenario.houses, key=lambda house: (house.payment != "prepaid", house.panels is None))
    return found[0].name


async def enrol(place: Place, visitors: Visitors) -> None:
    """Whoever of them is not yet on the ledger is then, and the customer has what it takes to try things."""
    for visitor in visitors.everybody:
        if await _is_new(place, visitor):
            await _register(place, visitor)
            if visitor.role is Role.CUSTOMER:
                await _settle_in(place, visitor)


async def _is_new(place: Place, visitor: Visitor) -> bool:
    try:
        await place.people.ask(place.admin, "identity", "describe", identity=visitor.identity)
    except Missing:
        return True
    return False


async def _register(place: Place, visitor: Visitor) -> None:
    key, home = key_from_phrase(visitor.phrase), organisation_directory(place.people.network, visitor.organisation)
    request = build_request(key, organisation=visitor.organisation, role=visitor.role, name=visitor.name)
    chain = sign_request(home, request, now_ms=time.time_ns() // 1_000_000, role=visitor.role)
    admin = place.people.member(visitor.organisation, ADMIN)
    await place.people.do(admin, "identity", "register_many", certificates=[chain])


async def _settle_in(place: Place, visitor: Visitor) -> None:
    """The house's own wallet takes it for a second one; the utility gives it something to spend."""
    money = {"account": visitor.identity, "amount_minor": PURSE_CENTS * MINOR_PER_CENT, "purpose": "for a visitor"}
    await place.people.together(
        [
            Call(place.wallet(house_of(place)), "registry", "add_wallet", {"wallet": visitor.identity}, LARGE),
            Call(place.operator, "currency", "mint", money, LARGE),
        ]
    )
