"""Every published token, typed at the keypad of the meter that it is for, and at that of another."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ledgernode.sts.keys import derive
from ledgernode.sts.token import Credit, MaximumPower
from tests.devices.meter.house import House
from tests.sts.published import METER, PUBLISHED, TOKENS, VENDING_KEY, parameters, said

each_token = pytest.mark.parametrize("vector", TOKENS, ids=lambda vector: vector["case"])


@each_token
def test_a_published_token_does_at_the_keypad_what_it_says(vector: dict[str, Any]) -> None:
    """Once. Credit closes the relay, a limit is kept, cleared credit is signed for."""
    house, token = House(parameters(vector)), said(vector)
    if not isinstance(token, Credit):
        house.recharge(5)
    before_mwh = house.balance_mwh
    shown = house.type_token(vector["token"])[0].strip()
    match token:
        case Credit(units=units):
            assert (shown, house.balance_mwh) == ("TOKEN ACCEPTED", units * 100_000)
            assert house.supplied
        case MaximumPower(limit_w=limit_w):
            assert (shown, house.state.supply.limit_w) == ("POWER LIMIT SET", limit_w)
        case _:
            assert (shown, house.balance_mwh) == ("CREDIT CLEARED", 0)
            assert house.told("final_balance")[0]["balance_mwh"] == before_mwh
    house.keys("*")
    assert house.type_token(vector["token"])[0].startswith("E03 TOKEN USED")


@each_token
def test_another_meter_takes_no_published_token(vector: dict[str, Any]) -> None:
    """Of the same utility; and neither does this one with a digit exchanged."""
    other = House(msgspec.structs.replace(parameters(vector), pan="600727000000000017"))
    assert other.type_token(vector["token"])[0].startswith("E02 WRONG TOKEN")
    own = House(parameters(vector))
    exchanged = vector["token"][:-1] + str((int(vector["token"][-1]) + 1) % 10)
    assert own.type_token(exchanged)[0].startswith("E0")
    assert (own.balance_mwh, own.supplied) == (0, False)


def test_the_published_key_change_is_typed_in_any_order() -> None:
    """Four tokens, then the meter's key is the new one, and says so."""
    change = PUBLISHED["key_change"]
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        house = House(METER)
        shown = [house.type_token(change["tokens"][at])[0].strip() for at in order]
        assert shown == ["KEY CHANGE   1/4", "KEY CHANGE   2/4", "KEY CHANGE   3/4", "KEY CHANGED"]
        new = derive(VENDING_KEY, msgspec.structs.replace(METER, tariff_index=change["to_tariff_index"]))
        assert house.state.tokens.decoder.key == new
        assert house.told("key_changed") == [{"key_revision": 1, "tariff_index": 2}]
