"""Every published vector, end to end and at each step that it shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from ledgernode.sts import misty1
from ledgernode.sts.block import unseal
from ledgernode.sts.key_change import assemble, key_change, mint_key_change
from ledgernode.sts.keys import derive
from ledgernode.sts.tid import BaseDate, issue
from ledgernode.sts.token import KeyChangeSection, mint, read
from tests.sts.published import METER, PUBLISHED, TOKENS, VENDING_KEY, parameters, said

each_token = pytest.mark.parametrize("vector", TOKENS, ids=lambda vector: vector["case"])


@each_token
def test_a_published_token_is_minted(vector: dict[str, Any]) -> None:
    """Vending key, meter and content give the 20 digits."""
    assert mint(said(vector), derive(VENDING_KEY, parameters(vector))) == vector["token"]


@each_token
def test_a_published_token_is_read(vector: dict[str, Any]) -> None:
    """The meter's key gives back what the token says, and the sixteen bits of its amount."""
    key = derive(VENDING_KEY, parameters(vector))
    assert read(vector["token"], key) == said(vector)
    assert unseal(vector["token"], key).data & 0xFFFF == vector["value"]


@each_token
def test_the_identifier_is_the_minute_of_issue(vector: dict[str, Any]) -> None:
    """Counted from the base date."""
    issued = datetime.strptime(vector["issued"], "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)
    assert issue(BaseDate(vector["base"]), int(issued.timestamp()) * 1_000) == vector["tid"]


def test_key_block_and_cipher_of_the_first_vector() -> None:
    """The steps in between are as published."""
    vector = TOKENS[0]
    key = derive(VENDING_KEY, parameters(vector))
    assert key.hex() == vector["decoder_key"]
    assert misty1.encrypt(bytes.fromhex(vector["block"]), key).hex() == vector["enciphered"]
    assert f"{unseal(vector['token'], key).data:012x}" == vector["block"][:12]


@pytest.mark.parametrize("vector", PUBLISHED["cipher"], ids=lambda vector: vector["block"])
def test_the_cipher_is_misty1(vector: dict[str, str]) -> None:
    """RFC 2994, appendix A."""
    key, block, enciphered = (bytes.fromhex(vector[name]) for name in ("key", "block", "enciphered"))
    assert misty1.encrypt(block, key) == enciphered
    assert misty1.decrypt(enciphered, key) == block


def test_the_published_key_change() -> None:
    """Four tokens under the old key, and the new key put together from them."""
    vector = PUBLISHED["key_change"]
    old, new = METER, msgspec.structs.replace(METER, tariff_index=vector["to_tariff_index"])
    old_key = derive(VENDING_KEY, old)
    change = key_change(old, new, VENDING_KEY)
    assert list(mint_key_change(change, old_key)) == vector["tokens"]
    sections = [read(digits, old_key) for digits in vector["tokens"]]
    assert assemble(section for section in sections if isinstance(section, KeyChangeSection)) == change
    assert change.key == derive(VENDING_KEY, new)
