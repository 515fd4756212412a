"""A meter's answer to what is entered at it: each refusal its own, and nothing changed by one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from ledgernode.errors import (
    LedgerError,
    TokenCheckFailed,
    TokenClassUnknown,
    TokenCreditOverflow,
    TokenKeyExpired,
    TokenMalformed,
    TokenTooOld,
    TokenUsed,
)
from ledgernode.sts.decoder import Decoder, enter, without_sections
from ledgernode.sts.key_change import key_change, mint_key_change
from ledgernode.sts.keys import derive
from ledgernode.sts.memory import TidMemory
from ledgernode.sts.pan import Pan
from ledgernode.sts.tid import BaseDate, Tid, issue
from ledgernode.sts.token import ClearTamper, Credit, MaximumPower, mint
from tests.sts.published import METER, PUBLISHED, TOKENS, VENDING_KEY, parameters

KEY = derive(VENDING_KEY, METER)
ROOM = 100_000


def credit(tid: int, *, key: bytes = KEY, units: int = 400) -> str:
    return mint(Credit(tid=Tid(tid), random=5, units=units), key)


def entered(decoder: Decoder, *digits: str) -> Decoder:
    for one in digits:
        decoder = enter(decoder, one, room_units=ROOM).decoder
    return decoder


def changed(decoder: Decoder, **settings: Any) -> tuple[Decoder, bytes]:
    """The decoder after a whole key change, and its new key."""
    new = msgspec.structs.replace(METER, **settings)
    change = key_change(METER, new, VENDING_KEY)
    return entered(decoder, *mint_key_change(change, decoder.key)), derive(VENDING_KEY, new)


def test_a_published_token_is_accepted_once() -> None:
    """The meter of the vector takes it, says what it is, and never again."""
    answer = enter(Decoder(key=KEY), TOKENS[0]["token"], room_units=ROOM)
    assert isinstance(answer.token, Credit)
    assert (answer.token.units, answer.change) == (1, None)
    assert answer.decoder.memory.tids == (TOKENS[0]["tid"],)
    with pytest.raises(TokenUsed):
        enter(answer.decoder, TOKENS[0]["token"], room_units=ROOM)


def altered(digits: str) -> str:
    return digits[:-1] + str((int(digits[-1]) + 1) % 10)


FULL = TidMemory(tuple(Tid(tid) for tid in range(1_000, 1_050)))
OTHER = derive(VENDING_KEY, parameters(TOKENS[1]))
REFUSALS: dict[str, tuple[str, type[LedgerError]]] = {
    "too short": (TOKENS[0]["token"][:-1], TokenMalformed),
    "altered": (altered(credit(2_000)), TokenCheckFailed),
    "for another meter": (credit(2_000, key=OTHER), TokenCheckFailed),
    "of another class": (f"{1 << 27:020d}", TokenClassUnknown),
    "used": (credit(1_001), TokenUsed),
    "old": (credit(999), TokenTooOld),
    "beyond the key's expiry": (credit(2 << 16), TokenKeyExpired),
    "too much": (credit(2_000, units=16_383), TokenCreditOverflow),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_has_a_code_of_its_own(name: str) -> None:
    """What is wrong decides the code; the decoder is a value, so a refusal changes nothing."""
    digits, refusal = REFUSALS[name]
    decoder = Decoder(key=KEY, key_expiry=1, memory=FULL)
    with pytest.raises(refusal) as refused:
        enter(decoder, digits, room_units=16_382)
    assert type(refused.value) is refusal
    assert len({leaf.code for _, leaf in REFUSALS.values()}) == 7


def test_a_credit_that_did_not_fit_fits_later() -> None:
    """Its identifier is not burned."""
    decoder, digits = Decoder(key=KEY), credit(480, units=500)
    with pytest.raises(TokenCreditOverflow) as refused:
        enter(decoder, digits, room_units=499)
    assert refused.value.facts == {"units": 500, "room_units": 499}
    assert enter(decoder, digits, room_units=500).decoder.memory.tids == (480,)


def test_engineering_tokens_are_good_once_too() -> None:
    """They share the identifiers of credits: one number, one token."""
    decoder = entered(Decoder(key=KEY), mint(MaximumPower(tid=Tid(7), random=0, limit_w=1_000), KEY))
    for token in (ClearTamper(tid=Tid(7), random=1), Credit(tid=Tid(7), random=2, units=1)):
        with pytest.raises(TokenUsed):
            enter(decoder, mint(token, KEY), room_units=ROOM)


def test_a_key_change_takes_all_four_in_any_order() -> None:
    """Nothing changes before the last; then the new key reads, and the old one's tokens are another meter's."""
    tokens = PUBLISHED["key_change"]["tokens"]
    decoder = entered(Decoder(key=KEY), credit(1), tokens[3], tokens[1], tokens[0], tokens[0])
    assert decoder.key == KEY
    last = enter(decoder, tokens[2], room_units=ROOM)
    assert last.change is not None
    assert (last.change.tariff_index, last.change.roll_over) == ("02", False)
    new_key = derive(VENDING_KEY, msgspec.structs.replace(METER, tariff_index="02"))
    assert last.decoder == Decoder(key=new_key, memory=TidMemory((Tid(1),)))
    assert entered(last.decoder, credit(2, key=new_key)).memory.tids == (1, 2)
    with pytest.raises(TokenCheckFailed):
        enter(last.decoder, credit(3), room_units=ROOM)


def test_without_roll_over_what_was_used_stays_used() -> None:
    """A new tariff is no second chance for a number."""
    decoder, key = changed(entered(Decoder(key=KEY), credit(480)), tariff_index="02")
    with pytest.raises(TokenUsed):
        enter(decoder, credit(480, key=key), room_units=ROOM)


def test_roll_over_of_the_base_date_forgets_identifiers() -> None:
    """The last minute of 1993's numbers, the key change, and a token of the same minute counted from 2014."""
    moment_ms = BaseDate.Y1993.end_ms - 60_000
    decoder = entered(Decoder(key=KEY), credit(issue(BaseDate.Y1993, moment_ms)))
    decoder, key = changed(decoder, base=BaseDate.Y2014)
    assert decoder.memory.tids == ()
    number = issue(BaseDate.Y2014, moment_ms)
    assert entered(decoder, credit(number, key=key)).memory.tids == (number,)


def test_a_change_brings_its_expiry_number() -> None:
    """The key of this change expires; the one before never did."""
    new = msgspec.structs.replace(METER, key_revision=2)
    change = key_change(METER, new, VENDING_KEY, key_expiry=3)
    decoder = entered(Decoder(key=KEY), *mint_key_change(change, KEY))
    assert decoder.key_expiry == 3
    with pytest.raises(TokenKeyExpired):
        enter(decoder, credit(4 << 16, key=decoder.key), room_units=ROOM)


def test_sections_that_stay_alone_can_be_dropped() -> None:
    """So that an old half of a change never meets a new half."""
    decoder = entered(Decoder(key=KEY), *PUBLISHED["key_change"]["tokens"][:3])
    assert len(decoder.sections) == 3
    assert without_sections(decoder) == Decoder(key=KEY)


def test_a_decoder_is_stored_on_purpose_only() -> None:
    """A key gets into no document by accident; a meter that writes its decoder down says so, and reads it again."""
    decoder = entered(Decoder(key=KEY, key_expiry=9), credit(480), PUBLISHED["key_change"]["tokens"][0])
    for encode in (msgspec.json.encode, msgspec.msgpack.encode, json.dumps):
        with pytest.raises(TypeError):
            encode({"decoder": decoder, "key": decoder.key})
    stored = msgspec.msgpack.encode(decoder, enc_hook=bytes)
    assert msgspec.msgpack.decode(stored, type=Decoder, dec_hook=lambda kind, raw: kind(raw)) == decoder


def test_the_other_meter_is_another() -> None:
    """Guards the vectors above: the two numbers differ, so do their keys."""
    assert parameters(TOKENS[1]).pan == Pan("000001000000000082")
    assert OTHER != KEY
