"""Units to another meter: at the keypad, under a PIN, and for the web; and the key that the PIN guards."""

from __future__ import annotations

import pytest

from devices.meter.events import ChoosePin, Measured, RecipientFound, ShareUnits
from devices.meter.settings import KEYPAD_MS, LOCK_MS, LONGEST_LOCK_MS, LOOK_UP_MS, SHARES
from ledgernode.identity.authority import read_request
from ledgernode.identity.keys import verify
from ledgernode.identity.records import Role
from ledgernode.sts.pan import check_digit, pan_of
from ledgernode.wire.transaction import Sequence, parse_transaction
from ledgernode.wire.types import identity_id
from tests.devices.meter.house import KWH, OTHER_PAN, House


def ready(**changes: object) -> House:
    """50 kWh, and the PIN 1234."""
    house = House(**changes)  # type: ignore[arg-type]
    house.recharge(50)
    house.set_pin()
    return house


def share(house: House, to: str = OTHER_PAN, tenths: str = "100", pin: str = "1234") -> str:
    return house.keys(f"#1{to}#{tenths}##{pin}#")[0].strip()


def test_a_share_without_a_link() -> None:
    """50 kWh become 40, and a receipt that alone credits the other meter waits for the link."""
    house = ready()
    assert house.keys(f"#1{OTHER_PAN}#100#") == ("UNVERIFIED  0017", "    10.0kWh #=OK")
    assert house.keys("#1234")[1].endswith("****")
    assert house.keys("#") == ("SENT     10.0kWh", "RECEIPT        2")
    assert house.balance_mwh == 40 * KWH
    assert house.told("debit") == [
        {
            "counter": 2,
            "recipient_pan": OTHER_PAN,
            "energy_mwh": 10 * KWH,
            "balance_mwh": 40 * KWH,
            "share": 0,
            "verified": False,
        }
    ]
    house.link()
    assert [each.function for each in house.sendings] == ["redeem", "debit"]


def test_a_share_with_a_link_shows_whom_it_is_for() -> None:
    """The ledger is asked; the name is masked there."""
    house = ready()
    house.link()
    house.keys(f"#1{OTHER_PAN}#100#")
    assert house.asked == [OTHER_PAN]
    house.do(RecipientFound(house.now_ms, "600727000000000025", "somebody else"))
    assert house.display[0].strip() == "ASKING ..."
    house.do(RecipientFound(house.now_ms, OTHER_PAN, "A*** M***"))
    assert house.display[0].strip() == "A*** M***"
    house.keys("#1234#")
    assert house.told("debit")[0]["verified"] is True


def test_nobody_takes_units_under_this_number() -> None:
    """Refused before a PIN is asked for."""
    house = ready()
    house.link()
    house.keys(f"#1{OTHER_PAN}#100#")
    house.do(RecipientFound(house.now_ms, OTHER_PAN, ""))
    assert house.display[0].strip() == "E12 NOBODY"


@pytest.mark.parametrize("lost", [True, False])
def test_when_nobody_answers_the_recipient_is_unverified(lost: bool) -> None:
    """After some seconds, or when the link goes."""
    house = ready()
    house.link()
    house.keys(f"#1{OTHER_PAN}#100#")
    if lost:
        house.link(up=False)
    house.wait(1 if lost else LOOK_UP_MS)
    assert house.display[0].startswith("UNVERIFIED")


def test_a_reference_number_stands_for_a_meter_number() -> None:
    """Eleven digits, as people call the meter."""
    house = ready()
    reference = "0000000042" + check_digit("0000000042")
    share(house, to=reference)
    assert house.told("debit")[0]["recipient_pan"] == pan_of(reference)


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ("#1600727000000000018#", "E10 METER NO."),
        ("#16007#", "E10 METER NO."),
        ("#1600727000000000009#", "E11 OWN METER"),
        (f"#1{OTHER_PAN}#501#", "E14 CREDIT LOW"),
        (f"#1{OTHER_PAN}#0#", "E13 AMOUNT"),
        (f"#1{OTHER_PAN}#100##9999#", "E16 WRONG PIN"),
        (f"#1{OTHER_PAN}#100##*", "CREDIT        ON"),
    ],
)
def test_what_is_refused_moves_nothing(keys: str, shown: str) -> None:
    """Wrong digit, too short, oneself, too much, nothing, wrong PIN, second thoughts."""
    house = ready()
    assert house.keys(keys)[0].strip() == shown
    assert (house.balance_mwh, house.told("debit")) == (50 * KWH, [])


def test_what_a_token_does_not_carry_stays() -> None:
    """1,999.9 kWh go in steps of 1 kWh: the rest stays with the sender."""
    house = House()
    house.recharge(2_999.4)
    house.set_pin()
    share(house, tenths="19999")
    [said] = house.told("debit")
    assert 1_998 * KWH < said["energy_mwh"] < 1_999_900_000
    assert house.balance_mwh == 2_999_400_000 - said["energy_mwh"]


def test_half_a_minute_without_a_key_cancels() -> None:
    """And forgets what was typed."""
    house = ready()
    house.keys(f"#1{OTHER_PAN}#100##12")
    house.wait(KEYPAD_MS - 1)
    assert house.display[0].strip() == "PIN"
    house.wait(1)
    assert house.display[0] == "CREDIT        ON"
    assert (house.meter.session.pan, house.meter.session.typed) == ("", "")


def test_a_credit_that_fell_in_the_meantime_is_not_overdrawn() -> None:
    """The amount is checked again when the PIN is there."""
    house = ready()
    house.keys(f"#1{OTHER_PAN}#500##1234")
    house.do(Measured(house.now_ms, 1, 0))
    assert house.keys("#")[0].strip() == "E14 CREDIT LOW"
    assert house.told("debit") == []


def test_three_wrong_pins_lock_sharing_longer_each_time_and_metering_goes_on() -> None:
    """The lock outlives a restart; the right PIN ends the counting."""
    house = ready()
    for _ in range(3):
        assert share(house, pin="0000") == "E16 WRONG PIN"
    assert house.keys("#1")[0].strip() == "E17 PIN LOCKED"
    assert [said["kind"] for said in house.told("report")] == ["pin_locked"]
    house.restart()
    assert house.keys("#1")[0].strip() == "E17 PIN LOCKED"
    house.use(KWH)
    house.recharge(1)
    assert house.balance_mwh == 50 * KWH
    house.wait(LOCK_MS)
    assert share(house, pin="0000") == "E16 WRONG PIN"
    house.wait(2 * LOCK_MS - 1)
    assert house.keys("#1")[0].strip() == "E17 PIN LOCKED"
    house.wait(1)
    assert share(house).startswith("SENT")
    assert share(house, pin="0000") == "E16 WRONG PIN"
    assert share(house).startswith("SENT")
    for _ in range(12):
        house.wait(LONGEST_LOCK_MS)
        share(house, pin="0000")
    assert house.state.customer.locked_ms - house.now_ms == LONGEST_LOCK_MS


def test_a_pin_is_nowhere_kept() -> None:
    """Not on the disk, not in what is sent, not in the session when the dialogue is over."""
    house = House()
    house.recharge(50)
    house.set_pin("80617")
    share(house, pin="80617")
    house.keys("*")
    kept = b"".join(house.disk.values()) + repr((house.sendings, house.state, house.meter.session)).encode()
    assert b"80617" not in kept
    assert house.meter.session.pin == house.meter.session.typed == ""
    house.keys("#380617#")
    assert "80617" not in repr(house.meter.session)


def test_the_disk_alone_opens_nothing() -> None:
    """The right PIN without the meter's hardware is a wrong one."""
    house, stolen = ready(), House()
    stolen.disk = dict(house.disk)
    stolen.settings = type(stolen.settings)(
        **{name: getattr(stolen.settings, name) for name in stolen.settings.__struct_fields__}
        | {"hardware_secret": type(stolen.settings.hardware_secret)(b"other" * 7)}
    )
    stolen.restart()
    assert share(stolen) == "E16 WRONG PIN"


def test_a_changed_pin_opens_the_same_key() -> None:
    """The old one is wrong then; two that differ change nothing."""
    house = ready()
    public_key = house.state.customer.public_key
    assert house.keys("#31234#5678#5679#")[0].strip() == "E19 PIN DIFFERS"
    assert house.keys("#31234#5678#5678#")[0].strip() == "PIN CHANGED"
    assert house.state.customer.public_key == public_key
    house.keys("*")
    assert share(house) == "E16 WRONG PIN"
    assert share(house, pin="5678").startswith("SENT")


def test_a_reset_ends_the_old_key_and_asks_for_a_new_one() -> None:
    """For a forgotten PIN, and for a new tenant: by utility and customer, never at the keypad alone."""
    house = ready()
    old = house.state.customer.public_key
    assert house.keys("#3")[0].strip() == "PIN"
    house.keys("**")
    assert house.command(1, ChoosePin()) == "OK"
    assert house.keys("#1")[0].strip() == "E15 NO PIN"
    house.keys("*")
    house.set_pin("567890")
    assert house.state.customer.public_key != old
    assert len(house.requests) == 2
    named, _ = read_request(house.requests[-1])
    assert (named.organisation, named.role) == ("utility", Role.CUSTOMER)
    house.restart()
    assert house.requests[-1] == house.requests[1], "asked for again after a start"
    assert house.keys("#3123#")[0].strip() != "PIN SET"


def test_an_advance_is_signed_by_the_customers_key() -> None:
    """While the PIN is there; it is sent whenever there is a link, with a number of its own."""
    house = ready()
    assert house.keys("#41234#")[0].strip() == "ADVANCE ASKED"
    house.restart()
    house.link()
    [asked] = [each for each in house.sendings if each.function == "take_emergency"]
    parsed = parse_transaction(asked.envelope)
    customer = house.state.customer.public_key
    assert parsed.public_key == customer
    assert parsed.body.creator == identity_id(customer)
    assert parsed.body.replay == Sequence(0)
    assert verify(customer, parsed.body_bytes, parsed.signature)
    house.receipt(asked)
    assert [each.key for each in house.state.outbox] == ["meter"]


def test_a_share_asked_for_by_the_web_is_signed_with_its_number() -> None:
    """Before its time-out; after it the meter refuses, since the ledger has given it up."""
    house = ready()
    asked = ShareUnits(share=7, recipient_pan=OTHER_PAN, energy_mwh=3 * KWH, until_ms=house.now_ms + 1_000)
    assert house.command(1, asked) == "OK"
    assert house.command(1, asked) == "OK"
    assert [said["share"] for said in house.told("debit")] == [7]
    assert house.balance_mwh == 47 * KWH
    assert house.command(20, asked) == "SHARE_ANSWERED", "by another gateway, under its own number"
    house.wait(1_000)
    late = ShareUnits(share=6, recipient_pan=OTHER_PAN, energy_mwh=3 * KWH, until_ms=house.now_ms)
    assert house.command(2, late) == "SHARE_TIMED_OUT"
    later = house.now_ms + 60_000
    assert house.command(3, ShareUnits(8, OTHER_PAN, 48 * KWH, later)) == "TOO_LITTLE_CREDIT"
    assert house.command(4, ShareUnits(9, OTHER_PAN, KWH + 1, later)) == "AMOUNT"
    assert house.command(5, ShareUnits(10, OTHER_PAN[:-1] + "0", KWH, later)) == "METER_NUMBER"
    assert house.balance_mwh == 47 * KWH


def test_shares_of_the_web_are_remembered_by_number_within_a_bound() -> None:
    """One below all that are remembered is old."""
    house = ready()
    until_ms = house.now_ms + 60_000
    for share in range(10, 10 + SHARES):
        assert house.command(share, ShareUnits(share, OTHER_PAN, KWH // 10, until_ms)) == "OK"
    house.restart()
    assert house.command(900, ShareUnits(9, OTHER_PAN, KWH, until_ms)) == "SHARE_ANSWERED"
    assert house.command(901, ShareUnits(900, OTHER_PAN, KWH, until_ms)) == "OK"


def test_a_share_down_to_zero_opens_the_relay() -> None:
    """All of it may go."""
    house = ready()
    share(house, tenths="500")
    assert (house.balance_mwh, house.supplied) == (0, False)
