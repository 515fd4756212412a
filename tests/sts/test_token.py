"""What a token says survives its 20 digits, whatever it is."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import BadTokenAmount, BadTokenParameter, TokenCheckFailed, TokenClassUnknown
from ledgernode.sts import amounts
from ledgernode.sts.block import CREDIT, METER_SPECIFIC, Content, seal
from ledgernode.sts.keys import KeyParameters, KeyType, Secret, derive
from ledgernode.sts.pan import Pan, check_digit, pan_of
from ledgernode.sts.tid import TIDS, BaseDate, Tid
from ledgernode.sts.token import (
    KEY_CHANGE,
    ClearCredit,
    ClearTamper,
    Credit,
    KeyChangeSection,
    MaximumPower,
    PhaseUnbalance,
    Service,
    TariffRate,
    Token,
    class_of,
    mint,
    read,
)
from tests.sts.published import METER, TOKENS, VENDING_KEY, parameters

KEY = derive(VENDING_KEY, METER)
digits = st.text("0123456789", min_size=10, max_size=10)
values = st.integers(0, 0xFFFF)
head = {"tid": st.integers(0, TIDS - 1).map(Tid), "random": st.integers(0, 15)}
watts = values.map(amounts.decode)
tokens: st.SearchStrategy[Token] = st.one_of(
    st.builds(Credit, units=st.integers(1, 0xFFFF).map(amounts.decode), service=st.sampled_from(Service), **head),
    st.builds(MaximumPower, limit_w=watts, **head),
    st.builds(ClearCredit, register=values, **head),
    st.builds(TariffRate, rate=values, **head),
    st.builds(ClearTamper, **head),
    st.builds(PhaseUnbalance, limit_w=watts, **head),
    st.builds(
        KeyChangeSection,
        st.sampled_from(KEY_CHANGE),
        st.integers(0, 0xFFF),
        st.binary(min_size=4, max_size=4).map(Secret),
    ),
)
pans: st.SearchStrategy[Pan] = digits.map(lambda number: pan_of(number + check_digit(number)))
meters = st.builds(
    KeyParameters,
    pan=pans,
    supply_group=st.from_regex(r"\A[0-9]{6}\Z"),
    tariff_index=st.from_regex(r"\A[0-9]{2}\Z"),
    key_revision=st.integers(1, 9),
    key_type=st.sampled_from(KeyType),
    base=st.sampled_from(BaseDate),
)


@given(tokens, meters, st.binary(min_size=20, max_size=20))
def test_what_is_minted_for_a_meter_says_the_same_to_it(token: Token, meter: KeyParameters, vending_key: bytes) -> None:
    """For every kind of token, every setting of a meter, every vending key."""
    key = derive(vending_key, meter)
    assert read(mint(token, key), key) == token


@given(tokens)
def test_the_class_is_seen_without_a_key(token: Token) -> None:
    """Bits 28 and 27 of the number."""
    assert int(mint(token, KEY)) >> 27 & 0b11 == class_of(token)[0]


@given(tokens)
def test_another_meter_reads_nothing(token: Token) -> None:
    """The other meter of the published vectors refuses whatever is minted for the first, but for the check's 1 in
    65,536; so a token that passes must at least say something else."""
    other = derive(VENDING_KEY, parameters(TOKENS[1]))
    with contextlib.suppress(TokenCheckFailed, TokenClassUnknown, BadTokenAmount):
        assert read(mint(token, KEY), other) != token


@pytest.mark.parametrize("content", [(CREDIT, 3), (CREDIT, 15), (METER_SPECIFIC, 7), (METER_SPECIFIC, 10)])
def test_subclasses_without_a_meaning_are_refused(content: tuple[int, int]) -> None:
    """The check holds, so the digits were right: the refusal says that the meter has no use for it."""
    token_class, subclass = content
    with pytest.raises(TokenClassUnknown, match=f"class {token_class}, subclass {subclass}"):
        read(seal(Content(token_class, subclass << 44), KEY), KEY)


@pytest.mark.parametrize(
    ("kind", "values", "refusal"),
    [
        (Credit, {"units": 0}, BadTokenAmount),
        (Credit, {"units": -1}, BadTokenAmount),
        (Credit, {"units": 16_385}, BadTokenAmount),
        (Credit, {"units": amounts.LARGEST + 1}, BadTokenAmount),
        (Credit, {"units": 1, "random": 16}, BadTokenParameter),
        (Credit, {"units": 1, "tid": TIDS}, BadTokenParameter),
        (Credit, {"units": 1, "tid": -1}, BadTokenParameter),
        (MaximumPower, {"limit_w": 16_385}, BadTokenAmount),
        (PhaseUnbalance, {"limit_w": amounts.LARGEST + 1}, BadTokenAmount),
        (TariffRate, {"rate": 0x10000}, BadTokenParameter),
        (ClearCredit, {"register": -1}, BadTokenParameter),
    ],
)
def test_a_token_that_cannot_be_minted_cannot_be_made(
    kind: type[Any], values: dict[str, int], refusal: type[Exception]
) -> None:
    """Each field has its bits, and amounts are exact."""
    with pytest.raises(refusal):
        kind(**{"tid": 1, "random": 0, **values})


def test_random_bits_alone_change_all_digits() -> None:
    """Two credits that differ in nothing else look unrelated."""
    one, two = (mint(Credit(tid=Tid(480), random=random, units=1), KEY) for random in (0, 1))
    assert sum(a != b for a, b in zip(one, two, strict=True)) > 10
