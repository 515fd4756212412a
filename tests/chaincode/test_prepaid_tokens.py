"""From money to twenty digits to a meter: the ledger, the token library and a meter's decoder, together."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from ledgernode import errors
from ledgernode.sts.decoder import Decoder, enter
from ledgernode.sts.key_change import key_change, mint_key_change
from ledgernode.sts.keys import KeyParameters, KeyType, VendingKey, derive
from ledgernode.sts.memory import TidMemory
from ledgernode.sts.pan import read_pan
from ledgernode.sts.tid import BaseDate, Tid
from ledgernode.sts.token import Credit, mint
from tests.chaincode.vending_town import UTILITY_FLAT, Home, VendingTown, kwh

VENDING_KEY = VendingKey.from_hex("abababababababab949494949494949401234567")
GROUP = "123457"
ROOM_UNITS = 1_000_000
UNIT_MWH = 100_000


def digest(digits: str) -> str:
    return hashlib.sha256(digits.encode()).hexdigest()


def parameters(setting: dict[str, Any]) -> KeyParameters:
    """The key of a meter, by what the ledger knows of it."""
    return KeyParameters(
        pan=read_pan(setting["pan"]),
        supply_group=setting["supply_group"],
        tariff_index=f"{setting['tariff_index']:02d}",
        key_revision=setting["key_revision"],
        key_type=KeyType.UNIQUE,
        base=BaseDate(setting["base"]),
    )


class Service:
    """The vending service: it alone has the vending key, and shows digits after the ledger has their digest."""

    def __init__(self, town: VendingTown) -> None:
        self.town = town

    def set_key(self, home: Home, base: int = 2014) -> None:
        key = {"supply_group": GROUP, "base": base, "key_revision": 1, "tariff_index": 1, "key_expiry": 255}
        self.town.ok(self.town.operator, "prepaid", "set_key", point=home.point, **key)

    def setting(self, home: Home) -> dict[str, Any]:
        found: dict[str, Any] = self.town.account(home)["setting"]
        return found

    def digits(self, credit: dict[str, Any], home: Home) -> str:
        key = derive(VENDING_KEY, parameters(self.setting(home)))
        token = Credit(tid=Tid(credit["tid"]), random=credit["rnd"], units=credit["units"])
        digits = mint(token, key)
        where = {name: credit[name] for name in ("pan", "base", "tid")}
        self.town.ok(self.town.operator, "prepaid", "mint", **where, token_hash=digest(digits))
        return digits

    def sell(self, home: Home, amount_minor: int, request: str) -> str:
        return self.digits(self.town.reserve(home, amount_minor, request), home)


class Meter:
    """A meter with a keypad: it decides offline, and signs what it did when the wire is there."""

    def __init__(self, home: Home, service: Service, **memory: Any) -> None:
        self.home = home
        key = derive(VENDING_KEY, parameters(service.setting(home)))
        self.decoder = Decoder(key=key, memory=TidMemory(**memory))

    def enter(self, digits: str) -> None:
        """Refuses by itself; else tells the ledger."""
        entered = enter(self.decoder, digits, room_units=ROOM_UNITS)
        self.decoder = entered.decoder
        if isinstance(entered.token, Credit):
            self.home.counter += 1
            self.home.balance_mwh += entered.token.units * UNIT_MWH
            self.home.town.ok(
                self.home.meter,
                "prepaid",
                "redeem",
                pan=self.home.pan,
                base=2014,
                tid=entered.token.tid,
                token_hash=digest(digits),
                balance_mwh=self.home.balance_mwh,
                counter=self.home.counter,
            )


@pytest.fixture(scope="module")
def service() -> Service:
    return Service(VendingTown(houses=0))


@pytest.fixture
def home(service: Service) -> Home:
    home = service.town.settled(UTILITY_FLAT)
    service.set_key(home)
    return home


def test_bought_digits_are_taken_once(service: Service, home: Home) -> None:
    """Vend, mint, enter: the meter takes the digits offline, once; the ledger has only their digest."""
    meter = Meter(home, service)
    digits = service.sell(home, 100_000, "a")
    assert (len(digits), digits.isdecimal()) == (20, True)
    meter.enter(digits)
    assert service.town.account(home)["account"]["balance_mwh"] == kwh(27.1)
    with pytest.raises(errors.TokenUsed):
        meter.enter(digits)
    assert service.town.account(home)["account"]["credited_mwh"] == kwh(27.1)
    every = [event.payload for event in service.town.ledger.events("prepaid")]
    assert digits not in str(every)


def test_a_token_for_another_meter_or_altered_says_nothing(service: Service, home: Home) -> None:
    """Token for another meter, altered digit, too short: each refused by the meter itself."""
    other = service.town.settled(UTILITY_FLAT)
    service.set_key(other)
    digits = service.sell(home, 50_000, "a")
    with pytest.raises(errors.TokenCheckFailed):
        Meter(other, service).enter(digits)
    altered = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    with pytest.raises(errors.LedgerError):
        Meter(home, service).enter(altered)
    with pytest.raises(errors.TokenMalformed):
        Meter(home, service).enter(digits[:-1])


def test_an_old_token_is_refused_and_reissued(service: Service, home: Home) -> None:
    """ "Expired" means the meter's TID memory; the meter proves it unused, and its credit gets a new identifier."""
    meter = Meter(home, service, capacity=3)
    credit = service.town.reserve(home, 40_000, "old")
    old = service.digits(credit, home)
    for number in range(3):
        meter.enter(service.sell(home, 10_000, f"{number}"))
    with pytest.raises(errors.TokenTooOld):
        meter.enter(old)
    where = {name: credit[name] for name in ("pan", "base", "tid")}
    service.town.ok(home.meter, "prepaid", "prove_unused", **where)
    new = service.town.ok(service.town.operator, "prepaid", "reissue", **where)
    before = home.balance_mwh
    meter.enter(service.digits(new, home))
    assert home.balance_mwh == before + credit["energy_mwh"]


def test_two_tokens_of_one_minute_are_two(service: Service, home: Home) -> None:
    """Two tokens for one meter in the same minute must not share a TID; they may be entered in any order."""
    meter = Meter(home, service)
    one, two = service.sell(home, 50_000, "a"), service.sell(home, 50_000, "b")
    assert one != two
    meter.enter(two)
    meter.enter(one)
    assert home.balance_mwh == service.town.account(home)["account"]["balance_mwh"] == 2 * kwh(13.5)


def test_identifiers_of_a_base_date_run_out_and_the_key_changes(service: Service) -> None:
    """TID roll-over: the base date changes with the key, the meter forgets used identifiers and keeps its credit."""
    town = service.town
    home = town.settled(UTILITY_FLAT)
    service.set_key(home, base=1993)
    asked = {"point": home.point, "amount_minor": 50_000, "request": "a"}
    assert town.code(home.wallet, "prepaid", "reserve", **asked) == "TIDS_RUN_OUT"
    meter = Meter(home, service)
    old = parameters(service.setting(home))
    new = msgspec.structs.replace(old, base=BaseDate.Y2014, key_revision=2)
    wanted = {"base": 2014, "key_revision": 2, "tariff_index": 1, "key_expiry": 255}
    town.ok(town.operator, "prepaid", "change_key", point=home.point, **wanted)
    for section in mint_key_change(key_change(old, new, VENDING_KEY), meter.decoder.key):
        meter.enter(section)
    town.ok(home.meter, "prepaid", "key_changed", key_revision=2, tariff_index=1)
    meter.enter(service.sell(home, 50_000, "b"))
    assert town.account(home)["account"]["balance_mwh"] == home.balance_mwh == kwh(13.5)
    back = wanted | {"base": 1993, "key_revision": 3}
    assert town.code(town.operator, "prepaid", "change_key", point=home.point, **back) == "SETTING_INVALID"


def test_fifty_become_forty_and_ten_with_digits_at_an_offline_recipient(service: Service) -> None:
    """Works with the recipient offline too: a token is minted for it, and entered by keypad."""
    town = service.town
    sender, recipient = town.settled(UTILITY_FLAT), town.settled(UTILITY_FLAT)
    for home in (sender, recipient):
        service.set_key(home)
    town.two("prepaid", "propose_vend", point=sender.point, energy_mwh=kwh(50), reason="start")
    [start] = [credit for credit in town.to_mint() if credit["point"] == sender.point]
    Meter(sender, service).enter(service.digits(start, sender))
    sender.send(recipient.pan, kwh(10))
    [shared] = [credit for credit in town.to_mint() if credit["point"] == recipient.point]
    Meter(recipient, service).enter(service.digits(shared, recipient))
    balances = [town.account(home)["account"]["balance_mwh"] for home in (sender, recipient)]
    assert balances == [sender.balance_mwh, recipient.balance_mwh] == [kwh(40), kwh(10)]
