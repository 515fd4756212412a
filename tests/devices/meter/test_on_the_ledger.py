"""A meter on a real ledger: what it signs the contracts take, and both know the same balance."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from devices.meter.core import Meter, new_state
from devices.meter.events import (
    ChoosePin,
    CloseAccount,
    Commanded,
    EnterToken,
    KeyPressed,
    LinkDown,
    LinkUp,
    Measured,
    ProveUnused,
    Receipted,
    RecipientFound,
    Started,
    Tampered,
    Ticked,
)
from devices.meter.settings import MINUTE_MS
from devices.meter.signing import signed
from devices.meter.tokens import digest
from devices.meter.told import from_event
from ledgernode.errors import LedgerError
from ledgernode.identity.certificates import issue
from ledgernode.identity.records import IDENTITY
from ledgernode.sts.key_change import key_change, mint_key_change
from ledgernode.sts.keys import KeyParameters, KeyType, derive
from ledgernode.sts.pan import Pan
from ledgernode.sts.tid import BaseDate, Tid
from ledgernode.sts.token import Credit, mint
from ledgernode.wire.transaction import Kind
from ledgernode.wire.types import identity_id
from tests.chaincode.town import INTERVAL_MS, KWH, package
from tests.chaincode.vending_town import Home, VendingTown
from tests.devices.meter.house import PHASE, settings
from tests.sts.published import VENDING_KEY


class WiredHome:
    """A house of the town with a real meter; the ledger is reached while the link is up."""

    def __init__(self, town: VendingTown, home: Home) -> None:
        self.town, self.home = town, home
        self.setting = KeyParameters(
            pan=Pan(home.pan),
            supply_group="123457",
            tariff_index="01",
            key_revision=1,
            key_type=KeyType.UNIQUE,
            base=BaseDate.Y2014,
        )
        chain_id = town.ledger.chain.chain_id
        own = settings(pan=Pan(home.pan), point=home.point, chain_id=chain_id, batch_rows=8, balance_ms=5 * MINUTE_MS)
        self.meter = Meter(own, new_state(self.key, BaseDate.Y2014))
        self.codes: list[tuple[str, str]] = []
        self.display = ("", "")
        self.requests: list[str] = []
        self.number = 0
        self.deaf = False
        self.do(Started, b"s" * 32)

    @property
    def key(self) -> bytes:
        return derive(VENDING_KEY, self.setting)

    def do(self, event: Any, *fields: Any) -> None:
        """One event, and what follows of it: transactions into blocks, their receipts back."""
        effects = self.meter.step(event(self.town.now_ms, *fields))
        self.display = effects.display or self.display
        self.requests += [effects.request] if effects.request else []
        if effects.ask:
            found = self.town.ask(self.town.operator, "registry", "find_pan", pan=effects.ask)
            self.do(RecipientFound, effects.ask, "A*** M***" if found else "")
        for outgoing in effects.send:
            raw = signed(outgoing, self.home.meter.key, self.meter.settings.chain_id)
            try:
                transaction = self.town.ledger._admission.check(raw, Kind.TRANSACTION)
                code = self.town.ledger.block(transaction)[-1].code
            except LedgerError as refusal:
                code = refusal.code
            self.codes.append((outgoing.function, code))
            if not self.deaf:
                self.do(Receipted, outgoing.sequence, code, outgoing.key)

    def keys(self, keys: str) -> str:
        for key in keys:
            self.do(KeyPressed, key)
        return self.display[0].strip()

    def command(self, command: Any) -> None:
        self.number += 1
        self.do(Commanded, self.number, command)

    def hear(self, name: str) -> None:
        """The newest event of this name, as its gateway brings it."""
        payload = self.town.ledger.events("prepaid", name)[-1].payload
        assert payload["meter"] == self.home.meter.id
        command = from_event(name, msgspec.json.encode(payload))
        assert command is not None
        self.command(command)

    def tick(self, minutes: int = 1) -> None:
        for _ in range(minutes):
            self.town.later(ms=MINUTE_MS)
            self.do(Ticked)

    def use(self, energy_mwh: int) -> None:
        self.do(Measured, energy_mwh, 0, (PHASE,))

    def vend(self, credit: dict[str, Any]) -> str:
        """What the vending service does with a reserved credit."""
        digits = mint(Credit(tid=Tid(credit["tid"]), random=credit["rnd"], units=credit["units"]), self.key)
        clerk = self.town.operator if credit["utility"] == "utility" else self.town.clerk
        where = {name: credit[name] for name in ("pan", "base", "tid")}
        self.town.ok(clerk, "prepaid", "mint", **where, token_hash=digest(digits))
        return digits

    def buy(self, amount_minor: int, request: str) -> str:
        return self.vend(self.town.reserve(self.home, amount_minor, request))

    def waiting(self) -> list[str]:
        """Digits of all credits that wait to be minted for this house."""
        return [self.vend(credit) for credit in self.town.to_mint() if credit["point"] == self.home.point]

    @property
    def balance_mwh(self) -> int:
        return self.meter.state.credit.balance_mwh

    def agrees(self) -> dict[str, Any]:
        """Both know the same balance, and every word was taken."""
        account: dict[str, Any] = self.town.account(self.home)["account"]
        credit = self.meter.state.credit
        assert self.meter.state.outbox == ()
        assert [code for _, code in self.codes if code != "OK"] == []
        assert (account["balance_mwh"], account["counter"]) == (credit.balance_mwh, credit.counter)
        assert account["credited_mwh"] == credit.credited_mwh
        assert account["shared_mwh"] == credit.sent_mwh
        assert account["cleared_mwh"] == credit.cleared_mwh
        assert account["consumed_mwh"] == credit.consumed_mwh
        return account


@pytest.fixture(scope="module")
def town() -> VendingTown:
    made = VendingTown(houses=0)
    made.ledger.deploy(package("metering"))
    return made


@pytest.fixture
def pair(town: VendingTown) -> tuple[WiredHome, WiredHome]:
    """Two houses of one town, in which somebody lives already."""
    homes = [town.home(), town.home()]
    town.later(ms=INTERVAL_MS)
    return WiredHome(town, homes[0]), WiredHome(town, homes[1])


def test_a_token_bought_on_the_ledger_is_typed_at_the_meter_and_redeemed(pair: tuple[WiredHome, WiredHome]) -> None:
    """Offline; the ledger hears of it when the link is back, after energy was used."""
    home, other = pair
    digits = home.buy(100_000, "first")
    assert other.keys(f"{digits}#") == "E02 WRONG TOKEN"
    assert home.keys(f"{digits}#") == "TOKEN ACCEPTED"
    home.use(KWH)
    home.do(LinkUp)
    assert home.town.account(home.home)["account"]["balance_mwh"] > 0
    home.tick(6)
    account = home.agrees()
    assert account["consumed_mwh"] == KWH
    [credit] = home.town.ask(home.town.regulator, "prepaid", "credits", point=home.home.point)
    assert credit["status"] == "redeemed"
    other.do(LinkUp)
    assert ("refused", "OK") in other.codes


def test_units_go_from_one_meter_to_the_other(pair: tuple[WiredHome, WiredHome]) -> None:
    """The keypad's share, confirmed by the ledger; its token switches the recipient's relay; sums agree."""
    home, other = pair
    home.keys(home.buy(300_000, "first") + "#*")
    home.do(LinkUp)
    other.do(LinkUp)
    home.keys("#31234#1234#*")
    before_mwh = home.balance_mwh
    assert home.keys(f"#1{other.home.pan}#100#") == "A*** M***"
    assert home.keys("#1234#").startswith("SENT")
    assert home.balance_mwh == before_mwh - 10 * KWH
    [digits] = other.waiting()
    assert not other.meter.state.supply.closed
    other.command(EnterToken(digits))
    other.keys(f"{digits}#*")
    assert (other.balance_mwh, other.meter.state.supply.closed) == (10 * KWH, True)
    for each in pair:
        each.codes = [(name, code) for name, code in each.codes if name != "refused"]
        each.agrees()


def test_a_share_asked_for_by_the_web_is_answered_in_time_and_refused_after(pair: tuple[WiredHome, WiredHome]) -> None:
    """The ledger's number goes back in the receipt; after the time-out nothing moves."""
    home, other = pair
    home.keys(home.buy(300_000, "first") + "#*")
    home.do(LinkUp)
    for request, wait_ms in (("soon", 0), ("late", 200_000)):
        asked = {"recipient_pan": other.home.pan, "energy_mwh": 3 * KWH, "request": request}
        home.town.ok(home.home.wallet, "prepaid", "request_share", point=home.home.point, **asked)
        home.town.later(ms=wait_ms)
        home.hear("ShareRequested")
    shares = home.town.ask(home.town.regulator, "prepaid", "shares", point=home.home.point)
    assert [share["status"] for share in shares] == ["credited", "timed_out"]
    assert home.meter.state.credit.sent_mwh == 3 * KWH
    home.agrees()


def test_two_of_the_staff_switch_the_supply_off_and_on(pair: tuple[WiredHome, WiredHome]) -> None:
    """The ledger's events reach the relay; credit stays."""
    home, _ = pair
    home.keys(home.buy(300_000, "first") + "#*")
    for on, name in ((True, "SupplyBlocked"), (False, "SupplyUnblocked")):
        home.town.two("prepaid", "propose_block", point=home.home.point, kind="supply", on=on, reason="works")
        home.hear(name)
        assert home.meter.state.supply.closed is not on


def test_readings_of_hours_offline_arrive_in_order_once(pair: tuple[WiredHome, WiredHome]) -> None:
    """Device-signed, and what intervals sum to is what the meter counted; tamper is told."""
    home, _ = pair
    home.keys(home.buy(300_000, "first") + "#*")
    for minute in range(50):
        home.use(10_000)
        home.tick()
        if minute == 20:
            home.do(LinkUp)
        if minute == 30:
            home.do(LinkDown)
    home.do(Tampered, "cover")
    home.do(LinkUp)
    home.tick(6)
    home.agrees()
    town, meter = home.town, home.home.meter
    head = town.ask(town.operator, "metering", "head", meter=meter.id)
    assert head["last_sequence"] == home.meter.state.numbers.reading - len(home.meter.state.readings) - 1
    assert head["last"]["import_mwh"] == home.meter.state.registers.import_mwh == 500_000
    day = town.now_ms // 86_400_000
    chunk = town.ask(town.operator, "metering", "readings", meter=meter.id, day=day)
    assert [row[0] for row in chunk["rows"]] == list(range(len(chunk["rows"])))
    assert set(chunk["origins"]) == {"d"}
    home.keys("#31234#1234#*" + "#49999#" * 3)
    tampers = town.ask(town.operator, "metering", "tampers", point=home.home.point)
    assert [tamper["kind"] for tamper in tampers] == ["pin_locked", "cover"]


def test_receipts_that_are_lost_cost_nothing(pair: tuple[WiredHome, WiredHome]) -> None:
    """What is sent again takes effect once; the meter is told of it in the end, and raises no alarm."""
    home, other = pair
    home.keys(home.buy(300_000, "first") + "#*")
    home.keys("#31234#1234#*")
    home.keys(f"#1{other.home.pan}#100##1234#")
    home.use(KWH)
    home.deaf = True
    home.do(LinkUp)
    before = home.town.account(home.home)["account"]
    home.do(LinkDown)
    home.deaf = False
    home.do(LinkUp)
    home.tick(12)
    assert home.town.account(home.home)["account"]["credited_mwh"] == before["credited_mwh"]
    assert home.meter.state.outbox == ()
    assert home.meter.state.numbers.refused == 0
    assert home.meter.state.credit.sent_mwh == before["shared_mwh"] == 10 * KWH
    home.tick(6)
    assert ("debit", "SEQUENCE_REPLAYED") in home.codes, "told again under a new number, which the contract knows"
    home.codes = [each for each in home.codes if each[1] != "SEQUENCE_REPLAYED"]
    home.agrees()


def test_a_key_change_is_vended_entered_and_confirmed(pair: tuple[WiredHome, WiredHome]) -> None:
    """Then tokens are vended under the new key."""
    home, _ = pair
    home.do(LinkUp)
    home.town.ok(
        home.town.operator,
        "prepaid",
        "change_key",
        point=home.home.point,
        base=2014,
        key_revision=2,
        tariff_index=7,
        key_expiry=255,
    )
    new = msgspec.structs.replace(home.setting, key_revision=2, tariff_index="07")
    for digits in mint_key_change(key_change(home.setting, new, VENDING_KEY), home.key):
        shown = home.keys(f"{digits}#")
    assert shown == "KEY CHANGED"
    home.setting = new
    assert home.keys(home.buy(50_000, "after") + "#") == "TOKEN ACCEPTED"
    home.agrees()


def test_a_token_is_proven_unused_and_the_account_is_closed(pair: tuple[WiredHome, WiredHome]) -> None:
    """What the meter held waits on the ledger to be relocated, and the next token begins anew."""
    home, _ = pair
    home.do(LinkUp)
    home.keys(home.buy(300_000, "first") + "#*")
    held_mwh = home.balance_mwh
    unused = home.town.reserve(home.home, 50_000, "second")
    digits = home.vend(unused)
    home.command(ProveUnused(unused["base"], unused["tid"]))
    assert home.keys(f"{digits}#") == "E03 TOKEN USED"
    home.use(KWH)
    home.command(CloseAccount())
    assert ("cleared", "OK") in home.codes
    account = home.agrees()
    assert (account["state"], account["cleared_mwh"]) == ("cleared", held_mwh - KWH)
    assert home.keys(home.buy(50_000, "third") + "#") == "TOKEN ACCEPTED"
    home.agrees()


def test_the_customers_key_is_certified_and_asks_for_an_advance(pair: tuple[WiredHome, WiredHome]) -> None:
    """Wallet and utility agree on the key that was made at the keypad; then the PIN is enough."""
    home, _ = pair
    town = home.town
    town.set_rules(emergency_mwh=5 * KWH)
    home.do(LinkUp)
    home.command(ChoosePin())
    assert home.keys("#31234#1234#") == "PIN SET"
    certificate = issue(home.requests[-1], town.ledger._organisations["utility"]._issuing, now_ms=town.now_ms)
    town.ok(town.admin, IDENTITY, "register", certificate=certificate)
    key = identity_id(home.meter.state.customer.public_key).hex()
    town.ok(home.home.wallet, "registry", "ask_customer_key", point=home.home.point, key=key)
    town.ok(town.operator, "registry", "confirm_customer_key", point=home.home.point)
    assert home.keys("*#41234#") == "ADVANCE ASKED"
    assert home.codes[-1] == ("take_emergency", "OK")
    [digits] = home.waiting()
    home.command(EnterToken(digits))
    assert home.balance_mwh == 5 * KWH
    home.agrees()
