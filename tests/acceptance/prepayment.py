"""Prepayment as people meet it: a vending service that mints digits, and meters that take them offline."""

from __future__ import annotations

from typing import Any

from ledgernode.sts.decoder import Decoder, enter
from ledgernode.sts.keys import KeyParameters, KeyType, VendingKey, derive
from ledgernode.sts.pan import read_pan
from ledgernode.sts.tid import BaseDate, Tid
from ledgernode.sts.token import Credit, mint
from tests.acceptance.community import BASE_YEAR, SUPPLY_GROUP, Community, House, digest

VENDING_KEY = VendingKey.from_hex("abababababababab949494949494949401234567")
ROOM_UNITS = 1_000_000
UNIT_MWH = 100_000


def key_of(pan: str) -> bytes:
    """What the vending service and the factory agree on; the ledger has no part in it."""
    parameters = KeyParameters(
        pan=read_pan(pan),
        supply_group=SUPPLY_GROUP,
        tariff_index="01",
        key_revision=1,
        key_type=KeyType.UNIQUE,
        base=BaseDate(BASE_YEAR),
    )
    return derive(VENDING_KEY, parameters)


def where(credit: dict[str, Any]) -> dict[str, Any]:
    return {name: credit[name] for name in ("pan", "base", "tid")}


class VendingService:
    """It alone has the vending key; it shows digits once the ledger holds their digest for good."""

    def __init__(self, community: Community) -> None:
        self._community = community

    def mint(self, credit: dict[str, Any]) -> str:
        """The twenty digits of a reserved credit."""
        digits = self.digits(credit)
        self._community.ok(self._community.operator, "prepaid", "mint", **where(credit), token_hash=digest(digits))
        return digits

    @staticmethod
    def digits(credit: dict[str, Any]) -> str:
        token = Credit(tid=Tid(credit["tid"]), random=credit["rnd"], units=credit["units"])
        return mint(token, key_of(credit["pan"]))

    def reserve(self, house: House, amount_minor: int, request: str, **changes: Any) -> dict[str, Any]:
        asked = {"point": house.point, "amount_minor": amount_minor, "request": request} | changes
        found: dict[str, Any] = self._community.ok(house.wallet, "prepaid", "reserve", **asked)
        return found

    def sell(self, house: House, amount_minor: int, request: str) -> str:
        return self.mint(self.reserve(house, amount_minor, request))

    def grant(self, house: House, energy_mwh: int) -> str:
        """Digits of units that cost nothing: decided by two."""
        asked = {"point": house.point, "energy_mwh": energy_mwh, "reason": "to begin with"}
        self._community.two("prepaid", "propose_vend", **asked)
        return self.mint(self.unminted(house))

    def unminted(self, house: House) -> dict[str, Any]:
        waiting = self._community.ask(self._community.operator, "prepaid", "to_mint", utility="north")
        [credit] = [credit for credit in waiting if credit["point"] == house.point]
        return credit  # type: ignore[no-any-return]


class Keypad:
    """A house's meter, its keypad and relay: it decides by itself, and signs what it did when the wire is there."""

    def __init__(self, community: Community, house: House) -> None:
        self._community = community
        self.house = house
        self.decoder = Decoder(key=key_of(house.pan))  # type: ignore[arg-type]
        self.unsent: list[tuple[str, dict[str, Any]]] = []

    @property
    def closed(self) -> bool:
        """The supply relay: open at zero, closed by itself when there is credit."""
        return self.house.balance_mwh > 0

    def enter(self, digits: str) -> int:
        """The units that were taken. Refuses by itself, without any wire."""
        entered = enter(self.decoder, digits, room_units=ROOM_UNITS)
        assert isinstance(entered.token, Credit)
        self.decoder = entered.decoder
        self.house.balance_mwh += entered.token.units * UNIT_MWH
        said = {"pan": self.house.pan, "base": BASE_YEAR, "tid": entered.token.tid, "token_hash": digest(digits)}
        self.unsent.append(("redeem", said | self.house.signed_balance()))
        return entered.token.units

    def use(self, energy_mwh: int) -> None:
        """The load draws until there is nothing left."""
        self.house.balance_mwh -= min(energy_mwh, self.house.balance_mwh)
        self.unsent.append(("report_balance", self.house.signed_balance()))

    def share(self, recipient_pan: str, energy_mwh: int, **more: Any) -> None:
        """Take units out of itself for another meter, and sign that."""
        self.house.balance_mwh -= energy_mwh
        said = {"recipient_pan": recipient_pan, "energy_mwh": energy_mwh, **more}
        self.unsent.append(("debit", said | self.house.signed_balance()))

    def send(self) -> Any:
        """The wire is there: all that was signed goes to the ledger, in order. What the last one answered."""
        answer = None
        while self.unsent:
            function, said = self.unsent.pop(0)
            answer = self._community.ok(self.house.meter, "prepaid", function, **said)
        return answer
