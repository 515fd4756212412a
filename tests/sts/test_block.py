"""Check, cipher and transposition, each against a plain second reading of the standard."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import LedgerError, TokenCheckFailed, TokenClassUnknown, TokenMalformed
from ledgernode.sts.block import CREDIT, METER_SPECIFIC, TOKEN_BITS, Content, check, seal, unseal
from ledgernode.sts.cipher import Cipher
from ledgernode.sts.keys import derive
from tests.sts.published import METER, TOKENS, VENDING_KEY, parameters

NO_CIPHER = Cipher("00", 0, lambda block, _: block, lambda block, _: block)
contents = st.builds(Content, st.sampled_from([CREDIT, METER_SPECIFIC]), st.integers(0, (1 << 48) - 1))
keys = st.binary(min_size=16, max_size=16)


def bitwise_check(content: Content) -> int:
    """One bit at a time, as the polynomial is written."""
    remainder = 0xFFFF
    for byte in (content.token_class << 48 | content.data).to_bytes(7, "big"):
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ 0xA001 if remainder & 1 else remainder >> 1
    return int.from_bytes(remainder.to_bytes(2, "little"), "big")


@given(contents)
def test_the_check_is_the_standards_polynomial(content: Content) -> None:
    """A table is only faster."""
    assert check(content) == bitwise_check(content)


@given(contents)
def test_the_class_takes_the_place_of_two_bits_that_move_to_the_front(content: Content) -> None:
    """With no cipher the block is seen through the digits, bit by bit."""
    number = f"{int(seal(content, b'', NO_CIPHER)):066b}"
    block = f"{content.data:048b}{check(content):016b}"
    assert number[2 + 35 : 2 + 37] == f"{content.token_class:02b}"  # bits 28 and 27 of 64
    assert number[2:37] + number[:2] + number[39:] == block


@given(contents, keys)
def test_what_is_sealed_is_unsealed(content: Content, key: bytes) -> None:
    """For every content and key: 20 digits, and back."""
    digits = seal(content, key)
    assert len(digits) == 20
    assert digits.isdigit()
    assert int(digits) < 1 << TOKEN_BITS
    assert unseal(digits, key) == content


@given(st.lists(contents, min_size=2, max_size=20, unique=True), keys)
def test_no_two_contents_share_their_digits(different: list[Content], key: bytes) -> None:
    """Under one key sealing is one to one."""
    assert len({seal(content, key) for content in different}) == len(different)


@pytest.mark.parametrize("vector", TOKENS, ids=lambda vector: vector["case"])
def test_every_altered_digit_of_the_published_tokens_is_refused(vector: dict[str, str]) -> None:
    """All 180 ways to mistype one digit, and all exchanges of two neighbours."""
    key, token = derive(VENDING_KEY, parameters(vector)), vector["token"]
    altered = {token[:at] + digit + token[at + 1 :] for at in range(20) for digit in "0123456789"}
    altered |= {token[:at] + token[at + 1] + token[at] + token[at + 2 :] for at in range(19)}
    for digits in altered - {token}:
        with pytest.raises((TokenCheckFailed, TokenClassUnknown, TokenMalformed)):
            unseal(digits, key)


def wrongly_accepted(attempts: int, seed: int) -> int:
    """How many wrong tokens a meter takes: its own with a digit altered, and another meter's, by turns."""
    chance, accepted = Random(seed), 0
    for attempt in range(attempts):
        key, other = chance.randbytes(16), chance.randbytes(16)
        digits = seal(Content(CREDIT, chance.getrandbits(48)), key)
        if attempt % 2:
            at = chance.randrange(20)
            digits = digits[:at] + str((int(digits[at]) + chance.randrange(1, 10)) % 10) + digits[at + 1 :]
            other = key
        try:
            unseal(digits, other)
        except LedgerError:
            continue
        accepted += 1
    return accepted


def test_wrong_tokens_pass_no_oftener_than_the_check_allows() -> None:
    """Sixteen bits let 1 in 65,536 through: of ten thousand wrong ones none or one, and no kind is let through."""
    assert wrongly_accepted(10_000, seed=1) <= 1


def test_digits_are_read_as_people_write_them() -> None:
    """In groups of four, with hyphens or blanks."""
    key, token = derive(VENDING_KEY, METER), TOKENS[0]["token"]
    grouped = [token[at : at + 4] for at in range(0, 20, 4)]
    assert unseal(" ".join(grouped), key) == unseal("-".join(grouped), key) == unseal(token, key)


@pytest.mark.parametrize(
    "text",
    ["", "5938632347213742696", "593863234721374269670", "5938632347213742696x", "\u0665" * 20, "73786976294838206464"],
)
def test_what_is_no_token_is_refused_as_such(text: str) -> None:
    """Wrong length, other characters, and numbers above 66 bits."""
    with pytest.raises(TokenMalformed):
        unseal(text, bytes(16))


@pytest.mark.parametrize("token_class", [1, 3])
def test_classes_without_a_key_are_refused_by_name(token_class: int) -> None:
    """A meter says that it does not know the class, not that a digit is wrong."""
    with pytest.raises(TokenClassUnknown, match=f"class {token_class}"):
        unseal(f"{token_class << 27:020d}", bytes(16))
