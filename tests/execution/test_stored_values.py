"""What the state can hold: one form of bytes, fresh copies, and nothing that another host would read otherwise."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from chaincode.api import Record
from ledgernode.errors import BadValue, DepthExceeded, LedgerError, ValueTooLarge
from ledgernode.execution.sandbox.meter import DATA_DEPTH
from ledgernode.execution.values import decode_typed, decode_value, encode_json, encode_value
from ledgernode.identity.records import Role
from ledgernode.wire.parameters import Parameters

LIMITS = Parameters()
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
STORABLE = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | TEXT | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


class Account(Record):
    owner: str
    balance: int
    notes: list[str]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@given(STORABLE)
def test_value_comes_back_as_it_was_put(value: Any) -> None:
    """Every storable value reads back equal, and has the same bytes again."""
    raw = encode_value(value, LIMITS)
    assert decode_value(raw) == value
    assert encode_value(decode_value(raw), LIMITS) == raw


@given(st.dictionaries(TEXT, st.integers(0, 9), min_size=2))
def test_order_of_a_map_does_not_show_in_its_bytes(value: dict[str, int]) -> None:
    """Two nodes that built the same map in another order commit to the same state."""
    backwards = dict(reversed(value.items()))
    assert encode_value(value, LIMITS) == encode_value(backwards, LIMITS)


def test_reading_gives_a_fresh_copy() -> None:
    """Changing what was read, or what was put, changes nothing that is stored."""
    account = Account(owner="alice", balance=5, notes=["first"])
    raw = encode_value(account, LIMITS)
    account.notes.append("later")
    read = decode_typed(raw, Account)
    read.notes.append("mine")
    assert decode_typed(raw, Account) == Account(owner="alice", balance=5, notes=["first"])
    assert decode_value(raw) == {"owner": "alice", "balance": 5, "notes": ["first"]}


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        (1.5, BadValue),
        ([0.0], BadValue),
        ({1: "a"}, BadValue),
        ({"a": {2: "b"}}, BadValue),
        ({1, 2}, BadValue),
        (object(), BadValue),
        (1 << 64, BadValue),
        ([1, 1 << 64], BadValue),
        ({"n": [[2, -(1 << 63) - 1]]}, BadValue),
        (-(1 << 63) - 1, BadValue),
        ("\ud800", BadValue),
        (range(3), BadValue),
        ("x" * (LIMITS.value_bytes + 1), ValueTooLarge),
        ("é" * (LIMITS.value_bytes // 2 + 1), ValueTooLarge),
        ([0] * (LIMITS.value_bytes + 1), ValueTooLarge),
        (nested(DATA_DEPTH + 1), DepthExceeded),
        (nested(100_000), DepthExceeded),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_stored_is_refused(value: Any, refusal: type[LedgerError]) -> None:
    """Floats, other keys than text, sets, large integers, broken text, depth and size."""
    with pytest.raises(refusal):
        encode_value(value, LIMITS)


def test_shared_and_circular_parts_cannot_grow_without_bound() -> None:
    """A value is looked through with a bound before anything is encoded."""
    circle: list[Any] = []
    circle.extend([circle, circle])
    shared: Any = "x" * 1_000
    for _ in range(8):
        shared = [shared] * 100
    for value in (circle, shared):
        with pytest.raises((ValueTooLarge, DepthExceeded)):
            encode_value(value, LIMITS)


def test_looking_through_is_charged_by_size() -> None:
    """A large value costs more than a small one before it is encoded."""
    charged: list[int] = []
    encode_value([[1] * 1_000] * 10, LIMITS, charged.append)
    assert sum(charged) == 5 + 5_000


def test_constants_and_words_of_an_enumeration_are_stored_as_what_they_mean() -> None:
    """A module's read-only map is a map; a role is its text."""
    raw = encode_value({"table": MappingProxyType({"a": 1}), "role": Role.ADMIN, "pair": (1, 2)}, LIMITS)
    assert decode_value(raw) == {"table": {"a": 1}, "role": "admin", "pair": [1, 2]}


@pytest.mark.parametrize("wanted", [int, Account, list[str], dict[str, list[int]]])
def test_value_read_as_another_type_is_refused(wanted: Any) -> None:
    """The contract gets the type it asked for, or a refusal in our own words."""
    with pytest.raises(BadValue, match="does not fit the type"):
        decode_typed(encode_value({"owner": "alice", "balance": 5, "age": 9}, LIMITS), wanted)


def test_large_integers_travel_as_text_in_events() -> None:
    """JSON readers keep 53 bits."""
    payload = {"small": (1 << 53) - 1, "large": 1 << 53, "deep": [{"x": -(1 << 60)}], "who": Account("a", 1 << 55, [])}
    assert msgspec.json.decode(encode_json(payload, LIMITS)) == {
        "small": (1 << 53) - 1,
        "large": "9007199254740992",
        "deep": [{"x": "-1152921504606846976"}],
        "who": {"owner": "a", "balance": "36028797018963968", "notes": []},
    }
