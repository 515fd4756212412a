"""A kiosk, a vending service, a gateway and a ledger with the real contracts, each a process: money to units, once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.vending.keystore import open_store
from ledgernode.sts.keys import KeyParameters, KeyType, derive
from ledgernode.sts.pan import read_pan
from ledgernode.sts.tid import BaseDate
from ledgernode.sts.token import Credit, read
from tests.acceptance.community import BASE_YEAR
from tests.acceptance.street import House, pan_of
from tests.cli.command_line import done
from tests.conditions import until
from tests.gateway.vending.keys import PASSPHRASE, SUPPLY_GROUP, VENDING_KEY, passphrase_file
from tests.gateway.vending.shop import PAYMENTS, MeterAtHome, Shop, WiredMeter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
_NUMBERS = iter(range(1_000_000))


@pytest.fixture(scope="module")
def houses(shop: Shop) -> Iterator[House]:
    """One after another: each test has its own."""
    return iter(shop.community.streets["shops"].houses)


@pytest.fixture
def house(houses: Iterator[House]) -> House:
    return next(houses)


def fresh() -> str:
    return f"sale-{next(_NUMBERS)}"


def test_a_payment_is_answered_with_a_token_that_the_meter_takes(shop: Shop, house: House) -> None:
    """Money of the kiosk's account becomes units by tariff and taxes; the ledger hears that it was delivered."""
    community, key = shop.community, fresh()
    before = community.money(shop.kiosk)[0]
    begun = time.monotonic()
    answer = shop.pay(house, 100_000, key)
    took_s = time.monotonic() - begun
    sold = answer.json()
    assert (answer.status_code, sold["state"], sold["kwh"]) == (200, "minted", "27.1"), answer.text
    assert took_s < 10
    assert before - community.money(shop.kiosk)[0] == sold["total_minor"] == 100_000 - sold["rest_minor"]
    assert {line["kind"] for line in sold["lines"]} == {"import", "levy", "tax"}
    meter = WiredMeter(shop, house)
    assert meter.keypad.enter(sold["token"]) == 271
    assert shop.delivered(house, sold["credit"])["payer"] == shop.kiosk.id
    meter.keypad.send()
    [credit] = shop.credits(house)
    assert (credit["status"], credit["tid"], credit["units"]) == ("redeemed", sold["tid"], 271)
    assert shop.get(f"{PAYMENTS}/{key}").json() == sold
    [listed] = [one for one in shop.purchases() if one["key"] == key]
    assert (listed["state"], listed["units"], listed["partner"]) == ("minted", 271, "kiosk")


def test_the_meter_is_told_by_wire_what_the_customer_was_told(shop: Shop, house: House) -> None:
    """The same twenty digits: the meter takes them once, by whichever way they come first."""
    meter = WiredMeter(shop, house)
    sold = shop.pay(house, 50_000, fresh()).json()
    command = meter.told()
    assert (command["kind"], command["number"], command["device"]) == ("token", sold["credit"], house.meter.id)
    assert command["payload"]["digits"] == sold["token"]
    assert meter.take_token() == int(sold["energy_mwh"]) // 100_000
    assert [one["status"] for one in shop.credits(house)] == ["redeemed"]


def test_a_sale_closes_the_relay_of_a_meter_on_a_stream(shop: Shop, house: House) -> None:
    """A meter process that nobody touches: the token comes by wire, the display shows it, the ledger has its word."""
    with MeterAtHome(shop, house) as meter:
        meter.when(lambda: meter.gateway)
        assert not meter.supplied
        sold = shop.pay(house, 50_000, fresh()).json()
        meter.when(lambda: meter.supplied)
        until(lambda: [one["status"] for one in shop.credits(house)] == ["redeemed"])
        meter.do(sold["token"] + "#")
        meter.shows("TOKEN USED")


def test_the_same_key_is_the_same_sale(shop: Shop, house: House) -> None:
    """Sent again, together, and after a kill: one credit; another body under it is refused."""
    key = fresh()
    first = shop.pay(house, 30_000, key).json()
    assert shop.pay(house, 30_000, key).json() == first
    shop.vending.kill()
    shop.vending.start()
    assert shop.pay(house, 30_000, key).json() == first
    other = shop.pay(house, 30_001, key)
    assert (other.status_code, other.json()["code"]) == (409, "PAYMENT_KEY_REUSED")
    assert len(shop.credits(house)) == 1


def test_who_is_not_believed_sells_nothing(shop: Shop, house: House) -> None:
    """Wrong secret, altered body, replay, a clock that is off, an unknown partner, no signature."""
    now_ms = shop.community.now_ms
    for changes, code in (
        ({"secret": "guess"}, "CREDENTIALS_INVALID"),
        ({"name": "nobody"}, "CREDENTIALS_INVALID"),
        ({"time_ms": now_ms - 301_000}, "REQUEST_STALE"),
        ({"time_ms": now_ms + 330_000}, "REQUEST_STALE"),
        ({"time_ms": now_ms - 5 * 365 * 86_400_000}, "REQUEST_STALE"),
    ):
        answer = shop.pay(house, 20_000, fresh(), **changes)
        assert (answer.status_code, answer.json()["code"]) == (401, code)
    body = b'{"meter": "%s", "amount_minor": 20000, "currency": "EUR"}' % house.pan.encode()
    headers = {"content-type": "application/json", "idempotency-key": fresh()}
    with shop.client() as client:

        def code(content: bytes, **more: str) -> str:
            return str(client.post(PAYMENTS, content=content, headers=headers | more).json()["code"])

        assert code(body) == "CREDENTIALS_INVALID"
        signed = shop.signed("POST", PAYMENTS, body)
        assert code(body.replace(b"20000", b"90000"), **signed) == "CREDENTIALS_INVALID"
        twice = shop.signed("POST", PAYMENTS, b"{}")
        assert [code(b"{}", **twice) for _ in range(2)] == ["REQUEST_INVALID", "REQUEST_REPLAYED"]
    assert shop.credits(house) == []


@pytest.mark.parametrize(
    ("payment", "status", "code"),
    [
        ({"amount_minor": 10.5}, 400, "REQUEST_INVALID"),
        ({"amount_minor": "10000"}, 400, "REQUEST_INVALID"),
        ({"amount_minor": 0}, 400, "PAYMENT_INVALID"),
        ({"amount_minor": -10_000}, 400, "PAYMENT_INVALID"),
        ({"amount_minor": 1 << 60}, 400, "PAYMENT_INVALID"),
        ({"currency": "USD"}, 400, "CURRENCY_REFUSED"),
        ({"meter": "600727000000000008"}, 400, "PAYMENT_INVALID"),
        ({"meter": pan_of(999_999)}, 409, "registry.UNKNOWN"),
        ({"more": 1}, 400, "REQUEST_INVALID"),
        ({"amount_minor": 1}, 409, "prepaid.AMOUNT_NOT_ENCODABLE"),
    ],
)
def test_what_is_no_payment_is_refused(shop: Shop, payment: dict[str, Any], status: int, code: str) -> None:
    house = shop.community.streets["shops"].houses[-1]
    answer = shop.pay(house, 10_000, fresh(), payment=payment)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert shop.credits(house) == []


def test_the_ledgers_refusals_reach_the_kiosk(shop: Shop, house: House) -> None:
    """Blocked vending, the day's limit, too little money of the kiosk: with the contract's codes, for ever."""
    community = shop.community
    blocking = {"point": house.point, "kind": "vending", "reason": "tampered"}
    community.two("prepaid", "propose_block", on=True, **blocking)
    key = fresh()
    refused = shop.pay(house, 20_000, key)
    assert (refused.status_code, refused.json()["code"]) == (409, "prepaid.VENDING_BLOCKED")
    community.two("prepaid", "propose_block", on=False, **blocking)
    again = shop.pay(house, 20_000, key).json()
    assert again["code"] == "prepaid.VENDING_BLOCKED", "a refusal stays: the customer has the money back"
    assert shop.pay(house, 20_000, fresh()).json()["state"] == "minted"
    poor = shop.pay(house, (1 << 53) - 1, fresh())
    assert (poor.status_code, poor.json()["code"].partition(".")[0]) == (409, "currency")
    assert len(shop.credits(house)) == 1


def test_a_debt_comes_off_first_within_its_cap(shop: Shop, house: House) -> None:
    """The quote says it, the sale's lines show it."""
    community = shop.community
    community.two("prepaid", "propose_debt", point=house.point, amount_minor=30_000, reason="meter")
    target = f"/api/v1/quote?meter={house.pan}&amount_minor=40000"
    quote = shop.get(target).json()
    sold = shop.pay(house, 40_000, fresh()).json()
    assert quote["energy_mwh"] == sold["energy_mwh"]
    [debt] = [line for line in sold["lines"] if line["kind"] == "debt"]
    assert debt["amount_minor"] == 20_000, "half of a vend at most"
    assert shop.pay(house, 40_000, fresh()).json()["lines"][0]["amount_minor"] == 10_000


def test_a_partner_has_a_limit_and_can_be_taken_out(shop: Shop, house: House) -> None:
    secret = shop.cli("vending", "partner", "add", shop.directory, "small", "--limit-minor", "15000")["secret"]
    answer = shop.pay(house, 15_001, fresh(), name="small", secret=secret)
    assert (answer.status_code, answer.json()["code"]) == (409, "PAYMENT_ABOVE_LIMIT")
    file = (shop.directory / "partners.json").read_text()
    assert secret not in file
    assert shop.get(f"{PAYMENTS}/nothing").json()["code"] == "PURCHASE_UNKNOWN"


def test_credits_of_others_get_their_digits_too(shop: Shop, house: House) -> None:
    """A wallet's own reservation, and units that two of the staff grant: minted, and told to the meter.

    The contract wants a second person for what costs nothing: the service cannot grant units alone.
    """
    community, meter = shop.community, WiredMeter(shop, house)
    asked = {"point": house.point, "amount_minor": 20_000, "request": "from my wallet"}
    community.ok(house.wallet, "prepaid", "reserve", **asked)
    assert meter.take_token() == 54
    grant = {"point": house.point, "energy_mwh": 5_000_000, "reason": "corrects a reading"}
    proposal = community.ok(shop.operator, "prepaid", "propose_vend", **grant)
    assert community.code(shop.operator, "prepaid", "approve", proposal=proposal) == "SAME_PERSON"
    community.ok(community.admin, "prepaid", "approve", proposal=proposal)
    assert meter.take_token() == 50


def test_a_ledger_that_is_away_holds_a_sale_up_and_loses_nothing(shop: Shop, house: House) -> None:
    """The kiosk hears that it is not over; when the node is back, it goes on by itself."""
    community, key = shop.community, fresh()
    [node] = community.network.nodes
    node.kill()
    try:
        answer = shop.pay(house, 20_000, key)
        assert answer.status_code in (503, 504), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    finally:
        node.start()
    sold = until(lambda: (found := shop.get(f"{PAYMENTS}/{key}").json())["state"] == "minted" and found, 60)
    assert shop.pay(house, 20_000, key).json() == sold
    assert len(shop.credits(house)) == 1


def test_a_partners_secret_is_replaced_while_the_service_runs(shop: Shop, house: House) -> None:
    """The old one sells nothing from the next request on, the new one does; nothing was started anew."""
    add = ("vending", "partner", "add", shop.directory, "renewed", "--payer", shop.folder(shop.kiosk))
    first = shop.cli(*add)["secret"]
    assert shop.pay(house, 20_000, fresh(), name="renewed", secret=first).json()["state"] == "minted"
    done("vending", "partner", "remove", shop.directory, "renewed")
    second = shop.cli(*add)["secret"]
    assert shop.pay(house, 20_000, fresh(), name="renewed", secret=first).status_code == 401
    assert shop.pay(house, 20_000, fresh(), name="renewed", secret=second).json()["state"] == "minted"


def test_a_vending_key_is_followed_by_its_next_revision(shop: Shop, house: House) -> None:
    """A second key comes into the store, the service alone is started anew, the meter confirms its key change: its next
    token is of the new key; everybody else's are of the old one still."""
    community, keys = shop.community, shop.directory / "keys.json"
    sealed = ("--passphrase-file", passphrase_file(shop.directory), "--supply-group", SUPPLY_GROUP)
    done("vending", "keystore", "new", keys, *sealed, "--key-revision", 2)
    assert shop.vending.terminate() == 0
    shop.vending.start()
    before = shop.pay(house, 20_000, fresh()).json()
    meter = WiredMeter(shop, house)
    meter.keypad.enter(before["token"])
    meter.keypad.send()
    setting = {"key_revision": 2, "tariff_index": 1}
    asked = {"point": house.point, "base": BASE_YEAR, "key_expiry": 255, **setting}
    community.ok(shop.operator, "prepaid", "change_key", **asked)
    community.ok(house.meter, "prepaid", "key_changed", **setting)
    sold = shop.pay(house, 20_000, fresh()).json()
    new = open_store(keys, PASSPHRASE).find(f"vending/{SUPPLY_GROUP}/2")
    assert new is not None
    parameters = KeyParameters(
        pan=read_pan(house.pan),
        supply_group=SUPPLY_GROUP,
        tariff_index="01",
        key_revision=2,
        key_type=KeyType.UNIQUE,
        base=BaseDate(BASE_YEAR),
    )
    token = read(sold["token"], derive(new, parameters))
    assert isinstance(token, Credit)
    assert token.tid == sold["tid"]


def test_a_service_that_is_told_to_stop_ends_well_and_says_no_secret(shop: Shop, house: House) -> None:
    """Exit code 0; neither keys nor digits nor secrets are in its log."""
    sold = shop.pay(house, 20_000, fresh()).json()
    assert shop.vending.terminate() == 0
    log = shop.vending.log.read_text() + shop.gateway.log.read_text()
    for secret in (bytes(VENDING_KEY).hex(), sold["token"], shop.secret, "otters"):
        assert secret not in log
    shop.vending.start()
    assert shop.pay(house, 20_000, fresh()).json()["state"] == "minted"
