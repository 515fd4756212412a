"""Twenty digits at the meter: what they do, once, and which code each refusal has."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from devices.customer_unit import CODES
from devices.meter.events import EnterToken, ProveUnused
from devices.meter.settings import DAY_MS, LARGEST_MWH, REFUSALS_A_DAY
from devices.meter.tokens import digest
from ledgernode.sts.amounts import round_down
from ledgernode.sts.key_change import key_change, mint_key_change
from ledgernode.sts.keys import derive
from ledgernode.sts.pan import Pan
from ledgernode.sts.tid import BaseDate, Tid
from ledgernode.sts.token import (
    ClearCredit,
    ClearTamper,
    Credit,
    MaximumPower,
    PhaseUnbalance,
    Service,
    TariffRate,
    mint,
)
from tests.devices.meter.house import KWH, PHASE, SETTING, House
from tests.sts.published import METER, PUBLISHED, TOKENS, VENDING_KEY, parameters

MOST = round_down(9_900_000)


@pytest.mark.parametrize("vector", TOKENS, ids=lambda vector: vector["case"])
def test_a_published_token_is_taken_at_the_keypad(vector: dict[str, Any]) -> None:
    """Every vector, at the meter it was made for, does what it says."""
    house = House(parameters(vector))
    house.type_token(vector["token"])
    match vector["says"]:
        case ["kwh", text]:
            assert house.balance_mwh == int(float(text) * KWH)
            assert house.told("redeem")[0]["tid"] == vector["tid"]
        case ["max-power", text]:
            assert house.state.supply.limit_w == int(text)
        case ["clear-credit"]:
            assert [len(house.told(function)) for function in ("final_balance", "cleared")] == [1, 1]
        case _:
            pytest.fail(vector["case"])


def test_the_published_key_change_is_taken_at_the_keypad() -> None:
    """Four tokens in any order; then the new key's tokens hold, and the old one's do not."""
    house = House(METER)
    shown = [house.type_token(digits)[0].strip() for digits in reversed(PUBLISHED["key_change"]["tokens"])]
    assert shown == ["KEY CHANGE   1/4", "KEY CHANGE   2/4", "KEY CHANGE   3/4", "KEY CHANGED"]
    new = derive(VENDING_KEY, msgspec.structs.replace(METER, tariff_index=PUBLISHED["key_change"]["to_tariff_index"]))
    assert house.state.tokens.decoder.key == new
    assert house.told("key_changed") == [{"key_revision": 1, "tariff_index": 2}]
    assert house.type_token(house.credit_token(5))[0].startswith("E02")
    house.type_token(mint(Credit(tid=Tid(2_000), random=5, units=5), new))
    assert house.balance_mwh == KWH // 2


def test_a_change_of_base_date_forgets_identifiers_and_keeps_credit() -> None:
    """The ledger hears of credits under the new base date from then on."""
    house = House(METER)
    house.recharge(3)
    later = msgspec.structs.replace(METER, base=BaseDate.Y2014, key_revision=4)
    for digits in mint_key_change(key_change(METER, later, VENDING_KEY), house.key):
        house.type_token(digits)
    assert (house.balance_mwh, house.state.tokens.base) == (3 * KWH, BaseDate.Y2014)
    house.key = derive(VENDING_KEY, later)
    house.type_token(house.credit_token(10, tid=house.tid))
    assert house.balance_mwh == 4 * KWH
    assert [said["base"] for said in house.told("redeem")] == [1993, 2014]


def test_a_key_change_that_stays_incomplete_is_dropped() -> None:
    """After a day its sections no longer wait for the others."""
    house = House(METER)
    house.type_token(PUBLISHED["key_change"]["tokens"][0])
    house.wait(DAY_MS + 60_000)
    assert house.state.tokens.decoder.sections == ()


def refusals() -> dict[str, tuple[House, str]]:
    """A meter and digits for each reason to refuse."""
    house, other = House(), House(msgspec.structs.replace(SETTING, pan=Pan("600727000000000017")))
    used, old = house.credit_token(10, tid=500), house.credit_token(10, tid=1)
    house.type_token(used)
    for tid in range(1_000, 1_049):
        house.type_token(house.credit_token(1, tid=tid))
    full = House()
    full.type_token(full.credit_token(MOST))
    right = house.credit_token(10)
    expiring = House()
    change = key_change(SETTING, SETTING, VENDING_KEY, key_expiry=9)
    for digits in mint_key_change(change, expiring.key):
        expiring.type_token(digits)
    return {
        "TOKEN_MALFORMED": (house, right[:-1]),
        "TOKEN_CHECK_FAILED": (house, other.credit_token(10)),
        "TOKEN_USED": (house, used),
        "TOKEN_TOO_OLD": (house, old),
        "TOKEN_KEY_EXPIRED": (expiring, expiring.credit_token(10, tid=10 << 16)),
        "TOKEN_CLASS_UNKNOWN": (house, house.mint(Credit(tid=Tid(2_000), random=1, units=1, service=Service.WATER))),
        "TOKEN_CREDIT_OVERFLOW": (full, full.credit_token(MOST)),
    }


def test_each_refusal_has_a_code_of_its_own_and_changes_nothing() -> None:
    """Wrong length, wrong digit or meter, used, too old, beyond the key's expiry, no meaning, no room."""
    cases = refusals()
    for code, (house, digits) in cases.items():
        before = house.state
        first, _ = house.type_token(digits)
        assert first.startswith(f"E{CODES[code].number:02d} "), (code, house.display)
        assert house.state.credit == before.credit
        assert house.state.tokens.decoder == before.tokens.decoder
        assert [said["code"] for said in house.told("refused")][-1:] == ([code] if code != "TOKEN_MALFORMED" else [])
    assert len({CODES[code].number for code in cases}) == len(cases)


@pytest.mark.parametrize("at", range(20))
def test_one_altered_digit_is_refused(at: int) -> None:
    """The check finds it, whichever it is."""
    house = House()
    digits = house.credit_token(10)
    house.type_token(digits[:at] + str((int(digits[at]) + 1) % 10) + digits[at + 1 :])
    assert house.balance_mwh == 0
    house.type_token(digits)
    assert house.balance_mwh == KWH


def test_the_same_credit_by_wire_and_keypad_counts_once() -> None:
    """Its identifier is remembered, whichever way it came first."""
    for first, second in ((House.type_token, House.wire), (House.wire, House.type_token)):
        house = House()
        digits = house.credit_token(10)
        first(house, digits)
        second(house, digits)
        assert house.command(7, EnterToken(digits)) == "TOKEN_USED"
        assert house.balance_mwh == KWH
        assert len(house.told("refused")) == (second is House.type_token), "what came by wire twice is no news"
        [said] = house.told("redeem")
        assert said == {
            "pan": house.settings.pan,
            "base": 2014,
            "tid": house.tid,
            "token_hash": digest(digits),
            "balance_mwh": KWH,
            "counter": 1,
        }


def test_who_types_wrong_tokens_all_day_does_not_fill_the_outbox() -> None:
    """Refusals are reported up to a bound a day."""
    house = House()
    wrong = House(msgspec.structs.replace(SETTING, pan=Pan("600727000000000017")))
    for _ in range(REFUSALS_A_DAY + 5):
        house.type_token(wrong.credit_token(10))
    assert len(house.told("refused")) == REFUSALS_A_DAY
    house.wait(DAY_MS)
    house.type_token(wrong.credit_token(10))
    assert len(house.told("refused")) == REFUSALS_A_DAY + 1


def test_tokens_that_are_no_credit() -> None:
    """Limits of power and of unevenness, clear tamper; a tariff rate has no meaning here."""
    house = House()
    head: dict[str, Any] = {"random": 1}
    house.type_token(house.mint(MaximumPower(tid=Tid(1), limit_w=2_000, **head)))
    house.type_token(house.mint(PhaseUnbalance(tid=Tid(2), limit_w=500, **head)))
    house.type_token(house.mint(ClearTamper(tid=Tid(3), **head)))
    assert (house.state.supply.limit_w, house.state.supply.unbalance_w) == (2_000, 500)
    assert house.type_token(house.mint(TariffRate(tid=Tid(4), rate=7, **head)))[0].startswith("E06")


def test_a_clear_credit_token_signs_what_was_left() -> None:
    """The final balance first, then that it is cleared: what the ledger needs to relocate it."""
    house = House()
    house.recharge(5)
    house.use(KWH, (PHASE,))
    house.type_token(house.mint(ClearCredit(tid=Tid(house.tid + 1), random=1)))
    assert (house.balance_mwh, house.supplied) == (0, False)
    assert house.told("final_balance") == [{"balance_mwh": 4 * KWH, "counter": 2}]
    assert house.told("cleared") == [{"counter": 3}]


def test_an_identifier_is_burned_when_the_utility_asks() -> None:
    """Then its token is used, and the meter has signed that it was not; a used one is not proven unused."""
    house = House()
    digits = house.credit_token(10)
    assert house.command(1, ProveUnused(2014, house.tid)) == "OK"
    assert house.told("prove_unused") == [{"pan": house.settings.pan, "base": 2014, "tid": house.tid}]
    assert house.type_token(digits)[0].startswith("E03")
    house.recharge(1)
    assert house.command(2, ProveUnused(2014, house.tid)) == "TOKEN_USED"
    assert house.command(3, ProveUnused(1993, 77)) != "OK"


def test_more_credit_than_the_display_holds_is_refused() -> None:
    """The token may be entered later."""
    house = House()
    assert house.balance_mwh + MOST * 100_000 <= LARGEST_MWH
    assert house.type_token(house.credit_token(MOST))[0].startswith("TOKEN ACCEPTED")
    assert house.type_token(house.credit_token(MOST))[0].startswith("E07")
