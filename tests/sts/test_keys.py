"""Keys: each thing a meter is set to gives another one, and none is ever shown."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import msgspec
import pytest

from ledgernode.errors import BadMeterNumber, BadTokenKey, BadTokenParameter
from ledgernode.sts.cipher import EA11
from ledgernode.sts.decoder import Decoder
from ledgernode.sts.key_change import key_change, sections
from ledgernode.sts.keys import DecoderKey, KeyType, VendingKey, derive
from ledgernode.sts.tid import BaseDate
from tests.sts.published import METER, VENDING_KEY

ANOTHER: dict[str, Any] = {
    "pan": "000001000000000082",
    "supply_group": "123458",
    "tariff_index": "02",
    "key_revision": 2,
    "key_type": KeyType.DEFAULT,
    "base": BaseDate.Y2014,
}


@pytest.mark.parametrize("name", ANOTHER)
def test_each_setting_gives_another_key(name: str) -> None:
    """A token for another meter, supply group, tariff, revision, type or base date is a token under another key."""
    other = msgspec.structs.replace(METER, **{name: ANOTHER[name]})
    assert derive(VENDING_KEY, other) != derive(VENDING_KEY, METER)


def test_the_vending_key_and_the_cipher_are_part_of_the_key() -> None:
    """Two utilities, or two ciphers, never share a meter's key."""
    keys = {
        derive(VENDING_KEY, METER),
        derive(bytes(20), METER),
        derive(VENDING_KEY, METER, EA11._replace(code="07")),
    }
    assert len(keys) == 3


def test_a_key_is_bytes_like_any_other() -> None:
    """Functions take plain bytes too."""
    assert derive(bytes(VENDING_KEY), METER) == derive(VENDING_KEY, METER)
    assert len(derive(VENDING_KEY, METER)) == EA11.key_bytes


def test_no_key_is_ever_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Printed, formatted, logged, inside of values, inside of errors: a length and nothing else."""
    key = derive(VENDING_KEY, METER)
    change = key_change(METER, msgspec.structs.replace(METER, tariff_index="02"), VENDING_KEY)
    caplog.set_level(logging.INFO)
    logging.getLogger("test").info("%s %r %s", key, VENDING_KEY, {"key": key})
    shown = [repr(key), str(key), f"{key}", f"{VENDING_KEY!r:>60}", repr([VENDING_KEY]), caplog.text]
    shown += [repr(Decoder(key=key)), repr(change), repr(sections(change)), str(sections(change))]
    try:
        VendingKey(bytes(VENDING_KEY) + b"x")
    except BadTokenKey as error:
        shown += [*traceback.format_exception(error), repr(error.facts)]
    for text in shown:
        for secret in (bytes(key), bytes(VENDING_KEY), bytes(change.key)):
            for at in range(0, len(secret) - 3, 4):
                part = secret[at : at + 4]
                assert part.hex() not in text
                assert repr(part)[2:-1] not in text
    assert repr(key) == "DecoderKey(16 bytes)"


@pytest.mark.parametrize("text", ["", "abcd", "ab" * 19, "ab" * 21, "zz" * 20, "é" * 40])
def test_a_vending_key_has_160_bits(text: str) -> None:
    """Neither shorter nor longer; what was given instead is not repeated."""
    with pytest.raises(BadTokenKey) as refused:
        VendingKey.from_hex(text)
    assert not text or text not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("supply_group", "12345"),
        ("supply_group", "12345a"),
        ("supply_group", "123457\n"),
        ("tariff_index", "1"),
        ("tariff_index", "001"),
        ("key_revision", 0),
        ("key_revision", 10),
    ],
)
def test_settings_without_room_in_the_standard_are_refused(name: str, value: Any) -> None:
    """Before a key is derived that no meter has."""
    with pytest.raises(BadTokenParameter):
        msgspec.structs.replace(METER, **{name: value})


def test_a_mistyped_meter_number_gives_no_key() -> None:
    """Money would buy a token that no meter takes."""
    with pytest.raises(BadMeterNumber):
        msgspec.structs.replace(METER, pan="600727000000000008")


def test_a_decoder_key_is_no_vending_key() -> None:
    """Their lengths tell them apart."""
    with pytest.raises(BadTokenKey, match="20 bytes, this one 16"):
        derive(DecoderKey(bytes(16)), METER)
