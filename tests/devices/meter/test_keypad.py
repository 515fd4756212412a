"""The keys beside tokens and shares: information, corrections, the way back."""

from __future__ import annotations

import pytest

from devices.meter.events import RecipientFound, ShareUnits
from tests.devices.meter.house import KWH, OTHER_PAN, House


def test_information_goes_round() -> None:
    """Number, credit, prices, registers, power, link; also while something else is shown at rest."""
    house = House()
    house.recharge(5)
    house.use(1_500_000, export_mwh=20_000)
    house.link()
    shown = [house.keys("#2")] + [house.keys("#") for _ in range(8)]
    assert shown == [
        ("METER         60", "0727000000000009"),
        ("CREDIT          ", "        3.50 kWh"),
        ("PRICE           ", "NOT KNOWN       "),
        ("PRICE           ", "NOT KNOWN       "),
        ("IMPORT          ", "        1.50 kWh"),
        ("EXPORT          ", "        0.02 kWh"),
        ("POWER           ", "           450 W"),
        ("LINK          UP", "WAITING        1"),
        ("METER         60", "0727000000000009"),
    ]
    assert house.keys("*")[0] == "CREDIT        ON"


def test_a_digit_is_deleted_and_then_the_dialogue() -> None:
    """The star goes back, one step at a time."""
    house = House()
    assert house.keys("593")[1].strip() == "593"
    assert house.keys("*")[1].strip() == "59"
    assert house.keys("**")[0] == "TOKEN       0/20"
    assert house.keys("*")[0] == "NO CREDIT    OFF"
    assert house.keys("#")[0] == "1 SHARE   2 INFO"
    assert house.keys("9")[0] == "NO CREDIT    OFF", "nothing stands under 9"


def test_what_is_typed_too_long_stays_as_it_is() -> None:
    """And is refused for its length when it is entered."""
    house = House()
    assert house.keys("1" * 30)[0] == "TOKEN      24/20"
    assert house.keys("#")[0] == "E01 20 DIGITS   "


@pytest.mark.parametrize(("keys", "shown"), [("#3123#", "E18 PIN LENGTH"), ("#1", "E15 NO PIN"), ("#4", "E15 NO PIN")])
def test_what_needs_a_pin_says_so(keys: str, shown: str) -> None:
    """Before one is chosen, and when it is too short."""
    assert House().keys(keys)[0].strip() == shown


def test_who_is_asked_may_be_left_waiting() -> None:
    """The star ends it, other keys do not; the answer that comes then is nobody's."""
    house = House()
    house.recharge(5)
    house.set_pin()
    house.link()
    assert house.keys(f"#1{OTHER_PAN}#10#5")[0].strip() == "ASKING ..."
    house.keys("*")
    house.do(RecipientFound(house.now_ms, OTHER_PAN, "A***"))
    assert house.display[0] == "CREDIT        ON"


def test_a_name_with_other_letters_is_shown_with_stars() -> None:
    """The display has none for them."""
    house = House()
    house.recharge(5)
    house.set_pin()
    house.link()
    house.keys(f"#1{OTHER_PAN}#10#")
    house.do(RecipientFound(house.now_ms, OTHER_PAN, "Ž· M and a name that is too long"))
    assert house.display[0] == "** M and a name "


def test_a_share_needs_a_clock_only_when_it_has_a_time_out() -> None:
    """At the keypad the customer stands in front of it."""
    house = House()
    house.recharge(5)
    house.set_pin()
    house.now_ms = 5
    house.restart()
    assert house.command(1, ShareUnits(1, OTHER_PAN, KWH, 1 << 50)) == "CLOCK_WRONG"
    assert house.keys(f"#1{OTHER_PAN}#10##1234#")[0].startswith("SENT")
